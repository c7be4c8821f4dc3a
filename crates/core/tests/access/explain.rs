//! Explanations in detail: which ACL decides, from which object, what nearly does, and the command that helps.

use std::collections::BTreeMap;

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::{Acl, Because, Explanation, Miss, ObjectKey, Question, explain, suggestion};

fn acl(permission: Permission, operation: Operation, name: &str) -> Acl {
    let (name, pattern) = match name.strip_suffix('+') {
        Some(prefix) => (prefix, Pattern::Prefixed),
        None => (name, Pattern::Literal),
    };
    Acl {
        resource: ResourceType::Topic,
        pattern,
        name: name.to_owned(),
        principal: "User:a/user/alice".to_owned(),
        host: "*".to_owned(),
        operation,
        permission,
    }
}

fn allow(operation: Operation, name: &str) -> Acl {
    acl(Permission::Allow, operation, name)
}

fn deny(operation: Operation, name: &str) -> Acl {
    acl(Permission::Deny, operation, name)
}

fn ask(operation: Operation, name: &str) -> Question<'_> {
    Question {
        principal: "User:a/user/alice",
        host: "10.0.0.1",
        operation,
        resource: ResourceType::Topic,
        name,
    }
}

fn answer(question: &Question<'_>, acls: &[Acl]) -> Explanation {
    let first = acls
        .first()
        .map(|a| (a.clone(), vec![ObjectKey::new("a", "reads")]));
    explain(
        question,
        acls.iter(),
        &["User:sdm:operator"],
        &first.into_iter().collect(),
    )
}

fn near(explanation: &Explanation) -> Vec<(Miss, String)> {
    explanation
        .near
        .iter()
        .map(|n| (n.miss, format!("{}: {}", n.acl, n.why)))
        .collect()
}

#[test]
fn the_acl_and_its_objects_are_named() {
    let reads = allow(Operation::Read, "orders");
    let found = answer(
        &ask(Operation::Describe, "orders"),
        std::slice::from_ref(&reads),
    );
    assert_eq!(
        found.because,
        Because::Allowed {
            acl: reads.clone(),
            objects: vec![ObjectKey::new("a", "reads")],
            implied: true
        }
    );
    // What says it outright comes before what brings it along, and what an object says before what somebody did by hand.
    let found = answer(
        &ask(Operation::Describe, "orders"),
        &[reads.clone(), allow(Operation::Describe, "orders")],
    );
    assert!(
        matches!(found.because, Because::Allowed { implied: false, .. }),
        "{found:?}"
    );
    let found = answer(
        &ask(Operation::Read, "orders"),
        &[reads.clone(), allow(Operation::All, "*")],
    );
    assert!(
        matches!(&found.because, Because::Allowed { acl, .. } if *acl == reads),
        "{found:?}"
    );

    let found = answer(
        &ask(Operation::Read, "orders"),
        &[deny(Operation::All, "ord+"), reads.clone()],
    );
    assert_eq!(
        found.because,
        Because::Denied {
            acl: deny(Operation::All, "ord+"),
            objects: vec![ObjectKey::new("a", "reads")]
        }
    );
    assert_eq!(
        near(&found),
        [(
            Miss::Overruled,
            r#"Allow Read on topic "orders" to User:a/user/alice: a denial wins over it"#
                .to_owned()
        )]
    );
    let operator = Question {
        principal: "User:sdm:operator",
        ..ask(Operation::Alter, "orders")
    };
    assert_eq!(answer(&operator, &[]).because, Because::SuperUser);
}

#[test]
fn near_misses_are_named_with_what_is_missing() {
    let mut elsewhere = allow(Operation::Read, "orders");
    elsewhere.host = "10.0.0.2".to_owned();
    let mut somebody = allow(Operation::Read, "orders");
    somebody.principal = "User:b/user/bob".to_owned();
    let mut group = allow(Operation::Read, "orders");
    group.resource = ResourceType::Group;
    let acls = [
        allow(Operation::Write, "orders"),
        allow(Operation::Read, "zebra"),
        allow(Operation::Read, "orders.eu"),
        allow(Operation::Read, "order-+"),
        allow(Operation::Write, "other"),
        deny(Operation::Read, "orders.us"),
        elsewhere,
        somebody,
        group,
    ];
    let found = answer(&ask(Operation::Read, "orders"), &acls);
    assert_eq!((found.allowed, &found.because), (false, &Because::NoRule));
    let who = "to User:a/user/alice";
    assert_eq!(
        near(&found),
        [
            (
                Miss::Host,
                format!(
                    r#"Allow Read on topic "orders" {who} from 10.0.0.2: it is for 10.0.0.2, not 10.0.0.1"#
                )
            ),
            (
                Miss::Operation,
                format!(r#"Allow Write on topic "orders" {who}: it is for Write, not Read"#)
            ),
            (
                Miss::Resource,
                format!(r#"Allow Read on topic "orders.eu" {who}: it is for topic "orders.eu""#)
            ),
            (
                Miss::Resource,
                format!(
                    r#"Allow Read on topic everything that begins with "order-" {who}: it is for topics that begin with "order-""#
                )
            ),
            (
                Miss::Resource,
                format!(r#"Allow Read on topic "zebra" {who}: it is for topic "zebra""#)
            ),
        ]
    );
    let anywhere = Question {
        host: "*",
        ..ask(Operation::Read, "orders")
    };
    assert_eq!(
        near(&answer(&anywhere, &acls))[0].1,
        format!(r#"Allow Read on topic "orders" {who} from 10.0.0.2: it is for 10.0.0.2 only"#)
    );
    let many: Vec<_> = (0..100)
        .map(|i| allow(Operation::Read, &format!("t{i}")))
        .collect();
    assert_eq!(answer(&ask(Operation::Read, "orders"), &many).near.len(), 5);
}

#[test]
fn the_command_that_helps_gives_no_more_than_it_must() {
    let events = ObjectKey::new("streaming", "events");
    let command = |principal: &str, operation, resource, name: &str| {
        let question = Question {
            principal,
            host: "*",
            operation,
            resource,
            name,
        };
        suggestion(&question, "a", &events)
    };
    let topic = |operation| {
        command(
            "User:a/user/alice",
            operation,
            ResourceType::Topic,
            "orders",
        )
        .unwrap()
    };
    let role = |operation| topic(operation).split(' ').nth(4).unwrap().to_owned();
    assert_eq!(
        topic(Operation::Read),
        "kubectl kafka acl grant consumer --to user:alice --on topic:orders -n a -c streaming/events"
    );
    let roles = [
        (Operation::Describe, "viewer"),
        (Operation::DescribeConfigs, "viewer"),
        (Operation::Write, "producer"),
        (Operation::Create, "connect"),
        (Operation::Delete, "streams"),
        (Operation::Alter, "admin"),
        (Operation::AlterConfigs, "admin"),
        (Operation::All, "admin"),
    ];
    for (operation, wanted) in roles {
        assert_eq!(role(operation), wanted, "{operation:?}");
    }
    for (principal, to) in [
        ("User:a/user/alice/2", "--to user:alice "),
        ("User:b/user/bob", "--to user:b/bob "),
        ("User:a/app", "--to serviceAccount:app "),
        ("User:b/app", "--to serviceAccount:b/app "),
        (
            "User:CN=x,O=Some Body",
            "--to 'principal:User:CN=x,O=Some Body' ",
        ),
        ("User:it's", r"--to 'principal:User:it'\''s' "),
    ] {
        let found = command(principal, Operation::Read, ResourceType::Group, "g").unwrap();
        assert!(
            found.contains(to) && found.contains(" --on group:g "),
            "{found}"
        );
    }
    let home = Question {
        principal: "User:x",
        host: "*",
        operation: Operation::Alter,
        resource: ResourceType::Cluster,
        name: "kafka-cluster",
    };
    assert_eq!(
        suggestion(&home, "streaming", &events).unwrap(),
        "kubectl kafka acl grant admin --to principal:User:x --on cluster -n streaming -c events"
    );
    assert_eq!(
        command(
            "User:x",
            Operation::ClusterAction,
            ResourceType::Topic,
            "orders"
        ),
        None
    );
    assert_eq!(
        command(
            "User:x",
            Operation::Read,
            ResourceType::Cluster,
            "kafka-cluster"
        ),
        None
    );
}

#[test]
fn reasons_of_others_acls_are_none() {
    let found = explain(
        &ask(Operation::Read, "orders"),
        [allow(Operation::Read, "orders")].iter(),
        &[],
        &BTreeMap::new(),
    );
    assert!(matches!(found.because, Because::Allowed { objects, .. } if objects.is_empty()));
}
