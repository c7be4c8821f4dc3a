//! AlterPartitionReassignments and ListPartitionReassignments: replicas moving between brokers (KIP-455). Any broker will
//! do; it forwards both to the active controller.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, ListPartitionReassignmentsRequest,
};

use super::{broker_ids, optional_text, plain_ids, text, topic_name};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result};
use crate::model::OngoingReassignment;
use crate::wire::rpc::Rpc;

impl Client {
    /// Starts moving partitions to these replicas, preferred leader first, or cancels the move of those with `None`. One
    /// verdict per partition. A partition on the move gets its new target; one that is there already is left alone.
    ///
    /// The verdict says that the move began. [`Client::list_partition_reassignments`] tells when it has ended.
    pub async fn alter_partition_reassignments(
        &self,
        moves: &[(String, i32, Option<Vec<i32>>)],
    ) -> Result<Vec<((String, i32), Result<(), ItemError>)>> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for (topic, partition, replicas) in moves {
            topics.entry(topic).or_default().push(
                ReassignablePartition::default()
                    .with_partition_index(*partition)
                    // Null cancels.
                    .with_replicas(replicas.as_deref().map(broker_ids)),
            );
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            ReassignableTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions)
        });
        let request = AlterPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(topics.collect());
        let answer = self
            .call_any(&request, Repeat::Write, self.deadline())
            .await?;
        ItemError::check(
            answer.error_code,
            optional_text(answer.error_message.as_ref()),
        )
        .map_err(|e| e.into_error(AlterPartitionReassignmentsRequest::NAME))?;
        Ok(answer
            .responses
            .iter()
            .flat_map(|topic| {
                topic.partitions.iter().map(|p| {
                    let verdict =
                        ItemError::check(p.error_code, optional_text(p.error_message.as_ref()));
                    ((text(&topic.name.0), p.partition_index), verdict)
                })
            })
            .collect())
    }

    /// Partitions on the move: all of them with `None`, else those of the named ones that are. Sorted.
    pub async fn list_partition_reassignments(
        &self,
        partitions: Option<&[(&str, &[i32])]>,
    ) -> Result<Vec<OngoingReassignment>> {
        let topics = partitions.map(|topics| {
            topics
                .iter()
                .map(|(name, indexes)| {
                    ListPartitionReassignmentsTopics::default()
                        .with_name(topic_name(name))
                        .with_partition_indexes(indexes.to_vec())
                })
                .collect()
        });
        let request = ListPartitionReassignmentsRequest::default()
            .with_timeout_ms(self.timeout_ms())
            .with_topics(topics);
        let answer = self
            .call_any(&request, Repeat::Read, self.deadline())
            .await?;
        ItemError::check(
            answer.error_code,
            optional_text(answer.error_message.as_ref()),
        )
        .map_err(|e| e.into_error(ListPartitionReassignmentsRequest::NAME))?;
        let mut found: Vec<OngoingReassignment> = answer
            .topics
            .iter()
            .flat_map(|topic| {
                topic.partitions.iter().map(|p| OngoingReassignment {
                    topic: text(&topic.name.0),
                    partition: p.partition_index,
                    replicas: plain_ids(&p.replicas),
                    adding: plain_ids(&p.adding_replicas),
                    removing: plain_ids(&p.removing_replicas),
                })
            })
            .collect();
        found.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok(found)
    }
}
