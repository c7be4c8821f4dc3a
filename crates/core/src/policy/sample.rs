//! Policies and objects in any number, all different, for figures: what a large installation would have.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::KafkaPolicy;
use sdm_api::policy::PolicyKind;
use serde_json::{Value, json};

use super::compile::Compiled;
use super::subject::{Asked, Totals};

/// `count` policies: limits on topics, users and ACLs, rules in CEL, and a few that speak of single namespaces.
///
/// # Panics
/// Never: what stands here is well-formed, which a test proves.
#[must_use]
pub fn policies(count: usize) -> Vec<KafkaPolicy> {
    let specs = (0..count).map(|i| match i % 5 {
        0 => json!({"topics": {"partitions": {"max": 20 + i}, "replicas": {"min": 1}, "names": ["{namespace}.*", "topic-*"]}}),
        1 => json!({"match": {"kinds": ["KafkaTopic"]}, "cel": [
            {"name": "partitions", "rule": format!("object.spec.partitions <= {}", 100 + i)},
            {"name": "name", "rule": "object.metadata.name.matches('^[a-z0-9-]+$') || object.metadata.namespace.startsWith('team')"},
        ]}),
        2 => json!({"match": {"namespaces": [format!("team-{}*", i % 10)]}, "topics": {
            "retention": {"max": "720h"}, "config": {"min.insync.replicas": {"min": 2, "required": i % 100 == 2}}}}),
        3 => json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}},
            "users": {"mechanisms": ["tls"]}, "acls": {"forbidWildcards": true}}),
        _ => json!({"enforcement": "Audit", "match": {"kinds": ["KafkaTopic"]},
            "cel": [{"name": "keys", "rule": "!has(object.spec.config) || object.spec.config.all(k, k != 'unclean.leader.election.enable')"}]}),
    });
    specs
        .enumerate()
        .filter_map(|(i, spec)| {
            let metadata = json!({"name": format!("policy-{i}")});
            serde_json::from_value(json!({"metadata": metadata, "spec": spec})).ok()
        })
        .collect()
}

/// `count` topics, as a cluster would hold them.
#[must_use]
pub fn objects(count: usize) -> Vec<Value> {
    let topic = |i: usize| {
        json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
            "metadata": {"name": format!("topic-{i}"), "namespace": format!("team-{}", i % 50), "labels": {"app": "shop"}},
            "spec": {
                "clusterRef": {"name": "events", "namespace": "kafka"},
                "partitions": i % 24 + 1, "replicas": 3,
                "config": {"retention.ms": "86400000", "min.insync.replicas": "2", "cleanup.policy": "delete"},
            },
        })
    };
    (0..count).map(topic).collect()
}

/// Compiles `policies` and judges every one of `objects` by all of them, as the audit does; how much is found.
#[must_use]
pub fn audit(policies: &[KafkaPolicy], objects: &[Value]) -> usize {
    let compiled = Compiled::new(policies);
    let now = Time(Timestamp::UNIX_EPOCH);
    let namespace = json!({"metadata": {"labels": {"env": "prod"}}});
    let text = |object: &Value, field: &str| {
        let text = object["metadata"][field].as_str();
        text.unwrap_or_default().to_owned()
    };
    let judged = objects.iter().map(|object| {
        let findings = compiled.judge(&Asked {
            kind: PolicyKind::KafkaTopic,
            namespace: &text(object, "namespace"),
            name: &text(object, "name"),
            object,
            old: None,
            request: None,
            namespace_object: Some(&namespace),
            cluster: None,
            others: Some(Totals::default()),
            now: &now,
        });
        findings.0.len()
    });
    judged.sum()
}
