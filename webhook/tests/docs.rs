//! `docs/operations.md` names every reason and every metric that the code can show, under the very same word.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The source files at or below `path`, with all whitespace between tokens made one space.
fn sources(path: &str) -> Vec<String> {
    fn collect(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                collect(&entry.unwrap().path(), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    collect(&repository().join(path), &mut found);
    assert!(!found.is_empty(), "{path} holds no source");
    let text = |path: PathBuf| fs::read_to_string(path).unwrap();
    // Tests below the code may invent words.
    let code = |text: String| {
        text.split("#[cfg(test)]")
            .next()
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    found.into_iter().map(text).map(code).collect()
}

/// String literals that directly follow one of `openings`.
fn literals(path: &str, openings: &[&str]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in sources(path) {
        for opening in openings {
            for (at, _) in text.match_indices(opening) {
                if let Some(literal) = text[at + opening.len()..].trim_start().strip_prefix('"') {
                    found.extend(literal.split('"').next().map(str::to_owned));
                }
            }
        }
    }
    found
}

fn is_reason(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric())
}

#[test]
fn every_reason_is_explained() {
    let mut reasons = literals(
        "crates/core/src/status.rs",
        &[
            "draft(true,",
            "draft(false,",
            "stalled.status {",
            "busy {",
            "else {",
        ],
    );
    reasons.extend(literals(
        "crates/core/src/status.rs",
        &["blocked(cluster, now,"],
    ));
    reasons.extend(literals("crates/core/src/plan", &["reason:", "stalled("]));
    reasons.extend(literals(
        "crates/core/src/state.rs",
        &["REASON: &'static str ="],
    ));
    reasons.extend(literals("controller/src/error.rs", &["=>"]));
    reasons.extend(literals("crates/kafka/src/error.rs", &["=>"]));
    reasons.retain(|word| is_reason(word));
    // Reasons of `Reconciling`, whose status says it all.
    for word in ["Working", "Settled", "Stalled"] {
        reasons.remove(word);
    }
    assert!(reasons.len() > 20, "the search found only {reasons:?}");
    let page = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let missing: Vec<_> = reasons
        .iter()
        .filter(|word| !page.contains(&format!("`{word}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/operations.md does not explain {missing:?}"
    );
}

#[test]
fn every_metric_is_explained() {
    let mut metrics = BTreeSet::new();
    for path in ["controller/src", "webhook/src", "crates/runtime/src"] {
        metrics.extend(literals(
            path,
            &[
                "registry.register(",
                "registry.register_collector(",
                ": &str =",
            ],
        ));
    }
    metrics.retain(|word| word.starts_with("sdm_") || word.starts_with("process_"));
    assert!(metrics.len() > 10, "the search found only {metrics:?}");
    let page = fs::read_to_string(repository().join("docs/operations.md")).unwrap();
    let missing: Vec<_> = metrics
        .iter()
        .filter(|word| !page.contains(&format!("`{word}")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/operations.md does not explain {missing:?}"
    );
}
