//! Metadata: topics with leaders, replicas and in-sync replicas, and the brokers that serve them.
//!
//! The health view of a cluster: one request tells of every partition whether it is led, whole and in sync.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use tokio::time::Instant;

use super::{at_least_zero, non_zero_id, optional_text, port, text, topic_name};
use crate::client::{Client, Repeat, Retry};
use crate::error::{ItemError, Result};
use crate::model::{ClusterMetadata, NodeInfo, PartitionMetadata, TopicMetadata};
use crate::wire::conn::Connection;
use crate::wire::rpc::Rpc;

impl Client {
    /// Serving brokers and topics: all topics with `None`, else the named ones. Never creates a topic.
    ///
    /// A topic that does not exist (or may not be seen) is listed with its error.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<ClusterMetadata> {
        self.metadata_by(topics, self.deadline()).await
    }

    /// Every topic that the caller may see, Kafka's internal ones included.
    pub async fn list_topics(&self) -> Result<Vec<TopicMetadata>> {
        Ok(self.metadata(None).await?.topics)
    }

    pub(crate) async fn metadata_by(
        &self,
        topics: Option<&[&str]>,
        deadline: Instant,
    ) -> Result<ClusterMetadata> {
        let mut retry = Retry::new(Repeat::Read, deadline);
        loop {
            let attempt = async { self.any(deadline).await?.metadata(topics, deadline).await };
            match attempt.await {
                Ok(found) => {
                    self.learn(&found.brokers);
                    return Ok(found);
                }
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

impl Connection {
    /// Metadata as exactly this broker knows it.
    pub async fn metadata(
        &self,
        topics: Option<&[&str]>,
        deadline: Instant,
    ) -> Result<ClusterMetadata> {
        let topics = topics.map(|names| {
            names
                .iter()
                .map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))))
                .collect()
        });
        let request = MetadataRequest::default()
            .with_topics(topics)
            .with_allow_auto_topic_creation(false);
        read(self.call(&request, deadline).await?)
    }
}

fn read(answer: MetadataResponse) -> Result<ClusterMetadata> {
    ItemError::check(answer.error_code, None).map_err(|e| e.into_error(MetadataRequest::NAME))?;
    let mut brokers: Vec<NodeInfo> = answer
        .brokers
        .iter()
        .map(|b| NodeInfo {
            id: b.node_id.0,
            host: text(&b.host),
            port: port(b.port),
            rack: optional_text(b.rack.as_ref()),
            fenced: false,
        })
        .collect();
    brokers.sort_by_key(|broker| broker.id);
    let mut topics: Vec<TopicMetadata> = answer.topics.iter().map(topic).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ClusterMetadata {
        cluster_id: optional_text(answer.cluster_id.as_ref()),
        brokers,
        topics,
    })
}

fn topic(answer: &MetadataResponseTopic) -> TopicMetadata {
    let mut partitions: Vec<PartitionMetadata> = answer.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|p| p.index);
    TopicMetadata {
        name: answer
            .name
            .as_ref()
            .map(|name| text(&name.0))
            .unwrap_or_default(),
        id: non_zero_id(answer.topic_id),
        internal: answer.is_internal,
        error: ItemError::from_code(answer.error_code, None),
        partitions,
    }
}

fn partition(answer: &MetadataResponsePartition) -> PartitionMetadata {
    let ids = |nodes: &[BrokerId]| nodes.iter().map(|id| id.0).collect();
    PartitionMetadata {
        index: answer.partition_index,
        leader: at_least_zero(answer.leader_id.0),
        leader_epoch: answer.leader_epoch,
        replicas: ids(&answer.replica_nodes),
        isr: ids(&answer.isr_nodes),
        offline: ids(&answer.offline_replicas),
        error: ItemError::from_code(answer.error_code, None),
    }
}
