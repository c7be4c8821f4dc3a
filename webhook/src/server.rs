//! HTTP around the verdict: `POST /validate` and `POST /mutate`, their limits, their metrics and spans.
//!
//! Whatever has a readable uid is answered with 200 and a review; HTTP errors are for what cannot be a review. Objects
//! are never logged: they may hold what their author keeps secret.

use std::{
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response as HttpResponse},
    routing::post,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};
use tracing::field::Empty;

use crate::{
    body::{Budget, Counted},
    decide,
    policies::Policies,
    review::{self, Incoming, Outgoing, Request, Response},
    verdict,
};

/// Where API servers send reviews.
pub const PATH: &str = "/validate";
/// Where API servers ask for what is to be filled in.
pub const DEFAULTS_PATH: &str = "/mutate";
/// Reviews answered, by kind, operation and decision (exposed with the suffix `_total`).
pub const METRIC_REQUESTS: &str = "sdm_webhook_requests";
/// Time from the request's head to the answer, in seconds.
pub const METRIC_DURATION: &str = "sdm_webhook_duration_seconds";

/// API servers wait this long when nothing else is said, and never longer than 30 s.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
/// However long the caller is willing to wait: who is asked within one network gets a body at once, and who sends slowly
/// takes room from others.
const ARRIVAL: Duration = Duration::from_secs(5);
/// What is left of the caller's patience for the answer to travel.
const MARGIN: Duration = Duration::from_millis(500);

/// How long a refusal for what others say waits for news of them: a watch tells of what was written a moment ago a little
/// after its author was told that it is.
const NEWS: Duration = Duration::from_millis(400);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Labels {
    pub kind: &'static str,
    pub op: &'static str,
    pub decision: &'static str,
}

static REQUESTS: LazyLock<Family<Labels, Counter>> = LazyLock::new(Family::default);
static DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    // Fine where nearly all are, and around what is promised: 5 ms.
    Histogram::new([
        0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075,
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    ])
});

/// Makes the webhook's metrics part of `registry`.
pub fn register_metrics(registry: &mut Registry) {
    registry.register(
        METRIC_REQUESTS,
        "Admission reviews answered",
        REQUESTS.clone(),
    );
    registry.register(
        METRIC_DURATION,
        "Time to answer an admission review",
        DURATION.clone(),
    );
}

/// What every request needs.
#[derive(Clone)]
struct Shared {
    budget: Budget,
    policies: Policies,
}

/// How a question is answered; none if it is better asked again, unless this is the last time.
type Answer = fn(&Request<'_>, &Policies, bool) -> Option<(Labels, Response)>;

/// The routes.
pub fn router(policies: Policies) -> Router {
    let with = |answer: Answer| {
        post(
            move |State(shared): State<Shared>, RawQuery(query): RawQuery, headers, body| async move {
                respond(&shared, query.as_deref(), &headers, body, answer).await
            },
        )
    };
    Router::new()
        .route(PATH, with(review))
        .route(DEFAULTS_PATH, with(fill_in))
        .with_state(Shared {
            budget: Budget::default(),
            policies,
        })
}

async fn respond(
    shared: &Shared,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
    answer: Answer,
) -> HttpResponse {
    let began = Instant::now();
    let body = match receive(&shared.budget, query, headers, body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    match asked(&body.bytes) {
        Ok(request) => {
            shared.policies.meet(&request).await;
            shared.policies.ask_classes(&request).await;
        }
        Err(answer) => return answer,
    }
    let policies = shared.policies.clone();
    if body.is_large() {
        // Threads of their own for those that take long: others are answered meanwhile, and there are never many of these.
        let judged = spawn_blocking(move || judged(&body, &policies, began, answer, true));
        // A panic is caught further in, and the task is never aborted.
        let judged = judged.await.ok().flatten();
        return judged.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    }
    loop {
        let last = began.elapsed() > NEWS;
        if let Some(answer) = judged(&body, &policies, began, answer, last) {
            return answer;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The answer to what is asked; none if it is better asked again, unless this is the last time.
fn judged(
    body: &Counted,
    policies: &Policies,
    began: Instant,
    answer: Answer,
    last: bool,
) -> Option<HttpResponse> {
    match asked(&body.bytes) {
        Ok(request) => {
            let (labels, response) = answer(&request, policies, last)?;
            Some(answered(&labels, began, response))
        }
        Err(answer) => Some(answer),
    }
}

/// Reads a body within the limits of size and time. The error is the answer.
pub(crate) async fn receive(
    budget: &Budget,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Counted, HttpResponse> {
    if !is_json(headers) {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected application/json\n",
        )
            .into_response());
    }
    let patience = patience(query).min(ARRIVAL);
    match timeout(patience, budget.read(headers, body)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(refused)) => Err(refused.into_response()),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time\n",
        )
            .into_response()),
    }
}

/// The question in a body. The error is the answer to what is none.
#[allow(
    clippy::result_large_err,
    reason = "the error is the answer, made once a request"
)]
pub(crate) fn asked(body: &[u8]) -> Result<Box<Request<'_>>, HttpResponse> {
    match review::read(body) {
        Incoming::Request(request) => Ok(request),
        Incoming::Unreadable { uid, why } => {
            REQUESTS.get_or_create(&Labels::unread()).inc();
            let message = format!("the admission review cannot be read: {why}");
            let response = verdict::failure(&uid, 400, "BadRequest", message);
            Err(Json(Outgoing::from(response)).into_response())
        }
        Incoming::Garbage { why } => {
            REQUESTS.get_or_create(&Labels::unread()).inc();
            let message = format!(
                "expected an {} of {}: {why}\n",
                review::KIND,
                review::API_VERSION
            );
            Err((StatusCode::BAD_REQUEST, message).into_response())
        }
    }
}

/// Counts an answer, and sends it.
pub(crate) fn answered(labels: &Labels, began: Instant, response: Response) -> HttpResponse {
    REQUESTS.get_or_create(labels).inc();
    DURATION.observe(began.elapsed().as_secs_f64());
    Json(Outgoing::from(response)).into_response()
}

fn review(request: &Request<'_>, policies: &Policies, last: bool) -> Option<(Labels, Response)> {
    let mut again = false;
    let answer = watched(request, decide::kind_label(request), || {
        let verdict = decide::decide(request, policies);
        if verdict.by_others && !last {
            again = true;
            return ("error", Response::default());
        }
        if verdict.too_early {
            let message = "the webhook does not know all policies yet: try again".to_owned();
            let failure = verdict::failure(&request.uid, 503, "ServiceUnavailable", message);
            return ("error", failure);
        }
        let decision = match verdict.violations.is_empty() {
            true => "allowed",
            false => "denied",
        };
        if decision == "denied" {
            tracing::info!(fields = paths(&verdict), "refused");
        }
        (decision, verdict::answer(request, &verdict))
    });
    (!again).then_some(answer)
}

/// Runs `judge` inside the span of its review. A fault in one rule must not take down other reviews, nor look like a
/// network failure.
pub(crate) fn watched(
    request: &Request<'_>,
    kind: &'static str,
    judge: impl FnOnce() -> (&'static str, Response),
) -> (Labels, Response) {
    let span = tracing::info_span!(
        "review",
        uid = request.uid,
        kind = request.kind.kind,
        object = object(request),
        operation = request.operation,
        user = request.user_info.username,
        dry_run = request.dry_run.unwrap_or_default(),
        decision = Empty,
    );
    let _entered = span.enter();
    let (decision, response) = catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| {
        tracing::error!("the review failed inside the webhook");
        let message = format!(
            "internal error in the webhook, review {}; its log says more",
            request.uid
        );
        (
            "error",
            verdict::failure(&request.uid, 500, "InternalError", message),
        )
    });
    span.record("decision", decision);
    tracing::debug!("answered");
    let labels = Labels {
        kind,
        op: operation(&request.operation),
        decision,
    };
    (labels, response)
}

/// Whatever goes wrong, the object goes on as it is: what is wrong with it is said when it is validated.
fn fill_in(request: &Request<'_>, policies: &Policies, _: bool) -> Option<(Labels, Response)> {
    let change = catch_unwind(AssertUnwindSafe(|| decide::defaulted(request, policies)));
    let decision = match &change {
        Ok(Some(_)) => "defaulted",
        Ok(None) => "allowed",
        Err(_) => "error",
    };
    tracing::debug!(
        uid = request.uid,
        kind = request.kind.kind,
        decision,
        "filled in"
    );
    let labels = Labels {
        kind: decide::kind_label(request),
        op: operation(&request.operation),
        decision,
    };
    Some((labels, verdict::patched(request, change.ok().flatten())))
}

fn object(request: &Request<'_>) -> String {
    let (namespace, name) = (request.namespace.as_deref(), request.name.as_deref());
    format!(
        "{}/{}",
        namespace.unwrap_or_default(),
        name.unwrap_or_default()
    )
}

/// Which fields were refused; their values are nobody's business.
pub(crate) fn paths(verdict: &decide::Verdict) -> String {
    let mut paths = String::new();
    for violation in verdict.violations.iter().take(8) {
        let separator = if paths.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(paths, "{separator}{}", violation.path);
    }
    paths
}

impl Labels {
    fn unread() -> Self {
        Self {
            kind: "other",
            op: "other",
            decision: "error",
        }
    }
}

/// A label's values are a fixed set, whatever a caller sends.
fn operation(operation: &str) -> &'static str {
    match operation {
        "CREATE" => "CREATE",
        "UPDATE" => "UPDATE",
        "DELETE" => "DELETE",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// How long the caller waits, as it says in `?timeout=`, less what the answer needs to travel.
fn patience(query: Option<&str>) -> Duration {
    let parameter = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="));
    let timeout = parameter
        .and_then(go_duration)
        .unwrap_or(DEFAULT_TIMEOUT)
        .min(MAX_TIMEOUT);
    if timeout > 2 * MARGIN {
        timeout - MARGIN
    } else {
        timeout / 2
    }
}

/// A duration as Go prints it: `5s`, `1m30s`, `1.5s`, `500ms`.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        seconds += number.parse::<f64>().ok()?
            * match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deadline_is_the_callers_less_a_margin() {
        for (query, want) in [
            (Some("timeout=5s"), 4500),
            (Some("a=b&timeout=1m30s"), 29_500),
            (Some("timeout=1s"), 500),
            (Some("timeout=300ms"), 150),
            (Some("timeout=1.5s"), 1000),
            (Some("timeout=nonsense"), 9500),
            (Some("timeout=0s"), 9500),
            (Some("timeout=100h"), 29_500),
            (Some("timeout=9999999999999999999999h"), 9500),
            (None, 9500),
        ] {
            assert_eq!(patience(query), Duration::from_millis(want), "{query:?}");
        }
    }
}
