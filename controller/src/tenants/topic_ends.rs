//! Topics whose objects are gone: deleted or kept as the objects said, and told of where Kafka does not answer.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;
use sdm_kafka::{Client, ItemError};

use super::calls::ITEMS;
use super::gate::{Closed, Open};
use super::hub::Kind;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

impl Worker {
    /// Deletes topics whose objects are gone, and forgets or keeps their records as the objects said.
    pub(super) async fn take_away_topics(
        &mut self,
        _: &Open,
        client: &Client,
    ) -> Result<(), Error> {
        let gone: Vec<String> = self.orphans().map(|(name, _)| name.to_owned()).collect();
        let Some(ledger) = &mut self.ledger else {
            return Ok(());
        };
        if gone.is_empty() {
            return Ok(());
        }
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        self.state.access = true;
        for part in gone.chunks(ITEMS) {
            let names: Vec<&str> = part.iter().map(String::as_str).collect();
            for (name, verdict) in client.delete_topics(&names).await? {
                match verdict {
                    Ok(id) => {
                        id.into_iter().for_each(|id| self.deleted.add(id));
                        ledger.set_topic(&name, None);
                    }
                    Err(error) if error.name == "UNKNOWN_TOPIC_OR_PARTITION" => {
                        ledger.set_topic(&name, None)
                    }
                    Err(error) => {
                        tracing::warn!(topic = name, %error, "topic not deleted, will be repeated");
                        self.context.metrics.error("TopicNotDeleted");
                        self.state.gone = true;
                    }
                }
            }
        }
        let stuck = self.state.gone;
        ledger.commit(&self.context.client).await?;
        if stuck {
            return Err(Error::Kafka(
                ItemError {
                    code: -1,
                    name: "UNKNOWN_SERVER_ERROR",
                    message: Some("topics could not be deleted".to_owned()),
                }
                .into_error("DeleteTopics"),
            ));
        }
        Ok(())
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

    /// Topics that cannot be deleted while Kafka is away: told once on the cluster, by namespace.
    pub(super) async fn tell_left_behind(&mut self, closed: &Closed) {
        if self.ledger.is_none() {
            // The record may be there although the cluster is not; nothing can be done about it then.
            return;
        }
        let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, key) in self.orphans() {
            left.entry(key.namespace).or_default().push(name.to_owned());
        }
        for (namespace, topics) in left {
            let shown = topics
                .iter()
                .take(5)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let note = format!(
                "{} topics of namespace {namespace} are left behind in Kafka until it answers, for example {shown}: {}",
                topics.len(),
                closed.message
            );
            let about = ObjectReference {
                api_version: Some(format!("{}/{}", sdm_api::GROUP, sdm_api::VERSION)),
                kind: Some("KafkaCluster".to_owned()),
                namespace: Some(self.key.namespace.clone()),
                name: Some(self.key.name.clone()),
                ..ObjectReference::default()
            };
            self.context
                .events
                .warning(&about, "TopicsLeftBehind", "Delete", note)
                .await;
        }
    }
}
