//! The Secret of the shared authority: its keys, reading it, writing each step of a rotation into it.
//!
//! `tls.crt` and `tls.key` are the authority that signs, `next.crt` and `next.key` the one that will sign next, and
//! `ca.crt` is the bundle to trust. An annotation asks for a rotation before its time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::ObjectMeta;

use super::decide::{Action, Stored};
use crate::pki::{CertInfo, CertificateAuthority, KeyPem, PkiError, certificates, to_pem};

const ACTIVE: (&str, &str) = ("tls.crt", "tls.key");
const NEXT: (&str, &str) = ("next.crt", "next.key");
const BUNDLE: &str = "ca.crt";
/// Asks for another authority, whatever its value; it is taken away when the rotation begins.
const ROTATE: &str = "kafka.sdm.dev/rotate";
const TYPE: &str = "kubernetes.io/tls";

/// The Secret read, with authorities that can sign.
pub(super) struct Material {
    pub(super) active: Option<CertificateAuthority>,
    pub(super) next: Option<CertificateAuthority>,
    pub(super) bundle: Vec<CertInfo>,
    asked: bool,
}

impl Material {
    /// Reads what is usable; a broken part counts as missing.
    pub(super) fn read(secret: &Secret) -> Self {
        Self {
            active: authority(secret, ACTIVE),
            next: authority(secret, NEXT),
            bundle: certificates(&text(secret, BUNDLE)),
            asked: secret
                .metadata
                .annotations
                .iter()
                .flatten()
                .any(|(key, _)| key == ROTATE),
        }
    }

    pub(super) fn stored(&self) -> Stored {
        Stored {
            active: self.active.as_ref().map(|ca| ca.info().clone()),
            next: self.next.as_ref().map(|ca| ca.info().clone()),
            bundle: self.bundle.clone(),
            asked: self.asked,
        }
    }

    pub(super) fn bundle_pem(&self) -> String {
        pem(&self.bundle)
    }
}

/// A Secret with nothing in it yet.
pub(super) fn empty(namespace: &str, name: &str) -> Secret {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(BTreeMap::from([(
            "app.kubernetes.io/managed-by".to_owned(),
            "sdm".to_owned(),
        )])),
        ..ObjectMeta::default()
    };
    Secret {
        metadata,
        type_: Some(TYPE.to_owned()),
        ..Secret::default()
    }
}

/// `secret` after `action`, to be written in its place. `new` makes an authority where the action needs one.
pub(super) fn after(
    action: Action,
    mut secret: Secret,
    now: Timestamp,
    new: impl Fn() -> Result<CertificateAuthority, PkiError>,
) -> Result<Secret, PkiError> {
    let old = Material::read(&secret);
    let mut trusted = old.bundle;
    match action {
        Action::Create | Action::Replace => {
            let first = new()?;
            put(&mut secret, ACTIVE, Some(&first));
            put(&mut secret, NEXT, None);
            trusted.push(first.info().clone());
        }
        Action::Prepare => {
            let next = new()?;
            put(&mut secret, NEXT, Some(&next));
            if let Some(annotations) = &mut secret.metadata.annotations {
                annotations.remove(ROTATE);
            }
            trusted.extend(old.active.iter().map(|ca| ca.info().clone()));
            trusted.push(next.info().clone());
        }
        Action::Promote => {
            put(&mut secret, ACTIVE, old.next.as_ref());
            put(&mut secret, NEXT, None);
            trusted.extend(old.next.iter().map(|ca| ca.info().clone()));
        }
        Action::Mend => trusted.extend(
            [&old.active, &old.next]
                .into_iter()
                .flatten()
                .map(|ca| ca.info().clone()),
        ),
        Action::Publish | Action::Nothing => {}
    }
    trusted.retain(|ca| now < ca.not_after);
    let mut bundle: Vec<CertInfo> = Vec::new();
    for ca in trusted {
        if !bundle.contains(&ca) {
            bundle.push(ca);
        }
    }
    set(&mut secret, BUNDLE, pem(&bundle));
    Ok(secret)
}

/// Authorities live a year and are replaced after two thirds of it.
pub(super) fn new_authority(now: Timestamp) -> Result<CertificateAuthority, PkiError> {
    CertificateAuthority::generate("sdm-webhook-ca", now, SignedDuration::from_hours(365 * 24))
}

fn authority(secret: &Secret, (cert, key): (&str, &str)) -> Option<CertificateAuthority> {
    let cert = text(secret, cert);
    if cert.is_empty() {
        return None;
    }
    match CertificateAuthority::from_pem(&cert, &KeyPem::new(text(secret, key))) {
        Ok(authority) => Some(authority),
        Err(error) => {
            tracing::warn!(%error, "the authority in the webhook's Secret is not usable");
            None
        }
    }
}

fn text(secret: &Secret, key: &str) -> String {
    let data = secret.data.as_ref().and_then(|data| data.get(key));
    data.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
        .unwrap_or_default()
}

fn set(secret: &mut Secret, key: &str, value: String) {
    secret
        .data
        .get_or_insert_default()
        .insert(key.to_owned(), ByteString(value.into_bytes()));
}

fn put(secret: &mut Secret, (cert, key): (&str, &str), authority: Option<&CertificateAuthority>) {
    match authority {
        Some(authority) => {
            set(secret, cert, authority.cert_pem().to_owned());
            set(secret, key, authority.key_pem().expose().to_owned());
        }
        None => {
            let data = secret.data.get_or_insert_default();
            data.remove(cert);
            data.remove(key);
        }
    }
}

fn pem(bundle: &[CertInfo]) -> String {
    to_pem(&bundle.iter().map(CertInfo::der).collect::<Vec<_>>())
}
