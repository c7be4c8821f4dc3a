//! Whether anything can be done in a cluster, and if not, why: the sentence its tenants read while they wait.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use sdm_api::{KafkaCluster, names};
use sdm_core::outcome::Refusal;
use sdm_core::{Resolved, applied_hash, resolve};

use crate::context::Context;
use crate::store::Key;

/// A cluster whose Kafka can be asked.
pub struct Open {
    /// The cluster.
    pub cluster: Arc<KafkaCluster>,
    /// What it means.
    pub resolved: Resolved,
    /// The authority's Secret, without its key.
    pub authority: Secret,
    /// A hash of the authority.
    pub authority_hash: String,
}

impl Open {
    /// The authority's certificate.
    pub fn ca_pem(&self) -> String {
        let data = self.authority.data.as_ref();
        let certificate = data.and_then(|d| d.get("tls.crt"));
        certificate.map_or_else(String::new, |c| String::from_utf8_lossy(&c.0).into_owned())
    }
}

/// Why a cluster's Kafka cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// A stable CamelCase word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Closed {
    /// As those read it who wait.
    pub fn refusal(&self) -> Refusal {
        Refusal::waits(self.reason, self.message.clone())
    }
}

fn closed(reason: &'static str, message: String) -> Result<Open, Closed> {
    Err(Closed { reason, message })
}

/// Looks at what is known of the cluster.
pub fn check(context: &Context, key: &Key) -> Result<Open, Closed> {
    let Some(found) = context.stores.cluster(key) else {
        return closed(
            "ClusterNotFound",
            format!("there is no KafkaCluster {key}: create it, or correct spec.clusterRef"),
        );
    };
    let Ok(cluster) = &found.0 else {
        return closed(
            "ClusterInvalid",
            format!("KafkaCluster {key} cannot be read; its status says why"),
        );
    };
    let Ok((resolved, _)) = resolve(cluster, None) else {
        return closed(
            "ClusterInvalid",
            format!("KafkaCluster {key} is invalid; its status says why"),
        );
    };
    let Some(authority) = context.stores.secret(key, &names::ca_secret(&key.name)) else {
        return closed(
            "ClusterNotReady",
            format!("KafkaCluster {key} has no authority yet: it is being set up"),
        );
    };
    let certificate = authority.data.as_ref().and_then(|d| d.get("tls.crt"));
    let text = certificate.map(|c| String::from_utf8_lossy(&c.0).into_owned());
    Ok(Open {
        cluster: Arc::new(cluster.clone()),
        resolved,
        authority_hash: applied_hash(&serde_json::json!(text)),
        authority: (*authority).clone(),
    })
}
