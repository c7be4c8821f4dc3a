//! Specs by chance.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use sdm_core::access::Acl;
use serde_json::{Value, json};

use super::ops::{BUILT_IN, cluster_ref};
use super::place::{HOME, NAMESPACES};

/// An ACL object of chance.
pub fn any_acl(random: &mut StdRng) -> Value {
    let deny = random.random_bool(0.25);
    let mut subjects = vec![
        json!({"name": "u1"}),
        json!({"name": "u2"}),
        json!({"name": "u1", "namespace": "alpha"}),
        json!({"name": "u2", "namespace": "beta"}),
        json!({"name": "nobody"}),
        json!({"name": "stranger", "namespace": HOME}),
        json!({"kind": "ServiceAccount", "name": "app"}),
        json!({"kind": "Principal", "name": "User:lit"}),
        json!({"kind": "Principal", "name": "User:CN=x,O=y"}),
        // The same as a user above.
        json!({"kind": "Principal", "name": "User:alpha/user/u1"}),
        json!({"kind": "Principal", "name": "User:sdm:admin"}),
    ];
    if !deny {
        subjects.push(json!({"kind": "Principal", "name": "User:*"}));
    }
    let roles = [
        "r1",
        "r2",
        "r1",
        "r2",
        "missing",
        BUILT_IN[random.random_range(0..6)],
        BUILT_IN[random.random_range(0..6)],
    ];
    let mut roles = some(random, &roles, 2);
    roles.dedup();
    let topics = ["t1", "t2", "a.x", "a.y", "wild", "t+", "a.+", "*", "anchor"];
    // Nobody denies the clients of the test anything.
    let topics = if deny { &topics[..7] } else { &topics[..] };
    let others = [
        resource("group", "pool"),
        resource("group", "jobs"),
        resource("group", "alpha.g"),
        resource("group", "beta.+"),
        resource("group", "home-g"),
        resource("group", "p+"),
        resource("transactionalId", "tx"),
        resource("transactionalId", "alpha.+"),
        json!({"type": "cluster"}),
        resource("delegationToken", "*"),
    ];
    let mut resources: Vec<_> = some(random, topics, 3)
        .into_iter()
        .map(|t| resource("topic", t))
        .collect();
    if random.random_bool(0.6) {
        resources.extend(some(random, &others, 2));
    }
    let hosts = match random.random_range(0..10) {
        0 => json!(["10.0.0.1"]),
        1 => json!(["127.0.0.1", "10.0.0.1"]),
        2 if random.random_bool(0.5) => json!(["10.0.0.0/8"]),
        _ => json!([]),
    };
    json!({
        "clusterRef": cluster_ref(), "subjects": some(random, &subjects, 3), "roles": roles, "resources": resources,
        "hosts": hosts, "permission": if deny { "Deny" } else { "Allow" },
    })
}

pub(super) fn any_role(random: &mut StdRng) -> Value {
    let topic = some(
        random,
        &[
            "Read",
            "Write",
            "Create",
            "Delete",
            "Alter",
            "Describe",
            "DescribeConfigs",
            "AlterConfigs",
        ],
        4,
    );
    let mut rules = vec![json!({"resource": "topic", "operations": topic})];
    if random.random_bool(0.5) {
        rules.push(json!({"resource": "group", "operations": some(random, &["Read", "Describe", "Delete"], 2)}));
    }
    if random.random_bool(0.3) {
        rules.push(json!({"resource": "transactionalId", "operations": ["Write"]}));
    }
    if random.random_bool(0.1) {
        // No such operation on a topic.
        rules.push(json!({"resource": "topic", "operations": ["ClusterAction"]}));
    }
    json!({"rules": rules})
}

pub(super) fn any_grant(random: &mut StdRng) -> Value {
    let topics = ["t1", "t2", "a.x", "wild", "t+", "a.+", "*", "anchor"];
    let topics: Vec<_> = some(random, &topics, 2)
        .into_iter()
        .map(|t| match t.strip_suffix('+') {
            Some(prefix) => json!({"name": prefix, "pattern": "prefixed"}),
            None => json!({"name": t}),
        })
        .collect();
    let operations = [
        json!([]),
        json!(["Read"]),
        json!(["Write", "Alter"]),
        json!(["All"]),
    ];
    json!({
        "clusterRef": cluster_ref(), "namespaces": some(random, &NAMESPACES, 2), "topics": topics,
        "operations": one(random, &operations),
    })
}

pub(super) fn any_user(random: &mut StdRng) -> Value {
    let authentication = one(random, &["tls", "tls", "scram-sha-512", "scram-sha-256"]);
    json!({"clusterRef": cluster_ref(), "authentication": authentication})
}

/// Something that never stands for anything an object stands for: no object speaks of this address.
pub(super) fn odd(random: &mut StdRng) -> Acl {
    let principals = [
        "User:lit",
        "User:alpha/user/u1",
        "User:home/user/anchor",
        "User:beta/app",
        "User:other",
    ];
    let operation = one(random, &["Read", "Write", "Describe", "All"]);
    let (resource, name) = one(
        random,
        &[
            ("topic", "t1"),
            ("topic", "a."),
            ("topic", "*"),
            ("group", "pool"),
        ],
    );
    let acl = json!({
        "resource": resource, "pattern": if name.ends_with('.') { "prefixed" } else { "literal" }, "name": name,
        "principal": one(random, &principals), "host": "10.7.7.7", "operation": operation,
        "permission": one(random, &["Allow", "Deny"]),
    });
    serde_json::from_value(acl).unwrap_or_else(|e| unreachable!("{e}"))
}

pub(super) fn some<T: Clone>(random: &mut StdRng, of: &[T], most: usize) -> Vec<T> {
    let count = random.random_range(1..=most);
    of.choose_multiple(random, count).cloned().collect()
}

pub(super) fn one<T: Clone>(random: &mut StdRng, of: &[T]) -> T {
    of[random.random_range(0..of.len())].clone()
}

pub(super) fn resource(kind: &str, text: &str) -> Value {
    match text.strip_suffix('+') {
        Some(prefix) => json!({"type": kind, "name": prefix, "pattern": "prefixed"}),
        None => json!({"type": kind, "name": text}),
    }
}
