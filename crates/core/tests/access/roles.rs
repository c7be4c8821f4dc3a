//! Roles, built in and made by users.

use sdm_api::{Operation, ResourceType};
use sdm_core::access::{BUILT_IN_ROLES, built_in, operations_of};
use serde_json::json;

use super::store::{HOME, Store, check, one, resource_of, simple, with};

#[test]
fn built_in_roles_are_these() {
    let said: Vec<_> = BUILT_IN_ROLES
        .iter()
        .map(|role| format!("{role}: {:?}", built_in(role).unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            "producer: [(Topic, [Write, Describe]), (TransactionalId, [Write, Describe])]",
            "consumer: [(Topic, [Read, Describe]), (Group, [Read, Describe])]",
            "admin: [(Topic, [All]), (Group, [All]), (TransactionalId, [All]), (Cluster, [All]), (DelegationToken, [All])]",
            "viewer: [(Topic, [Describe, DescribeConfigs]), (Group, [Describe]), (TransactionalId, [Describe]), (Cluster, [Describe, DescribeConfigs])]",
            "connect: [(Topic, [Read, Write, Describe, Create, DescribeConfigs]), (Group, [Read, Describe, Delete]), (TransactionalId, [Write, Describe])]",
            "streams: [(Topic, [Read, Write, Describe, Create, Delete, DescribeConfigs]), (Group, [Read, Describe, Delete]), (TransactionalId, [Write, Describe])]",
        ]
    );
    for (resource, operations) in BUILT_IN_ROLES.iter().filter_map(|r| built_in(r)).flatten() {
        for operation in *operations {
            assert!(*operation == Operation::All || operations_of(*resource).contains(operation));
        }
    }
    assert_eq!(built_in("Producer"), None);
    assert!(!operations_of(ResourceType::Group).contains(&Operation::Write));
}

#[test]
fn rules_apply_to_what_is_listed_and_of_their_type() {
    let store = Store::new();
    let both = json!([resource_of("topic orders"), resource_of("group a.g")]);
    check(vec![
        (
            "a topic and a group",
            one(
                &store,
                "a",
                with(simple("consumer", "topic orders"), "resources", both),
            ),
            &[
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
                r#"Allow Read on group "a.g" to User:x"#,
                r#"Allow Describe on group "a.g" to User:x"#,
            ],
        ),
        (
            "roles add up",
            one(
                &store,
                "a",
                with(
                    simple("", "topic orders"),
                    "roles",
                    json!(["consumer", "producer"]),
                ),
            ),
            &[
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Write on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
            ],
        ),
        (
            "no rule for it",
            one(&store, "a", simple("producer", "group a.g")),
            &[r#"- no role of this object says anything about group "a.g""#],
        ),
        (
            "admin has rules for the cluster, which a tenant does not list",
            one(&store, "a", simple("admin", "topic orders")),
            &[r#"Allow All on topic "orders" to User:x"#],
        ),
        (
            "and may not",
            one(&store, "a", simple("viewer", "cluster")),
            &[
                r#"! ClusterRightsNotAllowed: rights on the cluster itself are the cluster's own namespace's to give: it takes a KafkaACL in namespace "streaming""#,
            ],
        ),
        (
            "nor tokens",
            one(&store, "a", simple("admin", "delegationToken *")),
            &[
                r#"! ClusterRightsNotAllowed: rights on delegation tokens are the cluster's own namespace's to give: it takes a KafkaACL in namespace "streaming""#,
            ],
        ),
        (
            "the cluster",
            one(&store, HOME, simple("viewer", "cluster")),
            &[
                r#"Allow Describe on cluster "kafka-cluster" to User:x"#,
                r#"Allow DescribeConfigs on cluster "kafka-cluster" to User:x"#,
            ],
        ),
    ]);
}

#[test]
fn roles_of_users_are_looked_up_where_they_are_used() {
    let mut store = Store::new();
    store.role("a", "purge", json!([{"resource": "topic", "operations": ["Delete"]}, {"resource": "cluster", "operations": ["Alter"]}]));
    store.role(
        "b",
        "mine",
        json!([{"resource": "topic", "operations": ["All"]}]),
    );
    store.role(
        "a",
        "broken",
        json!([{"resource": "topic", "operations": ["Read", "ClusterAction"]}]),
    );
    store.role(
        "a",
        "consumer",
        json!([{"resource": "topic", "operations": ["Alter"]}]),
    );
    let roles = |roles: serde_json::Value| {
        one(
            &store,
            "a",
            with(simple("", "topic orders"), "roles", roles),
        )
    };
    check(vec![
        (
            "its own",
            roles(json!(["purge"])),
            &[r#"Allow Delete on topic "orders" to User:x"#],
        ),
        (
            "another namespace's, and the rest is given",
            roles(json!(["mine", "purge"])),
            &[
                r#"Allow Delete on topic "orders" to User:x"#,
                r#"? RoleNotFound: role "mine" does not exist: create KafkaRole a/mine, or use a built-in one (producer, consumer, admin, viewer, connect, streams)"#,
            ],
        ),
        (
            "invalid",
            roles(json!(["broken", "purge"])),
            &[
                r#"Allow Delete on topic "orders" to User:x"#,
                "! InvalidRole: KafkaRole a/broken is invalid: spec.rules[0].operations: Kafka knows no ClusterAction on a topic: use Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs or All",
            ],
        ),
        (
            "a built-in name is the built-in role",
            roles(json!(["consumer"])),
            &[
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
            ],
        ),
    ]);
}
