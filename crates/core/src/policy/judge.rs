//! Judging an object by all policies.

use sdm_api::policy::Enforcement;

use super::compile::{Compiled, Policy, Rule};
use super::findings::{Finding, Findings, Outcome};
use super::limits::{self, Found};
use super::scope::{Scope, scope};
use super::subject::{Asked, Typed};
use crate::status::cut;

/// How long what a rule says may be.
const MESSAGE: usize = 512;

impl Compiled {
    /// What all policies find wrong with an object.
    ///
    /// What the object before the change broke in the same way is let be: a policy that comes later would otherwise keep
    /// people from changing, or even mending, what they have.
    #[must_use]
    pub fn judge(&self, asked: &Asked<'_>) -> Findings {
        let mut findings = self.find(asked, false);
        if let Some(old) = asked.old
            && findings.iter().any(|f| f.outcome != Outcome::Count)
        {
            let before = self.find(
                &Asked {
                    object: old,
                    old: None,
                    ..*asked
                },
                true,
            );
            for finding in &mut findings {
                let same = |b: &Finding| {
                    (&b.policy, &b.rule, &b.path, &b.message)
                        == (
                            &finding.policy,
                            &finding.rule,
                            &finding.path,
                            &finding.message,
                        )
                };
                if finding.outcome == Outcome::Refuse && before.iter().any(same) {
                    finding.outcome = Outcome::Stored;
                }
            }
        }
        findings.sort();
        findings.dedup();
        Findings(findings)
    }

    /// What is found; `standing` only of what stands, and not of changes.
    fn find(&self, asked: &Asked<'_>, standing: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.policies.is_empty() {
            return findings;
        }
        let typed = Typed::of(asked.kind, asked.object);
        for policy in &self.policies {
            match scope(&policy.spec.match_, asked) {
                Scope::Out => {}
                Scope::In => judge(policy, &typed, asked, standing, &mut findings),
                Scope::Unknown => {
                    let said = unknown(&policy.name, policy.spec.enforcement, asked.namespace);
                    findings.extend(said);
                }
            }
        }
        if asked.creates() && !standing {
            findings.extend(self.conflicts(asked));
        }
        findings
    }
}

fn judge(
    policy: &Policy,
    typed: &Typed,
    asked: &Asked<'_>,
    standing: bool,
    findings: &mut Vec<Finding>,
) {
    let mut found = Found {
        policy: &policy.name,
        spec: &policy.spec,
        asked,
        findings,
    };
    limits::check(typed, &mut found);
    for rule in &policy.rules {
        // What speaks of a change cannot be said of what stands.
        let change = rule.expression.as_ref().is_ok_and(|e| e.changes);
        if change && (standing || asked.request.is_none()) {
            continue;
        }
        let message = match rule.expression.as_ref().map(|e| e.holds(asked)) {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => said(rule, asked),
            Ok(Err(why)) => format!("the rule cannot be evaluated: {why}"),
            Err(why) => why.clone(),
        };
        found.add(&rule.id, "", cut(&message, MESSAGE));
    }
}

/// What a rule says when it is broken.
fn said(rule: &Rule, asked: &Asked<'_>) -> String {
    let text = rule.message_expression.as_ref().and_then(|e| e.text(asked));
    text.filter(|text| !text.trim().is_empty())
        .or_else(|| rule.message.clone())
        .unwrap_or_else(|| "the rule is broken".to_owned())
}

/// A policy goes by the labels of a namespace that nobody could tell: what it forbids is not let in meanwhile.
pub(super) fn unknown(policy: &str, enforcement: Enforcement, namespace: &str) -> Option<Finding> {
    (enforcement != Enforcement::Audit).then(|| Finding {
        policy: policy.to_owned(),
        rule: "match.namespaceSelector".to_owned(),
        path: "metadata.namespace".to_owned(),
        message: format!(
            "the labels of namespace {namespace:?} are not known, so it cannot be said whether the policy holds: try again"
        ),
        outcome: enforcement.into(),
    })
}
