//! Random worlds, judged by a second opinion: what `explain` says a tenant's ACLs allow and deny, against ownership and
//! grants looked up one by one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sdm_api::{KafkaACL, KafkaAccessGrant, Operation, Pattern, ResourceType};
use sdm_core::access::{Acl, Because, Expansion, ObjectKey, Question, explain};
use serde_json::{Value, json};

use super::store::{HOME, Store, acl, grant};

const NAMESPACES: [&str; 4] = [HOME, "a", "b", "c"];
/// All of them may be declared; the last two never are.
const TOPICS: [&str; 8] = [
    "a.t",
    "ab",
    "abc",
    "abcd",
    "b.t",
    "__x",
    "ab.tomorrow",
    "zzz",
];
const PATTERNS: [&str; 10] = [
    "a.t", "ab", "abc", "b.t", "zzz", "a+", "ab+", "abc+", "_+", "*",
];
const GROUPS: [&str; 8] = ["g", "gg", "a.g", "b.g", "a.+", "b.+", "g+", "*"];
const ROLES: [&str; 8] = [
    "producer", "consumer", "admin", "viewer", "connect", "streams", "alter", "none",
];
const PRINCIPALS: [&str; 6] = [
    "User:a/user/u",
    "User:b/user/u",
    "User:b/user/u/2",
    "User:a/app",
    "User:z",
    "User:*",
];
const OPERATIONS: [Operation; 8] = [
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];

fn resource(kind: &str, text: &str) -> Value {
    match text.strip_suffix('+') {
        Some(prefix) => json!({"type": kind, "name": prefix, "pattern": "prefixed"}),
        None => json!({"type": kind, "name": text}),
    }
}

fn some<T: Clone + std::fmt::Debug + 'static>(
    of: &[T],
    least: usize,
) -> impl Strategy<Value = Vec<T>> + use<T> {
    subsequence(of.to_vec(), least..=3)
}

fn any_acl(i: usize) -> impl Strategy<Value = KafkaACL> {
    let subjects = vec![
        json!({"name": "u"}),
        json!({"name": "u", "namespace": "b"}),
        json!({"kind": "ServiceAccount", "name": "app"}),
        json!({"kind": "Principal", "name": "User:z"}),
        json!({"kind": "Principal", "name": "User:*"}),
    ];
    let resources = (some(&PATTERNS, 0), some(&GROUPS, 0), 0..6u8);
    let rest = (
        select(vec!["Allow", "Allow", "Deny"]),
        0..5i64,
        select(vec![json!([]), json!([]), json!(["10.0.0.1"])]),
    );
    (select(NAMESPACES.to_vec()), some(&subjects, 1), some(&ROLES, 1), resources, rest).prop_map(
        move |(namespace, subjects, roles, (topics, groups, other), (permission, age, hosts))| {
            let mut resources: Vec<_> = topics.iter().map(|t| resource("topic", t)).collect();
            resources.extend(groups.iter().map(|g| resource("group", g)));
            match other {
                0 => resources.push(json!({"type": "cluster"})),
                1 => resources.push(resource("delegationToken", "*")),
                _ => resources.push(resource("transactionalId", "t")),
            }
            let mut object = acl(
                namespace,
                &format!("acl{i}"),
                json!({"subjects": subjects, "roles": roles, "resources": resources, "permission": permission, "hosts": hosts}),
            );
            object.metadata.creation_timestamp = serde_json::from_value(json!(format!("2026-01-01T00:00:0{age}Z"))).ok();
            object
        },
    )
}

fn any_grant(i: usize) -> impl Strategy<Value = KafkaAccessGrant> {
    let operations = select(vec![
        json!([]),
        json!(["Read"]),
        json!(["Alter", "Write"]),
        json!(["All"]),
    ]);
    (
        select(NAMESPACES.to_vec()),
        some(&NAMESPACES, 1),
        some(&PATTERNS, 1),
        operations,
    )
        .prop_map(move |(namespace, to, topics, operations)| {
            let topics: Vec<_> = topics
                .iter()
                .map(|t| match t.strip_suffix('+') {
                    Some(prefix) => json!({"name": prefix, "pattern": "prefixed"}),
                    None => json!({"name": t}),
                })
                .collect();
            grant(
                namespace,
                &format!("grant{i}"),
                json!({"namespaces": to, "topics": topics, "operations": operations}),
            )
        })
}

fn any_world() -> impl Strategy<Value = Store> {
    let owners = proptest::collection::vec(select(vec!["", HOME, "a", "b", "c"]), TOPICS.len() - 2);
    let acls =
        (1..7usize).prop_flat_map(|n| (0..n).map(|i| any_acl(i).boxed()).collect::<Vec<_>>());
    let grants =
        (0..4usize).prop_flat_map(|n| (0..n).map(|i| any_grant(i).boxed()).collect::<Vec<_>>());
    let allowed = select(vec![
        json!({}),
        json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["c"]}]}),
    ]);
    (owners, acls, grants, allowed).prop_map(|(owners, acls, grants, allowed)| {
        let mut store = Store::new();
        store.allowed = serde_json::from_value::<LabelSelector>(allowed).ok();
        store.topics.clear();
        for (topic, owner) in TOPICS
            .iter()
            .zip(owners)
            .filter(|(_, owner)| !owner.is_empty())
        {
            store.topic(topic, owner);
        }
        store.user("a", "u", &["User:a/user/u"]);
        store.user("b", "u", &["User:b/user/u", "User:b/user/u/2"]);
        store.role(
            "a",
            "alter",
            json!([{"resource": "topic", "operations": ["Alter", "AlterConfigs"]}]),
        );
        store.role(
            "b",
            "alter",
            json!([{"resource": "topic", "operations": ["All"]}]),
        );
        store.acls = acls;
        store.grants = grants;
        store
    })
}

/// The rule, looked up one by one.
fn may(store: &Store, tenant: &str, topic: &str, operation: Operation) -> bool {
    let owner = store.topics.get(topic).map(String::as_str);
    if store.allowed != Some(LabelSelector::default()) && tenant == "c" {
        return false;
    }
    owner == Some(tenant)
        || store.grants.iter().any(|grant| {
            let giver = grant.metadata.namespace.as_deref().unwrap();
            let closed = giver == "c" && store.allowed != Some(LabelSelector::default());
            let names = grant.spec.topics.iter().any(|t| match t.pattern {
                Pattern::Literal => t.name == topic || t.name == "*",
                Pattern::Prefixed => topic.starts_with(&t.name),
            });
            let mut operations = grant.spec.operations.clone();
            if operations.is_empty() {
                operations = vec![
                    Operation::Read,
                    Operation::Write,
                    Operation::Describe,
                    Operation::DescribeConfigs,
                ];
            }
            let gives = operations.iter().any(|o| {
                let describe = matches!(
                    o,
                    Operation::Read | Operation::Write | Operation::Delete | Operation::Alter
                );
                *o == Operation::All
                    || *o == operation
                    || operation == Operation::Describe && describe
                    || operation == Operation::DescribeConfigs && *o == Operation::AlterConfigs
            });
            !closed
                && grant.spec.namespaces.iter().any(|n| n == tenant)
                && (owner == Some(giver) || owner.is_none() && giver == HOME)
                && names
                && gives
        })
}

/// The ACLs that objects of `namespace` ask for.
fn acls_of(expansion: &Expansion, namespace: &str) -> BTreeSet<Acl> {
    let asked = expansion
        .wanted
        .iter()
        .filter(|(_, objects)| objects.iter().any(|o| o.namespace == namespace));
    asked.map(|(acl, _)| acl.clone()).collect()
}

fn ask<'a>(
    acls: &BTreeSet<Acl>,
    principal: &'a str,
    operation: Operation,
    resource: ResourceType,
    name: &'a str,
) -> Because {
    let question = Question {
        principal,
        host: "10.0.0.1",
        operation,
        resource,
        name,
    };
    explain(&question, acls.iter(), &[], &BTreeMap::new()).because
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_tenant_gives_or_denies_what_is_not_its_own_or_granted(store in any_world()) {
        let expansion = store.expand();
        for tenant in ["a", "b", "c"] {
            let acls = acls_of(&expansion, tenant);
            for topic in TOPICS {
                for operation in OPERATIONS {
                    for principal in PRINCIPALS {
                        let because = ask(&acls, principal, operation, ResourceType::Topic, topic);
                        if because != Because::NoRule {
                            prop_assert!(may(&store, tenant, topic, operation), "{} of {}: {:?} on {} by {:?}", principal, tenant, operation, topic, because);
                        }
                        if let Because::Denied { .. } = because {
                            let own = principal.starts_with(&format!("User:{tenant}/"));
                            prop_assert!(own || store.topics.get(topic).is_some_and(|o| o == tenant), "{} locks out {}", tenant, principal);
                        }
                    }
                }
            }
            for acl in &acls {
                prop_assert!(acl.principal != "User:*");
                prop_assert!(!matches!(acl.resource, ResourceType::Cluster | ResourceType::DelegationToken));
                prop_assert!(acl.resource != ResourceType::Topic || acl.pattern == Pattern::Literal && acl.name != "*");
            }
        }
    }

    #[test]
    fn what_is_owned_or_granted_is_given(store in any_world()) {
        // The other direction, for a subject that needs no looking up: what a valid object lists by name arrives.
        let expansion = store.expand();
        for object in &store.acls {
            let tenant = object.metadata.namespace.as_deref().unwrap();
            let key = ObjectKey::of(object);
            let mine: BTreeSet<_> = expansion.wanted.iter().filter(|(_, o)| o.contains(&key)).map(|(a, _)| a.clone()).collect();
            let z = object.spec.subjects.iter().any(|s| s.name == "User:z");
            if !z || !object.spec.roles.iter().any(|r| r == "consumer") || object.spec.permission == sdm_api::Permission::Deny {
                continue;
            }
            for topic in object.spec.resources.iter().filter(|r| r.type_ == ResourceType::Topic && r.pattern == Pattern::Literal) {
                let name = topic.name.as_deref().unwrap();
                if name != "*" && (tenant == HOME || may(&store, tenant, name, Operation::Read)) {
                    let because = ask(&mine, "User:z", Operation::Read, ResourceType::Topic, name);
                    prop_assert!(matches!(because, Because::Allowed { .. }), "{}: {:?}", key, because);
                }
            }
        }
    }

    #[test]
    fn a_group_has_one_tenant(store in any_world()) {
        let expansion = store.expand();
        for kind in [ResourceType::Group, ResourceType::TransactionalId] {
            for name in ["g", "gg", "ggg", "a.g", "a.gg", "b.g", "c.g", "streaming.g", "t"] {
                let tenants: Vec<_> = ["a", "b", "c"]
                    .into_iter()
                    .filter(|tenant| {
                        let acls = acls_of(&expansion, tenant);
                        OPERATIONS.iter().any(|o| PRINCIPALS.iter().any(|p| ask(&acls, p, *o, kind, name) != Because::NoRule))
                    })
                    .collect();
                prop_assert!(tenants.len() <= 1, "{} belongs to {:?}", name, tenants);
                let by_name = name.split_once('.').map(|(n, _)| n);
                prop_assert!(by_name.is_none() || tenants.is_empty() || tenants == [by_name.unwrap()], "{} belongs to {:?}", name, tenants);
            }
        }
    }

    #[test]
    fn removing_an_object_takes_only_what_nobody_else_needs(store in any_world(), at in any::<prop::sample::Index>()) {
        let with = store.expand();
        let mut fewer = store.clone();
        let gone = ObjectKey::of(&fewer.acls.remove(at.index(store.acls.len())));
        fewer.held = with.claims.clone();
        let without = fewer.expand();
        for (acl, objects) in &with.wanted {
            let others: Vec<_> = objects.iter().filter(|o| **o != gone).cloned().collect();
            // What others asked for stays; a name that was let go may be somebody else's now.
            if !others.is_empty() {
                let now = without.wanted.get(acl);
                prop_assert!(now.is_some_and(|now| others.iter().all(|o| now.contains(o))), "{} lost to {:?}", acl, others);
            } else if !matches!(acl.resource, ResourceType::Group | ResourceType::TransactionalId) {
                prop_assert!(!without.wanted.contains_key(acl), "{} stays", acl);
            }
        }
        for (acl, objects) in &without.wanted {
            prop_assert!(!objects.contains(&gone) && !objects.is_empty(), "{}", acl);
        }
    }

    #[test]
    fn the_order_of_objects_does_not_matter(store in any_world()) {
        let mut turned = store.clone();
        turned.acls.reverse();
        turned.grants.reverse();
        prop_assert_eq!(store.expand(), turned.expand());
    }
}
