//! What API servers, and whoever else reaches the port, get for an answer.

#![allow(clippy::unwrap_used)]

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use sdm_webhook::{policies::Policies, server};
use serde_json::{Value, json};
use tower::ServiceExt;

const MIB: usize = 1024 * 1024;

async fn send(content_type: &str, body: Body) -> (StatusCode, Value) {
    let request = Request::post("/validate?timeout=2s")
        .header("content-type", content_type)
        .body(body)
        .unwrap();
    let response = server::router(Policies::fixed(&[], &[]))
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body =
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    (status, body)
}

/// The `response` of a review that was answered.
async fn review(review: &Value) -> Value {
    let (status, mut body) = send("application/json", review.to_string().into()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        (&body["apiVersion"], &body["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    body["response"].take()
}

fn cluster() -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"name": "events", "namespace": "streaming"},
        "spec": {
            "version": "4.3.1",
            "pools": [{
                "name": "nodes", "roles": ["broker", "controller"], "nodeIds": [0, 1, 2],
                "storage": {"volumes": [{"name": "data", "size": "1Gi"}]},
            }],
        },
    })
}

/// As a user would get it wrong: an override for a node that is in no pool, which the schema does not tell.
fn bad_cluster() -> Value {
    let mut bad = cluster();
    bad["spec"]["overrides"] = json!([{"nodeIds": [7], "config": {"num.io.threads": "8"}}]);
    bad
}

fn asked(operation: &str, object: Value, old: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": "KafkaCluster"},
            "resource": {"group": "kafka.sdm.dev", "version": "v1beta1", "resource": "kafkaclusters"},
            "name": "events", "namespace": "streaming", "operation": operation,
            "userInfo": {"username": "alice"},
            "object": object, "oldObject": old, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

fn with(mut object: Value, pointer: &str, key: &str, value: Value) -> Value {
    object.pointer_mut(pointer).unwrap()[key] = value;
    object
}

#[tokio::test]
async fn what_may_be_stored_is_let_through() {
    let good = cluster();
    let unknown_field = with(cluster(), "/spec", "fromTheFuture", json!({"a": 1}));
    let going = with(
        bad_cluster(),
        "/metadata",
        "deletionTimestamp",
        json!("2026-01-01T00:00:00Z"),
    );
    let labelled = with(bad_cluster(), "/metadata", "labels", json!({"team": "a"}));
    for (name, asked) in [
        ("a good cluster", asked("CREATE", good.clone(), Value::Null)),
        (
            "an unchanged one",
            asked("UPDATE", good.clone(), good.clone()),
        ),
        (
            "a field we do not know",
            asked("UPDATE", unknown_field, good.clone()),
        ),
        (
            "an old object that is a mess",
            asked("UPDATE", good.clone(), json!({"spec": [1, 2]})),
        ),
        (
            "an old object of another type",
            asked("UPDATE", good.clone(), json!("text")),
        ),
        (
            "a bad one that is mended",
            asked("UPDATE", good.clone(), bad_cluster()),
        ),
        ("a deletion", asked("DELETE", Value::Null, good.clone())),
        (
            "a deletion of a bad one",
            asked("DELETE", Value::Null, bad_cluster()),
        ),
        (
            "a bad one on its way out",
            asked("UPDATE", going, bad_cluster()),
        ),
        (
            "a bad one, stored earlier, that gets a label",
            asked("UPDATE", labelled, bad_cluster()),
        ),
        (
            "a subresource",
            with(
                asked("UPDATE", bad_cluster(), good.clone()),
                "/request",
                "subResource",
                json!("status"),
            ),
        ),
        ("a connection", asked("CONNECT", Value::Null, Value::Null)),
    ] {
        let answer = review(&asked).await;
        assert_eq!(answer["allowed"], true, "{name}: {answer}");
        assert_eq!(answer["uid"], asked["request"]["uid"], "{name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_path_and_sentence() {
    let bad = bad_cluster();
    for (name, asked) in [
        ("created", asked("CREATE", bad.clone(), Value::Null)),
        ("changed", asked("UPDATE", bad.clone(), cluster())),
        (
            "dry run",
            with(
                asked("CREATE", bad.clone(), Value::Null),
                "/request",
                "dryRun",
                json!(true),
            ),
        ),
        (
            "changed from an unparsable one",
            asked("UPDATE", bad, json!({"spec": 1})),
        ),
    ] {
        let answer = review(&asked).await;
        assert_eq!(answer["allowed"], false, "{name}");
        let status = &answer["status"];
        assert_eq!(
            (&status["code"], &status["reason"]),
            (&json!(422), &json!("Invalid")),
            "{name}: {status}"
        );
        let cause = &status["details"]["causes"][0];
        assert!(
            cause["field"]
                .as_str()
                .unwrap()
                .starts_with("spec.overrides"),
            "{name}: {status}"
        );
        let sentence = cause["message"].as_str().unwrap();
        let message = status["message"].as_str().unwrap();
        assert!(
            message.starts_with("KafkaCluster \"events\" is invalid\nspec.overrides"),
            "{name}: {message}"
        );
        assert!(message.contains(sentence), "{name}: {message}");
    }
}

#[tokio::test]
async fn every_violation_is_named_at_once() {
    let bad = with(bad_cluster(), "/spec", "version", json!("9.9.9"));
    let status = &review(&asked("CREATE", bad, Value::Null)).await["status"];
    let causes = status["details"]["causes"].as_array().unwrap();
    let fields: Vec<_> = causes
        .iter()
        .map(|cause| cause["field"].as_str().unwrap_or_default())
        .collect();
    assert!(
        fields.contains(&"spec.version") && fields.iter().any(|f| f.starts_with("spec.overrides")),
        "{fields:?}"
    );
    assert_eq!(
        status["message"].as_str().unwrap().lines().count(),
        1 + causes.len()
    );
}

#[tokio::test]
async fn an_object_that_does_not_fit_the_types_is_refused_with_the_field() {
    let bad = with(cluster(), "/spec/pools/0", "nodeIds", json!(["zero"]));
    let status = &review(&asked("CREATE", bad, Value::Null)).await["status"];
    assert_eq!(status["code"], 422, "{status}");
    assert_eq!(
        status["details"]["causes"][0]["field"], "spec.pools[0].nodeIds[0]",
        "{status}"
    );
    assert!(
        !status["message"].as_str().unwrap().contains(" at line "),
        "{status}"
    );
    for object in [json!(null), json!(7), json!("text"), json!([]), json!({})] {
        let answer = review(&asked("CREATE", object, Value::Null)).await;
        assert_eq!(
            (&answer["allowed"], &answer["status"]["code"]),
            (&json!(false), &json!(422)),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_stored_object_that_became_invalid_can_be_labelled_and_says_so() {
    let labelled = with(bad_cluster(), "/metadata", "labels", json!({"team": "a"}));
    let answer = review(&asked("UPDATE", labelled, bad_cluster())).await;
    let warnings = answer["warnings"].as_array().unwrap();
    assert!(
        warnings[0]
            .as_str()
            .unwrap()
            .starts_with("stored, but invalid: spec.overrides"),
        "{answer}"
    );
    assert!(
        warnings
            .iter()
            .all(|warning| warning.as_str().unwrap().chars().count() <= 120),
        "{answer}"
    );
}

/// Read into memory it would be thirty times as much; and somebody who is in a million groups is nobody.
#[tokio::test]
async fn what_is_little_text_and_much_memory_is_refused() {
    let dense = with(
        cluster(),
        "/spec",
        "pools",
        vec![json!({}); 1_000_000].into(),
    );
    let answer = review(&asked("CREATE", dense.clone(), Value::Null)).await;
    let message = answer["status"]["message"].as_str().unwrap();
    assert!(message.contains("more than 20000 values"), "{message}");
    // One that is stored already is in nobody's way.
    for (operation, object) in [("UPDATE", cluster()), ("DELETE", Value::Null)] {
        let answer = review(&asked(operation, object, dense.clone())).await;
        assert_eq!(answer["allowed"], true, "{answer}");
    }
    let mut popular = asked("CREATE", cluster(), Value::Null);
    popular["request"]["userInfo"]["groups"] = vec![json!(""); 1_000_000].into();
    let answer = review(&popular).await;
    assert_eq!(answer["status"]["code"], 400, "{answer}");
}

#[tokio::test]
async fn kinds_of_others_are_none_of_our_business() {
    let mut foreign = asked("CREATE", json!({"anything": true}), Value::Null);
    foreign["request"]["kind"] = json!({"group": "apps", "version": "v1", "kind": "KafkaCluster"});
    let answer = review(&foreign).await;
    assert_eq!(answer["allowed"], true);
    assert_eq!(
        answer["warnings"][0],
        "not validated: this webhook does not know KafkaCluster"
    );
}

#[tokio::test]
async fn with_a_uid_there_is_always_a_review_for_an_answer() {
    for (name, broken) in [
        ("no operation", json!({"request": {"uid": "u"}})),
        (
            "an operation that is no text",
            json!({"request": {"uid": "u", "kind": {}, "operation": 7}}),
        ),
        (
            "a kind that is no object",
            json!({"request": {"uid": "u", "kind": "x", "operation": "CREATE"}}),
        ),
    ] {
        let answer = review(&broken).await;
        assert_eq!(
            (&answer["uid"], &answer["allowed"]),
            (&json!("u"), &json!(false)),
            "{name}"
        );
        assert_eq!(answer["status"]["code"], 400, "{name}");
    }
    let twice = br#"{"request":{"uid":"u","kind":{},"operation":"CREATE","object":1,"object":2}}"#;
    let (status, body) = send("application/json", Body::from(&twice[..])).await;
    assert_eq!(
        (status, &body["response"]["allowed"]),
        (StatusCode::OK, &json!(false)),
        "{body}"
    );
}

#[tokio::test]
async fn garbage_is_an_http_error() {
    let truncated = asked("CREATE", cluster(), Value::Null).to_string();
    let truncated = &truncated[..truncated.len() - 10];
    let deep = "[".repeat(200_000);
    for (name, body) in [
        ("nothing", &b""[..]),
        ("no JSON", b"hello"),
        ("no object", b"[]"),
        ("null", b"null"),
        ("no request", b"{}"),
        ("no uid", br#"{"request":{"operation":"CREATE"}}"#),
        (
            "an empty uid",
            br#"{"request":{"uid":"","kind":{},"operation":"CREATE"}}"#,
        ),
        (
            "a uid that is no text",
            br#"{"request":{"uid":{},"kind":{},"operation":"CREATE"}}"#,
        ),
        ("truncated", truncated.as_bytes()),
        ("no text", b"{\"request\":{\"uid\":\"\xff\xfe\"}}"),
        ("bottomless", deep.as_bytes()),
    ] {
        let (status, answer) = send("application/json", Body::from(body.to_vec())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}: {answer}");
    }
    let good = asked("CREATE", cluster(), Value::Null).to_string();
    for content_type in ["text/plain", "application/yaml", "application/jsonx", ""] {
        let (status, _) = send(content_type, good.clone().into()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    assert_eq!(
        send("application/json; charset=utf-8", good.into()).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_object_nested_without_end_is_refused_and_harms_nobody() {
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = asked("CREATE", json!("HERE"), Value::Null)
        .to_string()
        .replace("\"HERE\"", &nested);
    let (status, body) = send("application/json", text.into()).await;
    assert_eq!(
        (status, &body["response"]["allowed"]),
        (StatusCode::OK, &json!(false))
    );
}

/// A good review, blown up to exactly `size` bytes by an annotation.
fn sized(size: usize) -> String {
    let asked = |pad: &str| {
        let object = with(cluster(), "/metadata", "annotations", json!({"pad": pad}));
        asked("UPDATE", object, cluster()).to_string()
    };
    let pad = size - asked("").len();
    asked(&"x".repeat(pad))
}

#[tokio::test]
async fn eight_mebibytes_are_read_and_not_a_byte_more() {
    for (size, want) in [
        (3 * MIB, StatusCode::OK),
        (8 * MIB, StatusCode::OK),
        (8 * MIB + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (20 * MIB, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = sized(size);
        assert_eq!(
            send("application/json", body.clone().into()).await.0,
            want,
            "{size}"
        );
        // In pieces, and with no length announced.
        let pieces: Vec<_> = body
            .into_bytes()
            .chunks(64 * 1024)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()))
            .collect();
        assert_eq!(
            send("application/json", Body::from_stream(stream::iter(pieces)))
                .await
                .0,
            want,
            "{size}, in pieces"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up_before_the_caller_does() {
    let began = tokio::time::Instant::now();
    let (status, _) = send(
        "application/json",
        Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>()),
    )
    .await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
    assert!(began.elapsed() < std::time::Duration::from_secs(2));
}

/// Sends to routes that others send to as well, and waits for the answer's status.
async fn sent(routes: axum::Router, timeout: &str, body: Body) -> StatusCode {
    let request = Request::post(format!("/validate?timeout={timeout}"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    routes.oneshot(request).await.unwrap().status()
}

fn in_pieces(body: String) -> impl futures::Stream<Item = Result<Vec<u8>, std::io::Error>> {
    let pieces: Vec<_> = body
        .into_bytes()
        .chunks(64 * 1024)
        .map(|piece| Ok(piece.to_vec()))
        .collect();
    // Each when the others had their turn.
    stream::iter(pieces).then(async |piece| {
        tokio::task::yield_now().await;
        piece
    })
}

#[tokio::test(start_paused = true)]
async fn who_sends_much_and_slowly_holds_up_nobody_for_long() {
    let routes = server::router(Policies::fixed(&[], &[]));
    let slow = || {
        let body = in_pieces("[".repeat(5 * MIB)).chain(stream::pending());
        tokio::spawn(sent(routes.clone(), "30s", Body::from_stream(body)))
    };
    let slow: Vec<_> = (0..20).map(|_| slow()).collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let began = tokio::time::Instant::now();
    let small = asked("CREATE", cluster(), Value::Null).to_string();
    assert_eq!(
        sent(routes.clone(), "5s", small.into()).await,
        StatusCode::OK
    );
    assert!(began.elapsed().is_zero(), "a small one waited");
    for slow in slow {
        assert_eq!(slow.await.unwrap(), StatusCode::REQUEST_TIMEOUT);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(6));
    let large = sized(8 * MIB);
    assert_eq!(sent(routes, "5s", large.into()).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn large_ones_at_once_wait_for_their_turn_and_not_for_each_other() {
    let routes = server::router(Policies::fixed(&[], &[]));
    let large = sized(8 * MIB);
    let all = (0..20).map(|_| {
        let body = Body::from_stream(in_pieces(large.clone()));
        tokio::spawn(sent(routes.clone(), "5s", body))
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_bad_request() {
    let pieces = [
        Ok(b"{\"request\":".to_vec()),
        Err(std::io::Error::other("reset")),
    ];
    assert_eq!(
        send("application/json", Body::from_stream(stream::iter(pieces)))
            .await
            .0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_not_there() {
    for (request, want) in [
        (Request::get("/validate"), StatusCode::METHOD_NOT_ALLOWED),
        (Request::post("/other"), StatusCode::NOT_FOUND),
        (Request::get("/"), StatusCode::NOT_FOUND),
    ] {
        let response = server::router(Policies::fixed(&[], &[]))
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), want);
    }
}

#[tokio::test]
async fn reviews_are_counted_under_labels_that_callers_cannot_choose() {
    let mut strange = asked("EXPLODE", Value::Null, Value::Null);
    strange["request"]["kind"] = json!({"group": "x", "kind": "Whatever"});
    review(&strange).await;
    review(&asked("CREATE", bad_cluster(), Value::Null)).await;
    let health = sdm_runtime::health::Health::new();
    health.metrics(server::register_metrics);
    let response = health
        .router()
        .oneshot(Request::get("/metrics").body(Body::empty()).unwrap())
        .await
        .unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&text);
    for line in [
        r#"sdm_webhook_requests_total{kind="other",op="other",decision="allowed"}"#,
        r#"sdm_webhook_requests_total{kind="KafkaCluster",op="CREATE",decision="denied"}"#,
        "sdm_webhook_duration_seconds_count",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(
        !text.contains("EXPLODE") && !text.contains("Whatever"),
        "{text}"
    );
}

/// Overwrites, cuts and repeats pieces of a good review.
fn mutated(edits: &[(usize, Vec<u8>, bool)]) -> Vec<u8> {
    let mut body = asked("UPDATE", bad_cluster(), cluster())
        .to_string()
        .into_bytes();
    for (at, piece, insert) in edits {
        let at = at % (body.len() + 1);
        let end = if *insert {
            at
        } else {
            (at + piece.len()).min(body.len())
        };
        body.splice(at..end, piece.iter().copied());
    }
    body
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_input_gets_anything_but_a_review_or_a_bad_request(
        edits in proptest::collection::vec((0..4096usize, proptest::collection::vec(proptest::num::u8::ANY, 0..12), proptest::bool::ANY), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (status, body) = runtime.block_on(send("application/json", mutated(&edits).into()));
        match status {
            StatusCode::OK => {
                let code = &body["response"]["status"]["code"];
                proptest::prop_assert!(body["response"]["uid"].is_string() && *code != 500, "{}", body);
            }
            status => proptest::prop_assert_eq!(status, StatusCode::BAD_REQUEST),
        }
    }
}
