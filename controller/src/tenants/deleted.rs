//! Topics that this process deleted, by id.
//!
//! A broker learns late what the quorum decided: for a moment it still tells of a topic that is gone, and one that is
//! declared anew under the same name must not be taken for it. Ids are never used twice, so knowing them is enough.

use std::collections::{HashSet, VecDeque};

use sdm_kafka::Id;

/// How many are remembered: more than go at once.
const LIMIT: usize = 20_000;

/// The last topics that were deleted.
#[derive(Default)]
pub struct Deleted {
    ids: HashSet<Id>,
    order: VecDeque<Id>,
}

impl Deleted {
    /// One more; the oldest is forgotten when there are too many.
    pub fn add(&mut self, id: Id) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// Whether the topic of this id is gone, whatever a broker says.
    pub fn has(&self, id: Id) -> bool {
        self.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered_and_no_more() {
        let id = |n: usize| Id((n as u128).to_be_bytes());
        let mut deleted = Deleted::default();
        for n in 0..=LIMIT {
            deleted.add(id(n));
            deleted.add(id(n));
        }
        assert!(!deleted.has(id(0)) && deleted.has(id(1)) && deleted.has(id(LIMIT)));
        assert_eq!((deleted.ids.len(), deleted.order.len()), (LIMIT, LIMIT));
    }
}
