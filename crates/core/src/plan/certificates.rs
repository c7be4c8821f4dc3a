//! Which certificates have to be issued, and why.
//!
//! Signing needs keys and dice and is the controller's part; that a certificate is due, or says
//! something else than it should, is decided here.

use std::collections::BTreeMap;

use sdm_api::names;

use super::objects::{adopt, foreign};
use super::{Action, Kind, Stall, Step};
use crate::render::{self, PemParts};
use crate::resolve::Resolved;
use crate::snapshot::{CertificateView, Snapshot};

/// A certificate to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateUse {
    /// The Secret it goes into.
    pub secret: String,
    /// The node it is for; none for the administrator's.
    pub node: Option<i32>,
    /// The whole subject.
    pub common_name: &'static str,
    /// DNS names.
    pub dns: Vec<String>,
    /// How long it is valid.
    pub days: i32,
}

/// Nodes trust an authority whose key is gone: a new one would split the cluster in two and cut off every client. The
/// authority comes before the first certificate, so a certificate of this cluster's proves that there was one.
pub(super) fn stall(snapshot: &Snapshot, resolved: &Resolved) -> Option<Stall> {
    let secret = names::ca_secret(&resolved.name);
    if snapshot.objects.secrets.contains_key(&secret) {
        return match snapshot.certificates.get(&secret) {
            Some(_) => None,
            None => Some(Stall {
                reason: "AuthorityUnreadable",
                message: format!(
                    "the Secret {secret} holds no readable certificate authority; restore its tls.crt and tls.key, or delete the Secret together with the nodes' Secrets and Pods to start again under a new authority"
                ),
            }),
        };
    }
    let trusting = resolved.nodes.keys().any(|&id| {
        let current = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
            foreign(meta, &resolved.uid, "").is_none()
        };
        let tls = snapshot
            .objects
            .secrets
            .get(&names::node_tls(&resolved.name, id));
        tls.is_some_and(|s| current(&s.metadata))
    });
    trusting.then(|| Stall {
        reason: "AuthorityMissing",
        message: format!(
            "the Secret {secret} is missing while nodes have certificates that it signed; restore it, or delete the nodes' Secrets and Pods to start again under a new authority (clients then need new certificates)"
        ),
    })
}

pub(super) fn steps(snapshot: &Snapshot, resolved: &Resolved, steps: &mut Vec<Step>) {
    let authority = names::ca_secret(&resolved.name);
    let existing = snapshot.objects.secrets.get(&authority);
    match existing.and_then(|s| foreign(&s.metadata, &resolved.uid, "Secret")) {
        Some(wait) => steps.push(Step::wait(
            "CreateAuthority",
            "the cluster has no authority of its own yet",
            wait,
        )),
        None if existing.is_none() => steps.push(Step::new(
            "CreateAuthority",
            "the cluster has no certificate authority",
            Action::CreateAuthority {
                days: resolved.tls.ca_validity_days,
            },
        )),
        None => steps.extend(existing.and_then(|s| adopt(&s.metadata, Kind::Secret))),
    }
    let has_authority = steps.iter().all(|s| s.name != "CreateAuthority");
    let mut wanted: Vec<CertificateUse> = resolved
        .nodes
        .keys()
        .map(|&id| CertificateUse {
            secret: names::node_tls(&resolved.name, id),
            node: Some(id),
            common_name: names::CN_NODE,
            dns: render::certificate_names(resolved, id),
            days: resolved.tls.certificate_validity_days,
        })
        .collect();
    wanted.push(CertificateUse {
        secret: names::admin_secret(&resolved.name),
        node: None,
        common_name: names::CN_ADMIN,
        dns: Vec::new(),
        days: resolved.tls.certificate_validity_days,
    });
    for certificate in wanted {
        let name = format!("IssueCertificate/{}", certificate.secret);
        let existing = snapshot.objects.secrets.get(&certificate.secret);
        if let Some(wait) = existing.and_then(|s| foreign(&s.metadata, &resolved.uid, "Secret")) {
            steps.push(Step::wait(name, "there is no certificate yet", wait));
            continue;
        }
        let view = snapshot.certificates.get(&certificate.secret);
        let why = if existing.is_none() {
            Some("there is no certificate yet".to_owned())
        } else {
            wrong(view, &certificate, snapshot.now)
        };
        let empty = || match certificate.node {
            Some(id) => render::node_tls_secret(resolved, id, NO_PEM),
            None => render::admin_secret(resolved, NO_PEM),
        };
        // What the Secret holds besides the certificate (the client's configuration) is rendered
        // from the spec: its hash without any key tells whether it is out of date.
        let why = why.or_else(|| {
            let wanted = content_hash(&empty());
            let found = existing.and_then(|s| {
                s.metadata
                    .annotations
                    .as_ref()?
                    .get(names::ANNOTATION_APPLIED)
            });
            (found != Some(&wanted)).then(|| "what comes with the certificate changed".to_owned())
        });
        match why {
            Some(why) => {
                let wait = (!has_authority).then_some("CreateAuthority");
                steps.push(Step::new(name, why, Action::Issue(certificate)).after(wait));
            }
            None => steps.extend(existing.and_then(|s| adopt(&s.metadata, Kind::Secret))),
        }
    }
}

const NO_PEM: PemParts<'static> = PemParts {
    certificate: "",
    key: "",
    ca: "",
};

/// The hash of a Secret rendered without certificates and keys: what of it comes from the spec.
#[must_use]
pub fn content_hash(empty: &k8s_openapi::api::core::v1::Secret) -> String {
    let data: BTreeMap<String, String> = empty
        .data
        .iter()
        .flatten()
        .map(|(k, v)| (k.clone(), String::from_utf8_lossy(&v.0).into_owned()))
        .chain(empty.string_data.clone().unwrap_or_default())
        .collect();
    crate::drift::applied_hash(&serde_json::json!(data))
}

fn wrong(view: Option<&CertificateView>, wanted: &CertificateUse, now: i64) -> Option<String> {
    let Some(view) = view else {
        return Some("the certificate cannot be read".to_owned());
    };
    if !view.of_authority {
        return Some("another authority signed the certificate".to_owned());
    }
    if view.common_name.as_deref() != Some(wanted.common_name) {
        return Some(format!(
            "the certificate's subject is not {}",
            wanted.common_name
        ));
    }
    if let Some(name) = wanted.dns.iter().find(|name| !view.dns.contains(name)) {
        return Some(format!("the certificate does not name {name}"));
    }
    let renew = view.not_before + (view.not_after - view.not_before) / 3 * 2;
    (now >= renew).then(|| "two thirds of the certificate's validity have passed".to_owned())
}
