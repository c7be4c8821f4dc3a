//! A verdict in the API server's words: a `Status` that kubectl shows well, and warnings that fit into HTTP headers.
//!
//! Owns wording and size limits of answers. Nothing is decided here.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use sdm_core::{Violation, ViolationKind};
use serde_json::Value;

use crate::{
    decide::Verdict,
    review::{Request, Response},
};

/// API servers cut or drop longer warnings.
const WARNING_CHARS: usize = 120;
/// All warnings of an answer together, in bytes; API servers drop what goes beyond 4096.
const WARNINGS_BYTES: usize = 4000;
/// What is shown of a sentence, in characters.
const SENTENCE: usize = 2000;
/// More than a screen of violations helps nobody.
const VIOLATIONS: usize = 64;

/// The answer to `request`.
#[must_use]
pub fn answer(request: &Request<'_>, verdict: &Verdict) -> Response {
    Response {
        uid: request.uid.clone(),
        allowed: verdict.violations.is_empty(),
        status: (!verdict.violations.is_empty()).then(|| refusal(request, &verdict.violations)),
        warnings: warnings(&verdict.warnings),
        ..Response::default()
    }
}

/// The answer that lets `request` go on, with what is filled in, if anything.
#[must_use]
pub fn patched(request: &Request<'_>, change: Option<(Value, Value)>) -> Response {
    let patch = change.map(|(before, after)| json_patch::diff(&before, &after));
    // It cannot fail: a patch is plain data.
    let patch = patch.and_then(|patch| serde_json::to_vec(&patch).ok());
    Response {
        uid: request.uid.clone(),
        allowed: true,
        patch_type: patch.is_some().then_some("JSONPatch"),
        patch: patch.map(|patch| BASE64.encode(patch)),
        ..Response::default()
    }
}

/// The answer when there is no verdict, for a reason that is not in the object.
#[must_use]
pub fn failure(uid: &str, code: i32, reason: &str, message: String) -> Response {
    let status = Status {
        status: Some("Failure".to_owned()),
        code: Some(code),
        reason: Some(reason.to_owned()),
        message: Some(message),
        ..Status::default()
    };
    Response {
        uid: uid.to_owned(),
        allowed: false,
        status: Some(status),
        ..Response::default()
    }
}

fn refusal(request: &Request<'_>, violations: &[Violation]) -> Status {
    let name = request.name.clone().filter(|name| !name.is_empty());
    let kind = &request.kind.kind;
    let forbidden = violations
        .iter()
        .all(|violation| violation.kind == ViolationKind::Forbidden);
    let what = name
        .as_ref()
        .map_or_else(|| kind.clone(), |name| format!("{kind} {name:?}"));
    let headline = match (forbidden, violations.len()) {
        (true, _) => format!("{what} is forbidden"),
        (false, 1) => format!("{what} is invalid"),
        (false, count) => format!("{what} is invalid in {count} places"),
    };
    let shown = &violations[..violations.len().min(VIOLATIONS)];
    let mut message = headline;
    for violation in shown {
        message.push('\n');
        message.push_str(&line(violation));
    }
    if violations.len() > shown.len() {
        message.push_str(&format!("\nand {} more", violations.len() - shown.len()));
    }
    let details = StatusDetails {
        name,
        group: Some(request.kind.group.clone()),
        kind: Some(kind.clone()),
        causes: Some(shown.iter().map(cause).collect()),
        ..StatusDetails::default()
    };
    let (code, reason) = if forbidden {
        (403, "Forbidden")
    } else {
        (422, "Invalid")
    };
    let Response { status, .. } = failure("", code, reason, message);
    Status {
        details: Some(details),
        ..status.unwrap_or_default()
    }
}

fn line(violation: &Violation) -> String {
    shortened(&if violation.path.is_empty() {
        violation.message.clone()
    } else {
        violation.to_string()
    })
}

/// Sentences repeat what they are about, and that may be megabytes, over and over.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SENTENCE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn cause(violation: &Violation) -> StatusCause {
    let reason = match violation.kind {
        ViolationKind::Invalid => "FieldValueInvalid",
        ViolationKind::Forbidden => "FieldValueForbidden",
    };
    StatusCause {
        field: Some(shortened(&violation.path)).filter(|path| !path.is_empty()),
        reason: Some(reason.to_owned()),
        message: Some(shortened(&violation.message)),
    }
}

/// Each at most 120 characters (a longer sentence goes on in the next warning) and all below 4 KiB.
fn warnings(sentences: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = sentences
        .iter()
        .flat_map(|sentence| wrapped(sentence))
        .collect();
    let mut bytes = 0;
    let fitting = lines.iter().take_while(|line| {
        bytes += line.len();
        bytes <= WARNINGS_BYTES
    });
    let fitting = fitting.count();
    if fitting < lines.len() {
        let more = lines.len() - fitting;
        lines.truncate(fitting);
        lines.push(format!("and {more} more lines of warnings"));
    }
    lines
}

fn wrapped(sentence: &str) -> Vec<String> {
    let clean: String = sentence
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean.split_whitespace() {
        for piece in pieces(word) {
            let room = WARNING_CHARS.saturating_sub(line.chars().count());
            if !line.is_empty() && piece.chars().count() + 1 > room {
                lines.push(std::mem::replace(&mut line, "...".to_owned()));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(piece);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A word that fits no line, cut into pieces that do.
fn pieces(word: &str) -> Vec<&str> {
    const PIECE: usize = WARNING_CHARS - 8;
    let mut rest = word;
    let mut pieces = Vec::new();
    while let Some((at, _)) = rest.char_indices().nth(PIECE) {
        let (piece, tail) = rest.split_at(at);
        pieces.push(piece);
        rest = tail;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_warning_stays_as_it_is_and_a_long_one_goes_on() {
        assert_eq!(
            warnings(&["one replica only".to_owned()]),
            ["one replica only"]
        );
        let long = "word ".repeat(60);
        let lines = warnings(std::slice::from_ref(&long));
        assert!(
            lines.len() > 1 && lines.iter().all(|line| line.chars().count() <= 120),
            "{lines:?}"
        );
        let words = lines
            .iter()
            .flat_map(|line| line.split(' '))
            .filter(|word| *word != "...")
            .count();
        assert_eq!(words, 60);
    }

    #[test]
    fn no_input_breaks_the_limits_of_headers() {
        let hostile = [
            "x".repeat(100_000),
            "é".repeat(5_000),
            "a\r\nInjected: yes".to_owned(),
            "\u{1}".to_owned(),
        ];
        for sentence in hostile {
            let lines = warnings(&[sentence]);
            assert!(
                lines
                    .iter()
                    .all(|line| line.chars().count() <= 120 && !line.chars().any(char::is_control))
            );
            assert!(lines.iter().map(String::len).sum::<usize>() < 4096);
        }
    }

    #[test]
    fn many_violations_are_counted_and_not_all_listed() {
        let body = br#"{"request":{"uid":"u","kind":{"group":"kafka.sdm.dev","kind":"KafkaCluster"},"name":"events","operation":"CREATE"}}"#;
        let crate::review::Incoming::Request(request) = crate::review::read(body) else {
            panic!("a good request")
        };
        let violations = (0..100)
            .map(|n| Violation::invalid(format!("spec.f{n}"), "is wrong"))
            .collect();
        let answer = answer(
            &request,
            &Verdict {
                violations,
                ..Verdict::default()
            },
        );
        let status = answer.status.unwrap();
        let message = status.message.unwrap();
        assert!(
            message.starts_with(
                "KafkaCluster \"events\" is invalid in 100 places\nspec.f0: is wrong\n"
            ),
            "{message}"
        );
        assert!(message.ends_with("\nand 36 more"), "{message}");
        assert_eq!(status.details.unwrap().causes.unwrap().len(), 64);
    }

    #[test]
    fn policy_is_403_and_a_mixture_is_422() {
        let body =
            br#"{"request":{"uid":"u","kind":{"kind":"KafkaCluster"},"operation":"CREATE"}}"#;
        let crate::review::Incoming::Request(request) = crate::review::read(body) else {
            panic!("a good request")
        };
        let code = |violations: Vec<Violation>| {
            let status = answer(
                &request,
                &Verdict {
                    violations,
                    ..Verdict::default()
                },
            )
            .status
            .unwrap();
            (status.code.unwrap(), status.reason.unwrap())
        };
        let (no, bad) = (
            Violation::forbidden("spec.image", "no"),
            Violation::invalid("spec.version", "bad"),
        );
        assert_eq!(code(vec![no.clone()]), (403, "Forbidden".to_owned()));
        assert_eq!(code(vec![no, bad]), (422, "Invalid".to_owned()));
    }
}
