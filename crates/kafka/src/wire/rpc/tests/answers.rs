//! An answer of every call, to be damaged.

mod changes;
mod groups;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::ResponseHeader;
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

use super::decode_any;
use crate::wire::rpc::{Rpc, decode};

/// An answer of the call `key`, and the reader of its kind.
pub(super) struct Answer {
    pub(super) key: i16,
    pub(super) bytes: Bytes,
    pub(super) decode: fn(&[u8]),
}

/// An answer of every call in every version, with two of everything that repeats. Each is decoded once as it is.
pub(super) fn real_answers() -> Vec<Answer> {
    let mut all = Vec::new();
    first(&mut all);
    changes::add_to(&mut all);
    groups::add_to(&mut all);
    all
}

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
            all.push(Answer {
                key: R::KEY,
                bytes,
                decode: decode_any::<R>,
            });
        }
    }
}
fn two<T: Default + Clone>(item: T) -> Vec<T> {
    vec![item; 2]
}

/// Longer than one byte of length can say.
fn long() -> StrBytes {
    StrBytes::from_string("x".repeat(300))
}

fn first(all: &mut Vec<Answer>) {
    add::<m::ApiVersionsRequest>(all, |r| {
        r.with_api_keys(two(m::api_versions_response::ApiVersion::default()))
    });
    add::<m::MetadataRequest>(all, |r| {
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
    add::<m::DescribeClusterRequest>(all, |r| {
        r.with_brokers(two(
            m::describe_cluster_response::DescribeClusterBroker::default().with_rack(Some(long())),
        ))
    });
    add::<m::DescribeQuorumRequest>(all, |r| {
        use m::describe_quorum_response as t;
        let replicas = || two(t::ReplicaState::default());
        let partition = t::PartitionData::default()
            .with_current_voters(replicas())
            .with_observers(replicas());
        r.with_topics(two(t::TopicData::default()
            .with_topic_name(m::TopicName(long()))
            .with_partitions(two(partition))))
    });
    add::<m::CreateTopicsRequest>(all, |r| {
        use m::create_topics_response as t;
        let topic = t::CreatableTopicResult::default().with_configs(Some(two(
            t::CreatableTopicConfigs::default().with_value(Some(long())),
        )));
        r.with_topics(two(topic))
    });
    add::<m::DeleteTopicsRequest>(all, |r| {
        r.with_responses(two(
            m::delete_topics_response::DeletableTopicResult::default()
                .with_name(Some(m::TopicName(long()))),
        ))
    });
    add::<m::DescribeConfigsRequest>(all, |r| {
        use m::describe_configs_response as t;
        let config = t::DescribeConfigsResourceResult::default()
            .with_synonyms(two(t::DescribeConfigsSynonym::default().with_name(long())));
        r.with_results(two(
            t::DescribeConfigsResult::default().with_configs(two(config))
        ))
    });
    add::<m::DescribeLogDirsRequest>(all, |r| {
        use m::describe_log_dirs_response as t;
        let topic = t::DescribeLogDirsTopic::default()
            .with_partitions(two(t::DescribeLogDirsPartition::default()));
        r.with_results(two(t::DescribeLogDirsResult::default()
            .with_log_dir(long())
            .with_topics(two(topic))))
    });
    add::<m::ListOffsetsRequest>(all, |r| {
        use m::list_offsets_response as t;
        r.with_topics(two(t::ListOffsetsTopicResponse::default()
            .with_partitions(two(t::ListOffsetsPartitionResponse::default()))))
    });
    add::<m::ProduceRequest>(all, |r| {
        use m::produce_response as t;
        let partition = t::PartitionProduceResponse::default()
            .with_record_errors(two(t::BatchIndexAndErrorMessage::default()));
        r.with_responses(two(
            t::TopicProduceResponse::default().with_partition_responses(two(partition))
        ))
    });
    add::<m::InitProducerIdRequest>(all, |r| r);
}
