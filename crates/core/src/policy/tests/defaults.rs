//! What is filled in.

use serde_json::{Value, json};

use super::super::{Compiled, Outcome};
use super::{Question, object, policy, topic};

fn filled(policies: &[(&str, Value)], object: Value) -> Option<Value> {
    let policies: Vec<_> = policies
        .iter()
        .map(|(name, spec)| policy(name, spec))
        .collect();
    let compiled = Compiled::new(&policies);
    Question::of(object).with(|asked| compiled.defaulted(asked))
}

#[test]
fn only_what_is_not_said_is_filled_in_and_only_once() {
    let spec = json!({"defaults": {"topics": {"partitions": 6, "replicas": 3, "config": {"min.insync.replicas": "2", "retention.ms": "1"}}}});
    let once = filled(
        &[("p", spec.clone())],
        topic("x", json!({"replicas": 5, "config": {"retention.ms": "9"}})),
    )
    .unwrap();
    assert_eq!(once["spec"]["partitions"], 6);
    assert_eq!(once["spec"]["replicas"], 5);
    assert_eq!(
        once["spec"]["config"],
        json!({"retention.ms": "9", "min.insync.replicas": "2"})
    );
    assert_eq!(filled(&[("p", spec)], once), None);
}

#[test]
fn each_kind_has_its_own() {
    let spec = json!({"defaults": {
        "topics": {"partitions": 6},
        "users": {"quotas": {"producerByteRate": 1000}},
        "brokers": {"config": {"num.partitions": "3"}},
    }});
    let one = |object| filled(&[("p", spec.clone())], object);
    let user = one(object(
        "KafkaUser",
        "u",
        json!({"quotas": {"consumerByteRate": 5}}),
    ))
    .unwrap();
    assert_eq!(
        user["spec"]["quotas"],
        json!({"producerByteRate": 1000, "consumerByteRate": 5})
    );
    let cluster = one(object(
        "KafkaCluster",
        "c",
        json!({"pools": [], "config": null}),
    ))
    .unwrap();
    assert_eq!(cluster["spec"]["config"], json!({"num.partitions": "3"}));
    assert_eq!(one(object("KafkaRole", "r", json!({}))), None);
    assert_eq!(
        one(json!({"kind": "KafkaTopic", "metadata": {}, "spec": 3})),
        None,
        "no room"
    );
}

#[test]
fn policies_that_disagree_fill_in_nothing_and_refuse() {
    let policies = [
        (
            "b",
            json!({"defaults": {"topics": {"partitions": 3, "replicas": 3}}}),
        ),
        (
            "a",
            json!({"defaults": {"topics": {"partitions": 6, "replicas": 3}}}),
        ),
    ];
    let object = filled(&policies, topic("x", json!({}))).unwrap();
    assert_eq!(object["spec"]["replicas"], 3);
    assert_eq!(object["spec"].get("partitions"), None);
    let policies: Vec<_> = policies
        .iter()
        .map(|(name, spec)| policy(name, spec))
        .collect();
    let compiled = Compiled::new(&policies);
    let mut question = Question::of(topic("x", json!({})));
    let findings = question.ask(&compiled);
    assert_eq!(
        super::lines(&findings),
        [
            "defaults spec.partitions: policies have different defaults, a says 6 and b says 3: say which value is meant"
        ]
    );
    assert_eq!(findings.of(Outcome::Refuse).count(), 1);
    question.object = topic("x", json!({"partitions": 4}));
    assert!(question.ask(&compiled).0.is_empty());
    question.object = topic("x", json!({}));
    question.request = None;
    assert!(
        question.ask(&compiled).0.is_empty(),
        "what stands is not created"
    );
}

#[test]
fn a_policy_that_only_counts_fills_in_nothing() {
    let spec = json!({"enforcement": "Audit", "defaults": {"topics": {"partitions": 6}}});
    assert_eq!(filled(&[("p", spec)], topic("x", json!({}))), None);
}
