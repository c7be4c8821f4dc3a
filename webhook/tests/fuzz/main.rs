//! Hostile input, by the hundred thousand: whatever reaches a route is answered by what belongs to it, inside the webhook
//! nothing panics (not even where a panic would be caught), nothing hangs, and nothing is left behind.
//!
//! Time is paused, so that waiting for whoever does not answer takes none. Unoptimized, arithmetic is checked for overflow
//! as well. The long run:
//! `cargo test --locked --workspace --test fuzz -- --ignored --nocapture`, and with `SDM_FUZZ_FROM` another
//! million. A failure names its input's number; `SDM_FUZZ_ONLY` repeats that one.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod api_server;
mod corpus;
mod mutate;

use std::collections::BTreeMap;
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api_server::Seen;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use mutate::{Delivery, Input, LIMIT};
use sdm_runtime::health::Health;
use sdm_runtime::telemetry::resident_memory;
use sdm_webhook::policies::Policies;
use sdm_webhook::{evict, inject, server};
use serde_json::Value;
use tower::ServiceExt;

const QUICK: u64 = 20_000;
const LONG: u64 = 1_000_000;
/// How much more may be resident at the end than after the first part: what the largest inputs need for a moment, and
/// far less than a few bytes for each of a million.
const ROOM: u64 = 48 << 20;

static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Panics are seen here even if somebody catches them later.
fn note_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
        before(info);
        PANICS.lock().unwrap().push(info.to_string());
    }));
}

/// All routes, as the process serves them.
fn routes() -> (Router, Arc<Mutex<Seen>>) {
    let (client, seen) = api_server::client();
    let world = corpus::world();
    let policies = Policies::fixed(&corpus::policies(), &world).asking(client.clone());
    let router = server::router(policies.clone())
        .merge(evict::router(client, "sdm-system"))
        .merge(inject::router(inject::Served::fixed(true), policies));
    (router, seen)
}

fn request(input: &Input) -> Request<Body> {
    let mut request = Request::post(format!("{}?{}", input.path, input.query));
    if let Some(content_type) = &input.content_type {
        request = request.header("content-type", &content_type[..]);
    }
    let whole = input.body.clone();
    let body = match &input.delivery {
        Delivery::Whole => whole.into(),
        Delivery::Announced(length) => {
            request = request.header("content-length", length);
            whole.into()
        }
        Delivery::Pieces(size) => pieces(&whole, *size, None),
        Delivery::Broken => pieces(&whole, 1000, Some(std::io::Error::other("reset"))),
        Delivery::Endless => {
            let begun = stream::iter([Ok::<_, std::io::Error>(whole)]);
            Body::from_stream(begun.chain(stream::pending()))
        }
    };
    request.body(body).unwrap()
}

fn pieces(whole: &[u8], size: usize, end: Option<std::io::Error>) -> Body {
    let pieces: Vec<_> = whole.chunks(size).map(<[u8]>::to_vec).map(Ok).collect();
    Body::from_stream(stream::iter(pieces.into_iter().chain(end.map(Err))))
}

fn is_json(content_type: Option<&[u8]>) -> bool {
    let text = content_type.and_then(|t| std::str::from_utf8(t).ok());
    let kind = text
        .and_then(|text| text.split(';').next())
        .unwrap_or_default();
    kind.trim().eq_ignore_ascii_case("application/json")
}

/// What there is to say against an answer.
fn objection(input: &Input, status: StatusCode, answer: &[u8]) -> Option<String> {
    let announced = match &input.delivery {
        Delivery::Announced(length) => length.parse().unwrap_or(0),
        _ => 0,
    };
    let wanted = if !is_json(input.content_type.as_deref()) {
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    } else if announced > LIMIT || input.body.len() > LIMIT {
        StatusCode::PAYLOAD_TOO_LARGE
    } else if matches!(input.delivery, Delivery::Broken) {
        StatusCode::BAD_REQUEST
    } else if matches!(input.delivery, Delivery::Endless) {
        StatusCode::REQUEST_TIMEOUT
    } else if status == StatusCode::OK {
        return objection_to_review(input, answer);
    } else {
        let uid = uid(&input.body).filter(|_| input.is_json);
        if let Some(uid) = uid.filter(|uid| !uid.is_empty()) {
            return Some(format!("{status}, and it had the uid {uid:?}"));
        }
        StatusCode::BAD_REQUEST
    };
    (status != wanted).then(|| format!("{status}, and not {wanted}"))
}

/// The uid of a question, if it is JSON that keeps within the depth that is read into memory here.
fn uid(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        request: Uid,
    }
    #[derive(serde::Deserialize)]
    struct Uid {
        uid: String,
    }
    serde_json::from_slice::<Envelope>(body)
        .ok()
        .map(|envelope| envelope.request.uid)
}

fn objection_to_review(input: &Input, answer: &[u8]) -> Option<String> {
    let Ok(review) = serde_json::from_slice::<Value>(answer) else {
        return Some("the answer is no JSON".to_owned());
    };
    let response = &review["response"];
    let code = &response["status"]["code"];
    if review["kind"] != "AdmissionReview" || !response["allowed"].is_boolean() {
        return Some("the answer is no review".to_owned());
    }
    if response["uid"].as_str() != uid(&input.body).as_deref() {
        return Some(format!("the answer's uid is {}", response["uid"]));
    }
    if *code == 500 {
        return Some("it failed inside".to_owned());
    }
    let refused = response["allowed"] == false;
    if refused != code.is_number() {
        return Some(format!(
            "allowed: {}, with code {code}",
            response["allowed"]
        ));
    }
    // Names of fields and values are repeated in refusals; a small question gets no huge answer.
    if answer.len() > 6 * input.body.len() + (256 << 10) {
        return Some(format!("{} bytes for an answer", answer.len()));
    }
    let patch = response["patch"].as_str()?;
    let patch = STANDARD.decode(patch).ok();
    let patch: Option<json_patch::Patch> = patch.and_then(|p| serde_json::from_slice(&p).ok());
    let Some(patch) = patch else {
        return Some("the patch is none".to_owned());
    };
    let question = serde_json::from_slice::<Value>(&input.body);
    let mut object = question.ok()?["request"]["object"].take();
    let error = json_patch::patch(&mut object, &patch).err()?;
    Some(format!("the patch cannot be applied: {error}"))
}

/// An answer in a word or two.
fn outcome(status: StatusCode, answer: &[u8]) -> String {
    if status != StatusCode::OK {
        return status.as_u16().to_string();
    }
    let review: Value = serde_json::from_slice(answer).unwrap_or_default();
    let response = &review["response"];
    match (&response["status"]["code"], &response["patch"]) {
        (Value::Null, Value::Null) => "allowed".to_owned(),
        (Value::Null, _) => "patched".to_owned(),
        (code, _) => format!("denied {code}"),
    }
}

/// How many series there are under `/metrics`: callers must not be able to make more of them.
async fn series(health: &Health) -> usize {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = health.router().oneshot(request).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    text.split(|b| *b == b'\n').count()
}

async fn fuzz(from: u64, count: u64) {
    note_panics();
    let (routes, seen) = routes();
    let seeds = corpus::seeds();
    let health = Health::new();
    health.metrics(server::register_metrics);
    let mut wrong = Vec::new();
    let mut answers = BTreeMap::<String, u64>::new();
    let mut slowest = (Duration::ZERO, 0);
    let mut settled = (0, 0);
    for n in from..from + count {
        let input = mutate::input(&seeds, n);
        let began = Instant::now();
        let response = routes.clone().oneshot(request(&input)).await.unwrap();
        let status = response.status();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        slowest = slowest.max((began.elapsed(), n));
        *answers.entry(outcome(status, &answer)).or_default() += 1;
        let mut objections: Vec<_> = objection(&input, status, &answer).into_iter().collect();
        objections.append(&mut PANICS.lock().unwrap());
        objections.append(&mut seen.lock().unwrap().wrong);
        for objection in objections {
            let shown = &input.body[..input.body.len().min(600)];
            let shown = String::from_utf8_lossy(shown);
            wrong.push(format!("{n} {}: {objection:.600}\n  {shown}", input.path));
        }
        assert!(wrong.len() < 10, "{}", wrong.join("\n"));
        if n - from == count / 4 {
            settled = (resident_memory().unwrap(), series(&health).await);
        }
    }
    let (memory, known) = (resident_memory().unwrap(), series(&health).await);
    println!(
        "{count} inputs, answers {answers:?}; resident {} MB, after a quarter {} MB; the slowest, {}, took {:?}",
        memory >> 20,
        settled.0 >> 20,
        slowest.1,
        slowest.0,
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for outcome in [
        "allowed",
        "patched",
        "denied 403",
        "denied 422",
        "denied 429",
        "400",
        "408",
        "413",
        "415",
    ] {
        assert!(answers.contains_key(outcome), "no input was {outcome}");
    }
    assert!(
        memory < settled.0 + ROOM,
        "{memory} bytes resident, after {} before",
        settled.0
    );
    assert!(known < 400 && settled.1 > 20, "{known} series");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(start_paused = true)]
async fn hostile_input_gets_what_belongs_to_it() {
    fuzz(0, QUICK).await;
}

#[tokio::test(start_paused = true)]
#[ignore = "a million inputs: twenty minutes"]
async fn a_million_hostile_inputs_get_what_belongs_to_them() {
    fuzz(number("SDM_FUZZ_FROM").unwrap_or(QUICK), LONG).await;
}

/// The input of a failure, once more.
#[tokio::test(start_paused = true)]
#[ignore = "for a look at one input, by SDM_FUZZ_ONLY"]
async fn one_input() {
    let Some(n) = number("SDM_FUZZ_ONLY") else {
        return;
    };
    let input = mutate::input(&corpus::seeds(), n);
    println!(
        "{} {:?}\n{}",
        input.path,
        input.query,
        String::from_utf8_lossy(&input.body)
    );
    let (routes, _) = routes();
    let response = routes.oneshot(request(&input)).await.unwrap();
    let status = response.status();
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    println!("{status}\n{}", String::from_utf8_lossy(&answer));
    assert_eq!(objection(&input, status, &answer), None);
}
