//! On which brokers a partition's replicas are.
//!
//! Until load itself is balanced, a placement is by rack and by how many replicas brokers host. What can stay stays: a
//! replica that moves costs a copy of its data.

use std::collections::{BTreeMap, BTreeSet};

/// A broker, as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its id.
    pub id: i32,
    /// Its rack.
    pub rack: Option<String>,
    /// Replicas that it hosts.
    pub load: u64,
    /// Whether it is fenced: nothing new is placed there.
    pub fenced: bool,
}

/// Replicas of each partition, `replicas` of them, the preferred leader first. A partition that has as many keeps them
/// as they are, others keep all they can, and their leader. Where brokers are too few, so are the replicas.
#[must_use]
pub fn place(current: &[Vec<i32>], replicas: usize, brokers: &[Broker]) -> Vec<Vec<i32>> {
    let mut world = World {
        brokers: brokers.iter().map(|b| (b.id, b)).collect(),
        load: brokers.iter().map(|b| (b.id, b.load)).collect(),
        leads: BTreeMap::new(),
    };
    for leader in current.iter().filter_map(|replicas| replicas.first()) {
        *world.leads.entry(*leader).or_default() += 1;
    }
    current
        .iter()
        .map(|now| world.partition(now, replicas.max(1)))
        .collect()
}

/// The brokers, and what the plan so far adds to them.
struct World<'a> {
    brokers: BTreeMap<i32, &'a Broker>,
    load: BTreeMap<i32, u64>,
    leads: BTreeMap<i32, usize>,
}

impl World<'_> {
    fn partition(&mut self, now: &[i32], replicas: usize) -> Vec<i32> {
        let mut seen = BTreeSet::new();
        let mut then: Vec<i32> = now.iter().copied().filter(|id| seen.insert(*id)).collect();
        while then.len() > replicas {
            let leaves = self.leaves(&then);
            then.retain(|id| *id != leaves);
            if let Some(load) = self.load.get_mut(&leaves) {
                *load = load.saturating_sub(1);
            }
        }
        while then.len() < replicas {
            let Some(comes) = self.comes(&then) else {
                break;
            };
            then.push(comes);
            *self.load.entry(comes).or_default() += 1;
        }
        if now.is_empty() {
            self.lead(&mut then);
        }
        then
    }

    /// The broker for one more replica: of the rack least used by the partition, with the least load.
    fn comes(&self, then: &[i32]) -> Option<i32> {
        self.brokers
            .values()
            .filter(|broker| !broker.fenced && !then.contains(&broker.id))
            .min_by_key(|b| (self.in_rack_of(b.id, then), self.load.get(&b.id), b.id))
            .map(|broker| broker.id)
    }

    /// The replica to give up: one that does not serve, else of the rack most used by the partition, with the most load.
    /// The preferred leader stays if it serves.
    fn leaves(&self, then: &[i32]) -> i32 {
        let serves = |id: i32| self.brokers.get(&id).is_some_and(|broker| !broker.fenced);
        let worst = then.iter().copied().enumerate().max_by_key(|&(at, id)| {
            (
                !serves(id),
                at != 0,
                self.in_rack_of(id, then),
                self.load.get(&id).copied(),
                id,
            )
        });
        worst.map_or(-1, |(_, id)| id)
    }

    /// How many of the replicas are in the broker's rack.
    fn in_rack_of(&self, id: i32, then: &[i32]) -> usize {
        let rack = |id: i32| self.brokers.get(&id).map(|broker| broker.rack.as_deref());
        let own = rack(id);
        then.iter().filter(|other| rack(**other) == own).count()
    }

    /// A new partition is led by the one that leads least of the topic.
    fn lead(&mut self, then: &mut [i32]) {
        let leads = |id: &i32| self.leads.get(id).copied().unwrap_or_default();
        if let Some(at) = (0..then.len()).min_by_key(|at| (leads(&then[*at]), *at)) {
            then[..=at].rotate_right(1);
            *self.leads.entry(then[0]).or_default() += 1;
        }
    }
}
