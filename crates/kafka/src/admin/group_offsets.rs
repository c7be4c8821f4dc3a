//! OffsetFetch, OffsetCommit and OffsetDelete, for groups as seen from outside: how far they have got, and resetting it.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartitions;
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetFetchRequest,
};

use super::coordinators::is_elsewhere;
use super::{at_least_zero, group_id, optional_text, text, topic_name, wire};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result};
use crate::model::CommittedOffset;

/// Not a member of any generation: what stands outside of a group.
const OUTSIDE: i32 = -1;

/// A verdict for each partition of a topic.
type Verdicts = Vec<((String, i32), Result<(), ItemError>)>;

impl Client {
    /// The offsets a group has committed, by topic and partition. Empty for a group that has none, or is not there.
    pub async fn group_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<(String, i32), Result<CommittedOffset, ItemError>>> {
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_member_id(None)
            .with_member_epoch(OUTSIDE)
            // Null asks for every topic.
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![asked]);
        self.ask_coordinator(group, Repeat::Read, &request, |answer| {
            let Some(answer) = answer
                .groups
                .iter()
                .find(|g| g.group_id.0.as_str() == group)
            else {
                return Ok(BTreeMap::new());
            };
            ItemError::check(answer.error_code, None)?;
            let partitions = answer.topics.iter().flat_map(|topic| {
                let name = text(&topic.name.0);
                topic
                    .partitions
                    .iter()
                    .filter_map(move |p| Some(((name.clone(), p.partition_index), committed(p)?)))
            });
            Ok(partitions.collect())
        })
        .await
    }

    /// Sets a group's offsets from outside: topic, partition, and the next offset to read. One verdict per partition.
    ///
    /// Only a group without members takes them (`UNKNOWN_MEMBER_ID` else). A group that is not there comes into being.
    pub async fn commit_group_offsets(
        &self,
        group: &str,
        offsets: &[(String, i32, i64)],
    ) -> Result<Vec<((String, i32), Result<(), ItemError>)>> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (topic, partition, offset) in offsets {
            topics.entry(topic).or_default().push(
                OffsetCommitRequestPartition::default()
                    .with_partition_index(*partition)
                    .with_committed_offset(*offset)
                    .with_committed_leader_epoch(-1)
                    .with_committed_metadata(Some(wire(""))),
            );
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetCommitRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(group))
            .with_generation_id_or_member_epoch(OUTSIDE)
            .with_member_id(wire(""))
            .with_topics(topics.collect());
        self.ask_coordinator(group, Repeat::Write, &request, |answer| verdicts(&answer))
            .await
    }

    /// Forgets a group's offsets of these partitions. One verdict per partition; `GROUP_SUBSCRIBED_TO_TOPIC` while
    /// members read the topic.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[(String, i32)],
    ) -> Result<Vec<((String, i32), Result<(), ItemError>)>> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, partition) in partitions {
            topics
                .entry(topic)
                .or_default()
                .push(OffsetDeleteRequestPartition::default().with_partition_index(*partition));
        }
        let topics = topics.into_iter().map(|(name, partitions)| {
            OffsetDeleteRequestTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions)
        });
        let request = OffsetDeleteRequest::default()
            .with_group_id(group_id(group))
            .with_topics(topics.collect());
        self.ask_coordinator(group, Repeat::Write, &request, |answer| {
            ItemError::check(answer.error_code, None)?;
            let partitions = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|p| {
                    let key = (text(&topic.name.0), p.partition_index);
                    (key, ItemError::check(p.error_code, None))
                })
            });
            Ok(partitions.collect())
        })
        .await
    }
}

/// `None` where nothing was committed.
fn committed(p: &OffsetFetchResponsePartitions) -> Option<Result<CommittedOffset, ItemError>> {
    if let Err(e) = ItemError::check(p.error_code, None) {
        return Some(Err(e));
    }
    Some(Ok(CommittedOffset {
        offset: at_least_zero(p.committed_offset)?,
        leader_epoch: at_least_zero(p.committed_leader_epoch),
        metadata: optional_text(p.metadata.as_ref()).unwrap_or_default(),
    }))
}

/// There is no word on the whole group: a broker that is not its coordinator says so of every partition.
fn verdicts(answer: &OffsetCommitResponse) -> Result<Verdicts, ItemError> {
    let mut found = Verdicts::new();
    for topic in &answer.topics {
        for p in &topic.partitions {
            let verdict = ItemError::check(p.error_code, None);
            if let Err(e) = &verdict
                && is_elsewhere(e)
            {
                return Err(e.clone());
            }
            found.push(((text(&topic.name.0), p.partition_index), verdict));
        }
    }
    Ok(found)
}
