//! The authorities that Pods trust, as an object of their own: Kubernetes projects it, and anew when it changes.

use std::collections::BTreeMap;

use k8s_openapi::api::certificates::v1beta1::{ClusterTrustBundle, ClusterTrustBundleSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sdm_api::{inject, names};

use crate::user::{LABEL_CLUSTER_NAME, LABEL_CLUSTER_NAMESPACE};

/// The trust bundle of a cluster with these authorities (PEM). It has no owner, since it is in no namespace: whoever
/// writes it takes it away again.
#[must_use]
pub fn trust_bundle(namespace: &str, cluster: &str, authorities: &str) -> ClusterTrustBundle {
    let labels = [
        (names::LABEL_MANAGED_BY, names::MANAGED_BY),
        (LABEL_CLUSTER_NAMESPACE, namespace),
        (LABEL_CLUSTER_NAME, cluster),
    ];
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    ClusterTrustBundle {
        metadata: ObjectMeta {
            name: Some(inject::trust_bundle(namespace, cluster)),
            labels: Some(BTreeMap::from(labels.map(owned))),
            ..ObjectMeta::default()
        },
        spec: ClusterTrustBundleSpec {
            signer_name: Some(inject::signer(namespace, cluster)),
            trust_bundle: authorities.to_owned(),
        },
    }
}
