//! Topics of tenants: owned, granted, and neither.

use sdm_core::access::ObjectKey;
use serde_json::{Value, json};

use super::store::{HOME, Store, check, one, resource_of, simple, told, with};

fn granted(by: &str, spec: Value) -> Store {
    let mut store = Store::new();
    store.grant(by, spec);
    store
}

/// `viewer` asks for Describe and DescribeConfigs, `producer` for Write and Describe, `admin` for All.
fn asks(role: &str, topic: &str) -> Value {
    simple(role, &format!("topic {topic}"))
}

#[test]
fn a_namespace_reaches_what_it_owns() {
    let store = Store::new();
    check(vec![
        (
            "everything on a topic of its own",
            one(&store, "a", asks("admin", "orders")),
            &[r#"Allow All on topic "orders" to User:x"#],
        ),
        (
            "a topic of somebody else",
            one(&store, "b", asks("admin", "orders")),
            &[
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
            ],
        ),
        (
            "a topic of the cluster's namespace",
            one(&store, "b", asks("admin", "audit")),
            &[
                r#"! TopicNotOwned: topic "audit" belongs to namespace "streaming", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "streaming" with namespaces: [b] and topics: [{name: audit}]"#,
            ],
        ),
        (
            "a topic that nobody has declared may still be",
            one(&store, "b", asks("admin", "new")),
            &[
                r#"? TopicNotOwned: topic "new" belongs to nobody, and a namespace reaches only topics that it owns or was granted: it takes a KafkaTopic in namespace "b", or a KafkaAccessGrant in namespace "streaming" with namespaces: [b] and topics: [{name: new}]"#,
            ],
        ),
        (
            "a denial on a topic of somebody else",
            one(
                &store,
                "b",
                with(asks("admin", "orders"), "permission", json!("Deny")),
            ),
            &[
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
            ],
        ),
        (
            "the rest is given",
            one(
                &store,
                "b",
                with(
                    asks("admin", ""),
                    "resources",
                    json!([resource_of("topic orders"), resource_of("topic bills")]),
                ),
            ),
            &[
                r#"Allow All on topic "bills" to User:x"#,
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
            ],
        ),
    ]);
}

#[test]
fn a_prefix_is_exactly_the_topics_that_match_now() {
    let mut store = Store::new();
    let spec = || asks("admin", "orders*");
    let now: &[&str] = &[
        r#"Allow All on topic "orders" to User:x"#,
        r#"Allow All on topic "orders.eu" to User:x"#,
    ];
    let before = one(&store, "a", spec());
    store.topic("orders.secret", "b");
    store.topic("orders.", HOME);
    let after = one(&store, "a", spec());
    store.topic("orders-2", "a");
    check(vec![
        ("no prefix gets into Kafka", before, now),
        (
            "what somebody else creates under it is not reached",
            after,
            now,
        ),
        (
            "what the namespace itself creates is",
            one(&store, "a", spec()),
            &[
                r#"Allow All on topic "orders" to User:x"#,
                r#"Allow All on topic "orders-2" to User:x"#,
                r#"Allow All on topic "orders.eu" to User:x"#,
            ],
        ),
        (
            "a star is all its own",
            one(&store, "b", asks("admin", "*")),
            &[
                r#"Allow All on topic "bills" to User:x"#,
                r#"Allow All on topic "orders.secret" to User:x"#,
            ],
        ),
        (
            "a prefix without a match is no failure",
            one(&store, "a", asks("admin", "bill*")),
            &[r#"- namespace "a" reaches no topic that is meant by topic prefix "bill""#],
        ),
        (
            "neither is a star",
            one(&store, "c", asks("admin", "*")),
            &[r#"- namespace "c" reaches no topic that is meant by topic "*""#],
        ),
        (
            "a name is not a prefix",
            one(&store, "a", asks("admin", "orders")),
            &[r#"Allow All on topic "orders" to User:x"#],
        ),
    ]);
}

#[test]
fn a_grant_gives_what_it_lists() {
    let grant = |extra: Value| {
        let mut spec = json!({"namespaces": ["b"], "topics": [{"name": "orders"}]});
        spec.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        granted("a", spec)
    };
    let default = grant(json!({}));
    let read = grant(json!({"operations": ["Read"]}));
    let all = grant(json!({"operations": ["All"]}));
    let mut both = read.clone();
    both.grant("a", json!({"namespaces": ["c", "b"], "topics": [{"name": "ord", "pattern": "prefixed"}], "operations": ["Write"]}));
    check(vec![
        (
            "producing, by default",
            one(&default, "b", asks("producer", "orders")),
            &[
                r#"Allow Write on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
            ],
        ),
        (
            "another namespace",
            one(&default, "c", asks("producer", "orders")),
            &[
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [c] and topics: [{name: orders}]"#,
            ],
        ),
        (
            "another topic",
            one(&default, "b", asks("producer", "orders.eu")),
            &[
                r#"! TopicNotOwned: topic "orders.eu" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders.eu}]"#,
            ],
        ),
        (
            "everything, by default, is what the default has",
            one(&default, "b", asks("admin", "orders")),
            &[
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Write on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
                r#"Allow DescribeConfigs on topic "orders" to User:x"#,
                r#"! OperationNotGranted: topic "orders" of namespace "a" may be reached for Read, Write, Describe, DescribeConfigs only: All must be among the operations of a KafkaAccessGrant in namespace "a""#,
            ],
        ),
        (
            "everything",
            one(&all, "b", asks("admin", "orders")),
            &[r#"Allow All on topic "orders" to User:x"#],
        ),
        (
            "Read brings Describe along, as in Kafka",
            one(&read, "b", asks("consumer", "orders")),
            &[
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
            ],
        ),
        (
            "what goes beyond is refused, the rest given",
            one(&read, "b", asks("producer", "orders")),
            &[
                r#"Allow Describe on topic "orders" to User:x"#,
                r#"! OperationNotGranted: topic "orders" of namespace "a" may be reached for Read, Describe only: Write must be among the operations of a KafkaAccessGrant in namespace "a""#,
            ],
        ),
        (
            "two grants add up",
            one(&both, "b", asks("producer", "orders")),
            &[
                r#"Allow Write on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
            ],
        ),
        (
            "a prefix reaches what is granted, and one sentence says what is not",
            one(&both, "b", asks("consumer", "*")),
            &[
                r#"Allow Read on topic "bills" to User:x"#,
                r#"Allow Describe on topic "bills" to User:x"#,
                r#"Allow Read on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders" to User:x"#,
                r#"Allow Describe on topic "orders.eu" to User:x"#,
                r#"! OperationNotGranted: topics of namespace "a" that are meant by topic "*", such as "orders.eu", may be reached for Write, Describe only: Read must be among the operations of a KafkaAccessGrant in namespace "a""#,
            ],
        ),
    ]);
}

#[test]
fn a_grant_reaches_only_what_its_namespace_owns() {
    let of = |topics: Value| json!({"namespaces": ["b"], "topics": topics});
    let everything = of(
        json!([{"name": "*"}, {"name": "audit"}, {"name": "new"}, {"name": "au", "pattern": "prefixed"}]),
    );
    let mut other = granted("c", of(json!([{"name": "orders"}, {"name": "*"}])));
    other.topic("own", "c");
    let foreign = granted("a", everything.clone());
    let home = granted(HOME, everything);
    let reaches = r#"Allow Describe on topic "audit" to User:x"#;
    check(vec![
        (
            "a namespace grants nothing of another one",
            one(&other, "b", asks("viewer", "orders")),
            &[
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
            ],
        ),
        (
            "its own",
            one(&other, "b", asks("admin", "ow*")),
            &[
                r#"Allow Read on topic "own" to User:x"#,
                r#"Allow Write on topic "own" to User:x"#,
                r#"Allow Describe on topic "own" to User:x"#,
                r#"Allow DescribeConfigs on topic "own" to User:x"#,
                r#"! OperationNotGranted: topics of namespace "c" that are meant by topic prefix "ow", such as "own", may be reached for Read, Write, Describe, DescribeConfigs only: All must be among the operations of a KafkaAccessGrant in namespace "c""#,
            ],
        ),
        (
            "nor of the cluster's",
            one(&foreign, "b", asks("viewer", "audit")),
            &[
                r#"! TopicNotOwned: topic "audit" belongs to namespace "streaming", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "streaming" with namespaces: [b] and topics: [{name: audit}]"#,
            ],
        ),
        (
            "nor what nobody has declared",
            one(&foreign, "b", asks("viewer", "new")),
            &[
                r#"? TopicNotOwned: topic "new" belongs to nobody, and a namespace reaches only topics that it owns or was granted: it takes a KafkaTopic in namespace "b", or a KafkaAccessGrant in namespace "streaming" with namespaces: [b] and topics: [{name: new}]"#,
            ],
        ),
        (
            "the cluster's namespace grants its own",
            one(&home, "b", asks("viewer", "audit")),
            &[
                reaches,
                r#"Allow DescribeConfigs on topic "audit" to User:x"#,
            ],
        ),
        (
            "and what nobody has declared, by name",
            one(&home, "b", asks("viewer", "new")),
            &[
                r#"Allow Describe on topic "new" to User:x"#,
                r#"Allow DescribeConfigs on topic "new" to User:x"#,
            ],
        ),
        (
            "and by star",
            one(&home, "b", asks("viewer", "newer")),
            &[
                r#"Allow Describe on topic "newer" to User:x"#,
                r#"Allow DescribeConfigs on topic "newer" to User:x"#,
            ],
        ),
        (
            "but nothing of another namespace",
            one(&home, "b", asks("viewer", "orders")),
            &[
                r#"! TopicNotOwned: topic "orders" belongs to namespace "a", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace "a" with namespaces: [b] and topics: [{name: orders}]"#,
            ],
        ),
        (
            "nor, by star, Kafka's own topics",
            one(&home, "b", asks("viewer", "__consumer_offsets")),
            &[
                r#"? TopicNotOwned: topic "__consumer_offsets" belongs to nobody, and a namespace reaches only topics that it owns or was granted: it takes a KafkaTopic in namespace "b", or a KafkaAccessGrant in namespace "streaming" with namespaces: [b] and topics: [{name: __consumer_offsets}]"#,
            ],
        ),
        (
            "a star of the tenant's is what is declared",
            one(&home, "b", asks("viewer", "*")),
            &[
                reaches,
                r#"Allow DescribeConfigs on topic "audit" to User:x"#,
                r#"Allow Describe on topic "bills" to User:x"#,
                r#"Allow DescribeConfigs on topic "bills" to User:x"#,
            ],
        ),
    ]);
}

#[test]
fn a_topic_that_changes_hands_takes_its_rights_along() {
    let mut store = granted(
        HOME,
        json!({"namespaces": ["b"], "topics": [{"name": "legacy"}]}),
    );
    store.acl("b", "acl", asks("viewer", "legacy"));
    store.acl("a", "acl", asks("admin", "legacy"));
    assert_eq!(told(&store.expand(), "b", "acl").len(), 2);
    store.topic("legacy", "a");
    let after = store.expand();
    assert!(
        told(&after, "b", "acl")[0]
            .starts_with("! TopicNotOwned: topic \"legacy\" belongs to namespace \"a\"")
    );
    assert_eq!(
        told(&after, "a", "acl"),
        [r#"Allow All on topic "legacy" to User:x"#]
    );
}

#[test]
fn a_grant_to_oneself_takes_nothing_away() {
    let mut store = granted(
        "a",
        json!({"namespaces": ["a", "b"], "topics": [{"name": "*"}], "operations": ["Read"]}),
    );
    // Several topics, so that a search finds either of two entries.
    for i in 0..8 {
        store.topic(&format!("orders.{i}"), "a");
        let own = one(&store, "a", asks("admin", &format!("orders.{i}")));
        assert_eq!(
            own,
            [format!(r#"Allow All on topic "orders.{i}" to User:x"#)]
        );
    }
}

#[test]
fn an_invalid_grant_grants_nothing() {
    let spec = json!({"namespaces": ["b"], "topics": [{"name": "orders"}], "operations": ["ClusterAction"]});
    let told = one(&granted("a", spec), "b", asks("viewer", "orders"));
    assert!(told[0].starts_with("! TopicNotOwned"), "{told:?}");
}

#[test]
fn a_guest_locks_out_nobody_but_its_own() {
    let mut store = granted(
        "a",
        json!({"namespaces": ["b"], "topics": [{"name": "orders"}], "operations": ["All"]}),
    );
    store.user("a", "alice", &["User:a/user/alice"]);
    store.user("b", "bob", &["User:b/user/bob"]);
    let mut spec = with(asks("consumer", "orders"), "permission", json!("Deny"));
    spec["subjects"] = json!([
        {"name": "bob"}, {"kind": "ServiceAccount", "name": "app"}, {"name": "alice", "namespace": "a"},
        {"kind": "Principal", "name": "User:CN=old"}
    ]);
    spec["resources"] = json!([resource_of("topic orders"), resource_of("topic bills")]);
    check(vec![(
        "a denial on what is granted, and on what is owned",
        one(&store, "b", spec),
        &[
            r#"Deny Read on topic "bills" to User:CN=old"#,
            r#"Deny Describe on topic "bills" to User:CN=old"#,
            r#"Deny Read on topic "bills" to User:a/user/alice"#,
            r#"Deny Describe on topic "bills" to User:a/user/alice"#,
            r#"Deny Read on topic "bills" to User:b/app"#,
            r#"Deny Describe on topic "bills" to User:b/app"#,
            r#"Deny Read on topic "bills" to User:b/user/bob"#,
            r#"Deny Describe on topic "bills" to User:b/user/bob"#,
            r#"Deny Read on topic "orders" to User:b/app"#,
            r#"Deny Describe on topic "orders" to User:b/app"#,
            r#"Deny Read on topic "orders" to User:b/user/bob"#,
            r#"Deny Describe on topic "orders" to User:b/user/bob"#,
            r#"! DenyNotOwned: User:CN=old is not of namespace "b": on a topic that is only granted, such as "orders", it may deny its own subjects only"#,
            r#"! DenyNotOwned: User:a/user/alice is not of namespace "b": on a topic that is only granted, such as "orders", it may deny its own subjects only"#,
        ],
    )]);
}

#[test]
fn objects_share_what_both_ask_for() {
    let mut store = Store::new();
    store.acl("a", "one", asks("consumer", "orders"));
    store.acl(
        "a",
        "two",
        with(
            asks("viewer", "orders"),
            "roles",
            json!(["viewer", "producer"]),
        ),
    );
    store.acl(HOME, "three", asks("viewer", "orders"));
    let all = store.expand();
    let of = |e: &sdm_core::access::Expansion, operation: &str| {
        let found = e
            .wanted
            .iter()
            .find(|(acl, _)| format!("{:?}", acl.operation) == operation);
        found
            .map(|(_, objects)| objects.iter().map(ObjectKey::to_string).collect::<Vec<_>>())
            .unwrap_or_default()
    };
    assert_eq!(of(&all, "Describe"), ["a/one", "a/two", "streaming/three"]);
    assert_eq!(of(&all, "Read"), ["a/one"]);
    store.acls.remove(0);
    let fewer = store.expand();
    assert_eq!(of(&fewer, "Describe"), ["a/two", "streaming/three"]);
    assert_eq!(of(&fewer, "Read"), [""; 0]);
}
