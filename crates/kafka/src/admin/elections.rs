//! ElectLeaders: leadership back to preferred replicas (KIP-460). Any broker will do; it forwards to the controller.

use kafka_protocol::messages::ElectLeadersRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;

use super::{optional_text, text, topic_name};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result, code};
use crate::wire::rpc::Rpc;

/// The first replica, if it is in sync; never one that would lose records.
const PREFERRED: i8 = 0;

impl Client {
    /// Makes preferred replicas leaders: of these partitions, or of all with `None`. One verdict per partition, good also
    /// where the preferred replica leads already; with `None` such partitions are not listed.
    pub async fn elect_preferred_leaders(
        &self,
        partitions: Option<&[(&str, &[i32])]>,
    ) -> Result<Vec<((String, i32), Result<(), ItemError>)>> {
        let topics = partitions.map(|topics| {
            topics
                .iter()
                .map(|(name, indexes)| {
                    TopicPartitions::default()
                        .with_topic(topic_name(name))
                        .with_partitions(indexes.to_vec())
                })
                .collect()
        });
        let request = ElectLeadersRequest::default()
            .with_election_type(PREFERRED)
            .with_topic_partitions(topics)
            .with_timeout_ms(self.timeout_ms());
        let answer = self
            .call_any(&request, Repeat::Write, self.deadline())
            .await?;
        ItemError::check(answer.error_code, None)
            .map_err(|e| e.into_error(ElectLeadersRequest::NAME))?;
        let verdicts = answer.replica_election_results.iter().flat_map(|topic| {
            topic.partition_result.iter().map(|p| {
                let verdict =
                    ItemError::check(p.error_code, optional_text(p.error_message.as_ref()));
                let verdict = match verdict {
                    Err(e) if e.code == code::ELECTION_NOT_NEEDED => Ok(()),
                    other => other,
                };
                ((text(&topic.topic.0), p.partition_id), verdict)
            })
        });
        Ok(verdicts.collect())
    }
}
