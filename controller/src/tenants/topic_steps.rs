//! Carrying out what topics need: the record first, then one call for each kind of change, one verdict a topic.

use std::collections::{BTreeSet, HashMap};

use sdm_core::topic::{self, Answer, Facts, Observed, Outcome, Step};
use sdm_kafka::{Client, ConfigChange, ConfigOp, ConfigResource, ItemError, NewTopic};

use super::calls::{ITEMS, PARTITIONS};
use super::topics::Item;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

/// What went wrong with a topic.
pub(super) type Failed = HashMap<Key, ItemError>;
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
            let error = failed.get(&item.key).or(item.unsure.as_ref());
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
}

fn owns(ledger: &super::ledger::Ledger, item: &Item) -> bool {
    ledger
        .topics()
        .get(item.name())
        .is_some_and(|r| Some(&r.uid) == item.topic.metadata.uid.as_ref())
}

fn outcome(item: &Item, error: Option<&ItemError>) -> Outcome {
    match error {
        Some(error) => topic::failed(Answer {
            name: error.name,
            reason: error.reason(),
            message: error.to_string(),
            retriable: error.is_retriable(),
            asked: item.unsure.is_some(),
        }),
        None => topic::outcome(&item.plan, Facts::of(item.observed.as_ref(), &item.plan)),
    }
}
