//! Writing, waiting and finding, against an API server that answers as told.

use std::time::Duration;

use http::Method;
use kube::Api;
use sdm_api::KafkaTopic;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::exit::Code;
use crate::flags::DryRun;
use crate::scripted::{Answer, Asked, list, refused, session};

fn topic(generation: i64, ready: Option<(&str, &str)>) -> Value {
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind, "status": status, "reason": reason, "message": "why",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"
        })
    };
    let conditions: Vec<Value> = match ready {
        None => Vec::new(),
        Some((status, reason)) if reason == "Refused" => {
            vec![
                condition("Ready", status, reason),
                condition("Stalled", "True", reason),
            ]
        }
        Some((status, reason)) => vec![condition("Ready", status, reason)],
    };
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": "orders", "namespace": "ns", "generation": generation, "resourceVersion": "1"},
        "spec": {"clusterRef": {"name": "events"}},
        "status": {"observedGeneration": generation, "conditions": conditions},
    })
}

fn event(kind: &str, object: Value) -> Value {
    json!({"type": kind, "object": object})
}

const TOPICS: &str = "/apis/kafka.sdm.dev/v1beta1/namespaces/ns/kafkatopics";

/// An API server where a topic can be created, and is then watched through these events.
fn creating(events: Vec<Value>) -> impl Fn(&Asked) -> Answer {
    move |asked| match (&asked.method, asked.query.contains("watch=true")) {
        (&Method::PATCH, _) => (201, vec![topic(1, None)]),
        (_, true) => (200, events.clone()),
        _ if asked.path == TOPICS => list(&[topic(1, None)]),
        _ => refused(404, "NotFound", "no such topic"),
    }
}

fn writing(wait: bool, dry_run: DryRun) -> Writing {
    Writing {
        dry_run,
        wait,
        timeout: Duration::from_millis(200),
    }
}

async fn create(
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    writing: &Writing,
) -> (Done<KafkaTopic>, Vec<Asked>) {
    let (session, log) = session(Some("events"), answer);
    let api: Api<KafkaTopic> = session.namespaced();
    let hint = |name: &str| format!("describe {name}");
    let mut done = create_all(&session, &api, &[topic(1, None)], writing, false, hint).await;
    let log = log.lock().unwrap().clone();
    (done.remove(0), log)
}

#[tokio::test]
async fn what_was_created_is_watched_until_it_is_ready() {
    let events = vec![
        event("MODIFIED", topic(1, Some(("False", "Creating")))),
        event("MODIFIED", topic(1, Some(("True", "Ready")))),
    ];
    let (done, log) = create(creating(events), &writing(true, DryRun::None)).await;
    assert!(done.failure.is_none() && done.verb == "created", "{done:?}");
    assert_eq!(Standing::of(&done.stored.unwrap()).ready, Some(true));
    let patch = log
        .iter()
        .find(|asked| asked.method == Method::PATCH)
        .unwrap();
    assert!(
        patch.query.contains("fieldManager=kubectl-kafka"),
        "{}",
        patch.query
    );
    assert_eq!(patch.body["metadata"]["name"], "orders");
    let watch = log
        .iter()
        .find(|asked| asked.query.contains("watch=true"))
        .unwrap();
    assert!(
        watch.query.contains("metadata.name%3Dorders"),
        "{}",
        watch.query
    );
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason_and_the_object_stays() {
    let events = vec![event("MODIFIED", topic(1, Some(("False", "Refused"))))];
    let (done, _) = create(creating(events), &writing(true, DryRun::None)).await;
    assert!(done.stored.is_some());
    let failure = done.failure.unwrap();
    assert_eq!(failure.code, Code::Denied);
    assert_eq!(failure.what, "kafkatopic/orders is refused: why (Refused)");
    assert_eq!(failure.hint.as_deref(), Some("describe orders"));
}

#[tokio::test]
async fn a_wait_ends_in_time_and_says_what_was_seen_last() {
    let (done, _) = create(creating(Vec::new()), &writing(true, DryRun::None)).await;
    let failure = done.failure.unwrap();
    assert_eq!(failure.code, Code::TimedOut);
    assert!(failure.hint.unwrap().contains("sdm-system"));
    let gone = vec![event("DELETED", topic(1, None))];
    let (done, _) = create(creating(gone), &writing(true, DryRun::None)).await;
    assert_eq!(done.failure.unwrap().code, Code::NotFound);
}

#[tokio::test]
async fn nobody_waits_for_a_dry_run() {
    for (wait, mode) in [(false, DryRun::None), (true, DryRun::Server)] {
        let (done, log) = create(creating(Vec::new()), &writing(wait, mode)).await;
        assert!(done.failure.is_none(), "{done:?}");
        assert!(!log.iter().any(|asked| asked.query.contains("watch=true")));
        let dry = log.iter().any(|asked| asked.query.contains("dryRun=All"));
        assert_eq!(dry, mode == DryRun::Server);
    }
}

#[tokio::test]
async fn what_exists_is_not_applied_over() {
    let answer = |asked: &Asked| match asked.method {
        Method::PATCH => refused(500, "InternalError", "must not be asked"),
        _ => (200, vec![topic(1, None)]),
    };
    let (done, _) = create(answer, &writing(true, DryRun::None)).await;
    assert_eq!(done.failure.unwrap().code, Code::Conflict);
}

#[tokio::test]
async fn a_change_waits_for_its_own_generation() {
    let answer = |asked: &Asked| match (&asked.method, asked.query.contains("watch=true")) {
        (&Method::PATCH, _) => (200, vec![topic(2, None)]),
        (_, true) => (
            200,
            vec![event("MODIFIED", topic(2, Some(("True", "Ready"))))],
        ),
        // Ready, of the generation before.
        _ => list(&[topic(1, Some(("True", "Ready")))]),
    };
    let (session, _) = session(Some("events"), answer);
    let before: KafkaTopic = serde_json::from_value(topic(1, Some(("True", "Ready")))).unwrap();
    let api = session.namespaced();
    let wait = writing(true, DryRun::None);
    let done = change(&session, &api, &before, &json!({}), &wait, "")
        .await
        .unwrap();
    assert!(
        done.failure.is_none() && done.verb == "configured",
        "{done:?}"
    );
    assert_eq!(done.stored.unwrap().metadata.generation, Some(2));
}

#[tokio::test]
async fn a_watch_that_is_too_old_starts_anew() {
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"}});
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let answer = move |asked: &Asked| match asked.query.contains("watch=true") {
        true => (200, vec![expired.clone()]),
        false if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 => {
            list(&[topic(1, None)])
        }
        false => list(&[topic(1, Some(("True", "Ready")))]),
    };
    let (session, _) = session(Some("events"), answer);
    let object: KafkaTopic = serde_json::from_value(topic(1, None)).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let found = ready(&session, &session.namespaced(), &object, deadline, "")
        .await
        .unwrap();
    assert_eq!(Standing::of(&found).ready, Some(true));
}

#[tokio::test]
async fn objects_of_other_clusters_are_not_found() {
    let mut other = topic(1, None);
    other["spec"]["clusterRef"] = json!({"name": "events", "namespace": "elsewhere"});
    let mut far = topic(1, None);
    far["metadata"]["namespace"] = json!("far");
    far["spec"]["clusterRef"]["namespace"] = json!("ns");
    let items = [topic(1, None), other, far];
    let (session, _) = session(Some("events"), move |_| list(&items));
    let target = target(&session).await.unwrap();
    let found = referring::<KafkaTopic>(&session, &target).await.unwrap();
    let namespaces: Vec<_> = found
        .items
        .iter()
        .map(|o| o.metadata.namespace.as_deref())
        .collect();
    assert_eq!(
        (namespaces, found.everywhere),
        (vec![Some("ns"), Some("far")], true)
    );
}

#[tokio::test]
async fn who_may_not_list_everywhere_lists_at_home() {
    let answer = |asked: &Asked| match asked.path.contains("/namespaces/") {
        true => list(&[topic(1, None)]),
        false => refused(403, "Forbidden", "kafkatopics is forbidden"),
    };
    let (session, _) = session(Some("events"), answer);
    let found = referring::<KafkaTopic>(&session, &target(&session).await.unwrap())
        .await
        .unwrap();
    assert_eq!((found.items.len(), found.everywhere), (1, false));
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let answer = |asked: &Asked| {
        let next = if asked.query.contains("continue=") {
            ""
        } else {
            "more"
        };
        (
            200,
            vec![json!({"metadata": {"continue": next}, "items": [topic(1, None)]})],
        )
    };
    let (session, log) = session(Some("events"), answer);
    let found = everywhere::<KafkaTopic>(&session).await.unwrap();
    assert_eq!((found.items.len(), log.lock().unwrap().len()), (2, 2));
}

#[tokio::test]
async fn an_object_of_another_cluster_is_not_ours() {
    let (session, _) = session(Some("tenants"), |_| (200, vec![topic(1, None)]));
    let target = target(&session).await.unwrap();
    let failure = ours::<KafkaTopic>(&session, &target, "orders")
        .await
        .unwrap_err();
    assert_eq!(failure.code, Code::NotFound);
    assert!(
        failure.what.ends_with("belongs to cluster ns/events"),
        "{}",
        failure.what
    );
    assert_eq!(
        failure.hint.as_deref(),
        Some("kubectl kafka topic list -n ns -c tenants")
    );
}
