//! ListOffsets: from where to where a partition's log goes, asked of each partition's leader.

use std::collections::BTreeMap;

use futures::future::join_all;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use tokio::time::Instant;

use super::topic_name;
use crate::client::{Client, Pause};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::model::OffsetSpec;
use crate::wire::rpc::Rpc;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// An ordinary consumer, not a replica.
const CONSUMER: BrokerId = BrokerId(-1);

type Offsets = BTreeMap<i32, Result<Option<i64>>>;

impl Client {
    /// The offset of `spec` in each of `partitions` of `topic`. Follows leaders that move until the deadline.
    ///
    /// `Ok(None)` for a partition means that it holds no record as young as [`OffsetSpec::AtOrAfter`] asked for.
    pub async fn list_offsets(
        &self,
        topic: &str,
        partitions: &[i32],
        spec: OffsetSpec,
    ) -> Result<BTreeMap<i32, Result<Option<i64>>>> {
        self.list_offsets_by(topic, partitions, spec, self.deadline())
            .await
    }

    pub(crate) async fn list_offsets_by(
        &self,
        topic: &str,
        partitions: &[i32],
        spec: OffsetSpec,
        deadline: Instant,
    ) -> Result<Offsets> {
        let mut found = Offsets::new();
        let mut open: Vec<i32> = partitions.to_vec();
        let mut pause = Pause::default();
        loop {
            let leaders = self.leaders(topic, deadline).await?;
            let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
            let mut again = Vec::new();
            for partition in open {
                match leaders.get(&partition) {
                    Some(Some(leader)) => by_leader.entry(*leader).or_default().push(partition),
                    Some(None) => {
                        again.push(partition);
                        found.insert(partition, Err(verdict(code::LEADER_NOT_AVAILABLE)));
                    }
                    None => {
                        found.insert(partition, Err(verdict(code::UNKNOWN_TOPIC_OR_PARTITION)));
                    }
                }
            }
            let asked = by_leader
                .iter()
                .map(|(leader, partitions)| self.ask(topic, *leader, partitions, spec, deadline));
            for (partition, answer) in join_all(asked).await.into_iter().flatten() {
                if answer.as_ref().is_err_and(KafkaError::is_retriable) {
                    again.push(partition);
                }
                found.insert(partition, answer);
            }
            if again.is_empty() || !pause.before(deadline).await {
                return Ok(found);
            }
            open = again;
        }
    }

    async fn ask(
        &self,
        topic: &str,
        leader: i32,
        partitions: &[i32],
        spec: OffsetSpec,
        deadline: Instant,
    ) -> Vec<(i32, Result<Option<i64>>)> {
        let timestamp = match spec {
            OffsetSpec::Earliest => EARLIEST,
            OffsetSpec::Latest => LATEST,
            OffsetSpec::AtOrAfter(ms) => ms,
        };
        let asked = partitions.iter().map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(*index)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(CONSUMER)
            .with_topics(vec![
                ListOffsetsTopic::default()
                    .with_name(topic_name(topic))
                    .with_partitions(asked.collect()),
            ]);
        let answer = async {
            self.broker(leader, deadline)
                .await?
                .call(&request, deadline)
                .await
        };
        match answer.await {
            Err(e) => partitions.iter().map(|p| (*p, Err(e.clone()))).collect(),
            Ok(answer) => {
                let told: BTreeMap<i32, _> = answer
                    .topics
                    .iter()
                    .filter(|t| t.name.0.as_str() == topic)
                    .flat_map(|t| &t.partitions)
                    .map(|p| {
                        let offset = ItemError::check(p.error_code, None)
                            .map(|()| (p.offset >= 0).then_some(p.offset))
                            .map_err(|e| e.into_error(ListOffsetsRequest::NAME));
                        (p.partition_index, offset)
                    })
                    .collect();
                let silent = || KafkaError::Protocol {
                    peer: format!("broker {leader}"),
                    detail: "ListOffsets left out a partition".to_owned(),
                };
                partitions
                    .iter()
                    .map(|p| (*p, told.get(p).cloned().unwrap_or_else(|| Err(silent()))))
                    .collect()
            }
        }
    }

    /// Leaders of a topic's partitions; the topic's own error is the call's.
    pub(crate) async fn leaders(
        &self,
        topic: &str,
        deadline: Instant,
    ) -> Result<BTreeMap<i32, Option<i32>>> {
        let mut pause = Pause::default();
        loop {
            let metadata = self.metadata_by(Some(&[topic]), deadline).await?;
            let error = match metadata.topics.into_iter().find(|t| t.name == topic) {
                Some(found) if found.error.is_none() => {
                    return Ok(found
                        .partitions
                        .into_iter()
                        .map(|p| (p.index, p.leader))
                        .collect());
                }
                Some(found) => found.error,
                None => None,
            };
            let error = error.map_or_else(
                || verdict(code::UNKNOWN_TOPIC_OR_PARTITION),
                |e| e.into_error("Metadata"),
            );
            // A missing topic is an answer; one that has no leader yet is worth waiting for.
            let wait =
                error.is_retriable() && error.code() != Some(code::UNKNOWN_TOPIC_OR_PARTITION);
            if !wait || !pause.before(deadline).await {
                return Err(error);
            }
        }
    }
}

fn verdict(code: i16) -> KafkaError {
    let api = ListOffsetsRequest::NAME;
    ItemError::from_code(code, None)
        .map_or_else(|| KafkaError::config("no error"), |e| e.into_error(api))
}
