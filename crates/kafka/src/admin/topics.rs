//! CreateTopics and DeleteTopics. Brokers forward both to the active controller, so any broker will do.

use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, DeleteTopicsRequest};
use kafka_protocol::protocol::StrBytes;

use super::{at_least_zero, non_zero_id, optional_text, repeat, text, topic_name};
use crate::client::{Client, Repeat, Retry};
use crate::error::{ItemError, Result};
use crate::model::{CreatedTopic, Id, NewTopic, PerTopic};
use crate::wire::conn::Connection;
use tokio::time::Instant;

impl Client {
    /// Creates topics, or with `validate_only` checks whether they could be created. One verdict per topic.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<PerTopic<CreatedTopic>> {
        let deadline = self.deadline();
        let request = CreateTopicsRequest::default()
            .with_topics(topics.iter().map(creatable).collect())
            .with_timeout_ms(self.timeout_ms())
            .with_validate_only(validate_only);
        let answer = self
            .call_any(&request, repeat(validate_only), deadline)
            .await?;
        Ok(answer
            .topics
            .iter()
            .map(|t| {
                let verdict =
                    ItemError::check(t.error_code, optional_text(t.error_message.as_ref())).map(
                        |()| CreatedTopic {
                            // Kafka makes one up even when it only validates.
                            id: non_zero_id(t.topic_id).filter(|_| !validate_only),
                            partitions: at_least_zero(t.num_partitions),
                            replication_factor: at_least_zero(t.replication_factor),
                        },
                    );
                (text(&t.name.0), verdict)
            })
            .collect())
    }

    /// Deletes topics by name. One verdict per topic, with the id of what was deleted (`None` before version 6 of the
    /// call); the data goes away later, in the background, and so does what other brokers tell of the topic.
    pub async fn delete_topics(&self, names: &[&str]) -> Result<PerTopic<Option<Id>>> {
        let deadline = self.deadline();
        let mut retry = Retry::new(Repeat::Write, deadline);
        loop {
            let attempt = async {
                self.any(deadline)
                    .await?
                    .delete_topics(names, self.timeout_ms(), deadline)
                    .await
            };
            match attempt.await {
                Ok(verdicts) => return Ok(verdicts),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

impl Connection {
    async fn delete_topics(
        &self,
        names: &[&str],
        timeout_ms: i32,
        deadline: Instant,
    ) -> Result<PerTopic<Option<Id>>> {
        let request = DeleteTopicsRequest::default().with_timeout_ms(timeout_ms);
        let request = if self.version_of::<DeleteTopicsRequest>()? >= 6 {
            request.with_topics(
                names
                    .iter()
                    .map(|n| DeleteTopicState::default().with_name(Some(topic_name(n))))
                    .collect(),
            )
        } else {
            request.with_topic_names(names.iter().map(|n| topic_name(n)).collect())
        };
        let answer = self.call(&request, deadline).await?;
        Ok(answer
            .responses
            .iter()
            .map(|t| {
                let name = t.name.as_ref().map(|n| text(&n.0)).unwrap_or_default();
                (
                    name,
                    ItemError::check(t.error_code, optional_text(t.error_message.as_ref()))
                        .map(|()| non_zero_id(t.topic_id)),
                )
            })
            .collect())
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let assigned = !topic.assignments.is_empty();
    let assignments = topic.assignments.iter().zip(0..).map(|(replicas, index)| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(replicas.iter().map(|id| BrokerId(*id)).collect())
    });
    let configs = topic.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        // -1 is Kafka's "the default", and what it demands beside an assignment.
        .with_num_partitions(if assigned {
            -1
        } else {
            topic.partitions.unwrap_or(-1)
        })
        .with_replication_factor(if assigned {
            -1
        } else {
            topic.replication_factor.unwrap_or(-1)
        })
        .with_assignments(assignments.collect())
        .with_configs(configs.collect())
}
