//! Every kind reaches its validator: something that only the validator knows is refused, and the good object is let
//! through. What is wrong with which object is `sdm-core`'s to test.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use sdm_webhook::{decide, policies::Policies, server};
use serde_json::{Value, json};
use tower::ServiceExt;

const CLUSTER: &str = "events";

/// The `response` of a review of an object in `namespace`.
async fn review(
    kind: &str,
    plural: &str,
    namespace: &str,
    name: &str,
    spec: Value,
    old: Option<Value>,
) -> Value {
    let object = |spec: Value| {
        json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind,
            "metadata": {"name": name, "namespace": namespace}, "spec": spec,
        })
    };
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1",
            "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": kind},
            "resource": {"group": "kafka.sdm.dev", "version": "v1beta1", "resource": plural},
            "name": name, "namespace": namespace, "operation": operation,
            "object": object(spec), "oldObject": old.map(object),
        },
    });
    let request = Request::post("/validate")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = server::router(Policies::fixed(&[], &[]))
        .oneshot(request)
        .await
        .unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice::<Value>(&body).unwrap()["response"].take()
}

/// (kind, plural, a good spec, a bad one, where it is bad, whether that is forbidden instead of invalid)
fn cases() -> Vec<(&'static str, &'static str, Value, Value, &'static str, bool)> {
    let refer = |mut spec: Value| {
        spec["clusterRef"] = json!({"name": CLUSTER, "namespace": "streaming"});
        spec
    };
    let acl = |principal: &str, resource: Value| {
        refer(json!({
            "subjects": [{"kind": "Principal", "name": principal}],
            "roles": ["admin"], "resources": [resource],
        }))
    };
    let topic = || json!({"type": "topic", "name": "orders"});
    vec![
        (
            "KafkaTopic",
            "kafkatopics",
            refer(json!({"partitions": 3, "replicas": 3})),
            refer(json!({"topicName": ".."})),
            "spec.topicName",
            false,
        ),
        (
            "KafkaUser",
            "kafkausers",
            refer(json!({"authentication": "tls"})),
            refer(json!({"authentication": "external"})),
            "spec.principal",
            false,
        ),
        (
            "KafkaRole",
            "kafkaroles",
            json!({"rules": [{"resource": "topic", "operations": ["Read"]}]}),
            json!({"rules": [{"resource": "topic", "operations": ["ClusterAction"]}]}),
            "spec.rules[0].operations",
            false,
        ),
        (
            "KafkaACL",
            "kafkaacls",
            acl("User:x", topic()),
            acl("x", topic()),
            "spec.subjects[0].name",
            false,
        ),
        (
            "KafkaACL",
            "kafkaacls",
            acl("User:x", topic()),
            acl("User:x", json!({"type": "cluster"})),
            "spec.resources[0]",
            true,
        ),
        (
            "KafkaAccessGrant",
            "kafkaaccessgrants",
            refer(json!({"namespaces": ["b"], "topics": [{"name": "orders"}]})),
            refer(json!({"namespaces": ["b"], "topics": [{"name": "orders"}], "adoption": true})),
            "spec.adoption",
            true,
        ),
        (
            "KafkaPolicy",
            "kafkapolicies",
            json!({"topics": {"partitions": {"max": 3}}}),
            json!({"match": {"kinds": ["KafkaTopic"]}, "cel": [{"name": "r", "rule": "object.spec.partitons > 1"}]}),
            "spec.cel[r].rule",
            false,
        ),
    ]
}

#[tokio::test]
async fn every_kind_is_judged_by_its_own_rules() {
    for (kind, plural, good, bad, field, forbidden) in cases() {
        let answer = review(kind, plural, "a", "mine", good.clone(), None).await;
        assert_eq!(answer["allowed"], true, "{kind}: {answer}");
        assert_eq!(answer["warnings"], Value::Null, "{kind}: {answer}");
        for old in [None, Some(good)] {
            let answer = review(kind, plural, "a", "mine", bad.clone(), old).await;
            let status = &answer["status"];
            assert_eq!(answer["allowed"], false, "{kind}: {answer}");
            assert_eq!(
                status["code"],
                if forbidden { 403 } else { 422 },
                "{kind}: {status}"
            );
            assert_eq!(
                status["details"]["causes"][0]["field"], field,
                "{kind}: {status}"
            );
            let headline = format!(
                "{kind} \"mine\" is {}",
                if forbidden { "forbidden" } else { "invalid" }
            );
            let message = status["message"].as_str().unwrap();
            assert!(message.starts_with(&headline), "{kind}: {message}");
        }
        // Stored under older rules: a label can still be set.
        let answer = review(kind, plural, "a", "mine", bad.clone(), Some(bad)).await;
        assert_eq!(answer["allowed"], true, "{kind}: {answer}");
        assert!(
            answer["warnings"][0]
                .as_str()
                .unwrap()
                .starts_with("stored, but invalid: "),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_a_tenant_may_not_the_clusters_namespace_may() {
    for (kind, plural, _, bad, _, forbidden) in cases() {
        let answer = review(kind, plural, "streaming", "mine", bad, None).await;
        assert_eq!(answer["allowed"], forbidden, "{kind}: {answer}");
    }
}

#[tokio::test]
async fn unwise_is_warned_about() {
    let spec = json!({
        "clusterRef": {"name": CLUSTER},
        "subjects": [{"name": "alice"}], "roles": ["consumer"], "resources": [{"type": "topic", "name": "orders"}],
    });
    let answer = review("KafkaACL", "kafkaacls", "a", "mine", spec, None).await;
    assert_eq!(answer["allowed"], true, "{answer}");
    assert_eq!(
        answer["warnings"],
        json!([
            "spec.resources: consumer on topics needs a group resource too: without it nobody can consume in a group"
        ])
    );
}

/// A kind with a definition and without a validator would be stored unread.
#[test]
fn every_definition_has_a_validator() {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds");
    let mut defined: Vec<_> = fs::read_dir(crds)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .filter_map(|text| {
            let line = text
                .lines()
                .find(|line| line.trim().starts_with("plural:"))?;
            line.split_once(": ").map(|(_, plural)| plural.to_owned())
        })
        .collect();
    defined.sort();
    let mut judged: Vec<_> = decide::resources().map(str::to_owned).collect();
    judged.sort();
    assert_eq!(judged, defined);
}
