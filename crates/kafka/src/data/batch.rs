//! The record batch, magic 2 (KIP-98): writing one, and reading whatever a fetch answer holds.
//!
//! Reading trusts nothing: lengths, counts and the checksum are verified, compressed parts are bounded. Sequence numbers
//! come from the producer; offsets from the broker.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;

use super::compress;
use super::record::{Header, Record};
use crate::error::KafkaError;
use crate::wire::reader::{Malformed, Reader, put_varlong};

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
mod tests;
