//! Reading certificates: what they say, who signed them, and bundles of them.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::PkiError;

/// What one certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertInfo {
    /// The CN, when the subject is exactly one CN; else `None`.
    pub subject_cn: Option<String>,
    /// Begin of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// DNS names.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// The DER of the public key (SubjectPublicKeyInfo).
    pub public_key: Vec<u8>,
    der: Vec<u8>,
}

impl CertInfo {
    /// Whether the holder of `authority`'s key signed this certificate: its signature and issuer name match. Validity
    /// is not looked at.
    #[must_use]
    pub fn issuer_matches(&self, authority: &CertInfo) -> bool {
        let (Ok((_, leaf)), Ok((_, ca))) = (
            X509Certificate::from_der(&self.der),
            X509Certificate::from_der(&authority.der),
        ) else {
            return false;
        };
        leaf.issuer().as_raw() == ca.subject().as_raw()
            && leaf.verify_signature(Some(ca.public_key())).is_ok()
    }

    /// Whether `now` is within the validity.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Whether two thirds of the validity have passed, see [`super::due`].
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        super::due(self.not_before, self.not_after, now)
    }

    /// The certificate itself.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from(self.der.clone())
    }
}

/// Reads the first certificate of a PEM.
///
/// # Errors
/// When there is none, or it does not parse.
pub fn inspect(pem: &str) -> Result<CertInfo, PkiError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|e| PkiError::unreadable("certificate", e))?;
    read(&der)
}

/// Reads all certificates of a bundle. What does not parse is left out: a bundle has to survive one bad element.
#[must_use]
pub fn certificates(bundle: &str) -> Vec<CertInfo> {
    CertificateDer::pem_slice_iter(bundle.as_bytes())
        .filter_map(|der| read(&der.ok()?).ok())
        .collect()
}

/// Certificates as PEM, one after the other.
#[must_use]
pub fn to_pem(certificates: &[CertificateDer<'_>]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut pem = String::new();
    for der in certificates {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let text = STANDARD.encode(der);
        for at in (0..text.len()).step_by(64) {
            pem.push_str(&text[at..text.len().min(at + 64)]);
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

fn read(der: &CertificateDer<'_>) -> Result<CertInfo, PkiError> {
    let (rest, cert) =
        X509Certificate::from_der(der).map_err(|e| PkiError::unreadable("certificate", e))?;
    if !rest.is_empty() {
        return Err(PkiError::unreadable("certificate", "trailing bytes"));
    }
    let mut dns = Vec::new();
    let mut ips = Vec::new();
    if let Ok(Some(names)) = cert.subject_alternative_name() {
        for name in &names.value.general_names {
            match name {
                GeneralName::DNSName(name) => dns.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => ips.extend(ip(bytes)),
                _ => {}
            }
        }
    }
    Ok(CertInfo {
        subject_cn: only_cn(&cert),
        not_before: timestamp(cert.validity().not_before.timestamp())?,
        not_after: timestamp(cert.validity().not_after.timestamp())?,
        dns,
        ips,
        is_ca: cert.is_ca(),
        public_key: cert.public_key().raw.to_vec(),
        der: der.to_vec(),
    })
}

fn only_cn(cert: &X509Certificate<'_>) -> Option<String> {
    let cn = cert.subject().iter_common_name().next()?.as_str().ok()?;
    (cert.subject().iter_attributes().count() == 1).then(|| cn.to_owned())
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn timestamp(second: i64) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(second).map_err(|e| PkiError::unreadable("certificate", e))
}
