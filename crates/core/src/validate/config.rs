//! Kafka configuration: reserved keys, what the catalog says of the others, and numbers of copies that the cluster
//! cannot hold.

use std::collections::BTreeMap;

use sdm_api::bounds::CONFIG_KEYS;
use sdm_api::{KafkaClusterSpec, config_keys};

use crate::config_catalog::{Line, Scope, conflicts, opinion};
use crate::render::{default_min_isr, default_replication_factor, number};
use crate::resolve::{Node, Resolved};
use crate::violation::Review;

/// Copies of records, of offsets, of transactions, of share groups.
const REPLICATION_FACTORS: [&str; 4] = [
    "default.replication.factor",
    "offsets.topic.replication.factor",
    "share.coordinator.state.topic.replication.factor",
    "transaction.state.log.replication.factor",
];
/// Whole numbers of at least one.
const NUMBERS: [&str; 8] = [
    "default.replication.factor",
    "min.insync.replicas",
    "num.partitions",
    "offsets.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "transaction.state.log.min.isr",
    "transaction.state.log.replication.factor",
];
/// Decided by the active controller for all: on a single node they would have no effect.
const CLUSTER_WIDE: [&str; 3] = [
    "default.replication.factor",
    "min.insync.replicas",
    "num.partitions",
];
/// (copies that must confirm, copies there are)
const PAIRS: [(&str, &str); 3] = [
    ("min.insync.replicas", "default.replication.factor"),
    (
        "transaction.state.log.min.isr",
        "transaction.state.log.replication.factor",
    ),
    (
        "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.replication.factor",
    ),
];

pub(super) fn check(spec: &KafkaClusterSpec, meant: &Resolved, review: &mut Review) {
    let brokers = meant.brokers().count();
    // A version that is not supported is said to be that already; its keys are then those of the newest.
    let line = Line::of(&spec.version).unwrap_or(Line::NEWEST);
    one(&spec.config, "spec.config", (line, brokers), review);
    let pools = spec
        .pools
        .iter()
        .map(|p| (format!("spec.pools[{}].config", p.name), &p.config));
    let overrides = spec
        .overrides
        .iter()
        .enumerate()
        .map(|(i, o)| (format!("spec.overrides[{i}].config"), &o.config));
    for (path, config) in pools.chain(overrides) {
        one(config, &path, (line, brokers), review);
        for key in CLUSTER_WIDE.iter().filter(|key| config.contains_key(**key)) {
            review.invalid(
                format!("{path}[{key}]"),
                format!("{key} holds for the whole cluster, and has no effect on single nodes: move it to spec.config"),
            );
        }
    }
    copies(&spec.config, brokers, review);
    for node in meant.nodes.values() {
        for conflict in conflicts(line, &node.config) {
            let path = format!("{}[{}]", layer(spec, node, &conflict.key), conflict.key);
            review.invalid(path, conflict.message);
        }
    }
}

/// Where a node's key is written down: in the last override that has it, else in the pool, else for all.
fn layer(spec: &KafkaClusterSpec, node: &Node, key: &str) -> String {
    let of_node =
        |o: &sdm_api::NodeOverride| o.node_ids.contains(&node.id) && o.config.contains_key(key);
    if let Some(i) = spec.overrides.iter().rposition(of_node) {
        return format!("spec.overrides[{i}].config");
    }
    let of_pool = |p: &&sdm_api::NodePool| p.name == node.pool && p.config.contains_key(key);
    match spec.pools.iter().find(of_pool) {
        Some(pool) => format!("spec.pools[{}].config", pool.name),
        None => "spec.config".to_owned(),
    }
}

/// What can be said of one map alone.
fn one(
    config: &BTreeMap<String, String>,
    path: &str,
    (line, brokers): (Line, usize),
    review: &mut Review,
) {
    if config.len() > CONFIG_KEYS {
        let count = config.len();
        review.invalid(
            path,
            format!("{count} settings are too many: use at most {CONFIG_KEYS}"),
        );
    }
    // To look at thousands takes seconds, and what is wrong has been said.
    for (key, value) in config.iter().take(CONFIG_KEYS) {
        let path = format!("{path}[{key}]");
        if config_keys::is_reserved(key) {
            review.invalid(
                path,
                format!("{key} is reserved: {}; remove it", reserved_because(key)),
            );
        } else if key.is_empty()
            || key.len() > 256
            || !key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        {
            review.invalid(path, format!("{key:?} is no configuration key: use letters, digits, dots, dashes and underscores"));
        } else {
            let said = opinion(Some(line), Scope::Broker, key, value);
            for unwise in said.unwise {
                review.warn(&path, unwise);
            }
            match said.wrong {
                Some(wrong) => review.invalid(path, wrong),
                None => numbers(config, (key, value), (path, brokers), review),
            }
        }
    }
}

/// What the catalog cannot know: Kafka takes any number, and finds out later.
fn numbers(
    config: &BTreeMap<String, String>,
    (key, value): (&str, &str),
    (path, brokers): (String, usize),
    review: &mut Review,
) {
    if !NUMBERS.contains(&key) {
        return;
    }
    let of_copies = REPLICATION_FACTORS.contains(&key);
    match number(config, key) {
        None | Some(0) => review.invalid(path, format!("{value:?} is no whole number of at least 1")),
        Some(n) if of_copies && n > brokers => review.invalid(
            path,
            format!("{n} copies need {n} brokers and the cluster has {brokers}: lower it, or add brokers"),
        ),
        Some(1) if of_copies && brokers > 1 => {
            let (what, whom) = match key {
                "default.replication.factor" => ("every record", "its partitions"),
                "offsets.topic.replication.factor" => ("consumers' offsets", "consumer groups"),
                "transaction.state.log.replication.factor" => ("transactions", "them"),
                _ => ("share groups' state", "them"),
            };
            review.warn(path, format!("one copy of {what}: each restart of a broker interrupts {whom}, and a lost volume loses them"));
        }
        Some(_) => {}
    }
}

/// How many copies must confirm, of how many.
fn copies(config: &BTreeMap<String, String>, brokers: usize, review: &mut Review) {
    if brokers == 1 {
        review.warn(
            "spec.pools",
            "one broker: every record has a single copy, and a restart interrupts everybody",
        );
    }
    for (confirm, all) in PAIRS {
        let there = number(config, all)
            .filter(|n| *n > 0)
            .unwrap_or_else(|| default_replication_factor(brokers));
        let wanted = number(config, confirm).unwrap_or_else(|| default_min_isr(there));
        let path = format!("spec.config[{confirm}]");
        if wanted > there {
            review.invalid(
                path,
                format!("{wanted} copies must confirm a write and {all} is {there}, so none would succeed: lower it to {}", default_min_isr(there)),
            );
        } else if wanted == there && there > 1 {
            review.warn(path, format!("all {there} copies must confirm a write: while any broker restarts, writes are refused"));
        }
    }
}

/// Why a reserved key is the operator's, as the end of a sentence.
#[must_use]
pub fn reserved_because(key: &str) -> &'static str {
    match key {
        "broker.rack" => "racks are decided by spec.rackAwareness",
        "listeners" | "advertised.listeners" | "listener.security.protocol.map" => {
            "listeners are what spec.listeners says"
        }
        "log.dir" | "log.dirs" | "metadata.log.dir" => {
            "log directories are the volumes of storage.volumes"
        }
        "node.id" | "broker.id" | "process.roles" => "ids and roles are what the pools say",
        "cluster.id" => "it is what spec.clusterId says",
        "control.plane.listener.name" => {
            "Kafka 4 does not have it, the quorum's listener is enough"
        }
        "super.users"
        | "authorizer.class.name"
        | "allow.everyone.if.no.acl.found"
        | "principal.builder.class" => "access control is always on",
        _ if key.starts_with("controller.quorum.") => "the operator forms the quorum",
        _ if key.starts_with("ssl.") || key.starts_with("listener.name.") => {
            "certificates and TLS of every listener are the operator's"
        }
        _ if key.starts_with("zookeeper.") => "the cluster runs without ZooKeeper",
        _ => "the operator decides it",
    }
}
