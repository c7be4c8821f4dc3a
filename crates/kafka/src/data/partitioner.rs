//! Which partition a record goes to, as Kafka's own producer decides it.
//!
//! Keys: murmur2 (`org.apache.kafka.common.utils.Utils.murmur2`), so that a key meets the partition that every other
//! Kafka client would choose. Null keys: stick to a partition for a batch's worth, then move on (KIP-480).

use rand::Rng;

/// Null-keyed bytes that stay together before the next partition's turn; Kafka's default `batch.size`.
const STICK_BYTES: usize = 16 * 1024;

/// Kafka's murmur2 of `data` (seed 0x9747b28c), as the signed number that Java has.
pub fn murmur2(data: &[u8]) -> i32 {
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Kafka hashes keys far below 4 GiB; the length takes part modulo 2^32 there too.
    let mut h: u32 = 0x9747_b28c ^ (data.len() as u32);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (shift, byte) in tail.iter().enumerate() {
            h ^= u32::from(*byte) << (8 * shift);
        }
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^= h >> 15;
    h.cast_signed()
}

/// The partition of a keyed record among `partitions` (at least 1).
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & i32::MAX) % partitions.max(1)
}

/// Chooses partitions for records without a key.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    current: Option<i32>,
    bytes: usize,
}

impl Sticky {
    /// The partition for a record of `size` bytes, among those of `available` (led ones, if any is).
    pub(crate) fn choose(&mut self, available: &[i32], size: usize) -> Option<i32> {
        let keep = self
            .current
            .filter(|p| self.bytes < STICK_BYTES && available.contains(p));
        let chosen = match keep {
            Some(partition) => partition,
            None => {
                self.bytes = 0;
                *match self
                    .current
                    .and_then(|p| available.iter().position(|a| *a == p))
                {
                    Some(at) => available.get((at + 1) % available.len()),
                    // Start anywhere, so that many short-lived producers do not all load partition 0.
                    None if available.is_empty() => None,
                    None => available.get(rand::rng().random_range(0..available.len())),
                }?
            }
        };
        self.bytes += size;
        self.current = Some(chosen);
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn murmur2_agrees_with_kafka() {
        for (key, hash) in [
            (&b"21"[..], -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key), hash, "{}", String::from_utf8_lossy(key));
        }
        assert_eq!(
            partition_for_key(b"foobar", 10),
            (-790_332_482 & i32::MAX) % 10
        );
    }

    #[test]
    fn null_keys_stick_for_a_batch_and_reach_every_partition() {
        let mut sticky = Sticky::default();
        let chosen: Vec<i32> = (0..64)
            .filter_map(|_| sticky.choose(&[0, 1, 2, 5], 1024))
            .collect();
        for run in chosen.chunks(16) {
            assert!(run.iter().all(|p| *p == run[0]), "{chosen:?}");
        }
        let mut reached: Vec<i32> = chosen.iter().step_by(16).copied().collect();
        reached.sort_unstable();
        assert_eq!(reached, [0, 1, 2, 5]);
        assert_eq!(sticky.choose(&[], 1), None);
        assert_eq!(sticky.choose(&[7], 1), Some(7));
    }
}
