//! Subjects, and what they become.

use serde_json::{Value, json};

use super::store::{HOME, Store, check, one, simple, with};

fn spec(subjects: Value) -> Value {
    with(simple("admin", "topic orders"), "subjects", subjects)
}

#[test]
fn subjects_become_principals() {
    let mut store = Store::new();
    store.user("a", "alice", &["User:a/user/alice"]);
    store.user("a", "sam", &["User:a/user/sam", "User:a/user/sam/2"]);
    store.user("a", "partner", &["User:CN=partner,O=Example"]);
    store.user("b", "bob", &["User:b/user/bob"]);
    store.user("a", "new", &[]);
    store.user("a", "everybody", &["User:*"]);
    store
        .foreign
        .insert(sdm_core::access::ObjectKey::new("a", "elsewhere"));
    let ask = |namespace: &str, subject: Value| one(&store, namespace, spec(json!([subject])));
    let everybody = r#"! WildcardPrincipal: User:* is everybody, and only the cluster's own namespace, "streaming", may speak of everybody: name the subjects"#;
    check(vec![
        (
            "a user",
            ask("a", json!({"name": "alice"})),
            &[r#"Allow All on topic "orders" to User:a/user/alice"#],
        ),
        (
            "every login of it",
            ask("a", json!({"kind": "KafkaUser", "name": "sam"})),
            &[
                r#"Allow All on topic "orders" to User:a/user/sam"#,
                r#"Allow All on topic "orders" to User:a/user/sam/2"#,
            ],
        ),
        (
            "an external one",
            ask("a", json!({"name": "partner"})),
            &[r#"Allow All on topic "orders" to User:CN=partner,O=Example"#],
        ),
        (
            "of another namespace",
            ask("a", json!({"name": "bob", "namespace": "b"})),
            &[r#"Allow All on topic "orders" to User:b/user/bob"#],
        ),
        (
            "a service account",
            ask("a", json!({"kind": "ServiceAccount", "name": "app"})),
            &[r#"Allow All on topic "orders" to User:a/app"#],
        ),
        (
            "of another namespace",
            ask(
                "a",
                json!({"kind": "ServiceAccount", "name": "app", "namespace": "c"}),
            ),
            &[r#"Allow All on topic "orders" to User:c/app"#],
        ),
        (
            "as written",
            ask("a", json!({"kind": "Principal", "name": "User:CN=x"})),
            &[r#"Allow All on topic "orders" to User:CN=x"#],
        ),
        (
            "not there",
            ask("a", json!({"name": "bob"})),
            &["? SubjectNotFound: KafkaUser a/bob does not exist: it gets nothing until it does"],
        ),
        (
            "no principal yet",
            ask("a", json!({"name": "new"})),
            &["? SubjectNotReady: KafkaUser a/new has no principal yet"],
        ),
        (
            "another cluster's",
            ask("a", json!({"name": "elsewhere"})),
            &[
                "! SubjectOfAnotherCluster: KafkaUser a/elsewhere belongs to another cluster: name a user of cluster streaming/events",
            ],
        ),
        (
            "everybody",
            ask("a", json!({"kind": "Principal", "name": "User:*"})),
            &[everybody],
        ),
        (
            "everybody, by a user's name",
            ask("a", json!({"name": "everybody"})),
            &[everybody],
        ),
        (
            "everybody, at home",
            ask(HOME, json!({"kind": "Principal", "name": "User:*"})),
            &[r#"Allow All on topic "orders" to User:*"#],
        ),
    ]);
}

#[test]
fn the_operator_is_not_locked_out() {
    let store = Store::new();
    let denied = |namespace: &str, name: &str| {
        one(
            &store,
            namespace,
            with(
                spec(json!([{"kind": "Principal", "name": name}])),
                "permission",
                json!("Deny"),
            ),
        )
    };
    let refused = &[
        "! OperatorPrincipal: User:sdm:operator is the operator's own: it is a super user, whom no denial reaches, so leave it out",
    ];
    check(vec![
        ("by its owner", denied(HOME, "User:sdm:operator"), refused),
        ("by a tenant", denied("a", "User:sdm:operator"), refused),
        (
            "others may be",
            denied("a", "User:y"),
            &[r#"Deny All on topic "orders" to User:y"#],
        ),
        (
            "everybody may be, by the owner",
            denied(HOME, "User:*"),
            &[r#"Deny All on topic "orders" to User:*"#],
        ),
    ]);
}

#[test]
fn one_missing_subject_takes_nothing_from_the_others() {
    let mut store = Store::new();
    store.user("a", "alice", &["User:a/user/alice"]);
    check(vec![(
        "two subjects",
        one(
            &store,
            "a",
            spec(json!([{"name": "alice"}, {"name": "bob"}])),
        ),
        &[
            r#"Allow All on topic "orders" to User:a/user/alice"#,
            "? SubjectNotFound: KafkaUser a/bob does not exist: it gets nothing until it does",
        ],
    )]);
}

#[test]
fn hosts_are_written_as_brokers_compare_them() {
    let store = Store::new();
    check(vec![(
        "three addresses",
        one(
            &store,
            "a",
            with(
                simple("admin", "topic orders"),
                "hosts",
                json!(["10.0.0.1", "2001:db8::1"]),
            ),
        ),
        &[
            r#"Allow All on topic "orders" to User:x from 10.0.0.1"#,
            r#"Allow All on topic "orders" to User:x from 2001:db8:0:0:0:0:0:1"#,
        ],
    )]);
}

#[test]
fn what_is_invalid_or_far_too_much_stands_for_nothing() {
    let mut store = Store::new();
    for i in 0..5000 {
        store.topic(&format!("orders.{i}"), "a");
    }
    let subjects: Vec<_> = (0..6)
        .map(|i| json!({"kind": "ServiceAccount", "name": format!("s{i}")}))
        .collect();
    let many = with(
        simple("consumer", "topic orders.*"),
        "subjects",
        json!(subjects),
    );
    check(vec![
        (
            "a range of addresses",
            one(
                &store,
                "a",
                with(
                    simple("admin", "topic orders"),
                    "hosts",
                    json!(["10.0.0.0/8"]),
                ),
            ),
            &[
                r#"! InvalidSpec: spec.hosts: "10.0.0.0/8" is a range: Kafka compares addresses as text and knows no ranges, so list every address, or "*""#,
            ],
        ),
        (
            "too much",
            one(&store, "a", many),
            &[
                "! TooManyAcls: it stands for 60012 Kafka ACLs, and one object may stand for 50000: name fewer resources, subjects or hosts, and distribute them over several objects",
            ],
        ),
    ]);
}
