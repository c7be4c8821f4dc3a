//! The registration is written when it has to be, and only then.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;
use sdm_runtime::{health::Health, webhook_ca::Registration as _};
use sdm_webhook::registration::{Endpoint, Registration, WEBHOOK, desired};
use serde_json::{Value, json};

const PATH: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sdm-webhook";

/// An API server that holds one object, fills in defaults as the real one does, and counts writes.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<(Option<Value>, usize)>>);

impl Server {
    fn client(&self) -> kube::Client {
        let server = self.clone();
        let answer = move |request: Request<Body>| {
            let server = server.clone();
            async move {
                assert_eq!(request.uri().path(), PATH);
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let (code, body) = server.handle(&method, &body);
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

    fn handle(&self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let mut state = self.0.lock().unwrap();
        if method == Method::PATCH {
            let mut object: Value = serde_json::from_slice(body).unwrap();
            object["metadata"]["resourceVersion"] = json!("1");
            object["webhooks"][0]["namespaceSelector"] = json!({});
            object["webhooks"][0]["objectSelector"] = json!({});
            state.0 = Some(object);
            state.1 += 1;
        }
        let gone = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404, "message": "gone"});
        state
            .0
            .clone()
            .map_or((StatusCode::NOT_FOUND, gone), |object| {
                (StatusCode::OK, object)
            })
    }

    fn writes(&self) -> usize {
        self.0.lock().unwrap().1
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        edit(self.0.lock().unwrap().0.as_mut().unwrap());
    }
}

fn service() -> Endpoint {
    Endpoint::Service {
        namespace: "sdm-system".to_owned(),
    }
}

fn registration(server: &Server, managed: bool) -> (Registration, Health) {
    let health = Health::new();
    let seen = health.register("registration");
    (
        Registration::new(server.client(), &service(), managed, seen),
        health,
    )
}

#[tokio::test]
async fn it_is_written_once_and_again_when_certificates_change() {
    let server = Server::default();
    let (registration, health) = registration(&server, true);
    assert!(!health.is_ready());
    assert_eq!(registration.observed().await.unwrap(), None);
    for (pem, writes) in [("one", 1), ("one", 1), ("one two", 2), ("one two", 2)] {
        registration.publish(pem).await.unwrap();
        assert_eq!(
            (server.writes(), registration.observed().await.unwrap()),
            (writes, Some(vec![pem.to_owned()]))
        );
    }
    assert!(health.is_ready());
    let (after_restart, _) = self::registration(&server, true);
    after_restart.publish("one two").await.unwrap();
    assert_eq!(server.writes(), 2);
}

#[tokio::test]
async fn what_somebody_weakened_is_put_right() {
    let server = Server::default();
    let (registration, _) = registration(&server, true);
    registration.publish("pem").await.unwrap();
    server.edit(|object| object["webhooks"][0]["failurePolicy"] = json!("Ignore"));
    assert_eq!(
        registration.observed().await.unwrap(),
        None,
        "it counts as missing, so it is published"
    );
    registration.publish("pem").await.unwrap();
    assert_eq!(server.writes(), 2);
    assert_eq!(
        registration.observed().await.unwrap(),
        Some(vec!["pem".to_owned()])
    );
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
