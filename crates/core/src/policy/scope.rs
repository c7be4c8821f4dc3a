//! Which objects a policy speaks of, and which it lets be until a date.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
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
    let cluster = || cluster_of(asked.kind, asked.namespace, asked.name, asked.object);
    if !(matches.kinds.is_empty() || matches.kinds.contains(&asked.kind))
        || !glob::any(&matches.namespaces, asked.namespace)
        || !(matches.labels.is_empty() || labelled(&matches.labels, asked.object))
        || !(matches.clusters.is_empty() || clustered(&matches.clusters, cluster()))
    {
        return Scope::Out;
    }
    let labels = || asked.namespace_object.map(labels_of);
    selected(matches.namespace_selector.as_ref(), labels)
}

/// Whether a selector selects a namespace with these labels; nobody asks for them where there is none.
pub(super) fn selected<L: Borrow<BTreeMap<String, String>>>(
    selector: Option<&LabelSelector>,
    labels: impl FnOnce() -> Option<L>,
) -> Scope {
    let Some(selector) = selector else {
        return Scope::In;
    };
    match labels() {
        None => Scope::Unknown,
        Some(labels) if selects(selector, labels.borrow()) => Scope::In,
        Some(_) => Scope::Out,
    }
}

fn labelled(wanted: &BTreeMap<String, String>, object: &Value) -> bool {
    let labels = object.get("metadata").and_then(|m| m.get("labels"));
    wanted
        .iter()
        .all(|(key, value)| labels.and_then(|l| l.get(key)).and_then(Value::as_str) == Some(value))
}

/// Whether one of `patterns` says the cluster, by namespace and name.
pub(super) fn clustered(patterns: &[String], cluster: Option<(&str, &str)>) -> bool {
    let Some((namespace, name)) = cluster else {
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

/// Whether an exception lets the object of that namespace and name break `rule`.
pub(super) fn excepted(
    spec: &KafkaPolicySpec,
    rule: &str,
    (namespace, name): (&str, &str),
    now: &Time,
) -> bool {
    let holds = |e: &PolicyException| {
        now.0 < e.until.0 && glob::any(&e.namespaces, namespace) && glob::any(&e.names, name)
    };
    spec.exceptions
        .iter()
        .any(|e| holds(e) && (e.rules.is_empty() || e.rules.iter().any(|named| named == rule)))
}
