//! Policies, as API servers get to know them: what is refused, what is warned of, what is let be.

#![allow(clippy::unwrap_used)]

use axum::{body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http_body_util::BodyExt;
use sdm_webhook::{policies::Policies, server};
use serde_json::{Value, json};
use tower::ServiceExt;

fn policy(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": name}, "spec": spec})
}

fn known(policies: &[Value], objects: &[Value]) -> Policies {
    let policies: Vec<_> = policies
        .iter()
        .map(|policy| serde_json::from_value(policy.clone()).unwrap())
        .collect();
    Policies::fixed(&policies, objects)
}

fn namespace(labels: Value) -> Value {
    json!({"kind": "Namespace", "metadata": {"name": "pay", "labels": labels}})
}

fn topic(mut spec: Value) -> Value {
    spec["clusterRef"] = json!({"name": "events", "namespace": "kafka"});
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": "orders", "namespace": "pay"}, "spec": spec,
    })
}

/// The `response` about a topic that is written.
async fn ask(policies: &Policies, path: &str, new: Value, old: Option<Value>) -> Value {
    let operation = if old.is_some() { "UPDATE" } else { "CREATE" };
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": "KafkaTopic"},
            "name": "orders", "namespace": "pay", "operation": operation,
            "userInfo": {"username": "alice", "groups": ["dev"]}, "object": new, "oldObject": old,
        },
    });
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let router = server::router(policies.clone());
    let response = router.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice::<Value>(&body).unwrap()["response"].take()
}

async fn validate(policies: &Policies, new: Value, old: Option<Value>) -> Value {
    ask(policies, "/validate", new, old).await
}

#[tokio::test]
async fn what_a_policy_forbids_is_403_and_says_which_policy() {
    let policies = known(
        &[policy(
            "prod",
            json!({"topics": {"partitions": {"max": 12}}}),
        )],
        &[],
    );
    let answer = validate(
        &policies,
        topic(json!({"partitions": 13, "replicas": 3})),
        None,
    )
    .await;
    assert_eq!(answer["status"]["code"], 403);
    assert_eq!(
        answer["status"]["message"],
        "KafkaTopic \"orders\" is forbidden\nspec.partitions: 13 is too high: use at most 12 (policy prod, topics.partitions)"
    );
    assert_eq!(
        answer["status"]["details"]["causes"][0]["field"],
        "spec.partitions"
    );
    let good = validate(
        &policies,
        topic(json!({"partitions": 12, "replicas": 3})),
        None,
    )
    .await;
    assert_eq!(
        (&good["allowed"], &good["warnings"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_invalid_in_itself_is_422_before_any_policy() {
    let policies = known(
        &[policy(
            "prod",
            json!({"topics": {"partitions": {"max": 12}}}),
        )],
        &[],
    );
    let answer = validate(
        &policies,
        topic(json!({"partitions": 13, "topicName": ".."})),
        None,
    )
    .await;
    assert_eq!(answer["status"]["code"], 422);
    assert_eq!(
        answer["status"]["details"]["causes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_warning_is_told_and_an_audit_is_not() {
    let limits = json!({"partitions": {"max": 12}});
    for (enforcement, warnings) in [
        (
            "Warn",
            json!([
                "spec.partitions: 13 is too high: use at most 12 (policy prod, topics.partitions)"
            ]),
        ),
        ("Audit", Value::Null),
    ] {
        let policies = known(
            &[policy(
                "prod",
                json!({"enforcement": enforcement, "topics": limits}),
            )],
            &[],
        );
        let answer = validate(
            &policies,
            topic(json!({"partitions": 13, "replicas": 3})),
            None,
        )
        .await;
        assert_eq!(
            (&answer["allowed"], &answer["warnings"]),
            (&json!(true), &warnings)
        );
    }
}

#[tokio::test]
async fn labels_of_namespaces_users_and_totals_are_seen() {
    let rules = json!({
        "match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}},
        "topics": {"perNamespace": {"topics": 1}},
        "cel": [{"name": "who", "rule": "'ops' in request.userInfo.groups", "messageExpression": "request.userInfo.username + ' is not of ops'"}],
    });
    let other = json!({"kind": "KafkaTopic", "metadata": {"name": "other", "namespace": "pay"}, "spec": {"clusterRef": {"name": "events", "namespace": "kafka"}}});
    let ask = |namespaces: Vec<Value>| {
        let objects = [namespaces, vec![other.clone()]].concat();
        let policies = known(&[policy("p", rules.clone())], &objects);
        async move { validate(&policies, topic(json!({"replicas": 3})), None).await }
    };
    let prod = ask(vec![namespace(json!({"env": "prod"}))]).await;
    let message = prod["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("would have 2 topics and may have 1")
            && message.contains("alice is not of ops"),
        "{message}"
    );
    let dev = ask(vec![namespace(json!({"env": "dev"}))]).await;
    assert_eq!(dev["allowed"], true);
    let unknown = ask(vec![]).await;
    assert_eq!(unknown["status"]["code"], 403, "{unknown}");
}

#[tokio::test]
async fn what_was_there_before_the_policy_can_be_changed() {
    let policies = known(
        &[policy(
            "prod",
            json!({"topics": {"partitions": {"max": 12}}}),
        )],
        &[],
    );
    let old = topic(json!({"partitions": 24, "replicas": 3}));
    let new = topic(json!({"partitions": 24, "replicas": 3, "config": {"retention.ms": "1000"}}));
    let answer = validate(&policies, new, Some(old.clone())).await;
    assert_eq!(answer["allowed"], true);
    assert!(
        answer["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("stored, but against policy: spec.partitions: 24"),
        "{answer}"
    );
    let worse = topic(json!({"partitions": 25, "replicas": 3}));
    assert_eq!(
        validate(&policies, worse, Some(old)).await["status"]["code"],
        403
    );
}

#[tokio::test]
async fn nothing_is_let_in_while_policies_are_not_known() {
    let answer = validate(&Policies::default(), topic(json!({"replicas": 3})), None).await;
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["status"]["code"], 503);
}

/// What a patch makes of an object.
fn patched(answer: &Value, mut object: Value) -> Value {
    assert_eq!(
        (&answer["allowed"], &answer["patchType"]),
        (&json!(true), &json!("JSONPatch")),
        "{answer}"
    );
    let text = BASE64.decode(answer["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&text).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

#[tokio::test]
async fn defaults_are_filled_in_once_when_an_object_is_created() {
    let defaults =
        json!({"defaults": {"topics": {"partitions": 6, "config": {"min.insync.replicas": "2"}}}});
    let policies = known(&[policy("prod", defaults)], &[]);
    let object = topic(json!({"replicas": 3}));
    let answer = ask(&policies, "/mutate", object.clone(), None).await;
    let once = patched(&answer, object.clone());
    assert_eq!(
        once["spec"],
        topic(json!({"replicas": 3, "partitions": 6, "config": {"min.insync.replicas": "2"}}))["spec"]
    );
    for (new, old) in [(once.clone(), None), (object.clone(), Some(object))] {
        let again = ask(&policies, "/mutate", new, old).await;
        assert_eq!(
            (&again["allowed"], &again["patch"]),
            (&json!(true), &Value::Null)
        );
    }
    assert_eq!(validate(&policies, once, None).await["allowed"], true);
}

#[tokio::test]
async fn what_cannot_be_filled_in_goes_on_as_it_is() {
    let one = policy("a", json!({"defaults": {"topics": {"partitions": 6}}}));
    let other = policy("b", json!({"defaults": {"topics": {"partitions": 3}}}));
    let object = topic(json!({"replicas": 3}));
    for policies in [known(&[one, other], &[]), Policies::default()] {
        let answer = ask(&policies, "/mutate", object.clone(), None).await;
        assert_eq!(
            (&answer["allowed"], &answer["patch"]),
            (&json!(true), &Value::Null)
        );
        let refused = validate(&policies, object.clone(), None).await;
        assert_eq!(refused["allowed"], false, "{refused}");
    }
}
