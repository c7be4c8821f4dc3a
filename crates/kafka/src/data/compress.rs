//! The four codecs of record batches, in the framings that Kafka's Java client uses.
//!
//! Decompression is bounded: a batch of a kilobyte can claim to expand to gigabytes. Output grows as it is produced and
//! stops at the limit.

use std::io::{self, Read, Write};

use bytes::Bytes;

use super::batch::Compression;
use crate::wire::reader::{Malformed, Reader};

/// Header of snappy-java's stream framing: magic, version 1, compatible with version 1.
const XERIAL: &[u8; 16] = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";
/// Block size of snappy-java's stream framing.
const XERIAL_BLOCK: usize = 32 * 1024;
/// Snappy's densest element: 64 bytes out of two.
const SNAPPY_RATIO: usize = 64;
/// The level that Kafka's producer uses unless told otherwise.
const ZSTD_LEVEL: i32 = 3;

const BROKEN: Malformed = Malformed("its compressed part is damaged");
const TOO_LARGE: Malformed = Malformed("it expands beyond the limit");

pub(crate) fn compress(codec: Compression, plain: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        Compression::None => Ok(plain.to_vec()),
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(plain)?;
            out.finish()
        }
        Compression::Snappy => {
            let mut out = XERIAL.to_vec();
            for block in plain.chunks(XERIAL_BLOCK) {
                let packed = snap::raw::Encoder::new()
                    .compress_vec(block)
                    .map_err(io::Error::other)?;
                out.extend_from_slice(
                    &u32::try_from(packed.len())
                        .map_err(io::Error::other)?
                        .to_be_bytes(),
                );
                out.extend_from_slice(&packed);
            }
            Ok(out)
        }
        Compression::Lz4 => {
            // Java reads independent blocks only.
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            out.write_all(plain)?;
            out.finish().map_err(io::Error::other)
        }
        Compression::Zstd => zstd::stream::encode_all(plain, ZSTD_LEVEL),
    }
}

pub(crate) fn decompress(
    codec: Compression,
    packed: Bytes,
    limit: usize,
) -> Result<Bytes, Malformed> {
    match codec {
        Compression::None => Ok(packed),
        Compression::Gzip => drain(flate2::read::MultiGzDecoder::new(&packed[..]), limit),
        Compression::Snappy => snappy(packed, limit),
        Compression::Lz4 => drain(lz4_flex::frame::FrameDecoder::new(&packed[..]), limit),
        Compression::Zstd => drain(
            zstd::stream::read::Decoder::new(&packed[..]).map_err(|_| BROKEN)?,
            limit,
        ),
    }
}

fn drain(stream: impl Read, limit: usize) -> Result<Bytes, Malformed> {
    let mut plain = Vec::new();
    // One more than allowed, to tell "exactly the limit" from "more".
    stream
        .take(limit as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| BROKEN)?;
    if plain.len() > limit {
        return Err(TOO_LARGE);
    }
    Ok(plain.into())
}

fn snappy(packed: Bytes, limit: usize) -> Result<Bytes, Malformed> {
    if !packed.starts_with(XERIAL) {
        // librdkafka and others write one raw block.
        let mut plain = Vec::new();
        snappy_block(&packed, &mut plain, limit)?;
        return Ok(plain.into());
    }
    let mut reader = Reader(packed.slice(XERIAL.len()..));
    let mut plain = Vec::new();
    while reader.left() > 0 {
        let len = reader.u32()? as usize;
        snappy_block(&reader.bytes(len)?, &mut plain, limit)?;
    }
    Ok(plain.into())
}

fn snappy_block(block: &[u8], plain: &mut Vec<u8>, limit: usize) -> Result<(), Malformed> {
    let claim = snap::raw::decompress_len(block).map_err(|_| BROKEN)?;
    if claim > block.len().saturating_mul(SNAPPY_RATIO) {
        return Err(BROKEN);
    }
    let start = plain.len();
    if start + claim > limit {
        return Err(TOO_LARGE);
    }
    plain.resize(start + claim, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut plain[start..])
        .map_err(|_| BROKEN)?;
    plain.truncate(start + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 8 << 20];
        for codec in &ALL[1..] {
            let packed = Bytes::from(compress(*codec, &zeros).unwrap());
            assert!(packed.len() < zeros.len() / 10, "{codec:?}");
            assert_eq!(
                decompress(*codec, packed.clone(), zeros.len() - 1),
                Err(TOO_LARGE),
                "{codec:?}"
            );
            assert_eq!(
                decompress(*codec, packed, zeros.len()).unwrap(),
                zeros,
                "{codec:?}"
            );
        }
    }

    #[test]
    fn snappy_without_framing_is_read_too() {
        let text = b"a raw block, as other clients than Java's write it, a raw block, a raw block"
            .repeat(3);
        let raw = snap::raw::Encoder::new().compress_vec(&text).unwrap();
        assert_eq!(
            decompress(Compression::Snappy, raw.into(), 1000).unwrap(),
            text
        );
        // 4 GiB claimed by six bytes.
        let lie = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00]);
        assert_eq!(
            decompress(Compression::Snappy, lie, usize::MAX - 1),
            Err(BROKEN)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn every_codec_round_trips(plain in prop::collection::vec(any::<u8>(), 0..70_000)) {
            for codec in ALL {
                let packed = compress(codec, &plain).unwrap();
                prop_assert_eq!(&decompress(codec, packed.into(), 1 << 20).unwrap()[..], &plain[..]);
            }
        }

        #[test]
        fn damage_is_an_error_or_other_bytes_never_a_panic(plain in prop::collection::vec(0_u8..4, 0..500), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            for codec in ALL {
                let mut packed = compress(codec, &plain).unwrap();
                for (at, byte) in edits.iter().filter(|_| !plain.is_empty()) {
                    let at = at.index(packed.len());
                    packed[at] = *byte;
                }
                if let Ok(out) = decompress(codec, packed.into(), 4096) {
                    prop_assert!(out.len() <= 4096);
                }
            }
        }
    }
}
