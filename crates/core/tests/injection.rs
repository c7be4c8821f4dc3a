//! The example that is shipped does what it says: its objects are valid and its Pods are injected.

#![allow(clippy::unwrap_used, clippy::panic)]

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use sdm_api::{KafkaACL, KafkaCluster, KafkaTopic};
use sdm_core::inject::{Injection, World, asked, decide};
use serde::de::DeserializeOwned;

fn document<T: DeserializeOwned>(file: &str, kind: &str) -> T {
    let path = format!(
        "{}/../../deploy/examples/{file}.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut all = text.split("\n---\n");
    let line = format!("kind: {kind}");
    let found = all.find(|d| d.lines().any(|l| l == line)).unwrap();
    serde_saphyr::from_str(found).unwrap()
}

#[test]
fn the_example_is_injected() {
    let topic: KafkaTopic = document("injection", "KafkaTopic");
    assert_eq!(sdm_core::topic::validate(&topic, None).violations, []);
    let acl: KafkaACL = document("injection", "KafkaACL");
    assert_eq!(sdm_core::access::validate_acl(&acl, None).violations, []);
    let namespace: Namespace = document("injection", "Namespace");
    let deployment: Deployment = document("injection", "Deployment");
    let template = deployment.spec.unwrap().template;
    let pod = Pod {
        metadata: template.metadata.unwrap(),
        spec: template.spec,
        ..Pod::default()
    };
    let mut cluster: KafkaCluster = document("events", "KafkaCluster");
    // What the example's comment tells to do.
    cluster.spec.tenancy =
        serde_saphyr::from_str("allowedNamespaces: {matchLabels: {kafka: allowed}}").unwrap();
    let asked = asked(&pod, "shop").unwrap().unwrap();
    let world = World {
        served: true,
        cluster: Some(&cluster),
        labels: namespace.metadata.labels.as_ref(),
    };
    match decide(&pod, "shop", &asked, &world) {
        Injection::Patch {
            operations,
            warnings,
            ..
        } => assert!(operations.len() >= 4 && warnings.is_empty(), "{warnings:?}"),
        refused => panic!("{refused:?}"),
    }
}
