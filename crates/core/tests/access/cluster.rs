//! The cluster's own namespace, and which namespaces may use the cluster at all.

use serde_json::json;

use super::store::{HOME, Store, check, one, resource_of, simple, told, with};

#[test]
fn the_clusters_own_namespace_may_speak_of_everything() {
    let store = Store::new();
    let resources = [
        "topic orders",
        "topic b*",
        "topic *",
        "group g",
        "group g*",
        "group *",
        "transactionalId t*",
        "cluster",
        "delegationToken *",
    ];
    let everything = json!({
        "subjects": [{"kind": "Principal", "name": "User:*"}],
        "roles": ["viewer", "admin"],
        "resources": resources.map(resource_of),
    });
    check(vec![
        (
            "everything, with Kafka's own prefixes and wildcards",
            one(&store, HOME, everything),
            &[
                r#"Allow All on topic "*" to User:*"#,
                r#"Allow All on topic "orders" to User:*"#,
                r#"Allow All on topic everything that begins with "b" to User:*"#,
                r#"Allow All on group "*" to User:*"#,
                r#"Allow All on group "g" to User:*"#,
                r#"Allow All on group everything that begins with "g" to User:*"#,
                r#"Allow All on transactional id everything that begins with "t" to User:*"#,
                r#"Allow All on cluster "kafka-cluster" to User:*"#,
                r#"Allow All on delegation token "*" to User:*"#,
            ],
        ),
        (
            "a denial on a topic of somebody else",
            one(
                &store,
                HOME,
                with(simple("viewer", "topic bills"), "permission", json!("Deny")),
            ),
            &[
                r#"Deny Describe on topic "bills" to User:x"#,
                r#"Deny DescribeConfigs on topic "bills" to User:x"#,
            ],
        ),
    ]);
}

#[test]
fn other_namespaces_have_to_be_selected() {
    let spec = || simple("viewer", "topic orders");
    let granted: &[&str] = &[
        r#"Allow Describe on topic "orders" to User:x"#,
        r#"Allow DescribeConfigs on topic "orders" to User:x"#,
    ];
    let mut closed = Store::new();
    closed.allowed = None;
    let mut labelled = Store::new();
    labelled.allowed = serde_json::from_value(json!({"matchLabels": {"team": "a"}})).ok();
    let mut unknown = labelled.clone();
    unknown.namespaces.remove("a");
    check(vec![
        (
            "no tenancy",
            one(&closed, "a", spec()),
            &[
                r#"! NamespaceNotAllowed: namespace "a" may not use this cluster: spec.tenancy.allowedNamespaces of the cluster is not set, so only namespace "streaming" may"#,
            ],
        ),
        ("no tenancy, at home", one(&closed, HOME, spec()), granted),
        ("selected", one(&labelled, "a", spec()), granted),
        (
            "not selected",
            one(&labelled, "b", spec()),
            &[
                r#"! NamespaceNotAllowed: namespace "b" may not use this cluster: spec.tenancy.allowedNamespaces of the cluster does not select its labels"#,
            ],
        ),
        (
            "labels that are not known yet",
            one(&unknown, "a", spec()),
            &[r#"? NamespaceNotAllowed: the labels of namespace "a" are not known yet"#],
        ),
    ]);
}

#[test]
fn what_is_refused_for_its_namespace_claims_nothing_and_grants_nothing() {
    let mut store = Store::new();
    store.allowed = serde_json::from_value(
        json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}),
    )
    .ok();
    store.acl("a", "first", simple("consumer", "group shared"));
    store.grant(
        "a",
        json!({"namespaces": ["b"], "topics": [{"name": "orders"}]}),
    );
    store.acl(
        "b",
        "second",
        with(
            simple("consumer", "group shared"),
            "resources",
            json!([resource_of("group shared"), resource_of("topic orders")]),
        ),
    );
    check(vec![(
        "the second one",
        told(&store.expand(), "b", "second"),
        &[
            r#"Allow Read on group "shared" to User:x"#,
            r#"Allow Describe on group "shared" to User:x"#,
            r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
        ],
    )]);
}
