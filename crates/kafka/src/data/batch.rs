//! The record batch, magic 2 (KIP-98): writing one, and reading whatever a fetch answer holds.
//!
//! Reading trusts nothing: lengths, counts and the checksum are verified, compressed parts are bounded. Sequence numbers
//! come from the producer; offsets from the broker.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;

use super::compress;
use super::reader::{Malformed, Reader, put_varlong};
use super::record::{Header, Record};
use crate::error::KafkaError;

/// How a batch is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip
    Gzip,
    /// Snappy, in snappy-java's framing.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Compression {
    fn bits(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    fn from_bits(bits: i16) -> Option<Self> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|c| c.bits() == bits)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

impl FromStr for Compression {
    type Err = KafkaError;

    /// Kafka's names: `none`, `gzip`, `snappy`, `lz4`, `zstd`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd]
            .into_iter()
            .find(|c| c.to_string() == s)
            .ok_or_else(|| {
                KafkaError::config(format!("{s:?} is not one of none, gzip, snappy, lz4, zstd"))
            })
    }
}

/// Who writes a batch: what makes a repeated one recognisable to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    /// Of the first record.
    pub(crate) first: i32,
}

/// Bytes from the batch's start to its records.
const HEAD: usize = 61;
/// Bytes from the batch's start to just behind its length field.
const LENGTH_END: usize = 12;
/// Bytes from the batch's start to what the checksum covers.
const CRC_END: usize = 21;
/// Where the format version is, in every version of it.
const MAGIC_AT: usize = 16;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 1 << 3;
const CONTROL: i16 = 1 << 5;

/// About what a record adds to a batch, uncompressed.
pub(crate) fn estimate(record: &Record) -> usize {
    let field = |bytes: Option<&Bytes>| bytes.map_or(0, Bytes::len) + 5;
    let headers: usize = record
        .headers
        .iter()
        .map(|h| h.key.len() + 5 + field(h.value.as_ref()))
        .sum();
    20 + field(record.key.as_ref()) + field(record.value.as_ref()) + headers
}

/// Writes `records` (at least one) as one batch; `now_ms` stands in for absent timestamps.
pub(crate) fn encode(
    records: &[Record],
    codec: Compression,
    sequence: Sequence,
    now_ms: i64,
) -> Result<Bytes, KafkaError> {
    let too_large = || KafkaError::config("a record batch would exceed 2 GiB");
    let count = i32::try_from(records.len()).map_err(|_| too_large())?;
    let stamp = |r: &Record| r.timestamp_ms.unwrap_or(now_ms);
    let base_ms = records.iter().map(stamp).min().unwrap_or(now_ms);
    let max_ms = records.iter().map(stamp).max().unwrap_or(now_ms);

    let mut body = Vec::with_capacity(records.iter().map(estimate).sum());
    let mut one = Vec::new();
    for (delta, record) in (0_i64..).zip(records) {
        one.clear();
        one.push(0);
        put_varlong(&mut one, stamp(record).saturating_sub(base_ms));
        put_varlong(&mut one, delta);
        put_nullable(&mut one, record.key.as_deref());
        put_nullable(&mut one, record.value.as_deref());
        put_varlong(&mut one, record.headers.len() as i64);
        for header in &record.headers {
            put_nullable(&mut one, Some(header.key.as_bytes()));
            put_nullable(&mut one, header.value.as_deref());
        }
        put_varlong(&mut body, one.len() as i64);
        body.extend_from_slice(&one);
    }
    let body = match codec {
        Compression::None => body,
        codec => compress::compress(codec, &body)
            .map_err(|e| KafkaError::config(format!("{codec}: {e}")))?,
    };

    let length = i32::try_from(HEAD - LENGTH_END + body.len()).map_err(|_| too_large())?;
    let mut batch = Vec::with_capacity(HEAD + body.len());
    batch.extend_from_slice(&0_i64.to_be_bytes());
    batch.extend_from_slice(&length.to_be_bytes());
    batch.extend_from_slice(&(-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend_from_slice(&[0; 4]);
    batch.extend_from_slice(&codec.bits().to_be_bytes());
    batch.extend_from_slice(&(count - 1).to_be_bytes());
    batch.extend_from_slice(&base_ms.to_be_bytes());
    batch.extend_from_slice(&max_ms.to_be_bytes());
    batch.extend_from_slice(&sequence.producer_id.to_be_bytes());
    batch.extend_from_slice(&sequence.epoch.to_be_bytes());
    batch.extend_from_slice(&sequence.first.to_be_bytes());
    batch.extend_from_slice(&count.to_be_bytes());
    batch.extend_from_slice(&body);
    let crc = crc32c::crc32c(&batch[CRC_END..]);
    batch[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_be_bytes());
    Ok(batch.into())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

/// One batch of a fetch answer.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The offset after the batch's last one, which compaction may have removed.
    pub(crate) next_offset: i64,
    /// Empty for a control batch (transaction markers): those are Kafka's, not the user's.
    pub(crate) records: Vec<Stored>,
}

/// One record of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
    pub(crate) key: Option<Bytes>,
    pub(crate) value: Option<Bytes>,
    pub(crate) headers: Vec<Header>,
}

/// Reads the next batch; `None` at the end, where brokers may leave a piece of a batch that did not fit.
///
/// Nothing follows an error: what comes after a damaged batch has no known beginning.
pub(crate) fn decode_next(input: &mut Bytes, limit: usize) -> Option<Result<Batch, Malformed>> {
    let magic = *input.get(MAGIC_AT)?;
    let length = i32::from_be_bytes(*input.get(8..LENGTH_END)?.first_chunk::<4>()?);
    let whole = usize::try_from(length)
        .ok()
        .map(|length| length + LENGTH_END);
    if whole.is_some_and(|whole| whole > input.len()) {
        return None;
    }
    let batch = match (whole, magic) {
        (None, _) => Err(Malformed("its length is negative")),
        (Some(whole), 2) if whole >= HEAD => decode(input.split_to(whole), limit),
        (_, 2) => Err(Malformed("it is shorter than its own header")),
        (_, 0 | 1) => Err(Malformed(
            "it has the format of Kafka before 0.11, which this client does not read",
        )),
        _ => Err(Malformed("it has a format that this client does not know")),
    };
    if batch.is_err() {
        input.clear();
    }
    Some(batch)
}

fn decode(batch: Bytes, limit: usize) -> Result<Batch, Malformed> {
    let mut head = Reader(batch.clone());
    let base_offset = head.i64()?;
    head.bytes(MAGIC_AT + 1 - 8)?;
    if head.u32()? != crc32c::crc32c(&batch[CRC_END..]) {
        return Err(Malformed("its checksum is wrong"));
    }
    let attributes = head.i16()?;
    let last_delta = head.i32()?;
    let base_ms = head.i64()?;
    let max_ms = head.i64()?;
    head.bytes(8 + 2 + 4)?;
    let count = head.i32()?;

    let next_offset = base_offset
        .checked_add(i64::from(last_delta))
        .and_then(|last| last.checked_add(1))
        .filter(|next| base_offset >= 0 && *next > base_offset)
        .ok_or(Malformed("its offsets are out of range"))?;
    if attributes & CONTROL != 0 {
        return Ok(Batch {
            next_offset,
            records: Vec::new(),
        });
    }
    let codec = Compression::from_bits(attributes & CODEC_MASK)
        .ok_or(Malformed("its compression is unknown"))?;
    let mut body = Reader(compress::decompress(codec, head.0, limit)?);

    let mut records = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(body.varint()?)
            .map_err(|_| Malformed("a record's length is negative"))?;
        let mut stored = decode_record(&mut Reader(body.bytes(len)?), base_offset, base_ms)?;
        if !(base_offset..next_offset).contains(&stored.offset) {
            return Err(Malformed("a record's offset lies outside its batch"));
        }
        if attributes & LOG_APPEND_TIME != 0 {
            stored.timestamp_ms = max_ms;
        }
        records.push(stored);
    }
    if count < 0 || body.left() > 0 {
        return Err(Malformed("its record count is wrong"));
    }
    Ok(Batch {
        next_offset,
        records,
    })
}

fn decode_record(record: &mut Reader, base_offset: i64, base_ms: i64) -> Result<Stored, Malformed> {
    record.u8()?;
    let timestamp_ms = base_ms.wrapping_add(record.varlong()?);
    let offset = base_offset.saturating_add(i64::from(record.varint()?));
    let key = record.nullable()?;
    let value = record.nullable()?;
    let mut headers = Vec::new();
    for _ in 0..record.varint()? {
        let name = record
            .nullable()?
            .ok_or(Malformed("a header has no name"))?;
        // Kafka says UTF-8 but does not check; a damaged name must not hide the record.
        headers.push(Header {
            key: String::from_utf8_lossy(&name).into_owned(),
            value: record.nullable()?,
        });
    }
    Ok(Stored {
        offset,
        timestamp_ms,
        key,
        value,
        headers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 1 << 20;
    const CODECS: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    fn bytes() -> impl Strategy<Value = Option<Bytes>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let header = ("[a-c]{0,3}", bytes()).prop_map(|(key, value)| Header { key, value });
        let record = (
            bytes(),
            bytes(),
            prop::collection::vec(header, 0..4),
            prop::option::of(0_i64..1 << 50),
        )
            .prop_map(|(key, value, headers, timestamp_ms)| Record {
                key,
                value,
                headers,
                timestamp_ms,
                partition: None,
            });
        prop::collection::vec(record, 1..20)
    }

    fn sequence() -> Sequence {
        Sequence {
            producer_id: 5,
            epoch: 1,
            first: 9,
        }
    }

    fn decode_all(mut input: Bytes) -> Vec<Result<Batch, Malformed>> {
        std::iter::from_fn(|| decode_next(&mut input, LIMIT)).collect()
    }

    proptest! {
        #[test]
        fn every_codec_round_trips(records in records(), codec in prop::sample::select(&CODECS[..])) {
            let one = encode(&records, codec, sequence(), 77).unwrap();
            // Twice, and the piece of a third that a broker may leave at the end.
            let wire = [&one[..], &one, &one[..one.len() - 1]].concat();
            let batches = decode_all(wire.into());
            prop_assert_eq!(batches.len(), 2);
            for batch in batches {
                let batch = batch.unwrap();
                prop_assert_eq!(batch.next_offset, records.len() as i64);
                for ((at, stored), record) in (0_i64..).zip(batch.records).zip(&records) {
                    prop_assert_eq!(stored.offset, at);
                    prop_assert_eq!(stored.timestamp_ms, record.timestamp_ms.unwrap_or(77));
                    prop_assert_eq!((&stored.key, &stored.value), (&record.key, &record.value));
                    prop_assert!(stored.headers == record.headers);
                }
            }
        }

        #[test]
        fn a_changed_byte_is_noticed(records in records(), codec in prop::sample::select(&CODECS[..]), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut wire = encode(&records, codec, sequence(), 77).unwrap().to_vec();
            let at = CRC_END - 4 + at.index(wire.len() - CRC_END + 4);
            wire[at] ^= flip;
            prop_assert!(decode_all(wire.into())[0].is_err());
        }

        /// With a checksum that fits, so that the damage reaches the record reader.
        #[test]
        fn no_batch_is_too_hostile(records in records(), codec in prop::sample::select(&CODECS[..]), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10)) {
            let mut wire = encode(&records, codec, sequence(), 77).unwrap().to_vec();
            for (at, byte) in edits {
                let at = at.index(wire.len());
                wire[at] = byte;
            }
            let crc = crc32c::crc32c(&wire[CRC_END..]);
            wire[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_be_bytes());
            for batch in decode_all(wire.into()).into_iter().flatten() {
                prop_assert!(batch.next_offset > 0);
            }
        }

        #[test]
        fn nor_are_random_bytes(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            decode_all(wire.into());
        }
    }

    #[test]
    fn the_codec_of_the_wire_reads_what_we_write() {
        let record = Record {
            key: Some("k".into()),
            value: Some("v".into()),
            timestamp_ms: Some(3),
            ..Record::default()
        };
        let mut wire = encode(&[record], Compression::None, sequence(), 77).unwrap();
        let read = kafka_protocol::records::RecordBatchDecoder::decode(&mut wire).unwrap();
        let first = &read.records[0];
        assert_eq!(
            (
                first.producer_id,
                first.producer_epoch,
                first.sequence,
                first.timestamp
            ),
            (5, 1, 9, 3)
        );
        assert_eq!(
            (first.key.as_deref(), first.value.as_deref()),
            (Some(&b"k"[..]), Some(&b"v"[..]))
        );
    }

    #[test]
    fn control_batches_move_the_offset_and_hold_nothing() {
        let mut wire = encode(&[Record::default()], Compression::None, sequence(), 77)
            .unwrap()
            .to_vec();
        wire[22] |= 1 << 5;
        let crc = crc32c::crc32c(&wire[CRC_END..]);
        wire[CRC_END - 4..CRC_END].copy_from_slice(&crc.to_be_bytes());
        let batch = decode_all(wire.into()).remove(0).unwrap();
        assert_eq!((batch.next_offset, batch.records.len()), (1, 0));
    }

    #[test]
    fn formats_of_long_ago_are_named() {
        let mut wire = encode(&[Record::default()], Compression::None, sequence(), 77)
            .unwrap()
            .to_vec();
        wire[MAGIC_AT] = 1;
        assert!(
            decode_all(wire.into())[0]
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("before 0.11")
        );
    }
}
