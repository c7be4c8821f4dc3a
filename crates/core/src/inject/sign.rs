//! What a Pod's certificate may say: the judgement of a `PodCertificateRequest` to one of our signers.
//!
//! The API server has proved that the requester has the key, and admits such a request only from the kubelet on whose
//! node the Pod runs, with the Pod's own service account (KEP-4317). So a request is judged by its namespace and service
//! account, and by nothing that a Pod's author writes. Whoever else is given the right to create such requests can name
//! other accounts of that namespace only, as whoever may create Pods there can: the namespace is the API server's word.

use std::collections::BTreeMap;

use k8s_openapi::api::certificates::v1beta1::{
    PodCertificateRequest, PodCertificateRequestSpec, PodCertificateRequestStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sdm_api::inject::{MIN_LIFETIME, cluster_of_signer};
use sdm_api::{KafkaCluster, names};

use super::decide::too_long;
use crate::access::namespace_allowed;
use crate::outcome::Refusal;
use crate::status::cut;

/// Certificates begin to be valid this long before they are issued, in seconds, for brokers whose clocks are late. The
/// API server accepts less than five minutes, by its own clock.
pub(super) const BACKDATE: i64 = 120;

/// A certificate to be issued. All times in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The whole subject, and the principal's name.
    pub common_name: String,
    /// Begin of validity.
    pub not_before: i64,
    /// End of validity.
    pub not_after: i64,
    /// When the kubelet begins to ask for the next one: after a third, since clients read it once, when they start, and
    /// then live on what is left.
    pub refresh_at: i64,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A certificate is issued.
    Issue(Order),
    /// None is, as long as it is not known whether one may be.
    Wait(Refusal),
    /// None ever is. This is final for the Pod.
    Deny(Refusal),
}

/// Judges a request from `namespace` for a certificate by an authority that is valid until `authority_end`.
#[must_use]
pub fn judge(
    namespace: &str,
    request: &PodCertificateRequestSpec,
    cluster: Option<&KafkaCluster>,
    labels: Option<&BTreeMap<String, String>>,
    authority_end: i64,
    now: i64,
) -> Judgement {
    let deny = |reason, message| Judgement::Deny(Refusal::stands(reason, message));
    let signer = &request.signer_name;
    let Some((of, _)) = cluster_of_signer(signer) else {
        return deny(
            "UnknownSigner",
            format!("{signer:?} is no signer of a cluster's"),
        );
    };
    let Some(cluster) = cluster else {
        return deny(
            "ClusterNotFound",
            format!(
                "the signer {signer:?} belongs to no KafkaCluster that exists: correct it, and create the Pod anew"
            ),
        );
    };
    let allowed = cluster
        .spec
        .tenancy
        .as_ref()
        .and_then(|t| t.allowed_namespaces.as_ref());
    if let Err(refusal) = namespace_allowed(of, allowed, namespace, labels) {
        return match refusal.waits {
            true => Judgement::Wait(refusal),
            false => Judgement::Deny(refusal),
        };
    }
    if request
        .unverified_user_annotations
        .iter()
        .flatten()
        .next()
        .is_some()
    {
        return deny(
            "UnknownAnnotations",
            "userAnnotations mean nothing to this signer: remove them".to_owned(),
        );
    }
    if let Some(message) = too_long(namespace, &request.service_account_name) {
        return deny("PrincipalTooLong", message);
    }
    let asked = i64::from(request.max_expiration_seconds.unwrap_or_default());
    let not_before = now - BACKDATE;
    let lifetime = asked.min(authority_end.saturating_sub(not_before));
    if lifetime < MIN_LIFETIME {
        return deny(
            "AuthorityEnds",
            format!(
                "the cluster's authority is not valid for another {MIN_LIFETIME} seconds, the least there may be"
            ),
        );
    }
    Judgement::Issue(Order {
        common_name: names::service_account_principal(namespace, &request.service_account_name),
        not_before,
        not_after: not_before + lifetime,
        refresh_at: not_before + lifetime / 3,
    })
}

/// The condition's message may have as much.
const MESSAGE: usize = 1024;

/// The status of a request whose certificate was issued. `chain` is the certificate with intermediate ones, PEM; `time`
/// makes a time of seconds since 1970.
#[must_use]
pub fn issued(
    request: &PodCertificateRequest,
    order: &Order,
    chain: &str,
    now: &Time,
    time: impl Fn(i64) -> Time,
) -> PodCertificateRequestStatus {
    let message = format!("for the principal User:{}", order.common_name);
    PodCertificateRequestStatus {
        conditions: Some(vec![condition(request, "Issued", "Issued", &message, now)]),
        certificate_chain: Some(chain.to_owned()),
        not_before: Some(time(order.not_before)),
        not_after: Some(time(order.not_after)),
        begin_refresh_at: Some(time(order.refresh_at)),
    }
}

/// The status of a request that is denied.
#[must_use]
pub fn denied(
    request: &PodCertificateRequest,
    refusal: &Refusal,
    now: &Time,
) -> PodCertificateRequestStatus {
    PodCertificateRequestStatus {
        conditions: Some(vec![condition(
            request,
            "Denied",
            refusal.reason,
            &refusal.message,
            now,
        )]),
        ..PodCertificateRequestStatus::default()
    }
}

fn condition(
    request: &PodCertificateRequest,
    type_: &str,
    reason: &str,
    message: &str,
    now: &Time,
) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: reason.to_owned(),
        message: cut(message, MESSAGE),
        last_transition_time: now.clone(),
        observed_generation: request.metadata.generation,
    }
}
