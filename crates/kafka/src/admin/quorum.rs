//! DescribeQuorum: the metadata log's voters and observers and how far each has got (KIP-595, KIP-836, KIP-853).
//!
//! Works with brokers as bootstrap (they forward to the active controller) and with controllers, of which only the
//! leader answers; the others are asked in turn.

use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::describe_quorum_response::{
    PartitionData as QuorumPartition, ReplicaState,
};
use kafka_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use tokio::time::Instant;

use super::{at_least_zero, non_zero_id, optional_text, text, topic_name};
use crate::client::{Client, Repeat, Retry};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::model::{QuorumDescription, QuorumNode, QuorumReplica};
use crate::wire::conn::Connection;
use crate::wire::rpc::Rpc;

const METADATA_TOPIC: &str = "__cluster_metadata";

impl Client {
    /// The quorum as its leader sees it. Bootstrap addresses may be brokers' or controllers'.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription> {
        let deadline = self.deadline();
        let mut retry = Retry::new(Repeat::Read, deadline);
        loop {
            match self.ask_the_leader(deadline).await {
                Ok(found) => return Ok(found),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    async fn ask_the_leader(&self, deadline: Instant) -> Result<QuorumDescription> {
        // The first to answer may be a follower: then ask the others, each once.
        let mut refused = match self.any(deadline).await?.describe_quorum(deadline).await {
            Err(e) if is_follower(&e) => e,
            done => return done,
        };
        for address in self.bootstrap() {
            let asked = async {
                self.connect_address(address, deadline)
                    .await?
                    .describe_quorum(deadline)
                    .await
            };
            match asked.await {
                Err(e) if is_follower(&e) || !e.was_sent() => refused = e,
                done => return done,
            }
        }
        // Nobody leads (an election), or the leader is not among the bootstrap addresses.
        Err(refused)
    }
}

fn is_follower(error: &KafkaError) -> bool {
    error.code() == Some(code::NOT_LEADER_OR_FOLLOWER)
}

impl Connection {
    /// DescribeQuorum, asked of exactly this node: `NOT_LEADER_OR_FOLLOWER` from a controller that does not lead.
    pub async fn describe_quorum(&self, deadline: Instant) -> Result<QuorumDescription> {
        let request = DescribeQuorumRequest::default().with_topics(vec![
            TopicData::default()
                .with_topic_name(topic_name(METADATA_TOPIC))
                .with_partitions(vec![PartitionData::default().with_partition_index(0)]),
        ]);
        let answer = self.call(&request, deadline).await?;
        read(answer).unwrap_or_else(|| {
            Err(self.protocol("DescribeQuorum answered without the metadata partition".to_owned()))
        })
    }
}

fn read(answer: DescribeQuorumResponse) -> Option<Result<QuorumDescription>> {
    let refuse = |e: ItemError| e.into_error(DescribeQuorumRequest::NAME);
    if let Err(e) = ItemError::check(
        answer.error_code,
        optional_text(answer.error_message.as_ref()),
    ) {
        return Some(Err(refuse(e)));
    }
    let partition = answer
        .topics
        .iter()
        .find(|t| t.topic_name.0.as_str() == METADATA_TOPIC)
        .and_then(|t| t.partitions.iter().find(|p| p.partition_index == 0))?;
    if let Err(e) = ItemError::check(
        partition.error_code,
        optional_text(partition.error_message.as_ref()),
    ) {
        return Some(Err(refuse(e)));
    }
    let nodes = answer
        .nodes
        .iter()
        .map(|node| QuorumNode {
            id: node.node_id.0,
            listeners: node
                .listeners
                .iter()
                .map(|l| (text(&l.name), text(&l.host), l.port))
                .collect(),
        })
        .collect();
    Some(Ok(QuorumDescription {
        leader_id: at_least_zero(partition.leader_id.0),
        leader_epoch: partition.leader_epoch,
        high_watermark: partition.high_watermark,
        voters: replicas(&partition.current_voters, partition),
        observers: replicas(&partition.observers, partition),
        nodes,
    }))
}

fn replicas(states: &[ReplicaState], partition: &QuorumPartition) -> Vec<QuorumReplica> {
    let everyone = || partition.current_voters.iter().chain(&partition.observers);
    // The leader's own end of the log; without a leader nobody's lag is known.
    let leader_end = everyone()
        .find(|r| r.replica_id == partition.leader_id)
        .and_then(|r| at_least_zero(r.log_end_offset));
    let mut found: Vec<QuorumReplica> = states
        .iter()
        .map(|r| {
            let log_end_offset = at_least_zero(r.log_end_offset);
            QuorumReplica {
                id: r.replica_id.0,
                directory_id: non_zero_id(r.replica_directory_id),
                log_end_offset,
                lag: leader_end
                    .zip(log_end_offset)
                    .map(|(end, own)| end.saturating_sub(own).max(0)),
                last_fetch_ms: at_least_zero(r.last_fetch_timestamp),
                last_caught_up_ms: at_least_zero(r.last_caught_up_timestamp),
            }
        })
        .collect();
    found.sort_by_key(|r| (r.id, r.directory_id));
    found
}
