//! Which objects a policy speaks of, until when it does not, and what was there before.

use serde_json::{Value, json};

use super::super::Outcome;
use super::{Compiled, Question, at, lines, object, policy, topic};

fn speaks(matches: &Value, object: Value) -> bool {
    let spec =
        json!({"match": matches, "cel": [{"name": "no", "rule": "object.metadata.name == ''"}]});
    !super::found(&spec, object).is_empty()
}

#[test]
fn everything_that_is_given_must_match() {
    for (matches, want) in [
        (json!({}), true),
        (json!({"kinds": ["KafkaTopic"]}), true),
        (json!({"kinds": ["KafkaUser"]}), false),
        (json!({"namespaces": ["p*"]}), true),
        (json!({"namespaces": ["q*", "pay"]}), true),
        (json!({"namespaces": ["q*"]}), false),
        (json!({"labels": {"app": "shop"}}), true),
        (json!({"labels": {"app": "shop", "x": "y"}}), false),
        (json!({"clusters": ["events"]}), true),
        (json!({"clusters": ["kafka/events"]}), true),
        (json!({"clusters": ["pay/*"]}), false),
        (
            json!({"clusters": ["kafka/e*"], "kinds": ["KafkaUser"]}),
            false,
        ),
        (
            json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}),
            true,
        ),
        (
            json!({"namespaceSelector": {"matchLabels": {"env": "dev"}}}),
            false,
        ),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["prod"]}]}}),
            false,
        ),
    ] {
        assert_eq!(speaks(&matches, topic("x", json!({}))), want, "{matches}");
    }
    let role = || object("KafkaRole", "r", json!({"rules": []}));
    assert!(speaks(&json!({}), role()));
    assert!(
        !speaks(&json!({"clusters": ["*"]}), role()),
        "a role belongs to no cluster"
    );
    let cluster = || object("KafkaCluster", "events", json!({"pools": []}));
    assert!(speaks(&json!({"clusters": ["pay/events"]}), cluster()));
}

#[test]
fn a_namespace_that_is_not_known_is_not_let_in() {
    let policy = policy(
        "p",
        &json!({"match": {"namespaceSelector": {"matchLabels": {"env": "dev"}}}, "topics": {"replicas": {"min": 3}}}),
    );
    let mut question = Question::of(topic("x", json!({})));
    question.namespace = None;
    assert_eq!(
        lines(&question.ask(&Compiled::new([&policy]))),
        [
            "match.namespaceSelector metadata.namespace: the labels of namespace \"pay\" are not known, so it cannot be said whether the policy holds: try again"
        ]
    );
}

#[test]
fn an_exception_ends_by_itself() {
    let spec = json!({
        "topics": {"partitions": {"max": 3}, "replicas": {"min": 3}},
        "exceptions": [{"namespaces": ["pay"], "names": ["x*"], "rules": ["topics.partitions"], "until": "2026-06-01T12:00:00Z", "reason": "migration"}],
    });
    let compiled = Compiled::new([&policy("p", &spec)]);
    let rules = |name: &str, now: &str| {
        let mut question = Question::of(topic(name, json!({"partitions": 9, "replicas": 1})));
        question.now = at(now);
        let findings = question.ask(&compiled).0;
        findings.into_iter().map(|f| f.rule).collect::<Vec<_>>()
    };
    let both = ["topics.partitions", "topics.replicas"];
    assert_eq!(rules("x1", "2026-06-01T11:59:59Z"), both[1..]);
    assert_eq!(rules("x1", "2026-06-01T12:00:00Z"), both);
    assert_eq!(rules("x1", "2027-01-01T00:00:00Z"), both);
    assert_eq!(rules("y", "2026-06-01T11:00:00Z"), both);
}

#[test]
fn enforcement_decides_what_comes_of_it() {
    for (enforcement, violations, warnings, counted) in
        [("Deny", 1, 0, 0), ("Warn", 0, 1, 0), ("Audit", 0, 0, 1)]
    {
        let spec = json!({"enforcement": enforcement, "topics": {"partitions": {"max": 3}}});
        let findings = Question::of(topic("x", json!({"partitions": 9})))
            .ask(&Compiled::new([&policy("p", &spec)]));
        let review = findings.review();
        assert_eq!(review.violations.len(), violations, "{enforcement}");
        assert_eq!(review.warnings.len(), warnings, "{enforcement}");
        assert_eq!(
            findings.of(Outcome::Count).count(),
            counted,
            "{enforcement}"
        );
        for violation in review.violations {
            assert_eq!(violation.kind, crate::ViolationKind::Forbidden);
            assert_eq!(
                violation.to_string(),
                "spec.partitions: 9 is too high: use at most 3 (policy p, topics.partitions)"
            );
        }
    }
}

#[test]
fn what_was_there_before_is_let_be_but_not_made_worse() {
    let compiled = Compiled::new([&policy(
        "p",
        &json!({"topics": {"partitions": {"max": 3}, "replicas": {"min": 3}}}),
    )]);
    let ask = |old: Value, new: Value| {
        let mut question = Question::of(topic("x", new));
        question.old = Some(topic("x", old));
        let review = question.ask(&compiled).review();
        (review.violations.len(), review.warnings.len())
    };
    let bad = || json!({"partitions": 9, "replicas": 3});
    assert_eq!(ask(bad(), bad()), (0, 1));
    assert_eq!(
        ask(
            bad(),
            json!({"partitions": 9, "replicas": 3, "config": {"flush.ms": "1"}})
        ),
        (0, 1)
    );
    assert_eq!(
        ask(bad(), json!({"partitions": 12, "replicas": 3})),
        (1, 0),
        "worse"
    );
    assert_eq!(
        ask(bad(), json!({"partitions": 9, "replicas": 1})),
        (1, 1),
        "another way"
    );
    assert_eq!(
        ask(json!({"partitions": 3, "replicas": 3}), bad()),
        (1, 0),
        "newly"
    );
    assert_eq!(
        ask(bad(), json!({"partitions": 3, "replicas": 3})),
        (0, 0),
        "mended"
    );
}

#[test]
fn labels_are_no_way_around_a_policy() {
    let compiled = Compiled::new([&policy(
        "p",
        &json!({"match": {"labels": {"app": "shop"}}, "topics": {"partitions": {"max": 3}}}),
    )]);
    let mut question = Question::of(topic("x", json!({"partitions": 9})));
    let mut old = question.object.clone();
    old["metadata"]["labels"] = json!({});
    question.old = Some(old);
    assert_eq!(
        question.ask(&compiled).review().violations.len(),
        1,
        "a label that brings the policy in"
    );
}

#[test]
fn a_policy_that_goes_does_not_hold() {
    let mut one = policy("p", &json!({"topics": {"partitions": {"max": 3}}}));
    let mut compiled = Compiled::new([&one]);
    let question = Question::of(topic("x", json!({"partitions": 9})));
    assert_eq!(question.ask(&compiled).0.len(), 1);
    one.metadata.deletion_timestamp = Some(at("2026-01-01T00:00:00Z"));
    compiled.insert(&one);
    assert!(compiled.is_empty() && question.ask(&compiled).0.is_empty());
}
