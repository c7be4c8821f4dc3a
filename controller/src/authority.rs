//! Certificates: what the Secrets hold, and issuing new ones.
//!
//! The authority's key is read when something has to be signed and forgotten after it. The
//! operator's own certificate is issued in memory and never stored.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;
use sdm_api::names;
use sdm_core::plan::CertificateUse;
use sdm_core::render::{self, PemParts};
use sdm_core::snapshot::CertificateView;
use sdm_core::{Resolved, applied_hash};
use sdm_kafka::{TlsConfig, TlsMaterial};
use sdm_runtime::apply::count_write;
use sdm_runtime::pki::{CertInfo, CertificateAuthority, KeyPem, LeafRequest, Usage, inspect};

use crate::error::Error;

/// Validity of the operator's own certificate.
const OPERATOR_HOURS: i64 = 48;

/// Reads every certificate of a cluster.
pub fn views(
    cluster: &str,
    secrets: &BTreeMap<String, Secret>,
) -> BTreeMap<String, CertificateView> {
    let read = |secret: &Secret| inspect(&text(secret, "tls.crt")?).ok();
    let authority = secrets.get(&names::ca_secret(cluster)).and_then(read);
    secrets
        .iter()
        .filter_map(|(name, secret)| {
            Some((
                name.clone(),
                view(&read(secret)?, secret, authority.as_ref()),
            ))
        })
        .collect()
}

fn view(info: &CertInfo, secret: &Secret, authority: Option<&CertInfo>) -> CertificateView {
    CertificateView {
        common_name: info.subject_cn.clone(),
        dns: info.dns.clone(),
        not_before: info.not_before.as_second(),
        not_after: info.not_after.as_second(),
        of_authority: authority.is_some_and(|a| info.issuer_matches(a)),
        hash: applied_hash(&serde_json::json!(text(secret, "tls.crt"))),
    }
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok()
}

/// Makes the cluster's authority, unless there is one: an authority is never overwritten.
pub async fn create(api: &Api<Secret>, resolved: &Resolved, days: i32) -> Result<Secret, Error> {
    let cn = format!("{} Kafka CA", short(&resolved.name));
    let lifetime = SignedDuration::from_hours(i64::from(days) * 24);
    let authority = CertificateAuthority::generate(&cn, Timestamp::now(), lifetime)?;
    let key = authority.key_pem();
    let secret = render::ca_secret(resolved, authority.cert_pem(), key.expose());
    let params = PostParams {
        field_manager: Some(names::MANAGER.to_owned()),
        ..PostParams::default()
    };
    let result = api.create(&params, &secret).await;
    count_write("Secret", "create", &result);
    Ok(result?)
}

/// A common name may have 64 characters.
fn short(name: &str) -> &str {
    name.get(..50).unwrap_or(name)
}

/// Reads the authority with its key.
pub async fn read(api: &Api<Secret>, cluster: &str) -> Result<CertificateAuthority, Error> {
    let secret = api.get(&names::ca_secret(cluster)).await?;
    let part = |key| text(&secret, key).unwrap_or_default();
    Ok(CertificateAuthority::from_pem(
        &part("tls.crt"),
        &KeyPem::new(part("tls.key")),
    )?)
}

/// Issues a certificate and renders the Secret that carries it.
pub async fn issue(
    api: &Api<Secret>,
    resolved: &Resolved,
    wanted: &CertificateUse,
) -> Result<Secret, Error> {
    let authority = read(api, &resolved.name).await?;
    let usage = if wanted.node.is_some() {
        Usage::Both
    } else {
        Usage::Client
    };
    let lifetime = SignedDuration::from_hours(i64::from(wanted.days) * 24);
    let request = LeafRequest::valid_for(wanted.common_name, usage, Timestamp::now(), lifetime)
        .with_dns(wanted.dns.clone());
    let leaf = authority.issue(&request)?;
    let pem = PemParts {
        certificate: &leaf.chain_pem,
        key: leaf.key_pem.expose(),
        ca: authority.cert_pem(),
    };
    let none = PemParts {
        certificate: "",
        key: "",
        ca: "",
    };
    let (mut secret, empty) = match wanted.node {
        Some(id) => (
            render::node_tls_secret(resolved, id, pem),
            render::node_tls_secret(resolved, id, none),
        ),
        None => (
            render::admin_secret(resolved, pem),
            render::admin_secret(resolved, none),
        ),
    };
    let hash = sdm_core::plan::content_hash(&empty);
    secret
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(names::ANNOTATION_APPLIED.to_owned(), hash);
    Ok(secret)
}

/// The operator's identity towards one cluster.
pub struct Identity {
    /// For the Kafka client.
    pub tls: TlsConfig,
    authority: String,
    renew: Timestamp,
}

impl Identity {
    /// Issues the operator's certificate.
    pub async fn issue(
        api: &Api<Secret>,
        cluster: &str,
        authority_hash: &str,
    ) -> Result<Self, Error> {
        let authority = read(api, cluster).await?;
        let now = Timestamp::now();
        let lifetime = SignedDuration::from_hours(OPERATOR_HOURS);
        let leaf = authority.issue(&LeafRequest::valid_for(
            names::CN_OPERATOR,
            Usage::Client,
            now,
            lifetime,
        ))?;
        let tls = TlsConfig::new(TlsMaterial {
            ca_pem: authority.cert_pem().as_bytes().to_vec(),
            cert_chain_pem: Some(leaf.chain_pem.into_bytes()),
            key_pem: Some(leaf.key_pem.expose().as_bytes().to_vec()),
        })?;
        let renew = now.checked_add(lifetime / 3 * 2).unwrap_or(now);
        Ok(Self {
            tls,
            authority: authority_hash.to_owned(),
            renew,
        })
    }

    /// Whether it is still what the cluster trusts.
    pub fn is_current(&self, authority_hash: &str) -> bool {
        self.authority == authority_hash && Timestamp::now() < self.renew
    }
}
