//! The policies in `deploy/policies`: each is valid, accepts its accept cases and refuses each of its reject cases for the
//! reason that the case names in the annotation `policy-test/breaks`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::KafkaPolicy;
use sdm_api::policy::PolicyKind;
use sdm_core::ViolationKind;
use sdm_core::policy::{Compiled, Finding, World, validate};
use serde_json::{Value, json};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/policies")
}

/// Every policy, with the directory of its cases.
fn policies() -> Vec<(KafkaPolicy, PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let policy = serde_saphyr::from_str(&text).unwrap();
            found.push((policy, path.with_extension("")));
        }
    }
    found
}

/// The objects of each file in a directory.
fn files(directory: &Path) -> Vec<Vec<Value>> {
    let entries = fs::read_dir(directory).unwrap();
    let texts = entries.map(|e| fs::read_to_string(e.unwrap().path()).unwrap());
    let files: Vec<Vec<Value>> = texts
        .map(|t| serde_saphyr::from_multiple(&t).unwrap())
        .map(|objects: Vec<Value>| objects.iter().map(sdm_core::kinds::completed).collect())
        .collect();
    assert!(!files.is_empty(), "{}", directory.display());
    files
}

fn text<'v>(object: &'v Value, path: &str) -> &'v str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What a policy finds wrong with each object of a file, when each is created with the others there.
fn judge(policy: &KafkaPolicy, file: &[Value]) -> Vec<(Value, Vec<Finding>)> {
    let compiled = Compiled::new([policy]);
    let mut world = World::default();
    file.iter().for_each(|object| world.take(object));
    let now = Time("2026-01-01T00:00:00Z".parse().unwrap());
    let objects = file
        .iter()
        .filter(|object| text(object, "/kind") != "Namespace");
    let judged = objects.map(|object| {
        let kind = PolicyKind::from_name(text(object, "/kind")).unwrap();
        let key = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let request = json!({"operation": "CREATE", "userInfo": {"username": "", "groups": []}});
        let mut asked = world.ask(kind, key, object, &now);
        asked.request = Some(&request);
        let defaulted = compiled.defaulted(&asked);
        asked.object = defaulted.as_ref().unwrap_or(object);
        (asked.object.clone(), compiled.judge(&asked).0)
    });
    judged.collect()
}

#[test]
fn every_policy_is_valid() {
    let policies = policies();
    assert_eq!(policies.len(), 3);
    for (policy, directory) in policies {
        let review = validate(&policy, None);
        assert_eq!(
            (review.violations, review.warnings),
            (vec![], vec![]),
            "{}",
            directory.display()
        );
        assert_eq!(
            policy.metadata.name.as_deref(),
            directory.file_name().unwrap().to_str()
        );
    }
}

#[test]
fn what_is_to_be_accepted_is() {
    for (policy, directory) in policies() {
        for file in files(&directory.join("accept")) {
            for (object, findings) in judge(&policy, &file) {
                assert!(findings.is_empty(), "{object}\n{findings:?}");
                let kind = sdm_core::kinds::find(text(&object, "/kind")).unwrap();
                assert_eq!(
                    kind.review(&object, None, &Default::default()).violations,
                    [],
                    "{object}"
                );
            }
        }
    }
}

#[test]
fn what_is_to_be_refused_is_for_its_reason() {
    for (policy, directory) in policies() {
        for file in files(&directory.join("reject")) {
            for (object, findings) in judge(&policy, &file) {
                let wanted = text(&object, "/metadata/annotations/policy-test~1breaks");
                let rules: Vec<&str> = findings.iter().map(|f| f.rule.as_str()).collect();
                assert!(
                    !wanted.is_empty() && rules.contains(&wanted),
                    "{} {} should break {wanted:?} and breaks {findings:?}",
                    text(&object, "/kind"),
                    text(&object, "/metadata/name"),
                );
                // What is invalid in itself would be refused for that.
                let kind = sdm_core::kinds::find(text(&object, "/kind")).unwrap();
                let review = kind.review(&object, None, &Default::default());
                let mut kinds = review.violations.iter().map(|v| v.kind);
                assert!(
                    kinds.all(|k| k == ViolationKind::Forbidden),
                    "{object}\n{review:?}"
                );
            }
        }
    }
}
