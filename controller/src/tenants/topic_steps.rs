//! Carrying out what topics need: the record first, then one call for each kind of change, one verdict a topic.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use sdm_api::condition::{READY, STALLED};
use sdm_api::{KafkaTopic, KafkaTopicStatus};
use sdm_core::topic::{Broker, Observed, Outcome, Step};
use sdm_kafka::{Client, ConfigChange, ConfigOp, ConfigResource, ItemError, NewTopic, NodeInfo};

use super::calls::{ITEMS, PARTITIONS};
use super::gate::{Closed, Open};
use super::topics::Item;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

/// What went wrong with a topic.
type Failed = HashMap<Key, ItemError>;
/// Events about single topics in one batch; the rest is in their statuses.
const EVENTS: usize = 20;

impl Worker {
    /// Carries out all plans. Verdicts are by topic; only a Kafka that does not answer is an error.
    pub(super) async fn carry_out(
        &mut self,
        client: &Client,
        items: &mut [Item],
    ) -> Result<Vec<(Key, Outcome)>, Error> {
        let fresh = self.record(items).await?;
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        let mut failed = Failed::new();
        self.create(client, items, &fresh, &mut failed).await?;
        self.configure(client, items, &mut failed).await?;
        self.grow(client, items, &mut failed).await?;
        self.reassign(client, items, &mut failed).await?;
        self.lift_throttles(client, items, &mut failed).await?;
        if let Some(ledger) = &mut self.ledger {
            ledger.commit(&self.context.client).await?;
        }
        let mut told = 0;
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items.iter() {
            let error = failed.get(&item.key);
            if error.is_none() && told < EVENTS && self.is_mending(item) {
                told += 1;
                self.tell_mended(item).await;
            }
            outcomes.push((item.key.clone(), outcome(item, error)));
        }
        Ok(outcomes)
    }

    /// Notes owners before anything is created or taken over. Returns those who were not on record before.
    async fn record(&mut self, items: &[Item]) -> Result<BTreeSet<String>, Error> {
        let mut fresh = BTreeSet::new();
        let Some(ledger) = &mut self.ledger else {
            return Ok(fresh);
        };
        for item in items {
            if item.plan.refusal.is_some() && !owns(ledger, item) {
                continue;
            }
            // What is only reported is not taken over.
            let creates = item
                .plan
                .steps
                .iter()
                .any(|s| matches!(s, Step::Create { .. }));
            if item.observed.is_none() && !creates {
                continue;
            }
            let before = ledger.topics().get(item.name()).cloned();
            if before
                .as_ref()
                .is_none_or(|b| Some(&b.uid) != item.topic.metadata.uid.as_ref())
            {
                fresh.insert(item.name().to_owned());
                self.state.access = true;
                self.state.tell_rivals(&item.topic);
            }
            let mut entry = Self::entry(&item.topic, before.as_ref());
            entry.throttled |= item
                .plan
                .steps
                .iter()
                .any(|s| matches!(s, Step::Reassign { .. }));
            ledger.set_topic(item.name(), Some(entry));
        }
        ledger.commit(&self.context.client).await?;
        Ok(fresh)
    }

    async fn create(
        &mut self,
        client: &Client,
        items: &mut [Item],
        fresh: &BTreeSet<String>,
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut requests: Vec<Vec<NewTopic>> = Vec::new();
        let mut room = 0;
        let mut by_name: HashMap<String, usize> = HashMap::new();
        for (at, item) in items.iter().enumerate() {
            for step in &item.plan.steps {
                let Step::Create {
                    partitions,
                    replicas,
                    config,
                } = step
                else {
                    continue;
                };
                let size = partitions.unwrap_or(1);
                if requests.is_empty() || room < size {
                    requests.push(Vec::new());
                    room = PARTITIONS;
                }
                room -= size;
                by_name.insert(item.name().to_owned(), at);
                if let Some(last) = requests.last_mut() {
                    last.push(NewTopic {
                        name: item.name().to_owned(),
                        partitions: *partitions,
                        replication_factor: *replicas,
                        assignments: Vec::new(),
                        configs: config.clone(),
                    });
                }
            }
        }
        for request in requests {
            for (name, verdict) in client.create_topics(&request, false).await? {
                let Some(item) = by_name.get(&name).and_then(|at| items.get_mut(*at)) else {
                    continue;
                };
                match verdict {
                    Ok(created) => {
                        let count = |n: Option<i32>| usize::try_from(n.unwrap_or(0)).unwrap_or(0);
                        let replicas = vec![0; count(created.replication_factor.map(i32::from))];
                        item.observed = Some(Observed {
                            id: created.id.map(|id| id.to_string()),
                            replicas: vec![replicas; count(created.partitions)],
                            ..Observed::default()
                        });
                    }
                    Err(error) => {
                        // Somebody else made it a moment ago: then it is not ours.
                        if error.name == "TOPIC_ALREADY_EXISTS"
                            && fresh.contains(&name)
                            && let Some(ledger) = &mut self.ledger
                        {
                            ledger.set_topic(&name, None);
                        }
                        failed.insert(item.key.clone(), error);
                    }
                }
            }
        }
        Ok(())
    }

    async fn configure(
        &mut self,
        client: &Client,
        items: &[Item],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut changes = Vec::new();
        let mut keys = HashMap::new();
        for item in items.iter().filter(|i| !failed.contains_key(&i.key)) {
            for step in &item.plan.steps {
                let Step::Configure { set, reset } = step else {
                    continue;
                };
                let set = set.iter().map(|(key, value)| ConfigOp::Set {
                    key: key.clone(),
                    value: value.clone(),
                });
                let reset = reset
                    .iter()
                    .map(|key| ConfigOp::Delete { key: key.clone() });
                keys.insert(item.name().to_owned(), item.key.clone());
                changes.push(ConfigChange {
                    resource: ConfigResource::Topic(item.name().to_owned()),
                    ops: set.chain(reset).collect(),
                });
            }
        }
        for part in changes.chunks(ITEMS) {
            for (resource, verdict) in client.incremental_alter_configs(part, false).await? {
                if let (ConfigResource::Topic(name), Err(error)) = (resource, verdict)
                    && let Some(key) = keys.get(&name)
                {
                    failed.insert(key.clone(), error);
                }
            }
        }
        Ok(())
    }

    async fn grow(
        &mut self,
        client: &Client,
        items: &mut [Item],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut growths = Vec::new();
        let mut by_name = HashMap::new();
        for (at, item) in items
            .iter()
            .enumerate()
            .filter(|(_, i)| !failed.contains_key(&i.key))
        {
            for step in &item.plan.steps {
                if let Step::Grow { total } = step {
                    by_name.insert(item.name().to_owned(), (at, *total));
                    growths.push((item.name().to_owned(), *total, Vec::new()));
                }
            }
        }
        if growths.is_empty() {
            return Ok(());
        }
        for (name, verdict) in client.create_partitions(&growths, false).await? {
            let Some((item, total)) = by_name
                .get(&name)
                .and_then(|(at, n)| Some((items.get_mut(*at)?, *n)))
            else {
                continue;
            };
            match (verdict, &mut item.observed) {
                (Ok(()), Some(observed)) => {
                    let replicas = observed.replicas.first().cloned().unwrap_or_default();
                    observed
                        .replicas
                        .resize(usize::try_from(total).unwrap_or(0), replicas);
                }
                (Ok(()), None) => {}
                (Err(error), _) => drop(failed.insert(item.key.clone(), error)),
            }
        }
        Ok(())
    }

    async fn reassign(
        &mut self,
        client: &Client,
        items: &[Item],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut moves = Vec::new();
        let mut keys = HashMap::new();
        let mut topics = Vec::new();
        for item in items.iter().filter(|i| !failed.contains_key(&i.key)) {
            for step in &item.plan.steps {
                let Step::Reassign { partitions } = step else {
                    continue;
                };
                keys.insert(item.name().to_owned(), item.key.clone());
                topics.push(item.name());
                moves.extend(
                    partitions
                        .iter()
                        .map(|(p, to)| (item.name().to_owned(), *p, Some(to.clone()))),
                );
            }
        }
        if moves.is_empty() {
            return Ok(());
        }
        super::throttle::set(client, &topics, self.throttle()).await?;
        for ((name, _), verdict) in client.alter_partition_reassignments(&moves).await? {
            if let (Err(error), Some(key)) = (verdict, keys.get(&name)) {
                failed.insert(key.clone(), error);
            }
        }
        Ok(())
    }

    async fn lift_throttles(
        &mut self,
        client: &Client,
        items: &[Item],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let done: Vec<&Item> = items
            .iter()
            .filter(|i| i.plan.steps.contains(&Step::LiftThrottle))
            .collect();
        if done.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = done.iter().map(|i| i.name()).collect();
        let Some(ledger) = &mut self.ledger else {
            return Ok(());
        };
        let others = ledger
            .topics()
            .iter()
            .any(|(name, entry)| entry.throttled && !names.contains(&name.as_str()));
        super::throttle::lift(client, &names, !others).await?;
        for item in done.into_iter().filter(|i| !failed.contains_key(&i.key)) {
            if let Some(mut entry) = ledger.topics().get(item.name()).cloned() {
                entry.throttled = false;
                ledger.set_topic(item.name(), Some(entry));
            }
        }
        Ok(())
    }

    /// What is moving, and where it could move to: asked only if replicas are to move or do.
    pub(super) async fn movers(
        &self,
        client: &Client,
        admitted: &[(Key, Arc<KafkaTopic>)],
        observed: &mut HashMap<String, Observed>,
        serving: &[NodeInfo],
    ) -> Result<Vec<Broker>, Error> {
        let moving: Vec<&str> = admitted
            .iter()
            .map(|(_, t)| t)
            .filter(|t| {
                let recorded = self
                    .ledger
                    .as_ref()
                    .and_then(|l| l.topics().get(t.topic_name()));
                let wanted = t.spec.replicas.and_then(|r| usize::try_from(r).ok());
                recorded.is_some_and(|r| r.throttled)
                    || observed.get(t.topic_name()).is_some_and(|o| {
                        wanted.is_some_and(|w| o.replicas.iter().any(|r| r.len() != w))
                    })
            })
            .map(|t| t.topic_name())
            .collect();
        if moving.is_empty() {
            // Kafka places what is created; only how many there are matters then.
            let broker = |n: &NodeInfo| Broker {
                id: n.id,
                rack: n.rack.clone(),
                load: 0,
                fenced: n.fenced,
            };
            return Ok(serving.iter().map(broker).collect());
        }
        let (ongoing, cluster, all) = tokio::join!(
            client.list_partition_reassignments(None),
            client.describe_cluster(true),
            client.list_topics(),
        );
        for partition in ongoing? {
            if let Some(seen) = observed.get_mut(&partition.topic) {
                seen.reassigning = true;
                let at = usize::try_from(partition.partition).unwrap_or(usize::MAX);
                if let Some(replicas) = seen.replicas.get_mut(at) {
                    replicas.retain(|id| !partition.removing.contains(id));
                }
            }
        }
        let mut load: BTreeMap<i32, u64> = BTreeMap::new();
        for id in all?
            .iter()
            .flat_map(|t| &t.partitions)
            .flat_map(|p| &p.replicas)
        {
            *load.entry(*id).or_default() += 1;
        }
        Ok(cluster?
            .nodes
            .into_iter()
            .map(|n| Broker {
                load: load.get(&n.id).copied().unwrap_or(0),
                id: n.id,
                rack: n.rack,
                fenced: n.fenced,
            })
            .collect())
    }

    /// Bytes a second that a broker may spend on moving replicas.
    fn throttle(&self) -> u64 {
        super::throttle::BYTES_PER_SECOND
    }

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
            let unknown = self
                .state
                .unreadable
                .contains(&(super::hub::Kind::Topic, key.clone()));
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

    /// Whether a plan undoes what was done by hand: nothing new was asked for.
    fn is_mending(&self, item: &Item) -> bool {
        let settled = item.topic.status.as_ref();
        !item.plan.steps.is_empty()
            && item.plan.steps.iter().all(|s| *s != Step::LiftThrottle)
            && settled.is_some_and(|s| s.observed_generation == item.topic.metadata.generation)
    }

    async fn tell_mended(&self, item: &Item) {
        let steps: Vec<String> = item
            .plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Create { .. } => "created again".to_owned(),
                Step::Configure { set, reset } => {
                    let set = set.iter().map(|(k, v)| format!("{k} set to {v}"));
                    let reset = reset.iter().map(|k| format!("{k} reset"));
                    set.chain(reset).collect::<Vec<_>>().join(", ")
                }
                Step::Grow { total } => format!("grown to {total} partitions"),
                Step::Reassign { partitions } => {
                    format!("replicas of {} partitions move", partitions.len())
                }
                Step::LiftThrottle => "throttle lifted".to_owned(),
            })
            .collect();
        let note = format!(
            "topic {} was not as declared: {}",
            item.name(),
            steps.join("; ")
        );
        let about = item.topic.object_ref(&());
        self.context
            .events
            .normal(&about, "DriftCorrected", "Reconcile", note)
            .await;
    }

    /// An event where a topic stops being what its object says.
    pub(super) async fn tell_topic(&self, topic: &KafkaTopic, status: &KafkaTopicStatus) {
        let find = |conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
                    type_: &str| {
            conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == "True")
                .cloned()
        };
        let before = topic
            .status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default();
        let Some(stalled) = find(&status.conditions, STALLED) else {
            return;
        };
        if find(before, STALLED).is_some_and(|b| b.reason == stalled.reason)
            && find(before, READY).is_none()
        {
            return;
        }
        let about = topic.object_ref(&());
        self.context
            .events
            .warning(&about, &stalled.reason, "Reconcile", stalled.message)
            .await;
    }
}

fn owns(ledger: &super::ledger::Ledger, item: &Item) -> bool {
    ledger
        .topics()
        .get(item.name())
        .is_some_and(|r| Some(&r.uid) == item.topic.metadata.uid.as_ref())
}

fn outcome(item: &Item, error: Option<&ItemError>) -> Outcome {
    let facts = Some(item.facts());
    if let Some(error) = error {
        return Outcome::Failed {
            reason: error.reason().to_owned(),
            message: error.to_string(),
            permanent: !error.is_retriable() && error.name != "TOPIC_ALREADY_EXISTS",
            facts: None,
        };
    }
    if let Some(refusal) = item.plan.refusal.clone() {
        return Outcome::refused(refusal, facts);
    }
    if let Some(waits) = item.plan.waits.clone() {
        return Outcome::Waiting {
            reason: sdm_core::topic::reason::REASSIGNING.to_owned(),
            message: waits,
            facts,
        };
    }
    Outcome::Ready(item.facts())
}
