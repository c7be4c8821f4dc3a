//! An API server that answers as a test says. Keeps no state of its own.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::session::Session;

/// A request, as tests look at it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query.
    pub query: String,
    /// The body.
    pub body: Value,
}

/// What is answered: a status and one JSON value per line.
pub type Answer = (u16, Vec<Value>);

/// A session that talks to `answer`, and every request that it makes.
pub fn session(
    flag: Option<&str>,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Session, Arc<Mutex<Vec<Asked>>>) {
    let (answer, log) = (Arc::new(answer), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&log);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, log) = (Arc::clone(&answer), Arc::clone(&seen));
        async move {
            let (parts, body) = request.into_parts();
            let bytes = body.collect_bytes().await.map_err(std::io::Error::other)?;
            let asked = Asked {
                method: parts.method,
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&bytes).unwrap_or_default(),
            };
            let (code, lines) = answer(&asked);
            log.lock().unwrap().push(asked);
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            Response::builder()
                .status(code)
                .body(Body::from(text.into_bytes()))
                .map_err(std::io::Error::other)
        }
    });
    (Session::scripted(Client::new(service, "ns"), flag), log)
}

/// The API server's refusal.
pub fn refused(code: u16, reason: &str, message: &str) -> Answer {
    let status = json!({"kind": "Status", "status": "Failure", "reason": reason, "code": code, "message": message});
    (code, vec![status])
}

/// A list of objects.
pub fn list(items: &[Value]) -> Answer {
    (
        200,
        vec![json!({"metadata": {"resourceVersion": "1"}, "items": items})],
    )
}
