//! CreatePartitions: more partitions for topics (KIP-195). Any broker will do; it forwards to the active controller.

use kafka_protocol::messages::CreatePartitionsRequest;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};

use super::{broker_ids, optional_text, repeat, text, topic_name};
use crate::client::Client;
use crate::error::{ItemError, Result};
use crate::model::PerTopic;

impl Client {
    /// Grows topics to a total number of partitions, or with `validate_only` checks whether they could be grown. One
    /// verdict per topic.
    ///
    /// The last part of each item places the new partitions only, each a list of replicas with the preferred leader
    /// first; empty leaves it to Kafka. Records with keys go to other partitions afterwards, and there is no way back.
    pub async fn create_partitions(
        &self,
        topics: &[(String, i32, Vec<Vec<i32>>)],
        validate_only: bool,
    ) -> Result<PerTopic<()>> {
        let asked = topics.iter().map(|(name, total, placed)| {
            let assignments = placed
                .iter()
                .map(|ids| CreatePartitionsAssignment::default().with_broker_ids(broker_ids(ids)));
            CreatePartitionsTopic::default()
                .with_name(topic_name(name))
                .with_count(*total)
                // Null leaves the placement to Kafka.
                .with_assignments((!placed.is_empty()).then(|| assignments.collect()))
        });
        let request = CreatePartitionsRequest::default()
            .with_topics(asked.collect())
            .with_timeout_ms(self.timeout_ms())
            .with_validate_only(validate_only);
        let answer = self
            .call_any(&request, repeat(validate_only), self.deadline())
            .await?;
        Ok(answer
            .results
            .iter()
            .map(|t| {
                let verdict =
                    ItemError::check(t.error_code, optional_text(t.error_message.as_ref()));
                (text(&t.name.0), verdict)
            })
            .collect())
    }
}
