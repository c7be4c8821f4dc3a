//! How an object stands, in the words of its conditions.

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use sdm_api::condition::{self as kinds, Reports};
use sdm_api::{ClusterRef, KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::style;
use crate::output::table::Cell;

/// An object of a tenant.
pub trait Tenant:
    Reports<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its cluster; roles are for all clusters.
    fn cluster_ref(&self) -> Option<&ClusterRef>;
}

macro_rules! tenants {
    ($($kind:ident: $reference:expr,)*) => {$(
        impl Tenant for $kind {
            fn cluster_ref(&self) -> Option<&ClusterRef> {
                let reference: fn(&Self) -> Option<&ClusterRef> = $reference;
                reference(self)
            }
        }
    )*};
}

tenants! {
    KafkaTopic: |o| Some(&o.spec.cluster_ref),
    KafkaUser: |o| Some(&o.spec.cluster_ref),
    KafkaACL: |o| Some(&o.spec.cluster_ref),
    KafkaAccessGrant: |o| Some(&o.spec.cluster_ref),
    KafkaRole: |_| None,
}

/// How an object stands.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// `None` while the operator has not seen the object as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// It cannot go on until somebody changes something.
    pub stalled: bool,
    /// A CamelCase word.
    pub reason: String,
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Standing {
    /// Reads an object's conditions.
    pub fn of<K: Tenant>(object: &K) -> Self {
        let unseen = |message: &str| Self {
            ready: None,
            stalled: false,
            reason: "NotObserved".to_owned(),
            message: message.to_owned(),
        };
        if object.meta().deletion_timestamp.is_some() {
            return Self {
                reason: "Deleting".to_owned(),
                ..unseen("it is being deleted")
            };
        }
        let Some((seen, conditions)) = object.report() else {
            return unseen("the operator has not looked at it yet");
        };
        let Some(ready) = conditions.iter().find(|c| c.type_ == kinds::READY) else {
            return unseen("the operator has said nothing about it yet");
        };
        // While it works, the whole status may still be of an older generation than what it says of its work.
        if ready.observed_generation.or(seen) < object.meta().generation {
            return unseen("the operator has not seen the latest change yet");
        }
        Self {
            ready: Some(ready.status == "True"),
            stalled: conditions
                .iter()
                .any(|c| c.type_ == kinds::STALLED && c.status == "True"),
            reason: ready.reason.clone(),
            message: ready.message.clone(),
        }
    }

    /// `True`, `False` or `Unknown`.
    pub fn word(&self) -> &'static str {
        match self.ready {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        }
    }

    /// The word in its colour.
    pub fn cell(&self) -> Cell {
        let paint = match self.ready {
            Some(true) => style::good,
            Some(false) => style::bad,
            None => style::warn,
        };
        Cell::painted(self.word(), paint)
    }

    /// `False (TopicExists): it exists already`, for descriptions.
    pub fn sentence(&self) -> String {
        let paint = match self.ready {
            Some(true) => style::good,
            Some(false) => style::bad,
            None => style::warn,
        };
        let mut text = paint(self.word());
        if self.reason != self.word() && self.reason != kinds::READY {
            text.push_str(&format!(" ({})", self.reason));
        }
        if !self.message.is_empty() {
            text.push_str(&format!(": {}", style::plain(&self.message)));
        }
        text
    }
}

/// When an object was created.
pub fn created<K: Resource>(object: &K) -> Option<Timestamp> {
    object.meta().creation_timestamp.as_ref().map(|t| t.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topic(generation: i64, status: serde_json::Value) -> KafkaTopic {
        serde_json::from_value(json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
            "metadata": {"name": "a", "generation": generation},
            "spec": {"clusterRef": {"name": "c"}}, "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_status_of_an_older_generation_says_nothing() {
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "why", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let ready =
            json!({"observedGeneration": 1, "conditions": [condition("Ready", "True", "Ready")]});
        assert_eq!(Standing::of(&topic(1, ready.clone())).ready, Some(true));
        assert_eq!(Standing::of(&topic(2, ready)).ready, None);
        assert_eq!(Standing::of(&topic(1, json!(null))).reason, "NotObserved");
        let mut working = json!({"conditions": [condition("Ready", "False", "NotEnoughBrokers")]});
        working["conditions"][0]["observedGeneration"] = json!(2);
        assert_eq!(Standing::of(&topic(2, working.clone())).ready, Some(false));
        assert_eq!(Standing::of(&topic(3, working)).ready, None);
        let refused = json!({"observedGeneration": 1, "conditions": [
            condition("Ready", "False", "TopicExists"), condition("Stalled", "True", "TopicExists")]});
        let refused = Standing::of(&topic(1, refused));
        assert_eq!((refused.ready, refused.stalled), (Some(false), true));
        assert_eq!(
            anstream::adapter::strip_str(&refused.sentence()).to_string(),
            "False (TopicExists): why"
        );
    }
}
