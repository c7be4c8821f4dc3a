//! What Kafka says of a batch of topics: asked with two calls at once, and with a third about those that it does not know
//! of although they were there.
//!
//! Owns the questions and what each answer means. What follows from it is `sdm_core::topic`'s.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sdm_api::KafkaTopic;
use sdm_core::outcome::Refusal;
use sdm_core::topic::{self, Observed, keys_of_interest};
use sdm_kafka::error::code;
use sdm_kafka::{
    Client, ConfigEntry, ConfigResource, ConfigSource, ItemError, KafkaError, NewTopic, NodeInfo,
    TopicMetadata,
};

use super::calls::verdict;
use super::deleted::Deleted;
use crate::store::Key;

/// Configurations of topics; an error for one, if Kafka gave one.
type Configs = Vec<(ConfigResource, Result<Vec<ConfigEntry>, KafkaError>)>;

/// What was seen of a batch, by topic.
pub(super) struct Sight {
    /// As they are.
    pub observed: HashMap<String, Observed>,
    /// The brokers that serve.
    pub serving: Vec<NodeInfo>,
    /// What Kafka said instead of how they are.
    unsure: HashMap<String, ItemError>,
    /// Those that are there although the broker that was asked does not know of them.
    hidden: HashSet<String>,
}

impl Sight {
    /// Looks at all of them at once. Topics of `deleted` are gone, whatever a broker says.
    pub async fn of(
        client: &Client,
        batch: &[(Key, Arc<KafkaTopic>)],
        deleted: &Deleted,
    ) -> Result<Self, KafkaError> {
        let names: Vec<&str> = batch.iter().map(|(_, t)| t.topic_name()).collect();
        let (metadata, configs) =
            tokio::join!(client.metadata(Some(&names)), configs(client, batch));
        let metadata = metadata?;
        let mut sight = Self {
            observed: HashMap::new(),
            serving: metadata.brokers,
            unsure: HashMap::new(),
            hidden: HashSet::new(),
        };
        for found in metadata.topics {
            sight.list(found, deleted);
        }
        let missing: Vec<&str> = batch
            .iter()
            .filter(|(_, topic)| topic::said_to_be_had(topic).is_some())
            .map(|(_, topic)| topic.topic_name())
            .filter(|name| !sight.observed.contains_key(*name) && !sight.unsure.contains_key(*name))
            .collect();
        sight.hidden = exist(client, &missing).await?;
        for (resource, entries) in configs? {
            sight.configure(resource, entries)?;
        }
        Ok(sight)
    }

    /// One topic: none if it is not there, a refusal if that cannot be told now, and what Kafka said then.
    pub fn take(&mut self, name: &str) -> (Result<Option<Observed>, Refusal>, Option<ItemError>) {
        let observed = self.observed.remove(name);
        let unsure = self.unsure.remove(name);
        if self.hidden.remove(name) {
            return (Err(topic::broker_behind(name)), unsure);
        }
        let doubt = unsure
            .as_ref()
            .map(|error| Refusal::waits(error.reason(), error.to_string()));
        (doubt.map_or(Ok(observed), Err), unsure)
    }

    fn list(&mut self, found: TopicMetadata, deleted: &Deleted) {
        if let Some(error) = found.error {
            if error.code != code::UNKNOWN_TOPIC_OR_PARTITION {
                // Between two leaders, for one: this one waits, the others do not.
                self.unsure.insert(found.name, error);
            }
            return;
        }
        // One of before, that this broker has yet to hear the end of.
        if found.id.is_some_and(|id| deleted.has(id)) {
            return;
        }
        let seen = Observed {
            id: found.id.map(|id| id.to_string()),
            replicas: found.partitions.into_iter().map(|p| p.replicas).collect(),
            ..Observed::default()
        };
        self.observed.insert(found.name, seen);
    }

    fn configure(
        &mut self,
        resource: ConfigResource,
        entries: Result<Vec<ConfigEntry>, KafkaError>,
    ) -> Result<(), KafkaError> {
        let ConfigResource::Topic(name) = resource else {
            return Ok(());
        };
        // A topic that is not there has no configuration either.
        let Some(seen) = self.observed.get_mut(&name) else {
            return Ok(());
        };
        let entries = match entries.map_err(verdict) {
            Ok(entries) => entries,
            Err(error) => {
                let error = error?;
                // Another broker than the one that knows the topic was asked.
                if error.code == code::UNKNOWN_TOPIC_OR_PARTITION {
                    self.hidden.insert(name);
                } else {
                    self.unsure.insert(name, error);
                }
                return Ok(());
            }
        };
        for entry in entries {
            let value = entry.value.unwrap_or_default();
            if entry.source == ConfigSource::Topic {
                seen.config.insert(entry.name.clone(), value.clone());
            }
            seen.effective.insert(entry.name, value);
        }
        Ok(())
    }
}

/// The keys that each topic is about.
async fn configs(client: &Client, batch: &[(Key, Arc<KafkaTopic>)]) -> Result<Configs, KafkaError> {
    let asked: Vec<(ConfigResource, Vec<String>)> = batch
        .iter()
        .map(|(_, t)| {
            let resource = ConfigResource::Topic(t.topic_name().to_owned());
            (resource, keys_of_interest(t))
        })
        .filter(|(_, keys)| !keys.is_empty())
        .collect();
    match asked.is_empty() {
        true => Ok(Vec::new()),
        false => client.describe_config_keys(&asked).await,
    }
}

/// Which of these topics exist although a broker does not know of them. A broker hears of topics from the active
/// controller, after a while; whether one may be created is that controller's own to say.
async fn exist(client: &Client, missing: &[&str]) -> Result<HashSet<String>, KafkaError> {
    if missing.is_empty() {
        return Ok(HashSet::new());
    }
    let again: Vec<NewTopic> = missing
        .iter()
        .map(|name| NewTopic {
            name: (*name).to_owned(),
            partitions: Some(1),
            replication_factor: Some(1),
            ..NewTopic::default()
        })
        .collect();
    let verdicts = client.create_topics(&again, true).await?;
    Ok(verdicts
        .into_iter()
        .filter(|(_, verdict)| {
            let error = verdict.as_ref().err();
            error.is_some_and(|error| error.code == code::TOPIC_ALREADY_EXISTS)
        })
        .map(|(name, _)| name)
        .collect())
}
