//! What a Pod that asks gets: a patch, or a refusal with the remedy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use sdm_api::inject::ANNOTATION;
use sdm_api::{Authentication, KafkaCluster, names};

use super::ask::{Asked, path};
use super::patch::{self, Operation};
use super::volume::Added;
use crate::access::namespace_allowed;
use crate::user::choose_listener;
use crate::violation::Violation;

/// The longest common name (X.520); `/` between namespace and service account counts.
pub(super) const COMMON_NAME: usize = 64;
/// Whose identity a Pod has that names no service account.
const DEFAULT_ACCOUNT: &str = "default";

/// What is known of what a Pod asks for.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// Whether this Kubernetes serves pod certificates and trust bundles.
    pub served: bool,
    /// The cluster; none if there is none that can be read.
    pub cluster: Option<&'a KafkaCluster>,
    /// The labels of the Pod's namespace; none while they are not known.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

/// What becomes of a Pod that asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Injection {
    /// It may not be, or not like this.
    Refused(Vec<Violation>),
    /// What has to be added; nothing when all of it is there.
    Patch {
        /// In this order.
        operations: Vec<Operation>,
        /// What is legal and unwise, a sentence each.
        warnings: Vec<String>,
    },
}

/// Decides for a Pod in `namespace` that asks for `asked`.
#[must_use]
pub fn decide(pod: &Pod, namespace: &str, asked: &Asked, world: &World<'_>) -> Injection {
    let refused = |violation: Violation| Injection::Refused(vec![violation]);
    let listener = match admit(pod, namespace, asked, world) {
        Ok(cluster) => choose_listener(cluster, Authentication::Tls)
            .map_err(|refusal| Violation::invalid(path(ANNOTATION), refusal.message)),
        Err(violation) => Err(violation),
    };
    match listener {
        Ok(listener) => match patch::patch(pod, &Added::new(asked, &listener)) {
            Ok((operations, warnings)) => Injection::Patch {
                operations,
                warnings,
            },
            Err(violations) => Injection::Refused(violations),
        },
        Err(violation) => refused(violation),
    }
}

/// Whether the Pod may be a client of the cluster it asks for.
fn admit<'a>(
    pod: &Pod,
    namespace: &str,
    asked: &Asked,
    world: &World<'a>,
) -> Result<&'a KafkaCluster, Violation> {
    let (of, name) = (&asked.namespace, &asked.cluster);
    if !world.served {
        return Err(Violation::invalid(
            path(ANNOTATION),
            "this Kubernetes serves no pod certificates (certificates.k8s.io/v1beta1, feature gates PodCertificateRequest, ClusterTrustBundle and ClusterTrustBundleProjection): \
             remove the annotation and mount the Secret of a KafkaUser",
        ));
    }
    let cluster = world.cluster.ok_or_else(|| {
        Violation::invalid(
            path(ANNOTATION),
            format!("there is no KafkaCluster {of}/{name}: create it, correct the annotation, or remove it"),
        )
    })?;
    let allowed = cluster
        .spec
        .tenancy
        .as_ref()
        .and_then(|t| t.allowed_namespaces.as_ref());
    namespace_allowed(of, allowed, namespace, world.labels).map_err(|refusal| {
        let try_again = if refusal.waits { "; try again" } else { "" };
        let message = format!("KafkaCluster {of}/{name}: {}{try_again}", refusal.message);
        Violation::forbidden(path(ANNOTATION), message)
    })?;
    let account = pod
        .spec
        .as_ref()
        .and_then(|s| s.service_account_name.as_deref());
    let account = account
        .filter(|account| !account.is_empty())
        .unwrap_or(DEFAULT_ACCOUNT);
    too_long(namespace, account).map_or(Ok(cluster), |message| {
        Err(Violation::invalid("spec.serviceAccountName", message))
    })
}

/// Why a service account's principal fits into no certificate.
pub(super) fn too_long(namespace: &str, account: &str) -> Option<String> {
    let principal = names::service_account_principal(namespace, account);
    let length = principal.chars().count();
    (length > COMMON_NAME).then(|| {
        format!(
            "the principal {principal:?} has {length} characters, and the common name of a certificate {COMMON_NAME} at most: \
             use a service account with a shorter name"
        )
    })
}
