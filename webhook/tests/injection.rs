//! Reviews of Pods: who asks and may gets a patch that the API server can apply, who may not gets a 403, and everybody
//! else is let through as they are.

#![allow(clippy::unwrap_used, clippy::panic)]

use axum::{Router, body::Body, http::Request};
use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use sdm_api::KafkaPolicy;
use sdm_webhook::{
    inject::{
        self, Served,
        registration::{WEBHOOK, webhook},
    },
    policies::Policies,
    registration::Endpoint,
};
use serde_json::{Value, json};
use tower::ServiceExt;

/// One cluster, which lets in namespaces of the team `shop`, and two namespaces.
fn router(policies: &[KafkaPolicy], served: bool) -> Router {
    let cluster = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"namespace": "streaming", "name": "events"},
        "spec": {
            "pools": [{"name": "n", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}],
            "tenancy": {"allowedNamespaces": {"matchLabels": {"team": "shop"}}}
        }
    });
    let unreadable = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"namespace": "streaming", "name": "broken"}, "spec": 7
    });
    let namespace = |name: &str, labels: Value| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
    let around = [
        cluster,
        unreadable,
        namespace("shop", json!({"team": "shop"})),
        namespace("bank", json!({})),
    ];
    inject::router(Served::fixed(served), Policies::fixed(policies, &around))
}

fn pod(inject: Option<&str>) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "app-"},
        "spec": {"serviceAccountName": "orders", "containers": [{"name": "app", "image": "i"}]}
    });
    if let Some(inject) = inject {
        pod["metadata"]["annotations"] = json!({"kafka.sdm.dev/inject": inject});
    }
    pod
}

async fn ask(namespace: &str, operation: &str, object: &Value) -> Value {
    ask_of(router(&[], true), namespace, operation, object).await
}

async fn ask_of(router: Router, namespace: &str, operation: &str, object: &Value) -> Value {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "namespace": namespace,
            "operation": operation, "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": object, "oldObject": null
        }
    });
    let request = Request::post("/inject?timeout=3s")
        .header("content-type", "application/json")
        .body(Body::from(review.to_string()))
        .unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "u-1");
    answer["response"].clone()
}

/// The object with the answer's patch applied, as the API server does it.
fn patched(object: &Value, response: &Value) -> Value {
    assert_eq!(response["allowed"], true, "{response}");
    let mut object = object.clone();
    if let Some(patch) = response["patch"].as_str() {
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: json_patch::Patch =
            serde_json::from_slice(&STANDARD.decode(patch).unwrap()).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    } else {
        assert!(response.get("patchType").is_none());
    }
    object
}

#[tokio::test]
async fn who_asks_and_may_gets_everything_once() {
    let before = pod(Some("streaming/events"));
    let after = patched(&before, &ask("shop", "CREATE", &before).await);
    assert_eq!(
        after["spec"]["containers"][0]["volumeMounts"],
        json!([{"name": "kafka-sdm-dev-client", "mountPath": "/etc/kafka-client", "readOnly": true}])
    );
    assert_eq!(
        after["spec"]["volumes"][0]["projected"]["sources"][0]["podCertificate"]["signerName"],
        "kafka.sdm.dev/streaming.events"
    );
    let again = ask("shop", "CREATE", &after).await;
    assert_eq!(again, json!({"uid": "u-1", "allowed": true}));
}

#[tokio::test]
async fn who_does_not_ask_is_let_through_as_it_is() {
    for (operation, object) in [
        ("CREATE", pod(None)),
        ("CREATE", pod(Some("false"))),
        ("UPDATE", pod(Some("streaming/events"))),
        ("DELETE", json!(null)),
        ("CREATE", json!(null)),
        ("CREATE", json!("a string")),
        ("CREATE", json!({"metadata": {"annotations": {"a": 7}}})),
    ] {
        let answer = ask("bank", operation, &object).await;
        assert_eq!(
            answer,
            json!({"uid": "u-1", "allowed": true}),
            "{operation} {object}"
        );
    }
}

#[tokio::test]
async fn who_may_not_is_told_why() {
    for (namespace, inject, code, words) in [
        (
            "bank",
            "streaming/events",
            403,
            "Pod is forbidden\nmetadata.annotations[kafka.sdm.dev/inject]: KafkaCluster streaming/events: namespace \"bank\" may not use this cluster",
        ),
        (
            "shop",
            "events",
            422,
            "there is no KafkaCluster shop/events",
        ),
        (
            "shop",
            "streaming/broken",
            422,
            "there is no KafkaCluster streaming/broken",
        ),
        ("shop", "Streaming/events", 422, "is no cluster"),
        (
            "nowhere",
            "streaming/events",
            403,
            "are not known yet; try again",
        ),
    ] {
        let answer = ask(namespace, "CREATE", &pod(Some(inject))).await;
        assert_eq!(answer["allowed"], false, "{answer}");
        assert_eq!(answer["status"]["code"], code, "{answer}");
        let message = answer["status"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        assert!(answer.get("patch").is_none());
    }
}

#[tokio::test]
async fn without_pod_certificates_the_key_comes_from_the_accounts_secret() {
    let before = pod(Some("streaming/events"));
    let answer = ask_of(router(&[], false), "shop", "CREATE", &before).await;
    let after = patched(&before, &answer);
    assert_eq!(
        after["metadata"]["labels"],
        json!({"kafka.sdm.dev/injected": "secret"})
    );
    assert_eq!(
        after["spec"]["volumes"][0]["projected"]["sources"][0]["secret"]["name"],
        "kafka-client.streaming.events.orders"
    );
    let again = ask_of(router(&[], false), "shop", "CREATE", &after).await;
    assert_eq!(again, json!({"uid": "u-1", "allowed": true}));
}

fn policy(enforcement: &str, injection: Value) -> KafkaPolicy {
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": "house"},
        "spec": {"enforcement": enforcement, "match": {"namespaces": ["shop"]}, "injection": injection}
    }))
    .unwrap()
}

#[tokio::test]
async fn policies_decide_who_may_be_a_client_of_what() {
    let before = pod(Some("streaming/events"));
    for (limits, path, words) in [
        (
            json!({"clusters": ["{namespace}/*", "streaming/test-*"]}),
            "metadata.annotations[kafka.sdm.dev/inject]",
            "Pods here may not be clients of streaming/events: use shop/* or streaming/test-* (policy house, injection.clusters)",
        ),
        (
            json!({"forbiddenServiceAccounts": ["default", "ord*"]}),
            "spec.serviceAccountName",
            "the service account \"orders\" may not be a client",
        ),
        (
            json!({"lifetime": {"max": "24h"}}),
            "metadata.annotations[kafka.sdm.dev/inject-lifetime]",
            "168h is too long: use at most 24h",
        ),
        (
            json!({"forbidSecrets": true}),
            "metadata.annotations[kafka.sdm.dev/inject]",
            "the key would be in a Secret",
        ),
    ] {
        for enforcement in ["Deny", "Warn", "Audit"] {
            let router = router(&[policy(enforcement, limits.clone())], false);
            let answer = ask_of(router, "shop", "CREATE", &before).await;
            assert_eq!(answer["allowed"], enforcement != "Deny", "{answer}");
            let said = match enforcement {
                "Deny" => answer["status"]["message"].to_string(),
                _ => answer["warnings"].to_string(),
            };
            if enforcement == "Audit" {
                assert_eq!(said, "null");
            } else {
                assert!(said.contains(path), "{said}");
            }
            if enforcement == "Deny" {
                assert_eq!(answer["status"]["code"], 403);
                let message = answer["status"]["message"].as_str().unwrap();
                assert!(message.contains(words), "{message}");
            } else {
                patched(&before, &answer);
            }
        }
    }
    // Nobody else is asked for anything.
    let strict = policy("Deny", json!({"forbiddenServiceAccounts": ["*"]}));
    let answer = ask_of(router(&[strict], false), "shop", "CREATE", &pod(None)).await;
    assert_eq!(answer, json!({"uid": "u-1", "allowed": true}));
}

#[tokio::test]
async fn the_namespace_is_the_requests_whatever_the_object_says() {
    let mut forged = pod(Some("streaming/events"));
    forged["metadata"]["namespace"] = json!("shop");
    let answer = ask("bank", "CREATE", &forged).await;
    assert_eq!(answer["status"]["code"], 403, "{answer}");
}

/// Read into memory it would be a thousand times as much.
#[tokio::test]
async fn a_pod_of_a_million_empty_containers_is_refused() {
    let mut dense = pod(Some("streaming/events"));
    dense["spec"]["containers"] = vec![json!({}); 1_000_000].into();
    let answer = ask("shop", "CREATE", &dense).await;
    assert_eq!(answer["status"]["code"], 422, "{answer}");
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.contains("more than 10000 values"), "{message}");
}

#[tokio::test]
async fn a_pod_that_cannot_be_read_is_refused_without_a_word_of_its_content() {
    let mut strange = pod(Some("streaming/events"));
    strange["spec"]["containers"] = json!("secret-of-the-author".len());
    let answer = ask("shop", "CREATE", &strange).await;
    assert_eq!(answer["status"]["code"], 422, "{answer}");
}

#[test]
fn no_pod_ever_waits_for_us_that_did_not_ask() {
    let endpoint = Endpoint::Service {
        namespace: "sdm-system".to_owned(),
    };
    let webhook = serde_json::to_value(webhook(&endpoint)).unwrap();
    assert_eq!(webhook["name"], WEBHOOK);
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert_eq!(webhook["reinvocationPolicy"], "IfNeeded");
    assert_eq!(webhook["sideEffects"], "None");
    assert_eq!(webhook["timeoutSeconds"], 3);
    assert_eq!(webhook["clientConfig"]["service"]["path"], "/inject");
    assert_eq!(
        webhook["rules"],
        json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"], "scope": "Namespaced"
        }])
    );
    assert_eq!(
        webhook["namespaceSelector"]["matchExpressions"],
        json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "sdm-system"]}])
    );
    assert_eq!(
        webhook["matchConditions"][0]["expression"],
        "has(object.metadata.annotations) && 'kafka.sdm.dev/inject' in object.metadata.annotations \
         && object.metadata.annotations['kafka.sdm.dev/inject'] != 'false'"
    );
}
