//! Topics: one batch of objects, observed with two calls to Kafka, changed with one call for each kind of change.
//!
//! Owns the order of record, call and status. What is to be done about one topic is `sdm_core::topic`'s.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::ResourceExt;
use sdm_api::{KafkaAccessGrant, KafkaTopic, TopicDeletionPolicy};
use sdm_core::access::{may_adopt, namespace_allowed};
use sdm_core::outcome::{Refusal, admit};
use sdm_core::topic::{
    self, Claim, Observed, Outcome, Place, Situation, TopicPlan, plan, validate_in, winner,
};
use sdm_kafka::{Client, ItemError};

use tokio::time::Instant;

use super::gate::Open;
use super::hub::Kind;
use super::ledger::TopicEntry;
use super::status::{self, CONCURRENCY};
use super::topic_sight::Sight;
use super::worker::{BATCH, Worker};
use crate::error::Error;
use crate::store::Key;

/// Replicas that move are looked at this often.
const MOVING: Duration = Duration::from_secs(2);

/// A topic in a batch.
pub(super) struct Item {
    pub key: Key,
    pub topic: Arc<KafkaTopic>,
    pub observed: Option<Observed>,
    pub plan: TopicPlan,
    /// What Kafka said instead of how it is.
    pub unsure: Option<ItemError>,
}

impl Item {
    pub fn name(&self) -> &str {
        self.topic.topic_name()
    }
}

impl Worker {
    /// One batch of topics: those that changed first, then some of the sweep.
    pub(super) async fn topics(&mut self, open: &Open, client: &Client) -> Result<(), Error> {
        let writes = &self.writes;
        let changed = self
            .state
            .dirty_topics
            .take(BATCH, |key| writes.has(Kind::Topic, key));
        let swept = if changed.len() < BATCH
            && !self.state.sweep_topics.is_empty()
            && self.sweep.may(&self.state)
        {
            self.state
                .sweep_topics
                .take(BATCH - changed.len(), |key| writes.has(Kind::Topic, key))
        } else {
            Vec::new()
        };
        if changed.is_empty() && swept.is_empty() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        let batch: Vec<Key> = changed
            .iter()
            .chain(&swept)
            .filter(|k| seen.insert(*k))
            .cloned()
            .collect();
        let result = self.topic_batch(open, client, &batch).await;
        if result.is_err() {
            changed
                .into_iter()
                .for_each(|key| self.state.dirty_topics.push(key));
            swept
                .into_iter()
                .for_each(|key| self.state.sweep_topics.push(key));
        }
        result
    }

    async fn topic_batch(
        &mut self,
        open: &Open,
        client: &Client,
        batch: &[Key],
    ) -> Result<(), Error> {
        let mut outcomes: Vec<(Key, Outcome)> = Vec::new();
        let mut admitted = Vec::new();
        for key in batch {
            let Some(topic) = self.state.topics.get(key).cloned() else {
                continue;
            };
            if topic.metadata.deletion_timestamp.is_some() {
                continue;
            }
            match self.admit(open, key, &topic) {
                Ok(()) => admitted.push((key.clone(), topic)),
                Err(refusal) => outcomes.push((key.clone(), Outcome::Held(refusal, None))),
            }
        }
        let began = Instant::now();
        let mut items = self.observe_topics(open, client, admitted).await?;
        let observed = began.elapsed();
        outcomes.extend(self.carry_out(client, &mut items).await?);
        let carried_out = began.elapsed() - observed;
        self.conclude_topics(outcomes).await?;
        let told = began.elapsed() - observed - carried_out;
        tracing::debug!(cluster = %self.key, topics = batch.len(), ?observed, ?carried_out, ?told, "batch");
        Ok(())
    }

    /// What can be said without asking Kafka.
    fn admit(&self, open: &Open, key: &Key, topic: &KafkaTopic) -> Result<(), Refusal> {
        let out = self.allowed(open, &key.namespace).err();
        let place = Place::of(&open.resolved, &open.cluster.spec.config);
        let review = validate_in(topic, None, out.is_none().then_some(&place));
        admit(out, &review)?;
        let name = topic.topic_name();
        let recorded = self.ledger.as_ref().and_then(|l| l.topics().get(name));
        match winner(self.claims(open, name), recorded.map(|r| r.uid.as_str())) {
            Some(first) if Some(&first.uid) != topic.metadata.uid.as_ref() => Err(Refusal {
                reason: topic::reason::TOPIC_NAME_CONFLICT,
                message: topic::conflict(
                    name,
                    format_args!("KafkaTopic {}/{}", first.namespace, first.name),
                ),
                waits: false,
            }),
            _ => Ok(()),
        }
    }

    /// Who claims a topic and could have it: a namespace that is kept out keeps nobody else from it, and neither does one
    /// that may not have what was kept for another.
    pub(super) fn claims(&self, open: &Open, name: &str) -> impl Iterator<Item = &Claim> {
        let all = self.state.claims.get(name).into_iter().flatten();
        let recorded = self.ledger.as_ref().and_then(|l| l.topics().get(name));
        let kept = recorded.filter(|r| all.clone().all(|c| c.uid != r.uid));
        all.filter(move |c| {
            let is_theirs = kept.is_none_or(|k| {
                k.namespace == c.namespace || self.may_adopt(open, &c.namespace, name).is_ok()
            });
            is_theirs && self.allowed(open, &c.namespace).is_ok()
        })
    }

    fn may_adopt(&self, open: &Open, namespace: &str, topic: &str) -> Result<(), Refusal> {
        let grants: Vec<&KafkaAccessGrant> = self.state.grants.values().map(|g| &**g).collect();
        may_adopt(&open.resolved.namespace, &grants, namespace, topic)
    }

    /// Whether a namespace may use the cluster.
    pub(super) fn allowed(&self, open: &Open, namespace: &str) -> Result<(), Refusal> {
        let found = self
            .shared
            .namespaces
            .get(&kube::runtime::reflector::ObjectRef::new(namespace));
        let labels = found.as_ref().and_then(|n| n.metadata.labels.as_ref());
        let tenancy = open.cluster.spec.tenancy.as_ref();
        namespace_allowed(
            &self.key.namespace,
            tenancy.and_then(|t| t.allowed_namespaces.as_ref()),
            namespace,
            labels,
        )
    }

    /// Asks Kafka about all of them at once, and plans.
    async fn observe_topics(
        &mut self,
        open: &Open,
        client: &Client,
        admitted: Vec<(Key, Arc<KafkaTopic>)>,
    ) -> Result<Vec<Item>, Error> {
        if admitted.is_empty() {
            return Ok(Vec::new());
        }
        let mut sight = Sight::of(client, &admitted, &self.deleted).await?;
        self.context.metrics.polls.inc();
        let brokers = self.movers(client, &admitted, &mut sight).await?;
        let grants: Vec<&KafkaAccessGrant> = self.state.grants.values().map(|g| &**g).collect();
        let items = admitted
            .into_iter()
            .map(|(key, topic)| {
                let (observed, unsure) = sight.take(topic.topic_name());
                let recorded = self
                    .ledger
                    .as_ref()
                    .and_then(|l| l.topics().get(topic.topic_name()));
                let owned = recorded.is_some_and(|r| Some(&r.uid) == topic.metadata.uid.as_ref());
                let adoptable = match recorded {
                    // Kept when its object went: its records are that namespace's.
                    Some(kept) if kept.namespace == key.namespace => Ok(()),
                    _ => may_adopt(
                        &open.resolved.namespace,
                        &grants,
                        &key.namespace,
                        topic.topic_name(),
                    ),
                };
                let none = Vec::new();
                let situation = Situation {
                    topic: &topic,
                    observed: observed.as_ref().map(Option::as_ref).map_err(Clone::clone),
                    owned,
                    adoptable,
                    managed_keys: topic.status.as_ref().map_or(&none, |s| &s.config_keys),
                    brokers: &brokers,
                    throttled: recorded.is_some_and(|r| r.throttled),
                };
                let plan = plan(&situation);
                Item {
                    key,
                    topic,
                    observed: observed.unwrap_or_default(),
                    plan,
                    unsure,
                }
            })
            .collect();
        Ok(items)
    }

    /// The record of a topic's owner, as it should be.
    pub(super) fn entry(topic: &KafkaTopic, before: Option<&TopicEntry>) -> TopicEntry {
        TopicEntry {
            namespace: topic.namespace().unwrap_or_default(),
            name: topic.name_any(),
            uid: topic.uid().unwrap_or_default(),
            delete: topic.spec.deletion_policy == TopicDeletionPolicy::Delete,
            throttled: before.is_some_and(|b| b.throttled),
        }
    }

    /// Writes what came of a batch, and arranges when to look again.
    async fn conclude_topics(&mut self, outcomes: Vec<(Key, Outcome)>) -> Result<(), Error> {
        let now = status::now();
        let mut wanted = Vec::new();
        for (key, outcome) in outcomes {
            let Some(topic) = self.state.topics.get(&key).cloned() else {
                continue;
            };
            match &outcome {
                Outcome::Held(refusal, _) if refusal.reason == topic::reason::REASSIGNING => {
                    self.state
                        .timers
                        .at(Kind::Topic, &key, Instant::now() + MOVING);
                }
                Outcome::Held(refusal, _) if refusal.waits => {
                    self.again(Kind::Topic, &key, false);
                }
                // Only a change of an object helps, and changes are heard of; the sweep looks all the same.
                Outcome::Ready(_) | Outcome::Held(..) => {
                    self.state.timers.clear(Kind::Topic, &key);
                }
                Outcome::Failed(fault) => {
                    self.context.metrics.error(fault.reason);
                    self.again(Kind::Topic, &key, !fault.waits);
                }
            }
            let failures = self.state.timers.failures(Kind::Topic, &key);
            if !topic::is_told(&topic, &outcome, failures) {
                continue;
            }
            let status = topic::status(&topic, &outcome, &now);
            wanted.push((topic, status));
        }
        let told = stream::iter(&wanted);
        told.for_each_concurrent(CONCURRENCY, |(topic, status)| {
            self.tell_topic(topic, status)
        })
        .await;
        self.writes.topics(&self.context, wanted);
        Ok(())
    }

    /// Topics that are owned, by name.
    pub(super) fn owned_topics(&self) -> BTreeMap<String, String> {
        let Some(ledger) = &self.ledger else {
            return BTreeMap::new();
        };
        ledger
            .topics()
            .iter()
            .filter(|(_, entry)| {
                let key = Key {
                    namespace: entry.namespace.clone(),
                    name: entry.name.clone(),
                };
                self.state
                    .topics
                    .get(&key)
                    .is_some_and(|t| t.metadata.uid.as_deref() == Some(&entry.uid))
            })
            .map(|(name, entry)| (name.clone(), entry.namespace.clone()))
            .collect()
    }
}
