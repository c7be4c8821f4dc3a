//! Topics of the simulated Kafka: created, listed and deleted, unknown to brokers that are behind, and kept on demand.

use std::time::Instant;

use sdm_kafka::messages::create_topics_response::CreatableTopicResult;
use sdm_kafka::messages::delete_topics_response::DeletableTopicResult;
use sdm_kafka::messages::describe_configs_request::DescribeConfigsResource;
use sdm_kafka::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use sdm_kafka::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use sdm_kafka::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, MetadataRequest,
};
use sdm_kafka::testing::{Reply, Request};

use crate::simulation::{Topics, World};

const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const TOPIC_DELETION_DISABLED: i16 = 73;
const DYNAMIC_TOPIC_CONFIG: i8 = 1;

/// Answers a request about topics. `None`: it is about something else, or there are no topics to be served.
pub fn handle(request: &Request, world: &mut World) -> Option<Reply> {
    let topics = world.topics.as_mut()?;
    if let Some(delete) = request.read::<DeleteTopicsRequest>() {
        let asked = delete.topics.into_iter().filter_map(|t| t.name);
        let results = asked.map(|name| {
            let result = DeletableTopicResult::default().with_name(Some(name.clone()));
            if topics.keeping {
                topics.kept.push(Instant::now());
                return result.with_error_code(TOPIC_DELETION_DISABLED);
            }
            topics.configs.remove(name.as_str());
            match topics.there.remove(name.as_str()) {
                Some(id) => result.with_topic_id(id),
                None => result.with_error_code(UNKNOWN_TOPIC_OR_PARTITION),
            }
        });
        let answer = DeleteTopicsResponse::default().with_responses(results.collect());
        return Some(request.answer::<DeleteTopicsRequest>(&answer));
    }
    if let Some(describe) = request.read::<DescribeConfigsRequest>() {
        let answer = DescribeConfigsResponse::default().with_results(
            describe
                .resources
                .iter()
                .map(|r| described(r, topics))
                .collect(),
        );
        return Some(request.answer::<DescribeConfigsRequest>(&answer));
    }
    let create = request.read::<CreateTopicsRequest>()?;
    topics.creations += usize::from(!create.validate_only);
    let results = create.topics.iter().map(|asked| {
        let result = CreatableTopicResult::default().with_name(asked.name.clone());
        let name = asked.name.to_string();
        if topics.there.contains_key(&name) {
            return result.with_error_code(TOPIC_ALREADY_EXISTS);
        }
        let id = uuid::Uuid::new_v4();
        if !create.validate_only {
            let configs = asked.configs.iter().map(|c| {
                let value = c.value.as_ref().map(ToString::to_string);
                (c.name.to_string(), value.unwrap_or_default())
            });
            topics.configs.insert(name.clone(), configs.collect());
            topics.there.insert(name, id);
            topics.created += 1;
        }
        result
            .with_topic_id(id)
            .with_num_partitions(1)
            .with_replication_factor(1)
    });
    let answer = CreateTopicsResponse::default().with_topics(results.collect());
    Some(request.answer::<CreateTopicsRequest>(&answer))
}

fn described(asked: &DescribeConfigsResource, topics: &Topics) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(asked.resource_type)
        .with_resource_name(asked.resource_name.clone());
    let configs = topics.configs.get(asked.resource_name.as_str());
    let Some(configs) = configs.filter(|_| !topics.configs_behind) else {
        return result.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
    };
    let entries = configs.iter().map(|(key, value)| {
        DescribeConfigsResourceResult::default()
            .with_name(key.clone().into())
            .with_value(Some(value.clone().into()))
            .with_config_source(DYNAMIC_TOPIC_CONFIG)
    });
    result.with_configs(entries.collect())
}

/// What a broker knows of the topics that a request names.
pub fn metadata(request: &Request, world: &mut World) -> Vec<MetadataResponseTopic> {
    let broker = world.running.values().find(|n| n.broker).map(|n| n.id);
    let (Some(topics), Some(asked)) = (&mut world.topics, request.read::<MetadataRequest>()) else {
        return Vec::new();
    };
    let asked = asked.topics.unwrap_or_default();
    topics.asked_behind += usize::from(topics.behind && !asked.is_empty());
    let tell = |name: sdm_kafka::messages::TopicName| {
        let known = topics.there.get(name.as_str()).filter(|_| !topics.behind);
        let topic = MetadataResponseTopic::default().with_name(Some(name.clone()));
        let Some(id) = known else {
            return topic.with_error_code(UNKNOWN_TOPIC_OR_PARTITION);
        };
        let brokers: Vec<BrokerId> = broker.map(BrokerId).into_iter().collect();
        let partition = MetadataResponsePartition::default()
            .with_leader_id(BrokerId(broker.unwrap_or(-1)))
            .with_replica_nodes(brokers.clone())
            .with_isr_nodes(brokers);
        topic.with_topic_id(*id).with_partitions(vec![partition])
    };
    asked.into_iter().filter_map(|t| t.name).map(tell).collect()
}
