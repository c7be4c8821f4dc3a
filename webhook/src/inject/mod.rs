//! `POST /inject`: a Pod that asks to be a client of a cluster gets what it needs for that, or is refused with the
//! remedy.
//!
//! Owns the review and its answer; what is added is decided in `sdm_core::inject`, and whether policies allow it in
//! `sdm_core::policy`. What is known of clusters and namespaces is in `policies`; `registration` is how API servers learn of
//! this. Pods that do not ask are not sent here, and if they are nothing is read of them but their annotations.

pub mod registration;
mod served;

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::HeaderMap,
    response::Response as HttpResponse,
    routing::post,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Pod;
use sdm_api::inject::ANNOTATION;
use sdm_core::Violation;
use sdm_core::inject::{Injection, Operation, asked};
use serde::Deserialize;
use tokio::time::Instant;

pub use served::Served;

use crate::{
    body::Budget,
    decide::Verdict,
    extent::{POD, exceeds},
    policies::Policies,
    review::{Request, Response},
    server::{self, Labels},
    verdict,
};

/// Where API servers send reviews of Pods.
pub const PATH: &str = "/inject";

/// The route.
pub fn router(served: Served, policies: Policies) -> Router {
    Router::new()
        .route(PATH, post(inject))
        .with_state((Budget::default(), served, policies))
}

async fn inject(
    State((budget, served, policies)): State<(Budget, Served, Policies)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    let began = Instant::now();
    let body = match server::receive(&budget, query.as_deref(), &headers, body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let request = match server::asked(&body.bytes) {
        Ok(request) => request,
        Err(answer) => return answer,
    };
    if asks(request.object) {
        policies.meet(&request).await;
    }
    let (labels, response) = review(&request, served.now(), &policies);
    server::answered(&labels, began, response)
}

fn review(request: &Request<'_>, served: bool, policies: &Policies) -> (Labels, Response) {
    let is_pod = request.kind.group.is_empty() && request.kind.kind == "Pod";
    server::watched(request, if is_pod { "Pod" } else { "other" }, || {
        let (verdict, operations) = judge(request, served, policies);
        let decision = match (verdict.violations.is_empty(), operations.is_empty()) {
            (false, _) => "denied",
            (true, false) => "injected",
            (true, true) => "allowed",
        };
        if decision == "denied" {
            tracing::info!(fields = server::paths(&verdict), "refused");
        }
        let mut response = verdict::answer(request, &verdict);
        // Plain data: it cannot fail.
        let patch = serde_json::to_vec(&operations).ok();
        if let Some(patch) = patch.filter(|_| !operations.is_empty()) {
            response.patch_type = Some("JSONPatch");
            response.patch = Some(STANDARD.encode(patch));
        }
        (decision, response)
    })
}

/// What is wrong, or what has to be added.
fn judge(request: &Request<'_>, served: bool, policies: &Policies) -> (Verdict, Vec<Operation>) {
    let refused = |violations| {
        let verdict = Verdict {
            violations,
            ..Verdict::default()
        };
        (verdict, Vec::new())
    };
    let sub_resource = request.sub_resource.as_deref().unwrap_or_default();
    let created = request.operation == "CREATE" && sub_resource.is_empty();
    let Some(object) = request
        .object
        .filter(|object| created && asks(Some(object)))
    else {
        return Default::default();
    };
    if exceeds(object.get(), POD) {
        let message = format!(
            "the Pod has more than {POD} values, lists and objects included: make it smaller"
        );
        return refused(vec![Violation::invalid("", message)]);
    }
    let pod: Pod = match serde_json::from_str(object.get()) {
        Ok(pod) => pod,
        Err(error) => {
            let message = format!("does not fit the schema: {error}");
            return refused(vec![Violation::invalid("", message)]);
        }
    };
    // What the object says of its namespace and name is the author's; the request's is the API server's.
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let asked = match asked(&pod, namespace) {
        Ok(Some(asked)) => asked,
        Ok(None) => return Default::default(),
        Err(violation) => return refused(vec![violation]),
    };
    match policies.inject(&pod, namespace, &asked, served) {
        None => {
            let message = "policies are not known yet; try again";
            let path = format!("metadata.annotations[{ANNOTATION}]");
            refused(vec![Violation::forbidden(path, message)])
        }
        Some(Injection::Refused(violations)) => refused(violations),
        Some(Injection::Patch {
            operations,
            warnings,
            ..
        }) => {
            let verdict = Verdict {
                warnings,
                ..Verdict::default()
            };
            (verdict, operations)
        }
    }
}

/// Whether an object asks for anything at all. One that is too large to be looked at does: others are not sent here.
fn asks(object: Option<&serde_json::value::RawValue>) -> bool {
    if object.is_some_and(|object| exceeds(object.get(), POD)) {
        return true;
    }
    #[derive(Default, Deserialize)]
    struct Metadata {
        annotations: Option<BTreeMap<String, String>>,
    }
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        metadata: Metadata,
    }
    let head: Option<Head> = object.and_then(|object| serde_json::from_str(object.get()).ok());
    head.and_then(|head| head.metadata.annotations)
        .is_some_and(|annotations| annotations.contains_key(ANNOTATION))
}
