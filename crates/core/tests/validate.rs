//! What is refused, in which words, and what is accepted.
//!
//! The words are part of the product: they are what a user reads at `kubectl apply`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use sdm_api::KafkaCluster;
use sdm_core::around::Around;
use sdm_core::validate::{StorageClasses, validate_in};
use sdm_core::{resolve, validate};
use serde_json::{Value, json};

/// Three dedicated controllers and three brokers.
fn base() -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1",
        "kind": "KafkaCluster",
        "metadata": {"name": "events", "namespace": "streaming", "uid": "1"},
        "spec": {
            "version": "4.3.1",
            "pools": [
                {"name": "controllers", "roles": ["controller"], "nodeIds": [100, 101, 102],
                 "storage": {"volumes": [{"name": "metadata", "size": "1Gi"}]}},
                {"name": "brokers", "roles": ["broker"], "nodeIds": [0, 1, 2],
                 "storage": {"volumes": [{"name": "data", "size": "10Gi", "storageClassName": "fast"},
                                         {"name": "more", "size": "10Gi"}]}}
            ]
        }
    })
}

/// The base with values set at JSON pointers; a pointer's last part may be new.
fn with(edits: &[(&str, Value)]) -> KafkaCluster {
    let mut value = base();
    for (pointer, new) in edits {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = value
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("{pointer}"));
        match parent {
            Value::Array(list) if key == "-" => list.push(new.clone()),
            Value::Array(list) => list[key.parse::<usize>().unwrap()] = new.clone(),
            Value::Object(map) if new.is_null() => drop(map.remove(key)),
            Value::Object(map) => drop(map.insert(key.to_owned(), new.clone())),
            _ => panic!("{pointer}"),
        }
    }
    serde_json::from_value(value).unwrap()
}

fn violations(new: &KafkaCluster, old: Option<&KafkaCluster>) -> Vec<String> {
    validate(new, old)
        .violations
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// Compares all cases before it fails, so that one run shows every difference.
fn check(cases: Vec<(Vec<String>, &[&str])>) {
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(found, wanted)| found != wanted)
        .map(|(found, wanted)| {
            format!(
                "wanted:\n  {}\nfound:\n  {}",
                wanted.join("\n  "),
                found.join("\n  ")
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

const P0: &str = "/spec/pools/0";
const P1: &str = "/spec/pools/1";

#[test]
fn the_base_is_accepted_without_a_word() {
    let review = validate(&with(&[]), None);
    assert_eq!(
        (review.violations, review.warnings),
        (vec![], Vec::<String>::new())
    );
}

#[test]
fn one_object_alone() {
    let cases: &[(&[(&str, Value)], &[&str])] = &include!("cases/rejected.in");
    assert!(cases.len() >= 40, "{}", cases.len());
    check(
        cases
            .iter()
            .map(|(edits, wanted)| (violations(&with(edits), None), *wanted))
            .collect(),
    );
}

#[test]
fn a_change() {
    let cases: &[(&[(&str, Value)], &[(&str, Value)], &[&str])] =
        &include!("cases/refused_changes.in");
    check(
        cases
            .iter()
            .map(|(old, new, wanted)| (violations(&with(new), Some(&with(old))), *wanted))
            .collect(),
    );
}

#[test]
fn legal_and_unwise() {
    let cases: &[(&[(&str, Value)], &[&str])] = &include!("cases/warnings.in");
    let found = |edits: &[(&str, Value)]| {
        let review = validate(&with(edits), None);
        assert_eq!(review.violations, vec![], "{edits:?}");
        review.warnings
    };
    check(
        cases
            .iter()
            .map(|(edits, wanted)| (found(edits), *wanted))
            .collect(),
    );
}

#[test]
fn a_change_that_kafka_ignores_is_warned_of() {
    let new = with(&[("/spec/config", json!({"min.insync.replicas": "1"}))]);
    let warned = |old: &KafkaCluster| validate(&new, Some(old)).warnings;
    assert_eq!(warned(&new), Vec::<String>::new());
    assert!(
        warned(&with(&[]))[0]
            .starts_with("spec.config[min.insync.replicas]: a running cluster keeps the value")
    );
}

#[test]
fn a_broker_that_is_taken_out_is_warned_of() {
    let new = with(&[(&format!("{P1}/nodeIds"), json!([0, 1]))]);
    let review = validate(&new, Some(&with(&[])));
    assert_eq!(review.violations, []);
    assert_eq!(
        review.warnings,
        [
            "spec.pools[brokers].nodeIds: broker 2 is taken out: it stays until it hosts no replica, so drain it first; status says what it waits for"
        ]
    );
}

#[test]
fn volumes_grow_where_their_class_can() {
    let size = |first: &str, second: &str| {
        with(&[
            (&format!("{P1}/storage/volumes/0/size"), json!(first)),
            (&format!("{P1}/storage/volumes/1/size"), json!(second)),
        ])
    };
    let said = |new: &KafkaCluster, fast: bool, default: Option<&str>| {
        let mut around = Around::complete();
        let class = |name: &str, grows| (name.to_owned(), grows);
        around.set_storage_classes(StorageClasses {
            grow: [class("fast", fast), class("standard", false)].into(),
            default: default.map(str::to_owned),
        });
        let review = validate_in(new, Some(&size("10Gi", "10Gi")), &around);
        let said: Vec<String> = review.violations.iter().map(ToString::to_string).collect();
        said
    };
    let (first, second) = (size("20Gi", "10Gi"), size("10Gi", "20Gi"));
    assert_eq!(said(&first, true, None), [""; 0]);
    assert_eq!(
        said(&first, false, None),
        [
            "spec.pools[brokers].storage.volumes[data].size: StorageClass \"fast\" cannot grow volumes: leave 10Gi, or have allowVolumeExpansion set in it first"
        ]
    );
    assert_eq!(said(&second, false, Some("standard")).len(), 1);
    assert_eq!(said(&second, false, Some("fast")).len(), 1);
    assert_eq!(
        said(&second, false, None),
        [""; 0],
        "which it is is not known"
    );
    assert_eq!(
        said(&size("10Gi", "10Gi"), false, Some("standard")),
        [""; 0]
    );
}

#[test]
fn accepted() {
    let fresh: &[&[(&str, Value)]] = &[
        &[("/spec/version", json!("4.2.2"))],
        &[(
            "/spec/image",
            json!("registry.example.com:5000/kafka/kafka:4.3.1-patched"),
        )],
        &[(
            "/spec/config",
            json!({"log.retention.hours": "1", "min.insync.replicas": "1"}),
        )],
        &[(
            "/spec/overrides",
            json!([{"nodeIds": [0, 1]}, {"nodeIds": [1], "config": {"num.io.threads": "9"}}]),
        )],
        &[(&format!("{P1}/nodeIds"), json!([5, 3, 4]))],
        &[(
            &format!("{P1}/template"),
            json!({
                "metadata": {"labels": {"team": "a", "example.com/x": "y"}, "annotations": {"note": "a b c"}},
                "volumes": [{"name": "plugins", "emptyDir": {}}],
                "volumeMounts": [{"name": "plugins", "mountPath": "/opt/plugins"}],
                "containers": [{"name": "exporter", "image": "example/exporter:1",
                    "ports": [{"containerPort": 9404}],
                    "volumeMounts": [{"name": "plugins", "mountPath": "/x"}],
                    "securityContext": {"runAsUser": 2000, "capabilities": {"add": ["NET_BIND_SERVICE"]}}}]
            }),
        )],
        &[("/spec/deletionPolicy", json!("Delete"))],
    ];
    for edits in fresh {
        assert_eq!(
            violations(&with(edits), None),
            Vec::<String>::new(),
            "{edits:?}"
        );
    }
    let changes: &[(&[(&str, Value)], &[(&str, Value)])] = &[
        (&[("/spec/version", json!("4.2.2"))], &[]),
        (&[], &[(&format!("{P1}/nodeIds"), json!([0, 2, 3]))]),
        (
            &[],
            &[(&format!("{P1}/storage/volumes/0/size"), json!("20Gi"))],
        ),
        (
            &[(&format!("{P1}/storage/volumes/0/size"), json!("1024Mi"))],
            &[(&format!("{P1}/storage/volumes/0/size"), json!("1Gi"))],
        ),
        (
            &[],
            &[(
                &format!("{P1}/storage/volumes/-"),
                json!({"name": "third", "size": "1Gi"}),
            )],
        ),
        (
            &[],
            &[(
                "/spec/overrides",
                json!([{"nodeIds": [1], "storage": {"volumes": [{"name": "data", "size": "11Gi"}]}}]),
            )],
        ),
        // A node may move to a pool that does the same.
        (
            &[(&format!("{P1}/nodeIds"), json!([0, 1, 2]))],
            &[
                (&format!("{P1}/nodeIds"), json!([0, 1])),
                (
                    "/spec/pools/-",
                    json!({"name": "big", "roles": ["broker"], "nodeIds": [2], "storage": {"volumes": [
                    {"name": "data", "size": "10Gi", "storageClassName": "fast"}, {"name": "more", "size": "10Gi"}]}}),
                ),
            ],
        ),
    ];
    for (old, new) in changes {
        assert_eq!(
            violations(&with(new), Some(&with(old))),
            Vec::<String>::new(),
            "{old:?} -> {new:?}"
        );
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let cluster = with(&[
        ("/metadata/name", json!("Events")),
        ("/spec/version", json!("3.9.0")),
        ("/spec/config", json!({"ssl.protocol": "x", "node.id": "1"})),
        (&format!("{P0}/nodeIds"), json!([0])),
    ]);
    let paths: Vec<_> = validate(&cluster, None)
        .violations
        .into_iter()
        .map(|v| v.path)
        .collect();
    assert_eq!(
        paths,
        [
            "metadata.name",
            "spec.version",
            "spec.pools[brokers].nodeIds",
            "spec.config[node.id]",
            "spec.config[ssl.protocol]"
        ]
    );
}

#[test]
fn what_is_meant_is_the_pool_with_the_overrides_in_their_order() {
    let cluster = with(&[
        (
            "/spec/config",
            json!({"a": "cluster", "b": "cluster", "c": "cluster"}),
        ),
        (&format!("{P1}/config"), json!({"b": "pool", "c": "pool"})),
        (
            &format!("{P1}/resources"),
            json!({"limits": {"memory": "2Gi"}}),
        ),
        (
            &format!("{P1}/template"),
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}], "nodeSelector": {"x": "1"}}),
        ),
        (
            "/spec/overrides",
            json!([
                {"nodeIds": [1, 2], "config": {"c": "first", "d": "first"}, "image": "a/first"},
                {"nodeIds": [2], "config": {"d": "second"}, "image": "a/second",
                 "resources": {"limits": {"memory": "64Gi"}},
                 "storage": {"volumes": [{"name": "data", "size": "99Gi", "deletionPolicy": "Delete"}, {"name": "new", "size": "1Gi"}]},
                 "template": {"env": [{"name": "B", "value": "2"}, {"name": "C", "value": "2"}], "nodeSelector": {"y": "2"}}}
            ]),
        ),
    ]);
    let (resolved, _) = resolve(&cluster, None).unwrap();
    let (zero, one, two) = (
        &resolved.nodes[&0],
        &resolved.nodes[&1],
        &resolved.nodes[&2],
    );
    let config =
        |node: &sdm_core::Node| node.config.values().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(config(zero), "cluster pool pool");
    assert_eq!(config(one), "cluster pool first first");
    assert_eq!(config(two), "cluster pool first second");
    assert_eq!(
        [&zero.image, &one.image, &two.image],
        ["apache/kafka:4.3.1", "a/first", "a/second"]
    );
    // Half of the limit, and no more than 6Gi.
    assert_eq!(zero.jvm.heap.as_deref(), Some("1024Mi"));
    assert_eq!(two.jvm.heap.as_deref(), Some("6144Mi"));
    let volumes: Vec<_> = two
        .volumes
        .iter()
        .map(|v| {
            (
                v.name.as_str(),
                v.size.as_str(),
                v.storage_class_name.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        volumes,
        [
            ("data", "99Gi", Some("fast")),
            ("more", "10Gi", None),
            ("new", "1Gi", None)
        ]
    );
    let env: Vec<_> = two
        .template
        .env
        .iter()
        .map(|e| (e.name.as_str(), e.value.as_deref().unwrap()))
        .collect();
    assert_eq!(env, [("A", "1"), ("B", "2"), ("C", "2")]);
    assert_eq!(two.template.node_selector.len(), 2);
}
