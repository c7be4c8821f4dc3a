//! The calls this client can make, and how one is written and its answer read.
//!
//! Owns the table of APIs with the versions we speak, request encoding, and guarded answer decoding. Only *flexible*
//! versions (KIP-482) are spoken: every broker since Kafka 2.8 offers them, and only their lengths can be guarded.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::model::ApiRange;
use crate::wire::guard::Guard;

/// A request of Kafka's protocol, with the versions of it that this client speaks.
///
/// Implemented for the codec's request types; the way to reach a call that has no method of its own yet.
pub trait Rpc: Encodable + HeaderVersion + Send + Sync {
    /// Kafka's API key.
    const KEY: i16;
    /// Kafka's name of the API.
    const NAME: &'static str;
    /// Lowest version spoken: the first flexible one.
    const MIN: i16;
    /// Highest version spoken.
    const MAX: i16;
    /// The answer.
    type Response: Decodable + HeaderVersion + Send;
}

macro_rules! rpcs {
    ($($name:ident($request:ident, $response:ident) = $key:literal, $min:literal ..= $max:literal;)*) => {
        $(impl Rpc for m::$request {
            const KEY: i16 = $key;
            const NAME: &'static str = stringify!($name);
            const MIN: i16 = $min;
            const MAX: i16 = $max;
            type Response = m::$response;
        })*

        /// Every call with its versions.
        #[cfg(any(test, feature = "testing"))]
        pub(crate) fn ranges() -> Vec<ApiRange> {
            vec![$(ApiRange { key: $key, min: $min, max: $max }),*]
        }
    };
}

rpcs! {
    // Produce 13 and Fetch 13 name topics by id only; names are what callers of this crate have.
    Produce(ProduceRequest, ProduceResponse) = 0, 9..=12;
    Fetch(FetchRequest, FetchResponse) = 1, 12..=12;
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse) = 2, 6..=10;
    Metadata(MetadataRequest, MetadataResponse) = 3, 9..=13;
    ApiVersions(ApiVersionsRequest, ApiVersionsResponse) = 18, 3..=4;
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse) = 19, 5..=7;
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse) = 20, 4..=6;
    // 5 belongs to the transaction protocol of KIP-890, which a producer without transactions does not take part in.
    InitProducerId(InitProducerIdRequest, InitProducerIdResponse) = 22, 2..=4;
    DescribeConfigs(DescribeConfigsRequest, DescribeConfigsResponse) = 32, 4..=4;
    DescribeLogDirs(DescribeLogDirsRequest, DescribeLogDirsResponse) = 35, 2..=4;
    DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse) = 55, 0..=2;
    DescribeCluster(DescribeClusterRequest, DescribeClusterResponse) = 60, 0..=2;
}

/// The highest version both sides speak.
pub(crate) fn negotiate<R: Rpc>(offered: &[ApiRange]) -> Result<i16, String> {
    let Some(range) = offered.iter().find(|range| range.key == R::KEY) else {
        return Err(format!("it does not offer {}", R::NAME));
    };
    let version = range.max.min(R::MAX);
    if version < range.min.max(R::MIN) {
        return Err(format!(
            "no common version of {}: it offers {} to {}, this client speaks {} to {}",
            R::NAME,
            range.min,
            range.max,
            R::MIN,
            R::MAX
        ));
    }
    Ok(version)
}

/// Writes a whole frame, its length included.
pub(crate) fn encode<R: Rpc>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    header
        .encode(&mut frame, R::header_version(version))
        .and_then(|()| request.encode(&mut frame, version))
        .map_err(|e| {
            format!(
                "{} version {version} cannot carry this request: {e}",
                R::NAME
            )
        })?;
    let body =
        i32::try_from(frame.len() - 4).map_err(|_| "the request exceeds 2 GiB".to_owned())?;
    frame[..4].copy_from_slice(&body.to_be_bytes());
    Ok(frame.freeze())
}

/// The correlation id an answer begins with.
pub(crate) fn correlation_id(answer: &Bytes) -> Option<i32> {
    answer.first_chunk::<4>().map(|id| i32::from_be_bytes(*id))
}

/// Reads an answer, header included.
pub(crate) fn decode<R: Rpc>(answer: Bytes, version: i16) -> Result<R::Response, String> {
    let mut bytes = Guard::new(answer);
    ResponseHeader::decode(&mut bytes, R::Response::header_version(version))
        .and_then(|_| R::Response::decode(&mut bytes, version))
        .map_err(|e| format!("malformed answer to {} version {version}: {e}", R::NAME))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;
    use kafka_protocol::messages::ApiKey;
    use proptest::prelude::*;

    #[test]
    fn every_version_we_speak_is_flexible_and_known_to_the_codec() {
        for ApiRange { key, min, max } in ranges() {
            let api = ApiKey::try_from(key).unwrap();
            assert!(
                api.valid_versions().min <= min && max <= api.valid_versions().max,
                "{api:?}"
            );
            assert_eq!(
                api.request_header_version(min),
                2,
                "{api:?} {min} is not flexible"
            );
        }
    }

    #[test]
    fn the_highest_common_version_is_chosen_or_the_gap_is_named() {
        let offer = |min, max| vec![ApiRange { key: 3, min, max }];
        assert_eq!(negotiate::<m::MetadataRequest>(&offer(0, 11)), Ok(11));
        assert_eq!(negotiate::<m::MetadataRequest>(&offer(0, 40)), Ok(13));
        assert!(
            negotiate::<m::MetadataRequest>(&offer(0, 8))
                .unwrap_err()
                .contains("offers 0 to 8")
        );
        assert!(negotiate::<m::MetadataRequest>(&offer(14, 15)).is_err());
        assert!(
            negotiate::<m::MetadataRequest>(&[])
                .unwrap_err()
                .contains("does not offer Metadata")
        );
    }

    /// An answer, and the reader of its kind.
    type Answer = (Bytes, fn(&[u8]));

    fn decode_any<R: Rpc>(bytes: &[u8]) {
        for version in R::MIN..=R::MAX {
            let _ = decode::<R>(Bytes::copy_from_slice(bytes), version);
        }
    }

    fn decode_all(bytes: &[u8]) {
        decode_any::<m::ProduceRequest>(bytes);
        decode_any::<m::ListOffsetsRequest>(bytes);
        decode_any::<m::MetadataRequest>(bytes);
        decode_any::<m::ApiVersionsRequest>(bytes);
        decode_any::<m::CreateTopicsRequest>(bytes);
        decode_any::<m::DeleteTopicsRequest>(bytes);
        decode_any::<m::InitProducerIdRequest>(bytes);
        decode_any::<m::DescribeConfigsRequest>(bytes);
        decode_any::<m::DescribeLogDirsRequest>(bytes);
        decode_any::<m::DescribeQuorumRequest>(bytes);
        decode_any::<m::DescribeClusterRequest>(bytes);
        // Not used for real answers (see data/fetched.rs), but reachable through the low-level call.
        decode_any::<m::FetchRequest>(bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// A peer that sends anything at all can make a call fail, and nothing else: no panic, no huge reservation
        /// (which would abort this test).
        #[test]
        fn no_answer_is_too_hostile(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0x80), Just(0), Just(1)], 0..400)) {
            decode_all(&bytes);
        }

        /// The same, starting from real answers, so that the damage sits deep inside.
        #[test]
        fn nor_is_a_damaged_one(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
            for (answer, decode) in real_answers() {
                let mut bytes = answer.to_vec();
                for (at, byte) in &edits {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                decode(&bytes);
                bytes.truncate(cut.index(bytes.len()));
                decode(&bytes);
            }
        }
    }

    #[test]
    fn real_answers_pass_the_guard() {
        assert!(real_answers().len() >= 20);
    }

    /// An answer of every call in every version, with two of everything that repeats. Each is decoded once as it is.
    fn real_answers() -> Vec<Answer> {
        fn add<R: Rpc<Response: Encodable + Default>>(
            all: &mut Vec<Answer>,
            fill: impl Fn(R::Response) -> R::Response,
        ) {
            for version in R::MIN..=R::MAX {
                let mut out = BytesMut::new();
                ResponseHeader::default()
                    .encode(&mut out, R::Response::header_version(version))
                    .unwrap();
                if fill(R::Response::default())
                    .encode(&mut out, version)
                    .is_ok()
                {
                    let bytes = out.freeze();
                    decode::<R>(bytes.clone(), version).unwrap();
                    all.push((bytes, decode_any::<R>));
                }
            }
        }
        fn two<T: Default + Clone>(item: T) -> Vec<T> {
            vec![item; 2]
        }
        let long = || StrBytes::from_string("x".repeat(300));
        let mut all = Vec::new();
        add::<m::ApiVersionsRequest>(&mut all, |r| {
            r.with_api_keys(two(m::api_versions_response::ApiVersion::default()))
        });
        add::<m::MetadataRequest>(&mut all, |r| {
            use m::metadata_response as t;
            let ids = || two(m::BrokerId(3));
            let partition = t::MetadataResponsePartition::default()
                .with_replica_nodes(ids())
                .with_isr_nodes(ids())
                .with_offline_replicas(ids());
            let topic = t::MetadataResponseTopic::default()
                .with_name(Some(m::TopicName(long())))
                .with_partitions(two(partition));
            r.with_brokers(two(t::MetadataResponseBroker::default().with_host(long())))
                .with_topics(two(topic))
        });
        add::<m::DescribeClusterRequest>(&mut all, |r| {
            r.with_brokers(two(
                m::describe_cluster_response::DescribeClusterBroker::default()
                    .with_rack(Some(long())),
            ))
        });
        add::<m::DescribeQuorumRequest>(&mut all, |r| {
            use m::describe_quorum_response as t;
            let replicas = || two(t::ReplicaState::default());
            let partition = t::PartitionData::default()
                .with_current_voters(replicas())
                .with_observers(replicas());
            r.with_topics(two(t::TopicData::default()
                .with_topic_name(m::TopicName(long()))
                .with_partitions(two(partition))))
        });
        add::<m::CreateTopicsRequest>(&mut all, |r| {
            use m::create_topics_response as t;
            let topic = t::CreatableTopicResult::default().with_configs(Some(two(
                t::CreatableTopicConfigs::default().with_value(Some(long())),
            )));
            r.with_topics(two(topic))
        });
        add::<m::DeleteTopicsRequest>(&mut all, |r| {
            r.with_responses(two(
                m::delete_topics_response::DeletableTopicResult::default()
                    .with_name(Some(m::TopicName(long()))),
            ))
        });
        add::<m::DescribeConfigsRequest>(&mut all, |r| {
            use m::describe_configs_response as t;
            let config = t::DescribeConfigsResourceResult::default()
                .with_synonyms(two(t::DescribeConfigsSynonym::default().with_name(long())));
            r.with_results(two(
                t::DescribeConfigsResult::default().with_configs(two(config))
            ))
        });
        add::<m::DescribeLogDirsRequest>(&mut all, |r| {
            use m::describe_log_dirs_response as t;
            let topic = t::DescribeLogDirsTopic::default()
                .with_partitions(two(t::DescribeLogDirsPartition::default()));
            r.with_results(two(t::DescribeLogDirsResult::default()
                .with_log_dir(long())
                .with_topics(two(topic))))
        });
        add::<m::ListOffsetsRequest>(&mut all, |r| {
            use m::list_offsets_response as t;
            r.with_topics(two(t::ListOffsetsTopicResponse::default()
                .with_partitions(two(t::ListOffsetsPartitionResponse::default()))))
        });
        add::<m::ProduceRequest>(&mut all, |r| {
            use m::produce_response as t;
            let partition = t::PartitionProduceResponse::default()
                .with_record_errors(two(t::BatchIndexAndErrorMessage::default()));
            r.with_responses(two(
                t::TopicProduceResponse::default().with_partition_responses(two(partition))
            ))
        });
        add::<m::InitProducerIdRequest>(&mut all, |r| r);
        all
    }

    #[test]
    fn a_frame_carries_its_length_and_header() {
        let mut frame = encode(&m::ApiVersionsRequest::default(), 3, 7, "me").unwrap();
        assert_eq!(frame.get_i32() as usize, frame.len());
        assert_eq!(
            (frame.get_i16(), frame.get_i16(), frame.get_i32()),
            (18, 3, 7)
        );
    }
}
