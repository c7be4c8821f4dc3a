//! Policies come from the API server: nothing is ready before all is listed, and a namespace that the watch has not told
//! of is asked for.

#![allow(clippy::unwrap_used, clippy::panic)]

use axum::http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use sdm_runtime::health::Health;
use sdm_webhook::{policies::Policies, server, watch};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const GROUP: &str = "/apis/kafka.sdm.dev/v1beta1";

/// An API server with one policy, for namespaces of production, and one such namespace that its list leaves out.
fn client() -> kube::Client {
    let answer = |request: Request<Body>| async move {
        if request
            .uri()
            .query()
            .is_some_and(|q| q.contains("watch=true"))
        {
            return std::future::pending().await;
        }
        let path = request.uri().path();
        let list = |items: Value| json!({"metadata": {"resourceVersion": "1"}, "items": items});
        let body = match path.strip_prefix(GROUP) {
            Some("/kafkapolicies") => list(json!([{
                "metadata": {"name": "prod", "managedFields": []},
                "spec": {
                    "match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}},
                    "topics": {"perNamespace": {"topics": 2}},
                },
                "status": {"violationCount": 3},
            }])),
            Some("/kafkatopics") => list(json!([
                {"metadata": {"name": "one", "namespace": "pay"}, "spec": {"clusterRef": {"name": "c"}}},
                {"metadata": {"name": "two", "namespace": "pay"}, "spec": {"clusterRef": {"name": "c"}}},
            ])),
            Some("/kafkaclusters") => list(json!([{
                "metadata": {"name": "c", "namespace": "pay"},
                "spec": {"version": "4.3.1", "pools": [{
                    "name": "n", "nodeIds": [0, 1, 2], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]},
                }]},
            }])),
            Some("/kafkausers" | "/kafkaroles" | "/kafkaaccessgrants") => list(json!([])),
            _ if path == "/api/v1/namespaces" => list(json!([])),
            _ if path == "/api/v1/namespaces/pay" => json!({
                "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
                "metadata": {"name": "pay", "labels": {"env": "prod"}},
            }),
            _ => panic!("{path}"),
        };
        let body = Body::from(body.to_string().into_bytes());
        Ok::<_, std::io::Error>(Response::new(body))
    };
    kube::Client::new(tower::service_fn(answer), "default")
}

async fn review(policies: &Policies, name: &str) -> Value {
    let object = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": name, "namespace": "pay"}, "spec": {"clusterRef": {"name": "c"}, "replicas": 3},
    });
    let body = json!({"request": {
        "uid": "1", "kind": {"group": "kafka.sdm.dev", "kind": "KafkaTopic"}, "operation": "CREATE",
        "name": name, "namespace": "pay", "object": object,
    }});
    let request = Request::post("/validate")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(body.to_string()))
        .unwrap();
    let router = server::router(policies.clone());
    let response = router.oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice::<Value>(&body).unwrap()["response"].take()
}

#[tokio::test]
async fn what_is_listed_is_what_holds() {
    let health = Health::new();
    let check = health.register("policies");
    let mut tasks = JoinSet::new();
    let policies = watch::start(&client(), &check, &mut tasks);
    assert!(!health.is_ready() && !policies.listed());
    assert!(watch::ready(&policies, &CancellationToken::new()).await);
    assert!(health.is_ready());
    let third = review(&policies, "three").await;
    let message = third["status"]["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("would have 3 topics and may have 2: delete some"),
        "{third}"
    );
    assert_eq!(
        review(&policies, "two").await["allowed"],
        true,
        "it is one of them"
    );
}

#[tokio::test]
async fn stopping_does_not_wait_for_policies() {
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(!watch::ready(&Policies::default(), &stop).await);
}
