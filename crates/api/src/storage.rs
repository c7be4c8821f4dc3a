//! Volumes of a node: one PersistentVolumeClaim each.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::DeletionPolicy;

/// The volumes of a node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StorageSpec {
    /// One PersistentVolumeClaim and one Kafka log directory each. The first one of a pool also
    /// holds the cluster's metadata.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Vec<VolumeSpec>,
}

/// One volume of a node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeSpec {
    /// The volume's name; the claim is called `<cluster>-<id>-<name>`.
    #[schemars(
        length(min = 1, max = 15),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Its size as a Kubernetes quantity. It may grow, if the storage class can, and never shrink.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$")
    )]
    pub size: String,
    /// The StorageClass; the Kubernetes cluster's default if not given. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// What happens to this volume when the cluster is deleted; as `spec.deletionPolicy` says if
    /// not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}
