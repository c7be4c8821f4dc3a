//! From a resolved cluster to the Kubernetes objects it consists of.
//!
//! Rendering decides nothing: what is random or must be remembered is in
//! [`ClusterState`], what a user wants in [`Resolved`]. The same input gives the same
//! bytes, so that an unchanged world causes no write and no restart.

mod affinity;
mod claims;
mod config_map;
mod containers;
mod format;
mod jvm;
mod meta;
mod pod;
pub(crate) mod properties;
mod secrets;
mod server;
mod shared;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::Value;

pub(crate) use containers::{RESERVED_CONTAINERS, RESERVED_PATHS, VOLUME_PREFIX};
pub use format::script as format_script;
pub(crate) use jvm::collectors;
pub(crate) use meta::kept;
pub use meta::{labels, node_labels, owner};
pub use secrets::{PemParts, admin_secret, ca_secret, certificate_names, node_tls_secret};
pub(crate) use server::{default_min_isr, default_replication_factor, number};
pub use shared::shared;

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
    /// `server.properties`, `log4j2.properties`, `java.security` and `format.sh`.
    pub config_map: ConfigMap,
    /// One claim a volume, in the order of volumes.
    pub claims: Vec<PersistentVolumeClaim>,
    /// The Pod, its revision in annotation `kafka.sdm.dev/revision`.
    pub pod: Pod,
    /// The hash of all that a restart is needed for.
    pub revision: String,
}

/// The objects of node `id`; none if the cluster has no such node. `certificate_hash` stands for
/// the node's certificate: another one is a reason to restart.
#[must_use]
pub fn node(
    resolved: &Resolved,
    state: &ClusterState,
    id: i32,
    certificate_hash: &str,
) -> Option<NodeObjects> {
    let node = resolved.nodes.get(&id)?;
    let config_map = config_map::render(resolved, state, node);
    let claims = claims::render(resolved, node);
    let (pod, revision) = pod::render(resolved, state, node, &config_map, certificate_hash);
    Some(NodeObjects {
        config_map,
        claims,
        pod,
        revision,
    })
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
