//! Reading a Fetch answer (version 12) by hand.
//!
//! The generated decoder would do, were it not for record fields of up to a hundred megabytes: next to them a hostile
//! array length can no longer be told from an honest byte length (see `wire/guard.rs`). Here each length has its meaning.

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::reader::{Malformed, Read, Reader};

/// One partition's part of the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    /// Record batches, undecoded; empty when there is nothing new.
    pub(crate) records: Bytes,
}

/// The answer's own error code, and its partitions.
pub(crate) fn read(answer: Bytes) -> Read<(i16, Vec<Fetched>)> {
    let mut r = Reader(answer);
    r.i32()?; // correlation id
    r.skip_tags()?;
    r.i32()?; // throttle time
    let error_code = r.i16()?;
    r.i32()?; // session id
    let mut found = Vec::new();
    for _ in 0..r.compact_len()?.unwrap_or(0) {
        let len = r.compact_len()?.ok_or(Malformed("a topic has no name"))?;
        let name = r.bytes(len)?;
        let topic: Arc<str> = std::str::from_utf8(&name)
            .map_err(|_| Malformed("a topic's name is not UTF-8"))?
            .into();
        for _ in 0..r.compact_len()?.unwrap_or(0) {
            found.push(partition(&mut r, &topic)?);
        }
        r.skip_tags()?;
    }
    r.skip_tags()?;
    Ok((error_code, found))
}

fn partition(r: &mut Reader, topic: &Arc<str>) -> Read<Fetched> {
    let partition = r.i32()?;
    let error_code = r.i16()?;
    let high_watermark = r.i64()?;
    r.i64()?; // last stable offset
    r.i64()?; // log start offset
    for _ in 0..r.compact_len()?.unwrap_or(0) {
        r.bytes(8 + 8)?; // an aborted transaction: producer id, first offset
        r.skip_tags()?;
    }
    r.i32()?; // preferred read replica
    let len = r.compact_len()?.unwrap_or(0);
    let records = r.bytes(len)?;
    r.skip_tags()?;
    Ok(Fetched {
        topic: Arc::clone(topic),
        partition,
        error_code,
        high_watermark,
        records,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction, FetchableTopicResponse, PartitionData,
    };
    use kafka_protocol::messages::{FetchResponse, ResponseHeader};
    use kafka_protocol::protocol::Encodable;
    use proptest::prelude::*;

    fn answer(parts: &[(i32, i16, Vec<u8>)], aborted: bool) -> Bytes {
        let partitions = parts.iter().map(|(index, error, records)| {
            PartitionData::default()
                .with_partition_index(*index)
                .with_error_code(*error)
                .with_high_watermark(9)
                .with_aborted_transactions(aborted.then(|| vec![AbortedTransaction::default()]))
                .with_records(Some(records.clone().into()))
        });
        let topic = FetchableTopicResponse::default()
            .with_topic(crate::admin::topic_name("t"))
            .with_partitions(partitions.collect());
        let mut out = BytesMut::new();
        ResponseHeader::default().encode(&mut out, 1).unwrap();
        FetchResponse::default()
            .with_responses(vec![topic])
            .encode(&mut out, 12)
            .unwrap();
        out.freeze()
    }

    proptest! {
        #[test]
        fn what_the_codec_writes_is_read(parts in prop::collection::vec((any::<i32>(), any::<i16>(), prop::collection::vec(any::<u8>(), 0..300)), 0..5), aborted in any::<bool>()) {
            let (error, found) = read(answer(&parts, aborted)).unwrap();
            prop_assert_eq!(error, 0);
            let found: Vec<_> = found.into_iter().map(|f| (f.partition, f.error_code, f.records.to_vec())).collect();
            prop_assert_eq!(found, parts);
        }

        #[test]
        fn damage_is_an_error_never_a_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
            let mut wire = answer(&[(0, 0, vec![1; 40]), (1, 6, vec![])], true).to_vec();
            for (at, byte) in edits {
                let at = at.index(wire.len());
                wire[at] = byte;
            }
            let _ = read(wire.clone().into());
            wire.truncate(cut.index(wire.len()));
            let _ = read(wire.into());
        }

        #[test]
        fn nor_do_random_bytes(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(wire.into());
        }
    }
}
