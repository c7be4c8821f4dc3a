//! The registration is written when it has to be, and only then.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use sdm_api::policy::PolicyKind::{self, KafkaTopic, KafkaUser};
use sdm_runtime::{health::Health, webhook_ca::Registration as _};
use sdm_webhook::registration::{
    DEFAULTS, EVICTIONS, Endpoint, Registration, WEBHOOK, desired, desired_mutating, served,
};
use serde_json::{Value, json};
use tokio::sync::watch;

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sdm-webhook";
const MUTATING: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/sdm-webhook";

/// An API server that holds objects by their path, fills in defaults as the real one does, and counts writes.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(BTreeMap<String, Value>, usize)>>);

impl Server {
    fn client(&self) -> kube::Client {
        let server = self.clone();
        let answer = move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let path = request.uri().path().to_owned();
                assert!(path.starts_with(GROUP), "{path}");
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let (code, body) = server.handle(&path, &method, &body);
                Ok::<_, std::io::Error>(
                    Response::builder()
                        .status(code)
                        .body(Body::from(body.to_string().into_bytes()))
                        .unwrap(),
                )
            }
        };
        kube::Client::new(tower::service_fn(answer), "default")
    }

    fn handle(&self, path: &str, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let mut state = self.0.lock().unwrap();
        if method == Method::PATCH {
            let mut object: Value = serde_json::from_slice(body).unwrap();
            object["metadata"]["resourceVersion"] = json!("1");
            object["webhooks"][0]["namespaceSelector"] = json!({});
            object["webhooks"][0]["objectSelector"] = json!({});
            state.0.insert(path.to_owned(), object);
            state.1 += 1;
        }
        let gone = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "gone"});
        let object = state.0.get(path).cloned();
        object.map_or((StatusCode::NOT_FOUND, gone), |object| {
            (StatusCode::OK, object)
        })
    }

    fn writes(&self) -> usize {
        self.0.lock().unwrap().1
    }

    fn edit(&self, path: &str, edit: impl FnOnce(&mut Value)) {
        edit(self.0.lock().unwrap().0.get_mut(path).unwrap());
    }
}

fn service() -> Endpoint {
    Endpoint::Service {
        namespace: "sdm-system".to_owned(),
    }
}

fn registration(server: &Server, managed: bool) -> (Registration, Health) {
    let (_, nothing) = watch::channel(BTreeSet::new());
    filling_in(server, nothing, managed)
}

fn filling_in(
    server: &Server,
    kinds: watch::Receiver<BTreeSet<PolicyKind>>,
    managed: bool,
) -> (Registration, Health) {
    let health = Health::new();
    let seen = health.register("registration");
    (
        Registration::new(server.client(), service(), kinds, managed, seen),
        health,
    )
}

#[tokio::test]
async fn it_is_written_once_and_again_when_certificates_change() {
    let server = Server::default();
    let (registration, health) = registration(&server, true);
    assert!(!health.is_ready());
    assert_eq!(registration.observed().await.unwrap(), None);
    for (pem, writes) in [("one", 2), ("one", 2), ("one two", 4), ("one two", 4)] {
        registration.publish(pem).await.unwrap();
        assert_eq!(
            (server.writes(), registration.observed().await.unwrap()),
            (writes, Some(vec![pem.to_owned(); 2]))
        );
    }
    assert!(health.is_ready());
    let (after_restart, _) = self::registration(&server, true);
    after_restart.publish("one two").await.unwrap();
    assert_eq!(server.writes(), 4);
}

#[tokio::test]
async fn what_somebody_weakened_is_put_right() {
    let server = Server::default();
    let (registration, _) = registration(&server, true);
    registration.publish("pem").await.unwrap();
    for (path, field, value) in [
        (VALIDATING, "failurePolicy", "Ignore"),
        (MUTATING, "failurePolicy", "Fail"),
    ] {
        server.edit(path, |object| object["webhooks"][0][field] = json!(value));
        let before = server.writes();
        assert_eq!(
            registration.observed().await.unwrap(),
            None,
            "it counts as missing, so it is published"
        );
        registration.publish("pem").await.unwrap();
        assert_eq!(server.writes(), before + 1);
        assert_eq!(
            registration.observed().await.unwrap(),
            Some(vec!["pem".to_owned(); 2])
        );
    }
}

/// A kind is sent here to be filled in while a policy has something for it, and no longer.
#[tokio::test]
async fn only_what_policies_fill_in_comes_here_for_it() {
    let server = Server::default();
    let (policies, kinds) = watch::channel(BTreeSet::new());
    let (mut registration, _) = filling_in(&server, kinds, true);
    registration.publish("pem").await.unwrap();
    let resources =
        || server.0.lock().unwrap().0[MUTATING]["webhooks"][0]["rules"][0]["resources"].clone();
    assert_eq!(resources(), Value::Null);
    for (kinds, want) in [
        (vec![KafkaTopic], json!(["kafkatopics"])),
        (
            vec![KafkaTopic, KafkaUser],
            json!(["kafkatopics", "kafkausers"]),
        ),
        (vec![], Value::Null),
    ] {
        let before = server.writes();
        let kinds: BTreeSet<_> = kinds.into_iter().collect();
        policies.send_replace(kinds.clone());
        assert_ne!(served(&server.client()).await.unwrap(), kinds);
        registration.changed().await;
        assert_eq!(
            registration.observed().await.unwrap(),
            None,
            "it counts as missing, so it is published"
        );
        registration.publish("pem").await.unwrap();
        assert_eq!((server.writes(), resources()), (before + 1, want));
        assert_eq!(served(&server.client()).await.unwrap(), kinds);
        assert!(registration.observed().await.unwrap().is_some());
    }
}

#[tokio::test]
async fn left_to_others_it_is_never_written_and_never_waited_for() {
    let server = Server::default();
    let (registration, health) = registration(&server, false);
    assert!(health.is_ready());
    registration.publish("pem").await.unwrap();
    assert_eq!(server.writes(), 0);
}

#[test]
fn nothing_but_our_own_kinds_ever_waits_for_us() {
    let object = serde_json::to_value(desired(&service())).unwrap();
    let webhook = &object["webhooks"][0];
    assert_eq!(webhook["name"], WEBHOOK);
    assert_eq!(
        webhook["rules"],
        json!([{
            "apiGroups": ["kafka.sdm.dev"], "apiVersions": ["v1beta1"],
            "resources": ["kafkaclusters", "kafkatopics", "kafkausers", "kafkaroles", "kafkaacls", "kafkaaccessgrants", "kafkapolicies"],
            "operations": ["CREATE", "UPDATE"], "scope": "*",
        }])
    );
    assert_eq!(
        webhook["matchConditions"][0]["expression"],
        "!has(object.metadata.deletionTimestamp)"
    );
    assert_eq!(
        webhook["clientConfig"]["service"]["namespace"],
        "sdm-system"
    );
    let url = desired(&Endpoint::Url("https://127.0.0.1:9443/".to_owned()));
    let url = serde_json::to_value(url).unwrap();
    assert_eq!(
        url["webhooks"][0]["clientConfig"],
        json!({"url": "https://127.0.0.1:9443/validate"})
    );
}

#[test]
fn what_is_filled_in_keeps_nobody_waiting() {
    let kinds = BTreeSet::from([KafkaTopic]);
    let object = serde_json::to_value(desired_mutating(&service(), &kinds)).unwrap();
    let webhook = &object["webhooks"][0];
    assert_eq!(webhook["name"], DEFAULTS);
    assert_eq!(webhook["failurePolicy"], "Ignore");
    assert_eq!(webhook["reinvocationPolicy"], "IfNeeded");
    assert_eq!(
        webhook["rules"],
        json!([{
            "apiGroups": ["kafka.sdm.dev"], "apiVersions": ["v1beta1"],
            "resources": ["kafkatopics"],
            "operations": ["CREATE"], "scope": "*",
        }])
    );
    assert_eq!(webhook["clientConfig"]["service"]["path"], "/mutate");
}

/// Evictions of everybody's Pods come here: none may hang on us, nor those of Kubernetes itself wait for us.
#[test]
fn evictions_wait_for_nobody_who_is_not_there() {
    let object = serde_json::to_value(desired(&service())).unwrap();
    let webhooks = object["webhooks"].as_array().unwrap();
    let evictions = webhooks.iter().find(|w| w["name"] == EVICTIONS).unwrap();
    assert_eq!(evictions["failurePolicy"], "Ignore");
    assert_eq!(evictions["sideEffects"], "NoneOnDryRun");
    assert_eq!(evictions["clientConfig"]["service"]["path"], "/evict");
    assert_eq!(
        evictions["rules"],
        json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/eviction"], "operations": ["CREATE"],
            "scope": "Namespaced",
        }])
    );
    assert_eq!(
        evictions["namespaceSelector"]["matchExpressions"],
        json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "sdm-system"]}])
    );
}
