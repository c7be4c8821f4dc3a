//! Limits on Pods that ask to be clients.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Client, Compiled, Outcome, forbidden, validate};
use super::{at, policy};
use crate::inject::Source;

/// What a policy finds wrong with a changed client.
fn lines(spec: &Value, change: impl FnOnce(&mut Client<'_>)) -> Vec<String> {
    let policy = policy("p", spec);
    let (now, namespace) = (at("2026-06-01T00:00:00Z"), labels("env", "prod"));
    let own = labels("app", "shop");
    let mut client = Client {
        namespace: "pay",
        namespace_labels: Some(&namespace),
        labels: Some(&own),
        account: "orders",
        cluster: ("kafka", "events"),
        lifetime: 7 * 86_400,
        source: Source::PodCertificate,
        now: &now,
    };
    change(&mut client);
    let findings = Compiled::new([&policy]).judge_client(&client);
    let refusal = forbidden([("p", &policy.spec)], &client);
    let refused = findings.of(Outcome::Refuse).next();
    assert_eq!(refusal.is_some(), refused.is_some(), "one decision");
    let line = |f: &super::super::Finding| format!("{} {}: {}", f.rule, f.path, f.message);
    findings.0.iter().map(line).collect()
}

fn labels(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

const CLUSTER: &str = "injection.clusters metadata.annotations[kafka.sdm.dev/inject]: Pods here may not be clients of kafka/events: use ";
const ACCOUNT: &str = "injection.forbiddenServiceAccounts spec.serviceAccountName: the service account \"orders\" may not be a client: give the Pod one of its own";
const LIFETIME: &str =
    "injection.lifetime metadata.annotations[kafka.sdm.dev/inject-lifetime]: 168h is too ";

#[test]
fn each_limit_says_what_breaks_it() {
    for (limits, want) in [
        (json!({}), None),
        (json!({"clusters": ["events"]}), None),
        (json!({"clusters": ["other", "kafka/e*"]}), None),
        (
            json!({"clusters": ["{namespace}/*", "other"]}),
            Some(format!("{CLUSTER}pay/* or other")),
        ),
        (
            json!({"forbiddenServiceAccounts": ["default", "pay*"]}),
            None,
        ),
        (
            json!({"forbiddenServiceAccounts": ["default", "o*s"]}),
            Some(ACCOUNT.to_owned()),
        ),
        (json!({"lifetime": {"min": "168h", "max": "10080m"}}), None),
        (
            json!({"lifetime": {"max": "23h30m"}}),
            Some(format!("{LIFETIME}long: use at most 1410m")),
        ),
        (
            json!({"lifetime": {"min": "169h"}}),
            Some(format!("{LIFETIME}short: use at least 169h")),
        ),
        (json!({"forbidSecrets": true}), None),
    ] {
        let found = lines(&json!({"injection": limits}), |_| {});
        assert_eq!(found, want.into_iter().collect::<Vec<_>>(), "{limits}");
    }
    let found = lines(&json!({"injection": {"forbidSecrets": true}}), |client| {
        client.source = Source::Secret;
    });
    assert!(
        found[0].contains("the key would be in a Secret"),
        "{found:?}"
    );
}

#[test]
fn a_policy_speaks_of_whom_it_matches() {
    let forbids = |matches: Value| {
        let spec = json!({"match": matches, "injection": {"forbiddenServiceAccounts": ["*"]}});
        !lines(&spec, |_| {}).is_empty()
    };
    for (matches, want) in [
        (json!({}), true),
        (json!({"kinds": ["KafkaTopic"]}), true),
        (json!({"namespaces": ["p*"]}), true),
        (json!({"namespaces": ["q*"]}), false),
        (json!({"labels": {"app": "shop"}}), true),
        (json!({"labels": {"app": "other"}}), false),
        (json!({"clusters": ["kafka/*"]}), true),
        (json!({"clusters": ["pay/*"]}), false),
        (
            json!({"namespaceSelector": {"matchLabels": {"env": "prod"}}}),
            true,
        ),
        (
            json!({"namespaceSelector": {"matchLabels": {"env": "dev"}}}),
            false,
        ),
    ] {
        assert_eq!(forbids(matches.clone()), want, "{matches}");
    }
}

#[test]
fn what_is_not_known_is_not_let_in_and_waits() {
    let spec = json!({
        "match": {"namespaceSelector": {"matchLabels": {"env": "dev"}}},
        "injection": {"forbiddenServiceAccounts": ["*"]}
    });
    let found = lines(&spec, |client| client.namespace_labels = None);
    assert!(found[0].ends_with("try again"), "{found:?}");
    let policy = policy("p", &spec);
    let now = at("2026-06-01T00:00:00Z");
    let client = Client {
        namespace: "pay",
        namespace_labels: None,
        labels: None,
        account: "orders",
        cluster: ("kafka", "events"),
        lifetime: 3600,
        source: Source::Secret,
        now: &now,
    };
    assert!(forbidden([("p", &policy.spec)], &client).unwrap().waits);
}

#[test]
fn exceptions_name_service_accounts_and_end() {
    let spec = |exception: Value| json!({"injection": {"forbiddenServiceAccounts": ["*"]}, "exceptions": [exception]});
    for (exception, excepted) in [
        (json!({"names": ["orders"]}), true),
        (json!({"names": ["other"]}), false),
        (json!({"namespaces": ["pay"]}), true),
        (
            json!({"rules": ["injection.forbiddenServiceAccounts"]}),
            true,
        ),
        (json!({"rules": ["injection.lifetime"]}), false),
    ] {
        for (until, holds) in [
            ("2026-06-02T00:00:00Z", true),
            ("2026-05-31T00:00:00Z", false),
        ] {
            let mut exception = exception.clone();
            exception["until"] = json!(until);
            exception["reason"] = json!("moving");
            let found = lines(&spec(exception.clone()), |_| {});
            assert_eq!(found.is_empty(), excepted && holds, "{exception}");
        }
    }
}

#[test]
fn enforcement_is_as_for_everything_else() {
    for (enforcement, outcome) in [
        ("Deny", Outcome::Refuse),
        ("Warn", Outcome::Warn),
        ("Audit", Outcome::Count),
    ] {
        let policy = policy(
            "p",
            &json!({"enforcement": enforcement, "injection": {"clusters": ["none"]}}),
        );
        let now = at("2026-06-01T00:00:00Z");
        let client = Client {
            namespace: "pay",
            namespace_labels: None,
            labels: None,
            account: "orders",
            cluster: ("kafka", "events"),
            lifetime: 3600,
            source: Source::Secret,
            now: &now,
        };
        let findings = Compiled::new([&policy]).judge_client(&client);
        assert_eq!(findings.0[0].outcome, outcome);
        let refused = forbidden([("p", &policy.spec)], &client);
        assert_eq!(refused.is_some(), enforcement == "Deny");
    }
}

#[test]
fn a_policy_that_nothing_can_keep_is_refused() {
    let broken = policy(
        "p",
        &json!({"injection": {"lifetime": {"min": "2h", "max": "1h"}}}),
    );
    let violations = validate(&broken, None).violations;
    assert_eq!(violations[0].path, "spec.injection.lifetime");
    let broken = policy("p", &json!({"injection": {"lifetime": {"max": "a week"}}}));
    let violations = validate(&broken, None).violations;
    assert_eq!(violations[0].path, "spec.injection.lifetime.max");
    let alone = policy("p", &json!({"injection": {"forbidSecrets": true}}));
    let review = validate(&alone, None);
    assert!(
        review.violations.is_empty() && review.warnings.is_empty(),
        "{review:?}"
    );
    let misspelt = policy(
        "p",
        &json!({
            "injection": {"forbidSecrets": true},
            "exceptions": [{"rules": ["injection.forbidSecret"], "until": "2030-01-01T00:00:00Z", "reason": "r"}]
        }),
    );
    let violations = validate(&misspelt, None).violations;
    assert!(
        violations[0]
            .message
            .contains("did you mean injection.forbidSecrets?"),
        "{violations:?}"
    );
}
