//! An API server in memory for this crate's tests: objects by path, `resourceVersion` preconditions, and faults.
//!
//! It knows just what leases, Secrets and registrations need: GET, POST, PUT, and PATCH as a replacement.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Refused with this code, without effect.
    Refused(u16),
    /// Reaches the server after the first delay; its answer comes after the second.
    Slow(Duration, Duration),
    /// Takes effect, and the answer never comes.
    AnswerLost,
    /// Never arrives.
    Lost,
}

type Faults = Box<dyn FnMut(&Method, &str) -> Fault + Send>;

#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<Server>>);

#[derive(Default)]
struct Server {
    objects: BTreeMap<String, Value>,
    version: u64,
    writes: Vec<String>,
}

impl FakeApi {
    pub(crate) fn client(&self) -> Client {
        self.client_with(|_, _| Fault::None)
    }

    /// A client whose requests suffer `faults`.
    pub(crate) fn client_with(
        &self,
        faults: impl FnMut(&Method, &str) -> Fault + Send + 'static,
    ) -> Client {
        let faults: Arc<Mutex<Faults>> = Arc::new(Mutex::new(Box::new(faults)));
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (api, faults) = (api.clone(), Arc::clone(&faults));
            async move {
                let (head, body) = request.into_parts();
                let (method, path) = (head.method, head.uri.path().to_owned());
                let body = body.collect_bytes().await?;
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                let fault = (faults.lock().unwrap())(&method, &path);
                let answer = match fault {
                    Fault::None => api.answer(&method, &path, body),
                    Fault::Refused(code) => failure(code, "Refused"),
                    Fault::Slow(before, after) => {
                        tokio::time::sleep(before).await;
                        let answer = api.answer(&method, &path, body);
                        tokio::time::sleep(after).await;
                        answer
                    }
                    Fault::AnswerLost => {
                        api.answer(&method, &path, body);
                        std::future::pending().await
                    }
                    Fault::Lost => std::future::pending().await,
                };
                let code = u16::try_from(answer["code"].as_u64().unwrap_or(200)).unwrap();
                let response = Response::builder().status(code);
                Ok::<_, tower::BoxError>(response.body(Body::from(serde_json::to_vec(&answer)?))?)
            }
        });
        Client::new(service, "default")
    }

    /// The object at this path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path).cloned()
    }

    /// Stores or removes an object behind everybody's back.
    pub(crate) fn set(&self, path: &str, object: Option<Value>) {
        let mut server = self.0.lock().unwrap();
        match object {
            Some(object) => {
                server.store(path, object);
            }
            None => {
                server.objects.remove(path);
            }
        }
    }

    /// Method and path of each write that took effect so far.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().writes.clone()
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> Value {
        let mut server = self.0.lock().unwrap();
        let name = body["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let path = match *method {
            Method::POST => format!("{path}/{name}"),
            _ => path.to_owned(),
        };
        let stored = server.objects.get(&path);
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        match (method, stored) {
            (&Method::GET, Some(object)) => object.clone(),
            (&Method::GET | &Method::PUT, None) => failure(404, "NotFound"),
            (&Method::POST, Some(_)) => failure(409, "AlreadyExists"),
            (&Method::PUT, Some(object)) if version(object) != version(&body) => {
                failure(409, "Conflict")
            }
            _ => {
                server.writes.push(format!("{method} {path}"));
                server.store(&path, body)
            }
        }
    }
}

impl Server {
    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {},
           "message": reason, "reason": reason, "code": code})
}
