//! Evictions of Kafka's Pods: `POST /evict`, the review of `pods/eviction`.
//!
//! Owns how long an eviction waits for the controller's word, and how it is asked. What the word is, is decided in
//! `sdm_core::plan`; what it is worth, in `sdm_core::eviction`. Kafka is never asked from here. Without this webhook the
//! PodDisruptionBudget of each cluster is what evictions go by.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response as HttpResponse;
use axum::{Router, routing::post};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusDetails;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use sdm_core::eviction::{self, QUESTIONS, Question, Verdict};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use crate::body::Budget;
use crate::decide;
use crate::review::{Request, Response};
use crate::server::{self, Labels};
use crate::verdict;

/// Where API servers send reviews of evictions.
pub const PATH: &str = "/evict";
/// An eviction is answered within a second, travel included.
const PATIENCE: Duration = Duration::from_millis(850);
/// How often it is looked whether the controller has answered.
const LOOK: Duration = Duration::from_millis(40);

#[derive(Clone)]
struct Asking {
    client: Client,
    namespace: String,
    budget: Budget,
}

/// The route. `namespace` is the operator's, where questions are put.
pub fn router(client: Client, namespace: &str) -> Router {
    Router::new().route(PATH, post(evict)).with_state(Asking {
        client,
        namespace: namespace.to_owned(),
        budget: Budget::default(),
    })
}

async fn evict(
    State(asking): State<Asking>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    let began = Instant::now();
    let body = match server::receive(&asking.budget, query.as_deref(), &headers, body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let request = match server::asked(&body.bytes) {
        Ok(request) => request,
        Err(answer) => return answer,
    };
    let (namespace, pod) = (
        request.namespace.clone().unwrap_or_default(),
        request.name.clone().unwrap_or_default(),
    );
    let verdict = asking
        .decide(&request, &namespace, &pod, began + PATIENCE)
        .await;
    let decision = match &verdict {
        Verdict::Allow => "allowed",
        Verdict::Ask | Verdict::Deny(_) => "denied",
    };
    tracing::info!(uid = request.uid, namespace, pod, decision, took = ?began.elapsed(), "eviction");
    let response = match verdict {
        Verdict::Allow => verdict::answer(&request, &decide::Verdict::default()),
        Verdict::Deny(wait) => denied(&request, &namespace, &pod, &wait),
        Verdict::Ask => denied(&request, &namespace, &pod, "the controller to answer"),
    };
    let labels = Labels {
        kind: "Eviction",
        op: "CREATE",
        decision,
    };
    server::answered(&labels, began, response)
}

impl Asking {
    async fn decide(
        &self,
        request: &Request<'_>,
        namespace: &str,
        name: &str,
        until: Instant,
    ) -> Verdict {
        if !eviction::can_be(namespace, name) {
            return Verdict::Allow;
        }
        if !Question::is_id(&request.uid) {
            return Verdict::Deny("a question with a uid as API servers give them".to_owned());
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let asked = async {
            // One that is not there is the API server's to refuse.
            let Some(pod) = pods.get_opt(name).await? else {
                return Ok(Verdict::Allow);
            };
            // A rehearsal has no effects, so nobody is asked.
            let rehearsal = request.dry_run.unwrap_or_default();
            if rehearsal || eviction::judge(&pod, now()) == Verdict::Allow {
                return Ok(Verdict::Allow);
            }
            self.ask(namespace, name, &request.uid).await?;
            loop {
                sleep(LOOK).await;
                let Some(pod) = pods.get_opt(name).await? else {
                    return Ok(Verdict::Allow);
                };
                if let Some(verdict) = eviction::answered(&pod, &request.uid) {
                    return Ok(verdict);
                }
            }
        };
        match timeout_at(until, asked).await {
            Ok(Ok(verdict)) => verdict,
            Ok::<Result<_, kube::Error>, _>(Err(error)) => {
                tracing::warn!(namespace, pod = name, %error, "an eviction could not be judged");
                Verdict::Deny(
                    "the API server, which failed to answer a question about it".to_owned(),
                )
            }
            Err(_) => Verdict::Ask,
        }
    }

    /// Puts the question, and takes away those that nobody waits for any more.
    async fn ask(&self, namespace: &str, pod: &str, id: &str) -> Result<(), kube::Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let question = Question {
            id: id.to_owned(),
            at: now(),
        };
        let (key, text) = (Question::key(namespace, pod), question.text());
        let found = api.get_opt(QUESTIONS).await?;
        if found.is_none() {
            let map = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(QUESTIONS.to_owned()),
                    ..ObjectMeta::default()
                },
                data: Some([(key.clone(), text.clone())].into()),
                ..ConfigMap::default()
            };
            match api.create(&PostParams::default(), &map).await {
                // Somebody else asked at the same moment: this question goes beside theirs.
                Err(kube::Error::Api(status)) if status.is_already_exists() => {}
                created => return created.map(drop),
            }
        }
        let there = found.and_then(|map| map.data).unwrap_or_default();
        let mut data = forgotten(&there, question.at);
        data.insert(key, Value::String(text));
        let patch = Patch::Merge(json!({ "data": data }));
        api.patch(QUESTIONS, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }
}

/// A merge patch that takes away what is out of date.
fn forgotten(data: &BTreeMap<String, String>, now: i64) -> BTreeMap<String, Value> {
    let old = |text: &String| !Question::parse(text).is_some_and(|question| question.stands(now));
    data.iter()
        .filter(|(_, text)| old(text))
        .map(|(key, _)| (key.clone(), Value::Null))
        .collect()
}

/// `kubectl drain` and others try again after 429.
fn denied(request: &Request<'_>, namespace: &str, pod: &str, wait: &str) -> Response {
    let message = eviction::refusal(namespace, pod, wait);
    let mut response = verdict::failure(&request.uid, 429, "TooManyRequests", message);
    if let Some(status) = &mut response.status {
        status.details = Some(StatusDetails {
            name: Some(pod.to_owned()),
            kind: Some("Pod".to_owned()),
            retry_after_seconds: Some(eviction::RETRY_S),
            ..StatusDetails::default()
        });
    }
    response
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_out_of_date_are_taken_away() {
        let data = [
            ("ns.a-1", "100 new"),
            ("ns.a-2", "30 old"),
            ("ns.a-3", "nonsense"),
        ];
        let data = data.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let gone: Vec<_> = forgotten(&data, 100).into_keys().collect();
        assert_eq!(gone, ["ns.a-2", "ns.a-3"]);
    }
}
