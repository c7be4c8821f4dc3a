//! From a resolved cluster to the Kubernetes objects it consists of.
//!
//! Rendering decides nothing: what is random or must be remembered is in
//! [`ClusterState`], what a user wants in [`Resolved`]. The same input gives the same
//! bytes, so that an unchanged world causes no write and no restart.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::Value;

use crate::resolve::Resolved;
use crate::state::ClusterState;

/// An object that a cluster has once.
#[derive(Clone, Debug, PartialEq)]
pub enum KubeObject {
    /// A Service.
    Service(Box<Service>),
    /// A ServiceAccount.
    ServiceAccount(Box<ServiceAccount>),
    /// A PodDisruptionBudget.
    PodDisruptionBudget(Box<PodDisruptionBudget>),
}

/// The objects of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeObjects {
    /// `server.properties`, `log4j2.yaml` and `format.sh`.
    pub config_map: ConfigMap,
    /// One claim a volume, in the order of volumes.
    pub claims: Vec<PersistentVolumeClaim>,
    /// The Pod, its revision in annotation `kafka.sdm.dev/revision`.
    pub pod: Pod,
    /// The hash of all that a restart is needed for.
    pub revision: String,
}

/// A certificate with its key and the authority that signed it, as PEM text.
#[derive(Clone, Copy)]
pub struct PemParts<'a> {
    /// The certificate, followed by intermediate ones.
    pub certificate: &'a str,
    /// The private key, PKCS#8.
    pub key: &'a str,
    /// The authorities to trust, one after another.
    pub ca: &'a str,
}

/// The objects that a cluster has once: two Services, a ServiceAccount, a PodDisruptionBudget.
#[must_use]
pub fn shared(resolved: &Resolved, state: &ClusterState) -> Vec<KubeObject> {
    let _ = (resolved, state);
    Vec::new()
}

/// The objects of node `id`; none if the cluster has no such node. `certificate_hash` stands for
/// the node's certificate: another one is a reason to restart.
#[must_use]
pub fn node(resolved: &Resolved, state: &ClusterState, id: i32, certificate_hash: &str) -> Option<NodeObjects> {
    let _ = (resolved, state, id, certificate_hash);
    None
}

/// The Secret `<cluster>-<id>-tls`.
#[must_use]
pub fn node_tls_secret(resolved: &Resolved, id: i32, pem: PemParts<'_>) -> Secret {
    let _ = (resolved, id, pem);
    Secret::default()
}

/// The Secret `<cluster>-admin`, with `client.properties` that Kafka's own tools take as they are.
#[must_use]
pub fn admin_secret(resolved: &Resolved, pem: PemParts<'_>) -> Secret {
    let _ = (resolved, pem);
    Secret::default()
}

/// The Secret `<cluster>-ca`: the cluster's authority.
#[must_use]
pub fn ca_secret(resolved: &Resolved, certificate: &str, key: &str) -> Secret {
    let _ = (resolved, certificate, key);
    Secret::default()
}

impl KubeObject {
    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Service(_) => "Service",
            Self::ServiceAccount(_) => "ServiceAccount",
            Self::PodDisruptionBudget(_) => "PodDisruptionBudget",
        }
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let metadata = match self {
            Self::Service(o) => &o.metadata,
            Self::ServiceAccount(o) => &o.metadata,
            Self::PodDisruptionBudget(o) => &o.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// The object as JSON, with `apiVersion` and `kind`.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Service(o) => serde_json::to_value(o),
            Self::ServiceAccount(o) => serde_json::to_value(o),
            Self::PodDisruptionBudget(o) => serde_json::to_value(o),
        };
        // Kubernetes types always serialize: their maps have string keys.
        value.unwrap_or_default()
    }
}
