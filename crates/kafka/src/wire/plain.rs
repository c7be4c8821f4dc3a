//! Answers of the two calls that have no flexible version, read by hand.
//!
//! Their lengths are plain numbers among others, which the guard cannot tell apart; here each has its meaning.

use bytes::Bytes;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteResponse, SaslHandshakeResponse, TopicName};

use crate::wire::reader::{Read, Reader};

/// OffsetDelete, version 0.
pub(super) fn offset_delete(body: Bytes) -> Read<OffsetDeleteResponse> {
    let mut r = Reader(body);
    let error_code = r.i16()?;
    let throttle_time_ms = r.i32()?;
    let topics = r.array(|r| {
        let name = TopicName(r.short_text()?.into());
        let partitions = r.array(|r| {
            Ok(OffsetDeleteResponsePartition::default()
                .with_partition_index(r.i32()?)
                .with_error_code(r.i16()?))
        })?;
        Ok(OffsetDeleteResponseTopic::default()
            .with_name(name)
            .with_partitions(partitions))
    })?;
    Ok(OffsetDeleteResponse::default()
        .with_error_code(error_code)
        .with_throttle_time_ms(throttle_time_ms)
        .with_topics(topics))
}

/// SaslHandshake, version 1.
pub(super) fn sasl_handshake(body: Bytes) -> Read<SaslHandshakeResponse> {
    let mut r = Reader(body);
    let error_code = r.i16()?;
    let mechanisms = r.array(|r| Ok(r.short_text()?.into()))?;
    Ok(SaslHandshakeResponse::default()
        .with_error_code(error_code)
        .with_mechanisms(mechanisms))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::protocol::Encodable;

    use super::*;

    #[test]
    fn what_the_codec_writes_is_read() {
        let partition = OffsetDeleteResponsePartition::default()
            .with_partition_index(70_000)
            .with_error_code(86);
        let topic = OffsetDeleteResponseTopic::default()
            .with_name(TopicName("orders".to_owned().into()))
            .with_partitions(vec![partition; 3]);
        let answer = OffsetDeleteResponse::default()
            .with_throttle_time_ms(1 << 30)
            .with_topics(vec![topic; 2]);
        let mut out = BytesMut::new();
        answer.encode(&mut out, 0).unwrap();
        assert_eq!(offset_delete(out.freeze()), Ok(answer));

        let answer = SaslHandshakeResponse::default()
            .with_error_code(33)
            .with_mechanisms(vec!["PLAIN".to_owned().into(), "".to_owned().into()]);
        let mut out = BytesMut::new();
        answer.encode(&mut out, 1).unwrap();
        assert_eq!(sasl_handshake(out.freeze()), Ok(answer));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        for claim in [[0x7f, 0xff, 0xff, 0xff], [0, 0, 0x10, 0]] {
            let body = [&[0, 0][..], &claim, &[0, 1, b'x']].concat();
            assert!(sasl_handshake(body.into()).is_err());
        }
    }
}
