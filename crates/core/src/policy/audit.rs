//! What exists already and breaks policies: gathered object by object, reported policy by policy. Unchanged input gives
//! the same report to the byte, so nothing is written.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::policy::PolicyKind;
use sdm_api::{KafkaPolicy, KafkaPolicyStatus, PolicyViolation};

use super::findings::Findings;
use crate::outcome::{Standing, conditions};
use crate::status::cut;
use crate::violation::Review;

/// Bounds of the schema.
const LISTED: usize = 50;
const TEXT: usize = 512;
const RULE: usize = 96;

/// Why a policy is ready, or not: reasons of conditions.
pub mod reason {
    /// Every object was looked at.
    pub const AUDITED: &str = "Audited";
    /// API servers are not told yet of all kinds that the policy has defaults for.
    pub const DEFAULTS_PENDING: &str = "DefaultsPending";
    /// The policy is invalid; what of it can be judged is.
    pub const INVALID_SPEC: &str = "InvalidSpec";
}

/// What was found so far, by policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit(BTreeMap<String, Found>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    count: i32,
    first: Vec<PolicyViolation>,
}

impl Audit {
    /// Adds what was found of an object. Objects have to come in the same order each time.
    pub fn add(&mut self, kind: &str, namespace: &str, name: &str, findings: &Findings) {
        for finding in &findings.0 {
            let found = self.0.entry(finding.policy.clone()).or_default();
            found.count = found.count.saturating_add(1);
            if found.first.len() < LISTED {
                found.first.push(PolicyViolation {
                    kind: kind.to_owned(),
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                    rule: cut(&finding.rule, RULE),
                    path: cut(&finding.path, TEXT),
                    message: cut(&finding.message, TEXT),
                });
            }
        }
    }

    /// How often a policy is broken.
    #[must_use]
    pub fn count(&self, policy: &str) -> i32 {
        self.0.get(policy).map_or(0, |found| found.count)
    }

    /// The status of a policy, of which [`validate`](super::validate) says `review`. It has defaults for the `unserved`
    /// kinds, but API servers do not ask for them yet.
    #[must_use]
    pub fn status(
        &self,
        policy: &KafkaPolicy,
        review: &Review,
        unserved: &BTreeSet<PolicyKind>,
        now: &Time,
    ) -> KafkaPolicyStatus {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        let found = self.0.get(name).cloned().unwrap_or_default();
        let previous = policy.status.as_ref().map(|s| s.conditions.as_slice());
        let (standing, reason, message) = match review.violations.first() {
            Some(first) => (Standing::Stalled, reason::INVALID_SPEC, first.to_string()),
            None if !unserved.is_empty() => {
                let kinds: Vec<&str> = unserved.iter().map(|kind| kind.as_str()).collect();
                let message = format!(
                    "its defaults for {} are not filled in yet: the webhook's registration is to name them, which takes seconds; where others manage it, add them there",
                    kinds.join(", ")
                );
                (Standing::Working, reason::DEFAULTS_PENDING, message)
            }
            None => {
                let message = match found.count {
                    0 => "nothing breaks it".to_owned(),
                    1 => "it is broken once".to_owned(),
                    n => format!("it is broken {n} times"),
                };
                (Standing::Ready, reason::AUDITED, message)
            }
        };
        KafkaPolicyStatus {
            observed_generation: policy.metadata.generation,
            conditions: conditions(
                &standing,
                reason,
                &message,
                previous.unwrap_or_default(),
                policy.metadata.generation,
                now,
            ),
            violation_count: found.count,
            violations: found.first,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{Question, at, policy, topic};
    use super::super::{Compiled, validate};
    use super::*;

    #[test]
    fn what_exists_is_counted_and_the_first_are_listed() {
        let mut broken = policy(
            "p",
            &json!({"enforcement": "Audit", "topics": {"partitions": {"max": 3}}}),
        );
        let compiled = Compiled::new([&broken]);
        let gathered = |many: usize| {
            let mut audit = Audit::default();
            for i in 0..many {
                let name = format!("t{i:03}");
                let mut question = Question::of(topic(&name, json!({"partitions": 9})));
                question.request = None;
                audit.add("KafkaTopic", "pay", &name, &question.ask(&compiled));
            }
            audit
        };
        let review = validate(&broken, None);
        let status = gathered(60).status(
            &broken,
            &review,
            &BTreeSet::new(),
            &at("2026-01-01T00:00:00Z"),
        );
        assert_eq!((status.violation_count, status.violations.len()), (60, 50));
        assert_eq!(status.violations[0].name, "t000");
        assert_eq!(status.violations[0].path, "spec.partitions");
        assert_eq!(status.conditions[0].message, "it is broken 60 times");
        broken.status = Some(status.clone());
        let again = gathered(60).status(
            &broken,
            &review,
            &BTreeSet::new(),
            &at("2026-02-01T00:00:00Z"),
        );
        assert_eq!(status, again, "nothing changed, so nothing is written");
        assert_eq!(
            gathered(0)
                .status(
                    &broken,
                    &review,
                    &BTreeSet::new(),
                    &at("2026-02-01T00:00:00Z")
                )
                .violation_count,
            0
        );
    }

    #[test]
    fn a_policy_is_not_ready_before_its_defaults_are_filled_in() {
        let filling = policy("p", &json!({"defaults": {"topics": {"partitions": 2}}}));
        let topics = Compiled::new([&filling]).filled_in_by("p");
        assert_eq!(topics, BTreeSet::from([PolicyKind::KafkaTopic]));
        let review = validate(&filling, None);
        let says = |unserved: &BTreeSet<PolicyKind>| {
            let status =
                Audit::default().status(&filling, &review, unserved, &at("2026-01-01T00:00:00Z"));
            let ready = status.conditions[0].clone();
            (ready.type_, ready.status, ready.reason, ready.message)
        };
        let (kind, status, reason, message) = says(&topics);
        assert_eq!(
            [kind, status, reason],
            ["Ready", "False", "DefaultsPending"]
        );
        assert!(message.contains("KafkaTopic"), "{message}");
        assert_eq!(says(&BTreeSet::new()).1, "True");
    }

    #[test]
    fn an_invalid_policy_is_stalled() {
        let invalid = policy(
            "p",
            &json!({"topics": {"partitions": {"min": 5, "max": 3}}}),
        );
        let review = validate(&invalid, None);
        let status = Audit::default().status(
            &invalid,
            &review,
            &BTreeSet::new(),
            &at("2026-01-01T00:00:00Z"),
        );
        assert_eq!(status.conditions[0].reason, "InvalidSpec");
        assert_eq!(status.conditions[1].type_, "Stalled");
    }
}
