//! What policies fill in when an object is created and does not say it.
//!
//! There is no strictest default, so none wins: where two policies would fill in different values, neither does, and the
//! object is refused until it says the value itself. So the order of policies cannot matter, and nothing is filled in
//! that a policy did not mean.

use std::collections::{BTreeMap, BTreeSet};

use sdm_api::policy::{Enforcement, PolicyDefaults, PolicyKind};
use serde_json::{Map, Value, json};

use super::compile::{Compiled, Policy};
use super::findings::{Finding, Outcome};
use super::scope::{Scope, scope};
use super::subject::Asked;

/// A place in an object: the names of fields, from the object down.
type Place = Vec<String>;

/// What would be filled in somewhere: each value with the policies that say it.
type Proposals<'p> = BTreeMap<Place, Vec<(Value, &'p str)>>;

impl Compiled {
    /// The object with everything filled in; none if there is nothing to fill in. Filling in twice changes nothing.
    #[must_use]
    pub fn defaulted(&self, asked: &Asked<'_>) -> Option<Value> {
        let mut object = None;
        for (place, values) in self.proposals(asked) {
            if let [(value, _)] = values.as_slice() {
                let object = object.get_or_insert_with(|| asked.object.clone());
                put(object, &place, value.clone());
            }
        }
        object
    }

    /// The kinds that policies fill something in for, whichever objects they match.
    #[must_use]
    pub fn filled_in(&self) -> BTreeSet<PolicyKind> {
        self.policies
            .iter()
            .flat_map(|policy| fills_in(policy))
            .collect()
    }

    /// The same of the policy of that name alone.
    #[must_use]
    pub fn filled_in_by(&self, policy: &str) -> BTreeSet<PolicyKind> {
        let of_that_name = self.policies.iter().filter(|p| p.name == policy);
        of_that_name.flat_map(|policy| fills_in(policy)).collect()
    }

    /// Where policies would fill in different values.
    pub(super) fn conflicts(&self, asked: &Asked<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (place, values) in self.proposals(asked) {
            if values.len() < 2 {
                continue;
            }
            let say: BTreeSet<String> = values
                .iter()
                .map(|(value, policy)| format!("{policy} says {value}"))
                .collect();
            let say: Vec<String> = say.into_iter().collect();
            let first = values.iter().map(|(_, policy)| *policy).min();
            findings.push(Finding {
                policy: first.unwrap_or_default().to_owned(),
                rule: "defaults".to_owned(),
                path: path(&place),
                message: format!(
                    "policies have different defaults, {}: say which value is meant",
                    say.join(" and ")
                ),
                outcome: Outcome::Refuse,
            });
        }
        findings
    }

    fn proposals(&self, asked: &Asked<'_>) -> Proposals<'_> {
        let mut proposals = Proposals::new();
        for policy in &self.policies {
            let Some(defaults) = of(policy, asked.kind) else {
                continue;
            };
            if scope(&policy.spec.match_, asked) != Scope::In {
                continue;
            }
            let mut leaves = Vec::new();
            gather(&defaults, &mut vec!["spec".to_owned()], &mut leaves);
            for (place, value) in leaves {
                if is_there(asked.object, &place) {
                    continue;
                }
                let values = proposals.entry(place).or_default();
                if !values.iter().any(|(known, _)| *known == value) {
                    values.push((value, &policy.name));
                }
            }
        }
        proposals
    }
}

fn fills_in(policy: &Policy) -> impl Iterator<Item = PolicyKind> {
    let has = |kind: &PolicyKind| of(policy, *kind).is_some();
    PolicyKind::ALL.into_iter().filter(has)
}

/// What a policy fills in into the spec of an object of `kind`.
fn of(policy: &Policy, kind: PolicyKind) -> Option<Value> {
    if policy.spec.enforcement == Enforcement::Audit {
        return None;
    }
    let defaults: &PolicyDefaults = policy.spec.defaults.as_ref()?;
    match kind {
        PolicyKind::KafkaTopic => serde_json::to_value(defaults.topics.as_ref()?).ok(),
        PolicyKind::KafkaUser => serde_json::to_value(defaults.users.as_ref()?).ok(),
        PolicyKind::KafkaCluster => serde_json::to_value(defaults.brokers.as_ref()?).ok(),
        _ => None,
    }
}

/// Every value in `defaults` that is none of more.
fn gather(defaults: &Value, place: &mut Place, leaves: &mut Vec<(Place, Value)>) {
    match defaults {
        Value::Object(fields) => {
            for (name, value) in fields {
                place.push(name.clone());
                gather(value, place, leaves);
                place.pop();
            }
        }
        Value::Null => {}
        value => leaves.push((place.clone(), value.clone())),
    }
}

/// Whether the object says something at a place, or something on the way that leaves no room for it.
fn is_there(object: &Value, place: &[String]) -> bool {
    let mut value = object;
    for name in place {
        match value {
            Value::Object(fields) => match fields.get(name) {
                None | Some(Value::Null) => return false,
                Some(inner) => value = inner,
            },
            _ => return true,
        }
    }
    true
}

fn put(object: &mut Value, place: &[String], value: Value) {
    let Some((last, before)) = place.split_last() else {
        return;
    };
    let mut at = object;
    for name in before {
        let Value::Object(fields) = at else { return };
        let inner = fields.entry(name.clone()).or_insert_with(|| json!({}));
        if inner.is_null() {
            *inner = Value::Object(Map::new());
        }
        at = inner;
    }
    if let Value::Object(fields) = at {
        fields.insert(last.clone(), value);
    }
}

/// `spec.config[retention.ms]`: keys of configuration have dots in them.
fn path(place: &[String]) -> String {
    match place {
        [spec, config, key] if config == "config" => format!("{spec}.{config}[{key}]"),
        _ => place.join("."),
    }
}
