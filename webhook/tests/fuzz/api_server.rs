//! An API server that the webhook asks about Pods, questions and namespaces: some are there, some not, some answers are
//! late or no answers at all. It notes whatever it is asked that nobody but the webhook's own rules should make it ask.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use sdm_api::names;
use sdm_core::eviction::{ANNOTATION, QUESTIONS};
use serde_json::{Value, json};

/// What was asked last, and what should not have been.
#[derive(Default)]
pub struct Seen {
    question: String,
    pub wrong: Vec<String>,
}

/// A client of it.
pub fn client() -> (Client, Arc<Mutex<Seen>>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    let service = tower::service_fn(move |request| answer(Arc::clone(&shared), request));
    (Client::new(service, "default"), seen)
}

async fn answer(
    seen: Arc<Mutex<Seen>>,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    let path = head.uri.path().to_owned();
    let parts: Vec<_> = path.split('/').skip(3).collect();
    let named = parts.iter().all(|part| is_name(part));
    if path == "/apis/storage.k8s.io/v1/storageclasses" {
        let fast =
            json!({"metadata": {"name": "fast"}, "provisioner": "p", "allowVolumeExpansion": true});
        let list = json!({"metadata": {}, "items": [fast, {"metadata": {"name": "slow"}, "provisioner": "p"}]});
        return Ok(respond(StatusCode::OK, &list.to_string()));
    }
    if !named || head.uri.query().is_some_and(|q| !q.is_empty()) || body.len() > 2048 {
        let line = format!("{} {} with {} bytes", head.method, head.uri, body.len());
        seen.lock().unwrap().wrong.push(line);
    }
    let found = match (&head.method, &parts[..]) {
        (&Method::GET, ["namespaces", name]) => {
            // One that was made a moment ago, and is gone before the next question.
            let known = ["bank", "default", "kafka"].contains(name);
            known.then(|| json!({"metadata": {"name": name, "labels": {"env": "prod"}}}))
        }
        (&Method::GET, ["namespaces", _, "pods", name]) => {
            let question = seen.lock().unwrap().question.clone();
            match *name {
                "garbage" => return Ok(respond(StatusCode::OK, "\u{0}{")),
                "broken" => return Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, "")),
                "hanging" => std::future::pending().await,
                name => pod(name, &question),
            }
        }
        (&Method::GET, ["namespaces", _, "configmaps", QUESTIONS]) => {
            let data = json!({"shop.a-1": "1 old", "shop.a-2": "nonsense"});
            Some(json!({"metadata": {"name": QUESTIONS}, "data": data}))
        }
        (&Method::PATCH, ["namespaces", "sdm-system", "configmaps", QUESTIONS]) => {
            let patch: Value = serde_json::from_slice(&body).unwrap_or_default();
            let questions = patch["data"].as_object().into_iter().flatten();
            for (_, text) in questions.filter_map(|(k, v)| Some((k, v.as_str()?))) {
                text.split_once(' ')
                    .unwrap()
                    .1
                    .clone_into(&mut seen.lock().unwrap().question);
            }
            Some(json!({"metadata": {"name": QUESTIONS}}))
        }
        _ => {
            let line = format!("{} {path}", head.method);
            seen.lock().unwrap().wrong.push(line);
            None
        }
    };
    Ok(match found {
        Some(object) => respond(StatusCode::OK, &object.to_string()),
        None => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
            respond(StatusCode::NOT_FOUND, &status.to_string())
        }
    })
}

/// A Pod in the state that its name says.
fn pod(name: &str, question: &str) -> Option<Value> {
    let answer = match name {
        "refused" => json!({"id": question, "waitsFor": "broker 2 to register"}).to_string(),
        "permitted" => json!({"id": question, "until": i64::MAX}).to_string(),
        "silent" => json!({"id": "another", "until": 1}).to_string(),
        "foreign" => String::new(),
        _ => return None,
    };
    let labels = match name {
        "foreign" => json!({}),
        _ => {
            json!({names::LABEL_CLUSTER: "events", names::LABEL_NODE_ID: "1", names::LABEL_MANAGED_BY: names::MANAGED_BY})
        }
    };
    Some(
        json!({"metadata": {"name": name, "labels": labels, "annotations": {ANNOTATION: answer}}, "status": {"phase": "Running"}}),
    )
}

fn respond(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(body.as_bytes().to_vec()));
    *response.status_mut() = status;
    response
}

/// Whether a part of a path is what Kubernetes lets be a name.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(inner) && !text.starts_with('.')
}
