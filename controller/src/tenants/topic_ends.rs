//! Topics whose objects are gone: deleted or kept as the objects said. What Kafka keeps of what is gone is told on the
//! cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;
use sdm_kafka::{Client, ItemError};

use super::calls::ITEMS;
use super::gate::Closed;
use super::hub::Kind;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

/// Names in a sentence; all of them may be thousands.
const SHOWN: usize = 5;

impl Worker {
    /// Takes away what is left of topics and users that are gone. What Kafka refuses is told, and tried again; it holds up
    /// nothing else.
    pub(super) async fn take_away(&mut self, client: &Client) -> Result<(), Error> {
        let topics = self.take_away_topics(client).await?;
        let users = self.take_away_users(client).await?;
        if !self.state.left.went(topics.is_some() || !users.is_empty()) {
            return Ok(());
        }
        if let Some(error) = topics {
            let why = format!("{error}; they are deleted when Kafka allows it");
            self.tell_topics_left(&why).await;
        }
        self.tell_users_left(&users).await;
        Ok(())
    }

    /// Deletes topics whose objects are gone, and forgets or keeps their records as the objects said. Returns what Kafka
    /// said if it refused some.
    async fn take_away_topics(&mut self, client: &Client) -> Result<Option<ItemError>, Error> {
        let gone: Vec<String> = self.orphans().map(|(name, _)| name.to_owned()).collect();
        let Some(ledger) = &mut self.ledger else {
            return Ok(None);
        };
        if gone.is_empty() {
            return Ok(None);
        }
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        self.state.access = true;
        let mut refused = None;
        for part in gone.chunks(ITEMS) {
            let names: Vec<&str> = part.iter().map(String::as_str).collect();
            for (name, verdict) in client.delete_topics(&names).await? {
                match verdict {
                    Ok(id) => {
                        id.into_iter().for_each(|id| self.deleted.add(id));
                        ledger.set_topic(&name, None);
                    }
                    Err(error) if error.name == "UNKNOWN_TOPIC_OR_PARTITION" => {
                        ledger.set_topic(&name, None);
                    }
                    Err(error) => {
                        tracing::warn!(topic = name, %error, "topic not deleted, will be repeated");
                        self.context.metrics.error(error.reason());
                        refused = Some(error);
                    }
                }
            }
        }
        ledger.commit(&self.context.client).await?;
        Ok(refused)
    }

    /// Topics on record whose objects are gone and that go with them.
    fn orphans(&self) -> impl Iterator<Item = (&str, Key)> {
        let ledger = self.ledger.iter().flat_map(|l| l.topics());
        ledger.filter_map(|(name, entry)| {
            let key = Key {
                namespace: entry.namespace.clone(),
                name: entry.name.clone(),
            };
            let there = self
                .state
                .topics
                .get(&key)
                .is_some_and(|t| t.metadata.uid.as_deref() == Some(&entry.uid));
            let unknown = self.state.unreadable.contains(&(Kind::Topic, key.clone()));
            (entry.delete && !there && !unknown).then_some((name.as_str(), key))
        })
    }

    /// Topics that are not deleted yet, and why: told on the cluster, by namespace.
    async fn tell_topics_left(&self, why: &str) {
        let mut left: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, key) in self.orphans() {
            left.entry(key.namespace).or_default().push(name);
        }
        for (namespace, topics) in left {
            let (count, some) = (topics.len(), topics[..topics.len().min(SHOWN)].join(", "));
            let note = format!(
                "{count} topics of namespace {namespace} are left behind in Kafka, for example {some}: {why}"
            );
            self.tell_left("TopicsLeftBehind", note).await;
        }
    }

    /// Topics that are to be deleted by a Kafka that cannot be asked: told once each time that it falls silent.
    pub(super) async fn tell_kept(&self, closed: &Closed) {
        let why = format!("{}; they are deleted when it answers", closed.message);
        self.tell_topics_left(&why).await;
    }

    /// Logins and quotas that are not taken away yet, and why: told on the cluster.
    async fn tell_users_left(&self, users: &[(Key, ItemError)]) {
        let Some((_, error)) = users.first() else {
            return;
        };
        let some: Vec<String> = users
            .iter()
            .take(SHOWN)
            .map(|(k, _)| k.to_string())
            .collect();
        let note = format!(
            "logins or quotas of {} users that are gone are left behind in Kafka, for example of {}: {error}; they are taken away when Kafka allows it",
            users.len(),
            some.join(", ")
        );
        self.tell_left("UsersLeftBehind", note).await;
    }

    /// An event on the cluster: what is told of has no object any more.
    pub(super) async fn tell_left(&self, reason: &str, note: String) {
        let about = ObjectReference {
            api_version: Some(format!("{}/{}", sdm_api::GROUP, sdm_api::VERSION)),
            kind: Some("KafkaCluster".to_owned()),
            namespace: Some(self.key.namespace.clone()),
            name: Some(self.key.name.clone()),
            ..ObjectReference::default()
        };
        self.context
            .events
            .warning(&about, reason, "Delete", note)
            .await;
    }
}
