//! Which objects a policy speaks of, and which it lets be until a date.

use std::collections::BTreeMap;

use sdm_api::policy::{KafkaPolicySpec, PolicyException, PolicyMatch};
use serde_json::Value;

use super::glob;
use super::subject::{Asked, cluster_of};
use crate::access::selects;

/// Whether a policy speaks of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// It does.
    In,
    /// It does not.
    Out,
    /// That depends on the labels of a namespace that is not known.
    Unknown,
}

/// Whether `matches` speaks of what is asked about.
pub(super) fn scope(matches: &PolicyMatch, asked: &Asked<'_>) -> Scope {
    if !(matches.kinds.is_empty() || matches.kinds.contains(&asked.kind))
        || !glob::any(&matches.namespaces, asked.namespace)
        || !(matches.labels.is_empty() || labelled(&matches.labels, asked.object))
        || !(matches.clusters.is_empty() || clustered(&matches.clusters, asked))
    {
        return Scope::Out;
    }
    let Some(selector) = &matches.namespace_selector else {
        return Scope::In;
    };
    let Some(namespace) = asked.namespace_object else {
        return Scope::Unknown;
    };
    if selects(selector, &labels_of(namespace)) {
        Scope::In
    } else {
        Scope::Out
    }
}

fn labelled(wanted: &BTreeMap<String, String>, object: &Value) -> bool {
    let labels = object.get("metadata").and_then(|m| m.get("labels"));
    wanted
        .iter()
        .all(|(key, value)| labels.and_then(|l| l.get(key)).and_then(Value::as_str) == Some(value))
}

fn clustered(patterns: &[String], asked: &Asked<'_>) -> bool {
    let Some((namespace, name)) = cluster_of(asked.kind, asked.namespace, asked.name, asked.object)
    else {
        return false;
    };
    patterns
        .iter()
        .any(|pattern| match pattern.split_once('/') {
            Some((in_namespace, named)) => {
                glob::matches(in_namespace, namespace) && glob::matches(named, name)
            }
            None => glob::matches(pattern, name),
        })
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object.get("metadata").and_then(|m| m.get("labels"));
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Whether an exception lets the object break `rule`.
pub(super) fn excepted(spec: &KafkaPolicySpec, rule: &str, asked: &Asked<'_>) -> bool {
    spec.exceptions.iter().any(|e| {
        holds(e, asked) && (e.rules.is_empty() || e.rules.iter().any(|named| named == rule))
    })
}

fn holds(exception: &PolicyException, asked: &Asked<'_>) -> bool {
    asked.now.0 < exception.until.0
        && glob::any(&exception.namespaces, asked.namespace)
        && glob::any(&exception.names, asked.name)
}
