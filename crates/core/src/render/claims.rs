//! PersistentVolumeClaims: one a volume, kept or deleted with the cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sdm_api::{DeletionPolicy, names};

use super::meta;
use crate::resolve::{Node, Resolved};

pub(super) fn render(resolved: &Resolved, node: &Node) -> Vec<PersistentVolumeClaim> {
    let labels = meta::node_labels(&resolved.name, node);
    let claim = |volume: &crate::resolve::Volume| {
        let name = names::claim(&resolved.name, node.id, &volume.name);
        PersistentVolumeClaim {
            metadata: match volume.deletion_policy {
                DeletionPolicy::Delete => meta::owned(resolved, name, labels.clone()),
                DeletionPolicy::Retain => meta::kept(resolved, name, labels.clone()),
            },
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([(
                        "storage".to_owned(),
                        Quantity(volume.size.clone()),
                    )])),
                    limits: None,
                }),
                storage_class_name: volume.storage_class_name.clone(),
                ..PersistentVolumeClaimSpec::default()
            }),
            status: None,
        }
    };
    node.volumes.iter().map(claim).collect()
}
