//! Reviews that are little text and would be much in memory: as many values as are read, of the types that take most,
//! and far more than are read.

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use sdm_tests::webhook::Webhook;
use serde_json::{Value, json};

/// Just within what is read of an object, and of a Pod.
const OBJECT: usize = 19_500;
const POD: usize = 9_900;
/// How many come at once.
const AT_ONCE: usize = 4;

fn question(kind: &str, object: &Value) -> Bytes {
    let group = if kind == "Pod" { "" } else { "kafka.sdm.dev" };
    let operation = if kind == "Pod" { "CREATE" } else { "UPDATE" };
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "dense", "kind": {"group": group, "version": "v1", "kind": kind},
            "name": "dense", "namespace": "default", "operation": operation, "userInfo": {"username": "alice"},
            "object": object, "oldObject": object,
        },
    });
    review.to_string().into()
}

fn questions() -> Vec<(&'static str, Bytes)> {
    let spec = |kind: &str, spec: Value| {
        let metadata = json!({"name": "dense", "namespace": "default"});
        question(
            kind,
            &json!({"kind": kind, "metadata": metadata, "spec": spec}),
        )
    };
    let lists = |count: usize| json!(vec![json!({}); count]);
    let keys = |count: usize| -> Value {
        (0..count)
            .map(|n| (n.to_string(), json!("")))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let pools = |count: usize| {
        json!(vec![
            json!({"name": "a", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}});
            count
        ])
    };
    let rules = |count: usize| -> Value {
        (0..count)
            .map(|n| json!({"name": n.to_string(), "rule": "object.spec == 1"}))
            .collect()
    };
    let pod = |containers: Value| {
        let metadata =
            json!({"name": "dense", "annotations": {"kafka.sdm.dev/inject": "default/events"}});
        question(
            "Pod",
            &json!({"metadata": metadata, "spec": {"containers": containers}}),
        )
    };
    let mut all = vec![
        ("/inject", pod(lists(POD))),
        ("/inject", pod(lists(1_000_000))),
    ];
    for count in [OBJECT, 900_000] {
        for (kind, spec_of) in [
            ("KafkaCluster", json!({"pools": lists(count)})),
            (
                "KafkaCluster",
                json!({"pools": [], "overrides": lists(count)}),
            ),
            (
                "KafkaCluster",
                json!({"pools": [], "listeners": lists(count), "config": {}}),
            ),
            (
                "KafkaTopic",
                json!({"clusterRef": {"name": "c"}, "config": keys(count.min(300_000))}),
            ),
            (
                "KafkaCluster",
                json!({"pools": pools(count.min(300_000) / 7)}),
            ),
            (
                "KafkaCluster",
                json!({"pools": pools(1), "overrides": vec![json!({"nodeIds": [0]}); count / 6], "config": keys(count.min(20_000) / 3)}),
            ),
            (
                "KafkaPolicy",
                json!({"cel": rules(count.min(8_000) / 4), "exceptions": [{"namespaces": ["a"], "until": "2126-01-01T00:00:00Z", "reason": "r", "rules": vec!["cel/x"; count.min(300_000) / 2]}]}),
            ),
            (
                "KafkaACL",
                json!({"clusterRef": {"name": "c"}, "subjects": lists(count)}),
            ),
            ("KafkaPolicy", json!({"cel": lists(count)})),
        ] {
            let review = spec(kind, spec_of);
            all.push(("/validate", review.clone()));
            all.push(("/mutate", review));
        }
    }
    all
}

/// Sends them, several at once; each is answered.
pub async fn visit(webhook: &Webhook) -> Result<()> {
    for (path, review) in questions() {
        let ask = |review: Bytes| async move {
            let mut connection = webhook.connect().await?;
            let size = review.len();
            let (status, answer) = connection.ask(path, review).await?;
            ensure!(status == 200, "{path}, {size} bytes: {status}");
            ensure!(
                answer.len() < 1024 * 1024,
                "{} bytes for an answer",
                answer.len()
            );
            Ok(())
        };
        try_join_all((0..AT_ONCE).map(|_| ask(review.clone()))).await?;
    }
    Ok(())
}
