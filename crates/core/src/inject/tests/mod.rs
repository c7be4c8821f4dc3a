//! Tables and properties. Patches are applied by a library, as the API server applies them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use sdm_api::inject::{MOUNT_PATH, VOLUME};
use sdm_api::{Injection as Settings, InjectionMode, KafkaCluster};
use serde_json::{Value, json};

use super::*;

mod refusals;
mod secrets;
mod signing;

fn cluster(tenancy: Value) -> KafkaCluster {
    let mut cluster = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"namespace": "streaming", "name": "events"},
        "spec": {"pools": [{"name": "n", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}]}
    });
    cluster["spec"]["tenancy"] = tenancy;
    serde_json::from_value(cluster).unwrap()
}

/// A cluster that lets everybody in.
fn open() -> KafkaCluster {
    cluster(json!({"allowedNamespaces": {}}))
}

/// An open one that gives identities like this.
fn in_mode(mode: InjectionMode) -> KafkaCluster {
    let mut cluster = open();
    cluster.spec.injection = Some(Settings { mode });
    cluster
}

/// A Pod with an application, an init container and a native sidecar, as restricted as the standard wants it.
fn pod() -> Value {
    let security = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
    });
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "shop-1", "namespace": "shop", "labels": {"app": "shop"},
            "annotations": {"kafka.sdm.dev/inject": "streaming/events", "other": "stays"}
        },
        "spec": {
            "serviceAccountName": "orders",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [
                {"name": "wait", "image": "i", "securityContext": security},
                {"name": "proxy", "image": "i", "restartPolicy": "Always", "env": [], "volumeMounts": [], "securityContext": security}
            ],
            "containers": [{
                "name": "app", "image": "i", "securityContext": security,
                "env": [{"name": "A", "value": "b"}],
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]
            }],
            "volumes": [{"name": "tmp", "emptyDir": {}}]
        }
    })
}

fn injection(pod: &Value, world: &World<'_>) -> Option<Injection> {
    let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
    match asked(&pod, "shop") {
        Ok(None) => None,
        Ok(Some(asked)) => Some(decide(&pod, "shop", &asked, world)),
        Err(violation) => Some(Injection::Refused(vec![violation])),
    }
}

/// The Pod with everything added, how much that was, and warnings.
fn injected(pod: &Value) -> (Value, Vec<Operation>, Vec<String>) {
    injected_by(pod, &open(), true)
}

/// The same by this cluster, where pod certificates are served or not.
fn injected_by(
    pod: &Value,
    cluster: &KafkaCluster,
    served: bool,
) -> (Value, Vec<Operation>, Vec<String>) {
    let labels = BTreeMap::new();
    let world = World {
        served,
        cluster: Some(cluster),
        labels: Some(&labels),
    };
    match injection(pod, &world) {
        Some(Injection::Patch {
            operations,
            warnings,
            ..
        }) => (apply(pod, &operations), operations, warnings),
        other => panic!("{other:?}"),
    }
}

fn apply(pod: &Value, operations: &[Operation]) -> Value {
    let patch: json_patch::Patch =
        serde_json::from_value(serde_json::to_value(operations).unwrap()).unwrap();
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    pod
}

#[test]
fn everything_is_added_to_every_container() {
    let (pod, _, warnings) = injected(&pod());
    assert_eq!(warnings, [""; 0]);
    insta::assert_yaml_snapshot!(pod);
}

#[test]
fn a_second_time_nothing_is_left_to_add_and_a_new_container_gets_its_share() {
    let (mut once, ..) = injected(&pod());
    assert_eq!(injected(&once).1, []);
    let late = json!({"name": "late", "image": "i"});
    once["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(late);
    let (twice, operations, _) = injected(&once);
    assert_eq!(operations.len(), 2, "{operations:?}");
    assert_eq!(
        twice["spec"]["containers"][1]["volumeMounts"],
        json!([{"name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": true}])
    );
}

#[test]
fn a_pod_that_does_not_ask_is_left_alone() {
    let (cluster, labels) = (open(), BTreeMap::new());
    let world = World {
        served: true,
        cluster: Some(&cluster),
        labels: Some(&labels),
    };
    for annotations in [
        json!(null),
        json!({}),
        json!({"kafka.sdm.dev/inject": "false"}),
        json!({"kafka.sdm.dev/inject-lifetime": "1h"}),
        json!({"kafka.sdm.dev/inject": "events", "kubernetes.io/config.mirror": "x"}),
    ] {
        let mut pod = pod();
        pod["metadata"]["annotations"] = annotations.clone();
        assert_eq!(injection(&pod, &world), None, "{annotations}");
    }
}

#[test]
fn an_applications_own_variable_stays_and_is_mentioned() {
    let mut pod = pod();
    let own = json!({"name": "KAFKA_BOOTSTRAP_SERVERS", "value": "elsewhere:9092"});
    pod["spec"]["containers"][0]["env"] = json!([own]);
    let (pod, _, warnings) = injected(&pod);
    assert_eq!(
        warnings,
        [
            "spec.containers[app].env[KAFKA_BOOTSTRAP_SERVERS]: is set by the Pod itself and stays as it is"
        ]
    );
    let env = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    assert_eq!(env[0], own);
    assert_eq!(env.len(), 5);
}

#[test]
fn the_lifetime_is_the_annotations() {
    let seconds = |pod: &Value| {
        let (pod, ..) = injected(pod);
        let volumes = pod["spec"]["volumes"].as_array().unwrap().clone();
        volumes[1]["projected"]["sources"][0]["podCertificate"]["maxExpirationSeconds"].clone()
    };
    let mut pod = pod();
    assert_eq!(seconds(&pod), 604_800);
    pod["metadata"]["annotations"]["kafka.sdm.dev/inject-lifetime"] = json!("1h30m");
    assert_eq!(seconds(&pod), 5400);
}

/// Names that ours might collide with, and others.
fn name() -> impl Strategy<Value = String> {
    let ours = vec![VOLUME, "KAFKA_SSL_KEY_LOCATION", "app"];
    prop_oneof![
        proptest::sample::select(ours).prop_map(str::to_owned),
        "[a-z]{1,3}"
    ]
}

fn mount() -> impl Strategy<Value = Value> {
    let path = prop_oneof![
        Just("/etc//kafka-client/./x/..".to_owned()),
        Just(MOUNT_PATH.to_owned()),
        "[a-z./]{0,8}"
    ];
    (name(), path, any::<Option<bool>>())
        .prop_map(|(name, path, read)| json!({"name": name, "mountPath": path, "readOnly": read}))
}

fn list(item: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    let some = proptest::collection::vec(item, 0..4).prop_map(|items| json!(items));
    prop_oneof![Just(json!(null)), some].boxed()
}

fn container() -> impl Strategy<Value = Value> {
    let env = (name(), any::<Option<String>>()).prop_map(|(n, v)| json!({"name": n, "value": v}));
    (name(), list(env), list(mount())).prop_map(|(name, env, mounts)| {
        json!({"name": name, "image": "i", "env": env, "volumeMounts": mounts, "securityContext": {"runAsUser": 7}})
    })
}

fn any_pod() -> impl Strategy<Value = Value> {
    let annotations = proptest::collection::btree_map(
        prop_oneof![
            Just("kafka.sdm.dev/inject".to_owned()),
            Just("kafka.sdm.dev/inject-lifetime".to_owned()),
            Just("kafka.sdm.dev/client.properties".to_owned()),
            ".{0,6}"
        ],
        prop_oneof![
            Just("events".to_owned()),
            Just("1h".to_owned()),
            Just("false".to_owned()),
            ".{0,12}"
        ],
        0..4,
    );
    let volume = name().prop_map(|name| json!({"name": name, "emptyDir": {}}));
    (annotations, list(container()), list(container()), list(volume), any::<Option<String>>())
        .prop_map(|(annotations, init, containers, volumes, account)| {
            json!({
                "metadata": {"name": "p", "annotations": annotations},
                "spec": {
                    "serviceAccountName": account, "initContainers": init,
                    "containers": if containers.is_null() { json!([]) } else { containers }, "volumes": volumes
                }
            })
        })
}

proptest! {
    /// Whatever a Pod says: it is left alone, refused, or gets additions after which nothing is left to add; and what it
    /// had is still there, in place.
    #[test]
    fn additions_only_and_once(pod in any_pod(), known in any::<bool>(), served in any::<bool>()) {
        let (cluster, labels) = (open(), BTreeMap::new());
        let world = World { served, cluster: known.then_some(&cluster), labels: Some(&labels) };
        let pod = {
            // Without nulls, as the API server writes it.
            let typed: Pod = serde_json::from_value(pod).unwrap();
            serde_json::to_value(typed).unwrap()
        };
        match injection(&pod, &world) {
            None => {
                let wanted = &pod["metadata"]["annotations"]["kafka.sdm.dev/inject"];
                prop_assert!(wanted.is_null() || wanted == "false");
            }
            Some(Injection::Refused(violations)) => prop_assert!(!violations.is_empty()),
            Some(Injection::Patch { operations, .. }) => {
                let after = apply(&pod, &operations);
                prop_assert!(is_prefix(&pod, &after), "{pod} {after}");
                let again = injection(&after, &world);
                prop_assert!(matches!(&again, Some(Injection::Patch { operations, .. }) if operations.is_empty()), "{again:?}");
                for list in ["containers", "initContainers"] {
                    for container in after["spec"][list].as_array().into_iter().flatten() {
                        let mounts = container["volumeMounts"].as_array().unwrap();
                        prop_assert_eq!(mounts.iter().filter(|m| m["name"] == VOLUME).count(), 1);
                    }
                }
            }
        }
    }
}

/// Whether everything of `before` is in `after`, lists as a beginning.
fn is_prefix(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before
            .iter()
            .all(|(key, value)| after.get(key).is_some_and(|after| is_prefix(value, after))),
        (Value::Array(before), Value::Array(after)) => {
            before.len() <= after.len() && before.iter().zip(after).all(|(b, a)| is_prefix(b, a))
        }
        (before, after) => before == after,
    }
}
