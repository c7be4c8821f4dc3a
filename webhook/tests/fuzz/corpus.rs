//! Real reviews: of every object that lies in `deploy` as an example, created, changed and deleted; of Pods that ask for
//! an identity; of evictions. Owns what a good question looks like, and which policies and what world it meets.

use std::fs;
use std::path::{Path, PathBuf};

use sdm_api::KafkaPolicy;
use serde_json::{Value, json};

/// A good question and the route it is sent to.
pub struct Seed {
    pub path: &'static str,
    pub review: Value,
}

fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// Every document of every file below `dir`, in a fixed order.
fn documents(dir: &Path, found: &mut Vec<Value>) {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(serde_saphyr::from_multiple::<Value>(&text).unwrap());
        }
    }
}

fn objects() -> Vec<Value> {
    let mut found = more();
    for dir in ["policies", "examples"] {
        documents(&deploy().join(dir), &mut found);
    }
    found.retain(|object| object["kind"].as_str().is_some());
    found
}

/// Of the kinds and fields that the examples leave out.
fn more() -> Vec<Value> {
    let of = |kind: &str, mut spec: Value| {
        if !["KafkaRole", "KafkaPolicy"].contains(&kind) {
            spec["clusterRef"] = json!({"name": "events", "namespace": "streaming"});
        }
        json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind, "metadata": {"name": "mine", "namespace": "shop"}, "spec": spec})
    };
    vec![
        of(
            "KafkaTopic",
            json!({"partitions": 12, "replicas": 3, "topicName": "shop.orders", "config": {"retention.ms": "86400000", "min.insync.replicas": "2"}}),
        ),
        of(
            "KafkaUser",
            json!({"authentication": "tls", "quotas": {"producerByteRate": 1_048_576, "requestPercentage": 50}}),
        ),
        of(
            "KafkaRole",
            json!({"rules": [{"resource": "topic", "operations": ["Read", "Describe"]}, {"resource": "group", "operations": ["Read"]}]}),
        ),
        of(
            "KafkaACL",
            json!({"subjects": [{"kind": "Principal", "name": "User:x"}], "roles": ["producer"], "resources": [{"type": "topic", "name": "shop.", "pattern": "prefixed"}], "hosts": ["10.1.2.3"]}),
        ),
        of(
            "KafkaAccessGrant",
            json!({"namespaces": ["bank"], "topics": [{"name": "orders"}], "adoption": true}),
        ),
        of("KafkaPolicy", policy_specs().swap_remove(0)),
        of("KafkaPolicy", policy_specs().swap_remove(1)),
    ]
}

/// Policies whose rules walk over all there is of an object, next to those that lie in `deploy`.
fn policy_specs() -> Vec<Value> {
    vec![
        json!({
            "topics": {"partitions": {"min": 1, "max": 24}, "replicas": {"min": 2}, "names": ["{namespace}.*", "mine"],
                "retention": {"min": "1h", "max": "720h"}, "config": {"min.insync.replicas": {"min": 2, "required": true}},
                "forbiddenConfig": ["unclean.*"], "perNamespace": {"topics": 3, "partitions": 40}},
            "users": {"mechanisms": ["tls"], "quotas": {"producerByteRate": 10_485_760}},
            "acls": {"forbidWildcards": true, "hosts": ["10.0.0.0/8"], "principals": ["User:{namespace}/*"], "forbiddenOperations": ["Alter"]},
            "brokers": {"minBrokers": 3, "cpu": {"min": "100m", "max": "8"}, "memory": {"max": "16Gi"}, "volumeSize": {"max": "1Ti"}},
            "defaults": {"topics": {"partitions": 3, "replicas": 3, "config": {"min.insync.replicas": "2"}}, "users": {"quotas": {"producerByteRate": 1024}}},
            "exceptions": [{"namespaces": ["legacy*"], "until": "2126-01-01T00:00:00Z", "reason": "until it moves"}],
        }),
        json!({"enforcement": "Warn", "cel": [
            {"name": "each", "rule": "!has(object.spec.config) || object.spec.config.all(k, object.spec.config[k].matches('^[A-Za-z0-9._:,/ -]*$'))", "messageExpression": "string(object.spec)"},
            {"name": "change", "rule": "oldObject == null || object.spec == oldObject.spec || request.userInfo.username != 'mallory'"},
            {"name": "words", "rule": "object.metadata.name.split('-').all(w, size(w) < 64) && object.metadata.name.lowerAscii() == object.metadata.name"},
            {"name": "around", "rule": "cluster == null || cluster.spec.pools.all(p, size(p.nodeIds) > 0 && p.nodeIds.exists_one(i, i == p.nodeIds[0]))"},
            {"name": "labels", "rule": "!has(object.metadata.labels) || object.metadata.labels.map(k, k).all(k, k in object.metadata.labels)"},
            {"name": "pools", "rule": "!has(object.spec.pools) || object.spec.pools.all(a, object.spec.pools.filter(b, a.name == b.name).size() == 1)"},
        ]}),
        json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}, "labels": {"app": "shop"}},
            "cel": [{"name": "number", "rule": "int(object.spec.config['retention.ms']) + 1 > object.spec.partitions * 2"}]}),
    ]
}

/// The policies in force.
pub fn policies() -> Vec<KafkaPolicy> {
    let written = policy_specs().into_iter().enumerate().map(|(n, spec)| {
        let kind = "KafkaPolicy";
        json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind, "metadata": {"name": format!("written-{n}")}, "spec": spec})
    });
    let shipped = objects()
        .into_iter()
        .filter(|object| object["kind"] == "KafkaPolicy" && object["metadata"]["name"] != "mine");
    shipped
        .chain(written)
        .map(|policy| serde_json::from_value(policy).unwrap())
        .collect()
}

/// The namespaces, with the labels that policies look for, the clusters and the topics there are.
pub fn world() -> Vec<Value> {
    let mut world = objects();
    world.retain(|object| {
        ["KafkaCluster", "KafkaTopic"].contains(&object["kind"].as_str().unwrap())
    });
    let labels =
        json!({"compliance": "regulated", "env": "prod", "tenant": "shop", "kafka-tenant": "true"});
    let namespaces = ["shop", "streaming", "legacy-1"];
    world
        .extend(namespaces.map(
            |name| json!({"kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        ));
    world
}

/// Where the namespace of an object is none of these, the API server would be asked for it.
fn asked(kind: (&str, &str, &str), operation: &str, object: &Value, old: &Value) -> Value {
    let some = if object.is_null() { old } else { object };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": kind.0, "version": kind.1, "kind": kind.2},
            "resource": {"group": kind.0, "version": kind.1, "resource": kind.2.to_lowercase() + "s"},
            "name": some["metadata"]["name"], "namespace": some["metadata"]["namespace"], "operation": operation,
            "userInfo": {"username": "alice", "uid": "1", "groups": ["dev", "system:authenticated"]},
            "object": object, "oldObject": old, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

fn pod(inject: Option<&str>) -> Value {
    let annotations = inject.map(|inject| json!({"kafka.sdm.dev/inject": inject}));
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app-1", "namespace": "shop", "annotations": annotations},
        "spec": {
            "serviceAccountName": "orders", "volumes": [{"name": "tmp", "emptyDir": {}}],
            "initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}],
            "containers": [{"name": "app", "image": "i", "env": [{"name": "A", "value": "b"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}],
        },
    })
}

/// What an eviction is, of a Pod in each of the states that `api_server` knows.
fn evictions() -> impl Iterator<Item = Value> {
    let pods = [
        "absent",
        "foreign",
        "silent",
        "refused",
        "permitted",
        "broken",
        "garbage",
        "hanging",
    ];
    pods.into_iter().map(|name| {
        let object = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "streaming"}});
        let mut review = asked(("policy", "v1", "Eviction"), "CREATE", &object, &Value::Null);
        review["request"]["subResource"] = json!("eviction");
        review
    })
}

/// All of them.
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for object in objects() {
        let kind = object["kind"].as_str().unwrap();
        let kind = match object["apiVersion"].as_str().unwrap().split_once('/') {
            Some((group, version)) => (group, version, kind),
            None => ("", "v1", kind),
        };
        let mut changed = object.clone();
        changed["metadata"]["labels"] = json!({"app": "shop", "data-class": "personal"});
        let null = Value::Null;
        for (operation, new, old) in [
            ("CREATE", &object, &null),
            ("UPDATE", &changed, &object),
            ("DELETE", &null, &object),
        ] {
            let review = asked(kind, operation, new, old);
            for path in ["/validate", "/mutate"] {
                let review = review.clone();
                seeds.push(Seed { path, review });
            }
        }
    }
    for inject in [
        None,
        Some("streaming/events"),
        Some("shop/mine"),
        Some("events"),
    ] {
        let review = asked(("", "v1", "Pod"), "CREATE", &pod(inject), &Value::Null);
        seeds.push(Seed {
            path: "/inject",
            review,
        });
    }
    seeds.extend(evictions().map(|review| Seed {
        path: "/evict",
        review,
    }));
    seeds
}
