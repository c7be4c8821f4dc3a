//! What is wrong with a topic's object, as far as it can be said of the object alone.
//!
//! What the CEL rules of the definition say is said here again: an object may have been stored before a rule existed.

use std::collections::BTreeMap;

use sdm_api::bounds::CONFIG_KEYS;
use sdm_api::{KafkaTopic, KafkaTopicSpec};

use super::{MIN_ISR, RESERVED};
use crate::access::ObjectKey;
use crate::around::Around;
use crate::config_catalog::{Line, Scope, opinion};
use crate::render;
use crate::resolve::Resolved;
use crate::violation::Review;

/// What Kafka takes as a topic's name.
const NAME_AT_MOST: usize = 249;
/// Bounds of the definition.
const PARTITIONS_AT_MOST: i32 = 100_000;
const REPLICAS_AT_MOST: i32 = 32;

/// What a cluster lets a topic be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of Kafka that it runs.
    pub line: Option<Line>,
    /// How many brokers it is meant to have.
    pub brokers: usize,
    /// Copies of a topic that does not say how many.
    pub copies: usize,
}

impl Place {
    /// In this cluster.
    #[must_use]
    pub fn of(cluster: &Resolved, config: &BTreeMap<String, String>) -> Self {
        let brokers = cluster.brokers().count();
        let copies = render::number(config, "default.replication.factor");
        Self {
            line: Line::of(&cluster.version),
            brokers,
            copies: copies.unwrap_or_else(|| render::default_replication_factor(brokers)),
        }
    }
}

/// What there is to say about `new`; `old` is the object before the change, where there is one. Its cluster is not known:
/// see [`validate_in`].
#[must_use]
pub fn validate(new: &KafkaTopic, old: Option<&KafkaTopic>) -> Review {
    validate_in(new, old, None)
}

/// The same, with what is known of others: whether the cluster is there and lets its namespace in, and what it lets a
/// topic be.
#[must_use]
pub fn review(new: &KafkaTopic, old: Option<&KafkaTopic>, around: &Around) -> Review {
    let namespace = new.metadata.namespace.as_deref().unwrap_or_default();
    let relation = around.relation(namespace, &new.spec.cluster_ref);
    let mut review = validate_in(new, old, relation.place());
    relation.tell(&mut review);
    let key = ObjectKey::of(new);
    if let Some(first) = around.declared_before(&key, &new.spec.cluster_ref, new.topic_name()) {
        // Only a warning: the other one may be on its way out.
        let other = format_args!("KafkaTopic {}/{}", first.namespace, first.name);
        review.warn(name_path(new), conflict(new.topic_name(), other));
    }
    review
}

/// That another object has declared a topic first, and what can be done.
pub fn conflict(topic: &str, other: impl std::fmt::Display) -> String {
    format!(
        "topic {topic} belongs to {other}, which declared it first; choose another topicName, or delete one of the two"
    )
}

/// The field that a topic has its name from.
fn name_path(topic: &KafkaTopic) -> &'static str {
    match topic.spec.topic_name {
        Some(_) => "spec.topicName",
        None => "metadata.name",
    }
}

/// The same, in a cluster.
#[must_use]
pub fn validate_in(new: &KafkaTopic, old: Option<&KafkaTopic>, place: Option<&Place>) -> Review {
    let mut review = Review::default();
    name(new, &mut review);
    numbers(&new.spec, &mut review);
    if let Some(place) = place {
        copies(&new.spec, place, &mut review);
    }
    if new.spec.config.len() > CONFIG_KEYS {
        let count = new.spec.config.len();
        review.invalid(
            "spec.config",
            format!("{count} settings are too many: use at most {CONFIG_KEYS}"),
        );
    }
    // To look at thousands takes seconds, and what is wrong has been said.
    for (key, value) in new.spec.config.iter().take(CONFIG_KEYS) {
        setting(place.and_then(|p| p.line), key, value, &mut review);
    }
    confirmations(&new.spec, place, &mut review);
    compaction(&new.spec, &mut review);
    if let Some(old) = old {
        change(&new.spec, &old.spec, &mut review);
    }
    review
}

fn name(topic: &KafkaTopic, review: &mut Review) {
    let name = topic.topic_name();
    let path = name_path(topic);
    let instead = match topic.spec.topic_name {
        Some(_) => "",
        None => ", or give another one in spec.topicName",
    };
    if name.is_empty() {
        review.invalid(path, "a topic needs a name");
    } else if name.len() > NAME_AT_MOST {
        review.invalid(
            path,
            format!(
                "{} characters are too long for a topic: use at most {NAME_AT_MOST}{instead}",
                name.len()
            ),
        );
    } else if name == "." || name == ".." {
        review.invalid(
            path,
            format!("{name:?} is no name of a topic: it would be a directory's"),
        );
    } else if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    {
        review.invalid(
            path,
            format!(
                "{name:?} is no name of a topic: use letters, digits, dots, dashes and underscores"
            ),
        );
    } else if name.starts_with("__") {
        review.forbidden(
            path,
            format!(
                "{name:?} is Kafka's own: choose a name that does not begin with two underscores"
            ),
        );
    } else if name.contains('.') && name.contains('_') {
        review.warn(
            path,
            "dots and underscores are the same in names of metrics, where it can collide with another topic: use one of them",
        );
    }
}

fn numbers(spec: &KafkaTopicSpec, review: &mut Review) {
    let mut within = |path: &str, value: Option<i32>, most: i32| {
        if let Some(n) = value
            && !(1..=most).contains(&n)
        {
            review.invalid(path, format!("{n} is out of range: use 1 to {most}"));
        }
    };
    within("spec.partitions", spec.partitions, PARTITIONS_AT_MOST);
    within("spec.replicas", spec.replicas, REPLICAS_AT_MOST);
    if spec.replicas == Some(1) {
        review.warn(
            "spec.replicas",
            "one copy of every record: each restart of its broker interrupts a partition, and a lost volume loses it",
        );
    }
}

/// A copy is on a broker of its own.
fn copies(spec: &KafkaTopicSpec, place: &Place, review: &mut Review) {
    let wanted = spec.replicas.and_then(|n| usize::try_from(n).ok());
    if let Some(wanted) = wanted.filter(|n| *n > place.brokers) {
        let brokers = place.brokers;
        review.invalid(
            "spec.replicas",
            format!("{wanted} replicas need {wanted} brokers, and the cluster has {brokers}: use at most {brokers}, or add brokers to it first"),
        );
    }
}

fn setting(line: Option<Line>, key: &str, value: &str, review: &mut Review) {
    let path = format!("spec.config[{key}]");
    if RESERVED.contains(&key) {
        review.invalid(
            path,
            format!("{key} is reserved: the operator sets it while it moves replicas; remove it"),
        );
        return;
    }
    let said = opinion(line, Scope::Topic, key, value);
    for unwise in said.unwise {
        review.warn(&path, unwise);
    }
    if let Some(wrong) = said.wrong {
        review.invalid(path, wrong);
    }
}

/// How many copies must confirm, of how many.
fn confirmations(spec: &KafkaTopicSpec, place: Option<&Place>, review: &mut Review) {
    let all = spec.replicas.map(i64::from);
    let all = all.or_else(|| i64::try_from(place?.copies).ok());
    let (Some(confirm), Some(all)) = (number(spec, MIN_ISR), all) else {
        return;
    };
    let path = format!("spec.config[{MIN_ISR}]");
    if confirm > all {
        review.invalid(
            path,
            format!("{confirm} copies must confirm a write and there are {all}: lower it to {} or less, or raise replicas", (all - 1).max(1)),
        );
    } else if confirm == all && all > 1 {
        review.warn(
            path,
            format!("all {all} copies must confirm a write: while any broker restarts, writes are refused"),
        );
    }
}

/// Kafka refuses a topic whose records could never be compacted.
fn compaction(spec: &KafkaTopicSpec, review: &mut Review) {
    let (least, most) = ("min.compaction.lag.ms", "max.compaction.lag.ms");
    if let (Some(low), Some(high)) = (number(spec, least), number(spec, most))
        && low > high
    {
        review.invalid(
            format!("spec.config[{least}]"),
            format!("{low} is more than {most}, which is {high}: lower it"),
        );
    }
}

fn number(spec: &KafkaTopicSpec, key: &str) -> Option<i64> {
    spec.config
        .get(key)
        .and_then(|value| value.trim().parse().ok())
}

fn change(new: &KafkaTopicSpec, old: &KafkaTopicSpec, review: &mut Review) {
    if new.cluster_ref != old.cluster_ref {
        review.invalid(
            "spec.clusterRef",
            "clusterRef cannot change: create another object for the other cluster",
        );
    }
    if new.topic_name != old.topic_name {
        review.invalid(
            "spec.topicName",
            "topicName cannot change: Kafka cannot rename a topic",
        );
    }
    if let (Some(new), Some(old)) = (new.partitions, old.partitions)
        && new < old
    {
        review.invalid(
            "spec.partitions",
            format!("partitions can grow and not shrink: set it to {old} or more"),
        );
    }
}
