//! What a plan is made from, and what it is made of.

use std::collections::BTreeMap;

use sdm_api::KafkaTopic;

use super::Broker;
use crate::outcome::Refusal;

/// What is in Kafka.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The topic's id.
    pub id: Option<String>,
    /// Replicas by partition, the preferred leader first. While a reassignment is under way, those it leads to (what is
    /// listed without what it removes).
    pub replicas: Vec<Vec<i32>>,
    /// Values set on the topic itself, of the keys that were asked for.
    pub config: BTreeMap<String, String>,
    /// Values in effect, of the keys that were asked for.
    pub effective: BTreeMap<String, String>,
    /// Whether replicas of it are moving.
    pub reassigning: bool,
}

/// All that a plan depends on.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// The object.
    pub topic: &'a KafkaTopic,
    /// What is in Kafka: none if the topic is not there, a refusal if that cannot be told now.
    pub observed: Result<Option<&'a Observed>, Refusal>,
    /// Whether the record says that this object has the topic.
    pub owned: bool,
    /// Whether this namespace may take over an undeclared topic of that name.
    pub adoptable: Result<(), Refusal>,
    /// Keys that this object has set: `status.configKeys`.
    pub managed_keys: &'a [String],
    /// The cluster's brokers.
    pub brokers: &'a [Broker],
    /// Whether a throttle of ours stands on this topic.
    pub throttled: bool,
}

/// One thing to do, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Create the topic. What is not given is the brokers' default.
    Create {
        /// Partitions.
        partitions: Option<i32>,
        /// Replicas of each.
        replicas: Option<i16>,
        /// Configuration.
        config: Vec<(String, String)>,
    },
    /// Take away the throttle of a reassignment that has ended.
    LiftThrottle,
    /// Set and reset configuration, incrementally.
    Configure {
        /// Keys to set.
        set: Vec<(String, String)>,
        /// Keys to reset.
        reset: Vec<String>,
    },
    /// Add partitions.
    Grow {
        /// How many there are to be.
        total: i32,
    },
    /// Move replicas, throttled.
    Reassign {
        /// Partitions that change, with their replicas, the preferred leader first.
        partitions: Vec<(i32, Vec<i32>)>,
    },
}

/// What to do about a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPlan {
    /// What to do; also what can be done in spite of a refusal.
    pub steps: Vec<Step>,
    /// What is refused.
    pub refusal: Option<Refusal>,
    /// What differs and is left, by `driftPolicy: Report`; a sentence each.
    pub drift: Vec<String>,
    /// Keys that this object has set, once the steps are done.
    pub config_keys: Vec<String>,
    /// What goes on in Kafka after the steps, and is waited for.
    pub waits: Option<String>,
}

/// Keys to ask for: those that are wanted, and those that were set.
#[must_use]
pub fn keys_of_interest(topic: &KafkaTopic) -> Vec<String> {
    let set = topic.status.iter().flat_map(|s| &s.config_keys);
    let mut keys: Vec<String> = topic.spec.config.keys().chain(set).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
