//! What is reported, and that it is not reported twice.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sdm_core::access::{Refusal, Verdict, acl_status, grant_status, role_status};
use sdm_core::{Review, Violation};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn told(conditions: &[Condition]) -> Vec<String> {
    conditions
        .iter()
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect()
}

fn verdict(acls: usize, refused: Vec<Refusal>) -> Verdict {
    Verdict {
        acls,
        refused,
        notes: Vec::new(),
    }
}

#[test]
fn granted_waiting_and_stalled() {
    let status = |v: &Verdict| acl_status(&Default::default(), v, Some(3), &at(1));
    let mut all = verdict(2, Vec::new());
    assert_eq!(
        told(&status(&all).conditions),
        ["Ready=True Granted: 2 ACLs"]
    );
    all.notes.push("nothing yet".to_owned());
    assert_eq!(
        told(&status(&all).conditions),
        ["Ready=True Granted: 2 ACLs; nothing yet"]
    );

    let waits = verdict(1, vec![Refusal::waits("SubjectNotFound", "no alice")]);
    assert_eq!(
        told(&status(&waits).conditions),
        [
            "Ready=False SubjectNotFound: no alice",
            "Reconciling=True SubjectNotFound: no alice"
        ]
    );
    let mixed = verdict(
        0,
        vec![
            Refusal::stands("TopicNotOwned", "not yours"),
            Refusal::waits("SubjectNotFound", "no alice"),
        ],
    );
    let mixed = status(&mixed);
    assert_eq!(
        told(&mixed.conditions),
        [
            "Ready=False TopicNotOwned: not yours; no alice",
            "Stalled=True TopicNotOwned: not yours; no alice"
        ]
    );
    assert_eq!(
        mixed.refused,
        ["TopicNotOwned: not yours", "SubjectNotFound: no alice"]
    );
    assert_eq!((mixed.acls, mixed.observed_generation), (0, Some(3)));
}

#[test]
fn many_and_long_refusals_fit_the_schema() {
    let long = "ü".repeat(3000);
    let refused: Vec<_> = (0..100)
        .map(|i| Refusal::stands("TopicNotOwned", format!("{i} {long}")))
        .collect();
    let status = acl_status(&Default::default(), &verdict(7, refused), None, &at(1));
    assert_eq!(status.refused.len(), 32);
    assert_eq!(status.refused[31], "and 69 more");
    assert!(status.refused.iter().all(|r| r.chars().count() <= 1024));
    let message = &status.conditions[0].message;
    assert!(
        message.chars().count() <= 32_768 && message.ends_with("; and 97 more"),
        "{}",
        message.len()
    );
}

#[test]
fn an_unchanged_world_is_told_in_the_same_words() {
    let good = verdict(2, Vec::new());
    let first = acl_status(&Default::default(), &good, Some(1), &at(1));
    assert_eq!(acl_status(&first, &good, Some(1), &at(100)), first);
    let bad = verdict(2, vec![Refusal::waits("SubjectNotFound", "no alice")]);
    let second = acl_status(&first, &bad, Some(1), &at(100));
    assert_eq!(acl_status(&second, &bad, Some(1), &at(200)), second);
    assert_eq!(second.conditions[0].last_transition_time, at(100));

    let review = Review::default();
    let first = role_status(&Default::default(), &review, Some(1), &at(1));
    assert_eq!(told(&first.conditions), ["Ready=True Valid: "]);
    assert_eq!(role_status(&first, &review, Some(1), &at(9)), first);
}

#[test]
fn roles_and_grants_say_what_is_wrong() {
    let mut review = Review::default();
    review.warnings.push("spec.topics: unwise".to_owned());
    let status = grant_status(&Default::default(), &review, None, None, &at(1));
    assert_eq!(
        told(&status.conditions),
        ["Ready=True Valid: spec.topics: unwise"]
    );
    let waits = Refusal::waits("NamespaceNotAllowed", "not known yet");
    let status = grant_status(&Default::default(), &review, Some(&waits), None, &at(1));
    assert_eq!(
        told(&status.conditions),
        [
            "Ready=False NamespaceNotAllowed: not known yet",
            "Reconciling=True NamespaceNotAllowed: not known yet"
        ]
    );
    review
        .violations
        .push(Violation::invalid("spec.topics", "none"));
    let status = grant_status(&Default::default(), &review, Some(&waits), None, &at(1));
    assert_eq!(
        told(&status.conditions),
        [
            "Ready=False InvalidSpec: spec.topics: none; not known yet",
            "Stalled=True InvalidSpec: spec.topics: none; not known yet"
        ]
    );
}
