//! What a worker's lanes are made of: queues of what is to be looked at now, timers for what is to be later, and what Kafka
//! has refused to take away.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::hub::Kind;
use crate::reconcile::backoff;
use crate::store::Key;

/// A queue without duplicates.
pub struct Queue<T> {
    order: VecDeque<T>,
    members: HashSet<T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            members: HashSet::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Queue<T> {
    /// Adds to the end, unless it waits already.
    pub fn push(&mut self, item: T) {
        if self.members.insert(item.clone()) {
            self.order.push_back(item);
        }
    }

    /// Takes up to `limit` from the front; those that are `busy` keep their place.
    pub fn take(&mut self, limit: usize, busy: impl Fn(&T) -> bool) -> Vec<T> {
        let (mut taken, mut kept) = (Vec::new(), Vec::new());
        while taken.len() < limit {
            let Some(item) = self.order.pop_front() else {
                break;
            };
            if busy(&item) && self.members.contains(&item) {
                kept.push(item);
            } else if self.members.remove(&item) {
                taken.push(item);
            }
        }
        for item in kept.into_iter().rev() {
            self.order.push_front(item);
        }
        taken
    }

    /// Whether one waits that is not `busy`.
    pub fn has_free(&self, busy: impl Fn(&T) -> bool) -> bool {
        self.members.iter().any(|item| !busy(item))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Does not wait any more.
    pub fn remove(&mut self, item: &T) {
        self.members.remove(item);
    }
}

/// When something is looked at again.
#[derive(Default)]
pub struct Timers {
    due: BTreeMap<(Instant, u64), (Kind, Key)>,
    armed: HashMap<(Kind, Key), ((Instant, u64), u32)>,
    next: u64,
}

impl Timers {
    /// Looks at it again at `at`; an earlier arrangement is forgotten.
    pub fn at(&mut self, kind: Kind, key: &Key, at: Instant) {
        self.arm(kind, key, at, 0);
    }

    /// Looks at it again after a pause that grows with each failure in a row.
    pub fn retry(&mut self, kind: Kind, key: &Key, patience: u32) {
        let attempts = self
            .armed
            .get(&(kind, key.clone()))
            .map_or(0, |(_, attempts)| *attempts)
            .saturating_add(1);
        self.arm(
            kind,
            key,
            Instant::now() + backoff(attempts + patience),
            attempts,
        );
    }

    /// How often in a row it has failed.
    pub fn failures(&self, kind: Kind, key: &Key) -> u32 {
        let armed = self.armed.get(&(kind, key.clone()));
        armed.map_or(0, |(_, attempts)| *attempts)
    }

    /// Nothing is arranged any more.
    pub fn clear(&mut self, kind: Kind, key: &Key) {
        if let Some((slot, _)) = self.armed.remove(&(kind, key.clone())) {
            self.due.remove(&slot);
        }
    }

    /// All of a kind were tried: those that have not `failed` begin anew.
    pub fn forget_but(&mut self, kind: Kind, failed: impl Fn(&Key) -> bool) {
        let armed = self.armed.keys();
        let over: Vec<Key> = armed
            .filter(|(of, key)| *of == kind && !failed(key))
            .map(|(_, key)| key.clone())
            .collect();
        over.iter().for_each(|key| self.clear(kind, key));
    }

    /// What is due. How often each has failed is kept until it succeeds.
    pub fn take(&mut self, now: Instant) -> Vec<(Kind, Key)> {
        let later = self.due.split_off(&(now + Duration::from_nanos(1), 0));
        std::mem::replace(&mut self.due, later)
            .into_values()
            .collect()
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    fn arm(&mut self, kind: Kind, key: &Key, at: Instant, attempts: u32) {
        self.clear(kind, key);
        self.next += 1;
        let slot = (at, self.next);
        self.due.insert(slot, (kind, key.clone()));
        self.armed.insert((kind, key.clone()), (slot, attempts));
    }
}

/// Something of the whole cluster that Kafka may refuse: then it is tried again, later and later.
#[derive(Debug, Default)]
pub struct Again {
    refusals: u32,
    due: Option<Instant>,
}

impl Again {
    /// How it went. `true`: it was refused, and had not been before.
    pub fn went(&mut self, is_refused: bool) -> bool {
        if !is_refused {
            *self = Self::default();
            return false;
        }
        self.refusals = self.refusals.saturating_add(1);
        self.due = Some(Instant::now() + backoff(self.refusals));
        self.refusals == 1
    }

    /// Whether it is due; once.
    pub fn take(&mut self, now: Instant) -> bool {
        self.due.take_if(|at| *at <= now).is_some()
    }

    /// When it is due.
    pub fn next(&self) -> Option<Instant> {
        self.due
    }
}
