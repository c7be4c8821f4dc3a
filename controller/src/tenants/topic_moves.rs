//! Replicas that move: the order given, the throttle they move under, and lifting it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sdm_api::KafkaTopic;
use sdm_core::topic::{Broker, Step};
use sdm_kafka::{Client, NodeInfo};

use super::calls::verdict;
use super::throttle;
use super::topic_sight::Sight;
use super::topic_steps::Failed;
use super::topics::Item;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

impl Worker {
    pub(super) async fn reassign(
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
        let refused = throttle::set(client, &topics, throttle::BYTES_PER_SECOND).await?;
        // What cannot be throttled does not move.
        for (topic, key) in &keys {
            if let Some(error) = refused.of(topic) {
                failed.insert(key.clone(), error.clone());
            }
        }
        moves.retain(|(topic, ..)| refused.of(topic).is_none());
        if moves.is_empty() {
            return Ok(());
        }
        let verdicts = match client.alter_partition_reassignments(&moves).await {
            Ok(verdicts) => verdicts,
            Err(error) if error.is_retriable() => return Err(error.into()),
            Err(error) => {
                let error = verdict(error)?;
                let moved = moves.iter().filter_map(|(topic, ..)| keys.get(topic));
                failed.extend(moved.map(|key| (key.clone(), error.clone())));
                return Ok(());
            }
        };
        for ((name, _), verdict) in verdicts {
            if let (Err(error), Some(key)) = (verdict, keys.get(&name)) {
                failed.insert(key.clone(), error);
            }
        }
        Ok(())
    }

    pub(super) async fn lift_throttles(
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
        let refused = throttle::lift(client, &names, !others).await?;
        for item in done {
            if let Some(error) = refused.of(item.name()) {
                failed.insert(item.key.clone(), error.clone());
            }
            if failed.contains_key(&item.key) {
                continue;
            }
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
        sight: &mut Sight,
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
                    || sight.observed.get(t.topic_name()).is_some_and(|o| {
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
            return Ok(sight.serving.iter().map(broker).collect());
        }
        let (ongoing, cluster, all) = tokio::join!(
            client.list_partition_reassignments(None),
            client.describe_cluster(true),
            client.list_topics(),
        );
        for partition in ongoing? {
            if let Some(seen) = sight.observed.get_mut(&partition.topic) {
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
}
