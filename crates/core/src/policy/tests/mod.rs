//! Policies and objects as tables, and what holds of all of them.

mod cel;
mod defaults;
mod injection;
mod limits;
mod properties;
mod scope;
mod speed;
mod written;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::KafkaPolicy;
use sdm_api::policy::PolicyKind;
use serde_json::{Value, json};

use super::{Asked, Compiled, Findings, Totals};

/// A policy with this spec.
pub fn policy(name: &str, spec: &Value) -> KafkaPolicy {
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy",
        "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

/// The time.
pub fn at(text: &str) -> Time {
    Time(text.parse().unwrap())
}

/// A topic of namespace `pay` with this spec, besides its cluster.
pub fn topic(name: &str, spec: Value) -> Value {
    object("KafkaTopic", name, spec)
}

/// An object of namespace `pay`.
pub fn object(kind: &str, name: &str, mut spec: Value) -> Value {
    if kind != "KafkaCluster" && kind != "KafkaRole" {
        spec["clusterRef"] = json!({"name": "events", "namespace": "kafka"});
    }
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind,
        "metadata": {"name": name, "namespace": "pay", "labels": {"app": "shop"}},
        "spec": spec,
    })
}

/// A question, with everything that is mostly the same.
pub struct Question {
    pub object: Value,
    pub old: Option<Value>,
    pub request: Option<Value>,
    pub namespace: Option<Value>,
    pub cluster: Option<Value>,
    pub others: Option<Totals>,
    pub now: Time,
}

impl Question {
    pub fn of(object: Value) -> Self {
        Self {
            object,
            old: None,
            request: Some(
                json!({"operation": "CREATE", "namespace": "pay", "name": "x", "userInfo": {"username": "alice", "groups": ["dev"]}}),
            ),
            namespace: Some(json!({"metadata": {"name": "pay", "labels": {"env": "prod"}}})),
            cluster: None,
            others: None,
            now: at("2026-06-01T00:00:00Z"),
        }
    }

    pub fn ask(&self, compiled: &Compiled) -> Findings {
        self.with(|asked| compiled.judge(asked))
    }

    pub fn with<T>(&self, ask: impl FnOnce(&Asked<'_>) -> T) -> T {
        let kind = self.object["kind"].as_str().unwrap();
        ask(&Asked {
            kind: PolicyKind::from_name(kind).unwrap(),
            namespace: self.object["metadata"]["namespace"].as_str().unwrap_or(""),
            name: self.object["metadata"]["name"].as_str().unwrap_or(""),
            object: &self.object,
            old: self.old.as_ref(),
            request: self.request.as_ref(),
            namespace_object: self.namespace.as_ref(),
            cluster: self.cluster.as_ref(),
            others: self.others,
            now: &self.now,
        })
    }
}

/// What one policy finds, as `rule path: message`.
pub fn found(spec: &Value, object: Value) -> Vec<String> {
    lines(&Question::of(object).ask(&Compiled::new([&policy("p", spec)])))
}

pub fn lines(findings: &Findings) -> Vec<String> {
    let line = |f: &super::Finding| format!("{} {}: {}", f.rule, f.path, f.message);
    findings.0.iter().map(line).collect()
}
