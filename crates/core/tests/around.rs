//! What others tell of an object: refused is what may not be used, warned of what does not exist.

#![allow(clippy::unwrap_used)]

use sdm_core::around::Around;
use sdm_core::{Review, kinds};
use serde_json::{Value, json};

fn object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    })
}

fn namespace(name: &str, team: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}})
}

fn refer(mut spec: Value) -> Value {
    spec["clusterRef"] = json!({"name": "events", "namespace": "streaming"});
    spec
}

/// A cluster of three brokers for teams, and two of them: `pay` has a topic and a user, `ship` has nothing yet.
fn fill(around: &mut Around) {
    let cluster = json!({
        "version": "4.3.1",
        "pools": [{"name": "n", "nodeIds": [0, 1, 2], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}],
        "listeners": [{"name": "clients", "port": 9092}],
        "tenancy": {"allowedNamespaces": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
    });
    for object in [
        namespace("pay", "a"),
        namespace("ship", "b"),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lone"}}),
        object("KafkaCluster", "streaming", "events", cluster),
        object(
            "KafkaTopic",
            "pay",
            "orders",
            refer(json!({"topicName": "pay.orders"})),
        ),
        object(
            "KafkaUser",
            "pay",
            "app",
            refer(json!({"authentication": "tls"})),
        ),
        object(
            "KafkaUser",
            "pay",
            "other",
            json!({"clusterRef": {"name": "second"}, "authentication": "tls"}),
        ),
        object(
            "KafkaRole",
            "pay",
            "reader",
            json!({"rules": [{"resource": "topic", "operations": ["Read"]}]}),
        ),
    ] {
        around.take(&object);
    }
}

fn review(around: &Around, object: &Value) -> Review {
    let kind = kinds::find(object["kind"].as_str().unwrap()).unwrap();
    kind.review(object, None, around)
}

fn known() -> Around {
    let mut around = Around::complete();
    fill(&mut around);
    around
}

/// What is said of an object: violations, then warnings.
fn said(around: &Around, object: &Value) -> Vec<String> {
    let review = review(around, object);
    let refused = review.violations.iter().map(|v| format!("refused {v}"));
    let warned = review.warnings.iter().map(|w| format!("warned {w}"));
    refused.chain(warned).collect()
}

fn acl(namespace: &str, topic: Value, subject: Value) -> Value {
    let group = json!({"type": "group", "name": format!("{namespace}.app")});
    let spec = json!({"subjects": [subject], "roles": ["consumer"], "resources": [topic, group]});
    object("KafkaACL", namespace, "app", refer(spec))
}

#[test]
fn who_may_use_a_cluster_and_what_it_holds() {
    let around = known();
    let topic = |namespace: &str, spec| object("KafkaTopic", namespace, "t", refer(spec));
    assert_eq!(
        said(&around, &topic("pay", json!({"replicas": 3}))),
        [""; 0]
    );
    assert_eq!(
        said(&around, &topic("lone", json!({"replicas": 3}))),
        [
            "refused spec.clusterRef: namespace \"lone\" may not use this cluster: spec.tenancy.allowedNamespaces of the cluster does not select its labels"
        ]
    );
    assert_eq!(
        said(&around, &topic("pay", json!({"replicas": 4}))),
        [
            "refused spec.replicas: 4 replicas need 4 brokers, and the cluster has 3: use at most 3, or add brokers to it first"
        ]
    );
    assert_eq!(
        said(
            &around,
            &topic("pay", json!({"config": {"min.insync.replicas": "4"}}))
        ),
        [
            "refused spec.config[min.insync.replicas]: 4 copies must confirm a write and there are 3: lower it to 2 or less, or raise replicas"
        ]
    );
    let lost = object(
        "KafkaTopic",
        "pay",
        "t",
        json!({"clusterRef": {"name": "lost"}, "replicas": 3}),
    );
    assert_eq!(
        said(&around, &lost),
        [
            "warned spec.clusterRef: there is no KafkaCluster pay/lost: this waits until there is one"
        ]
    );
    let user = object(
        "KafkaUser",
        "ship",
        "u",
        refer(json!({"authentication": "scram-sha-512"})),
    );
    let warned = said(&around, &user).concat();
    assert!(
        warned.starts_with("warned spec.authentication: "),
        "{warned}"
    );
}

#[test]
fn an_acl_reaches_what_is_its_namespaces_own_or_granted() {
    let mut around = known();
    let orders = || json!({"type": "topic", "name": "pay.orders"});
    let app = || json!({"kind": "ServiceAccount", "name": "app"});
    assert_eq!(said(&around, &acl("pay", orders(), app())), [""; 0]);
    let refused = said(&around, &acl("ship", orders(), app()));
    assert_eq!(
        refused,
        [
            "refused spec.resources: topic \"pay.orders\" belongs to namespace \"pay\", and a namespace reaches only topics that it owns or was granted: it takes a KafkaAccessGrant in namespace \"pay\" with namespaces: [ship] and topics: [{name: pay.orders}]"
        ]
    );
    let nobodys = acl("ship", json!({"type": "topic", "name": "ship.new"}), app());
    let warned = said(&around, &nobodys).concat();
    assert!(
        warned.starts_with("warned spec.resources: topic \"ship.new\" belongs to nobody"),
        "{warned}"
    );

    let spec = json!({"namespaces": ["ship"], "topics": [{"name": "pay.", "pattern": "prefixed"}], "operations": ["Describe"]});
    let grant = object("KafkaAccessGrant", "pay", "ship", refer(spec));
    around.take(&grant);
    let refused = said(&around, &acl("ship", orders(), app())).concat();
    assert!(
        refused.starts_with(
            "refused spec.resources: topic \"pay.orders\" of namespace \"pay\" may be reached for"
        ),
        "{refused}"
    );
    let mut grant = grant;
    grant["spec"]["operations"] = json!(["Describe", "Read"]);
    around.take(&grant);
    assert_eq!(said(&around, &acl("ship", orders(), app())), [""; 0]);
    around.forget("KafkaAccessGrant", "pay", "ship");
    assert_eq!(said(&around, &acl("ship", orders(), app())).len(), 1);
    // The topic goes, and with it whose it was.
    around.forget("KafkaTopic", "pay", "orders");
    let warned = said(&around, &acl("ship", orders(), app())).concat();
    assert!(warned.starts_with("warned "), "{warned}");
}

#[test]
fn whom_an_acl_names() {
    let around = known();
    let topic = || json!({"type": "topic", "name": "pay.orders"});
    let user = |name: &str| json!({"kind": "KafkaUser", "name": name});
    assert_eq!(said(&around, &acl("pay", topic(), user("app"))), [""; 0]);
    assert_eq!(
        said(&around, &acl("pay", topic(), user("nobody"))),
        [
            "warned spec.subjects: KafkaUser pay/nobody does not exist: it gets nothing until it does"
        ]
    );
    assert_eq!(
        said(&around, &acl("pay", topic(), user("other"))),
        [
            "refused spec.subjects: KafkaUser pay/other belongs to another cluster: name a user of cluster streaming/events"
        ]
    );
    let mut with_role = acl("pay", topic(), user("app"));
    with_role["spec"]["roles"] = json!(["reader"]);
    assert_eq!(said(&around, &with_role), [""; 0]);
    with_role["spec"]["roles"] = json!(["writer"]);
    let warned = said(&around, &with_role).concat();
    assert!(
        warned.starts_with(
            "warned spec.roles: role \"writer\" does not exist: create KafkaRole pay/writer"
        ),
        "{warned}"
    );
}

/// Files are not all there is: what is not in them may be elsewhere.
#[test]
fn of_what_is_in_no_file_nothing_is_said() {
    let nothing = Around::default();
    let orders = acl(
        "ship",
        json!({"type": "topic", "name": "x"}),
        json!({"kind": "KafkaUser", "name": "u"}),
    );
    assert_eq!(said(&nothing, &orders), [""; 0]);
    let mut files = Around::default();
    fill(&mut files);
    assert_eq!(said(&files, &orders), [""; 0]);
    // But what is in them holds.
    let refused = said(
        &files,
        &acl(
            "ship",
            json!({"type": "topic", "name": "pay.orders"}),
            json!({"kind": "ServiceAccount", "name": "a"}),
        ),
    );
    assert_eq!(refused.len(), 1, "{refused:?}");
}

/// Whatever was taken up leaves nothing behind, and of two who declare a topic it is the older one's.
#[test]
fn a_topic_is_whose_it_was_first() {
    let mut around = known();
    let mut rival = object(
        "KafkaTopic",
        "ship",
        "mine",
        refer(json!({"topicName": "pay.orders"})),
    );
    rival["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
    let late = "warned spec.topicName: topic pay.orders belongs to KafkaTopic pay/orders, which declared it first; choose another topicName, or delete one of the two";
    assert_eq!(said(&around, &rival), [late]);
    around.take(&rival);
    assert_eq!(said(&around, &rival), [late]);
    let first = object(
        "KafkaTopic",
        "pay",
        "orders",
        refer(json!({"topicName": "pay.orders"})),
    );
    assert_eq!(said(&around, &first), [""; 0]);
    let subject = || json!({"kind": "ServiceAccount", "name": "app"});
    let orders = || json!({"type": "topic", "name": "pay.orders"});
    assert_eq!(said(&around, &acl("ship", orders(), subject())).len(), 1);
    around.forget("KafkaTopic", "pay", "orders");
    assert_eq!(said(&around, &acl("ship", orders(), subject())), [""; 0]);
    assert_eq!(said(&around, &rival), [""; 0]);
    // Who may not use the cluster keeps nobody from a name.
    let mut first = first;
    first["metadata"]["namespace"] = json!("lone");
    around.take(&first);
    assert_eq!(said(&around, &rival), [""; 0]);
}

/// A group is the namespace's that its name begins with, also of one that grants nothing and has no ACL.
#[test]
fn a_group_is_whose_its_name_says() {
    let around = known();
    let acl = |group: &str| {
        let mut acl = acl(
            "pay",
            json!({"type": "topic", "name": "pay.orders"}),
            json!({"kind": "ServiceAccount", "name": "app"}),
        );
        acl["spec"]["resources"][1]["name"] = json!(group);
        acl
    };
    for free in ["pay.app", "app", "nobody.app"] {
        assert_eq!(said(&around, &acl(free)), [""; 0], "{free}");
    }
    assert_eq!(
        said(&around, &acl("ship.app")),
        [
            "refused spec.resources: group \"ship.app\" belongs to namespace \"ship\", with which its name begins: use one that begins with \"pay.\""
        ]
    );
}
