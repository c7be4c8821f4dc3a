//! What is written is read back, and damage is an error.

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
