//! What a Pod that asks gets: a patch, or a refusal with the remedy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use sdm_api::inject::ANNOTATION;
use sdm_api::{Authentication, KafkaCluster, names};

use super::ask::{Asked, Source, account, check_lifetime, path};
use super::patch::{self, Operation};
use super::volume::Added;
use crate::access::namespace_allowed;
use crate::user::choose_listener;
use crate::violation::Violation;

/// The longest common name (X.520); `/` between namespace and service account counts.
pub(super) const COMMON_NAME: usize = 64;

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
        /// Where the key comes from.
        source: Source,
    },
}

/// Decides for a Pod in `namespace` that asks for `asked`.
#[must_use]
pub fn decide(pod: &Pod, namespace: &str, asked: &Asked, world: &World<'_>) -> Injection {
    let refused = |violation: Violation| Injection::Refused(vec![violation]);
    let admitted = admit(pod, namespace, asked, world).and_then(|(cluster, source)| {
        check_lifetime(asked.lifetime, source)?;
        let listener = choose_listener(cluster, Authentication::Tls);
        let listener = listener.map_err(|no| Violation::invalid(path(ANNOTATION), no.message))?;
        Ok((Added::new(asked, account(pod), source, &listener), source))
    });
    match admitted {
        Ok((added, source)) => match patch::patch(pod, &added) {
            Ok((operations, warnings)) => Injection::Patch {
                operations,
                warnings,
                source,
            },
            Err(violations) => Injection::Refused(violations),
        },
        Err(violation) => refused(violation),
    }
}

/// Whether the Pod may be a client of the cluster it asks for, and where its key comes from.
fn admit<'a>(
    pod: &Pod,
    namespace: &str,
    asked: &Asked,
    world: &World<'a>,
) -> Result<(&'a KafkaCluster, Source), Violation> {
    let (of, name) = (&asked.namespace, &asked.cluster);
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
    let source = Source::of(cluster, world.served).ok_or_else(|| {
        let message = format!(
            "KafkaCluster {of}/{name} gives identities by pod certificates only (spec.injection.mode), and this Kubernetes serves none \
             (certificates.k8s.io/v1beta1, feature gates PodCertificateRequest, ClusterTrustBundle and ClusterTrustBundleProjection): \
             remove the annotation and mount the Secret of a KafkaUser, or have the cluster's mode changed to Auto"
        );
        Violation::invalid(path(ANNOTATION), message)
    })?;
    match too_long(namespace, account(pod)) {
        None => Ok((cluster, source)),
        Some(message) => Err(Violation::invalid("spec.serviceAccountName", message)),
    }
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
