//! A certificate authority in process: ECDSA P-256 keys, PEM that rustls and Kafka both load.
//!
//! Owns how certificates are made, read and judged due for renewal. Where they are stored, and who gets which, is the
//! callers' business. The clock is always passed in. Private keys are wiped when dropped and have no `Debug`.

mod inspect;
pub mod pkcs12;

use std::{fmt, net::IpAddr};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

pub use inspect::{CertInfo, certificates, inspect, to_pem};

/// Certificates begin to be valid this long before they are made, for peers whose clocks are late.
pub const BACKDATE: SignedDuration = SignedDuration::from_mins(5);

/// What can be wrong with certificates and keys. Never contains key material.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The PEM or DER does not parse.
    #[error("not a usable {what}: {why}")]
    Unreadable {
        /// Which input.
        what: &'static str,
        /// The parser's words.
        why: String,
    },
    /// The key is not the certificate's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The authority's certificate is not one of an authority.
    #[error("the certificate is not that of a certificate authority")]
    NotAnAuthority,
    /// A request that no certificate can be made from.
    #[error("cannot issue: {0}")]
    Request(String),
}

impl PkiError {
    pub(crate) fn unreadable(what: &'static str, why: impl fmt::Display) -> Self {
        Self::Unreadable {
            what,
            why: why.to_string(),
        }
    }

    fn request(why: impl fmt::Display) -> Self {
        Self::Request(why.to_string())
    }
}

/// A private key as PKCS#8 PEM (`BEGIN PRIVATE KEY`), wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(Zeroizing<String>);

impl KeyPem {
    /// Takes over a PEM read from elsewhere.
    #[must_use]
    pub fn new(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    /// The secret itself: for a Secret object or a TLS library, nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem(..)")
    }
}

/// What a leaf may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// To be dialled.
    Server,
    /// To dial.
    Client,
    /// Both, as brokers do.
    Both,
}

/// A leaf to be issued.
#[derive(Clone, Debug)]
pub struct LeafRequest {
    /// The whole subject: exactly one CN.
    pub cn: String,
    /// DNS names; wildcards allowed.
    pub dns: Vec<String>,
    /// IP addresses.
    pub ips: Vec<IpAddr>,
    /// Extended key usage.
    pub usage: Usage,
    /// Begin of validity; see [`LeafRequest::valid_for`]. Moved forward to the authority's own begin.
    pub not_before: Timestamp,
    /// End of validity; moved back to the authority's own end.
    pub not_after: Timestamp,
}

impl LeafRequest {
    /// A leaf without names, valid from [`BACKDATE`] before `now` until `lifetime` after it.
    #[must_use]
    pub fn valid_for(
        cn: impl Into<String>,
        usage: Usage,
        now: Timestamp,
        lifetime: SignedDuration,
    ) -> Self {
        Self {
            cn: cn.into(),
            dns: Vec::new(),
            ips: Vec::new(),
            usage,
            not_before: saturating(now, -BACKDATE),
            not_after: saturating(now, lifetime),
        }
    }

    /// Adds DNS names.
    #[must_use]
    pub fn with_dns(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.dns.extend(names.into_iter().map(Into::into));
        self
    }
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct IssuedPem {
    /// The leaf. The authority is a root, so the chain has this one element.
    pub chain_pem: String,
    /// Its key.
    pub key_pem: KeyPem,
}

/// An authority that can issue.
pub struct CertificateAuthority {
    cert_pem: String,
    info: CertInfo,
    key: KeyPair,
}

impl Drop for CertificateAuthority {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new self-signed root, valid from [`BACKDATE`] before `now` until `lifetime` after it.
    ///
    /// # Errors
    /// When the CN or the times cannot be encoded.
    pub fn generate(cn: &str, now: Timestamp, lifetime: SignedDuration) -> Result<Self, PkiError> {
        let key = new_key()?;
        let mut params = params(cn, saturating(now, -BACKDATE), saturating(now, lifetime))?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let cert_pem = params.self_signed(&key).map_err(PkiError::request)?.pem();
        let info = inspect(&cert_pem)?;
        Ok(Self {
            cert_pem,
            info,
            key,
        })
    }

    /// An authority from what [`Self::cert_pem`] and [`Self::key_pem`] gave, or from a user's own PEM (ECDSA P-256 or
    /// P-384, or RSA). The first certificate counts.
    ///
    /// # Errors
    /// When either does not parse, they do not belong together, or the certificate may not sign others.
    pub fn from_pem(cert_pem: &str, key_pem: &KeyPem) -> Result<Self, PkiError> {
        let info = inspect(cert_pem)?;
        if !info.is_ca {
            return Err(PkiError::NotAnAuthority);
        }
        let key = KeyPair::from_pem(key_pem.expose())
            .map_err(|e| PkiError::unreadable("private key", e))?;
        if key.subject_public_key_info() != info.public_key {
            return Err(PkiError::KeyMismatch);
        }
        let first = CertificateDer::from_pem_slice(cert_pem.as_bytes())
            .map_err(|e| PkiError::unreadable("certificate", e))?;
        Ok(Self {
            cert_pem: to_pem(&[first]),
            info,
            key,
        })
    }

    /// The certificate, to be trusted by peers.
    #[must_use]
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The key, to be stored.
    #[must_use]
    pub fn key_pem(&self) -> KeyPem {
        KeyPem::new(self.key.serialize_pem())
    }

    /// What the certificate says.
    #[must_use]
    pub fn info(&self) -> &CertInfo {
        &self.info
    }

    /// Issues a leaf with a new key. Its validity is cut to the authority's own.
    ///
    /// # Errors
    /// When a name cannot be encoded, or nothing of the validity is left.
    pub fn issue(&self, request: &LeafRequest) -> Result<IssuedPem, PkiError> {
        let mut key = new_key()?;
        let chain_pem = self.sign(request, &key)?;
        let key_pem = KeyPem::new(key.serialize_pem());
        key.zeroize();
        Ok(IssuedPem { chain_pem, key_pem })
    }

    /// Issues a leaf to a public key (DER, as in X.509's `SubjectPublicKeyInfo`) whose private key somebody else has
    /// and has proved to have. Otherwise as [`Self::issue`]; returns the chain.
    ///
    /// # Errors
    /// Also when the key is of a kind that cannot be signed: [`PkiError::Unreadable`].
    pub fn issue_to(&self, request: &LeafRequest, public_key: &[u8]) -> Result<String, PkiError> {
        let key = SubjectPublicKeyInfo::from_der(public_key)
            .map_err(|e| PkiError::unreadable("public key", e))?;
        self.sign(request, &key)
    }

    fn sign(&self, request: &LeafRequest, key: &impl PublicKeyData) -> Result<String, PkiError> {
        let not_before = request.not_before.max(self.info.not_before);
        let not_after = request.not_after.min(self.info.not_after);
        if not_after <= not_before {
            return Err(PkiError::request(
                "the authority's own validity leaves nothing",
            ));
        }
        let mut params = params(&request.cn, not_before, not_after)?;
        for name in &request.dns {
            params.subject_alt_names.push(SanType::DnsName(
                name.as_str().try_into().map_err(PkiError::request)?,
            ));
        }
        params
            .subject_alt_names
            .extend(request.ips.iter().map(|ip| SanType::IpAddress(*ip)));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = match request.usage {
            Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
            Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Usage::Both => vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        };
        let issuer = Issuer::from_ca_cert_pem(&self.cert_pem, &self.key)
            .map_err(|e| PkiError::unreadable("certificate", e))?;
        Ok(params
            .signed_by(key, &issuer)
            .map_err(PkiError::request)?
            .pem())
    }
}

/// Whether two thirds of a validity have passed: time to renew, with the last third for trying.
#[must_use]
pub fn due(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> bool {
    now >= renew_at(not_before, not_after)
}

/// The moment at which [`due`] becomes true.
#[must_use]
pub fn renew_at(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    saturating(not_before, life / 3 * 2)
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(PkiError::request)
}

fn params(
    cn: &str,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<CertificateParams, PkiError> {
    // The upper bound of X.520 for a common name; openssl and Java refuse longer ones at the peer, which is too late.
    if cn.is_empty() || cn.chars().count() > 64 {
        return Err(PkiError::Request(format!(
            "a common name has 1 to 64 characters, not {}",
            cn.chars().count()
        )));
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, cn);
    params.not_before = date(not_before)?;
    params.not_after = date(not_after)?;
    // 20 octets is the most there may be; a clear first bit keeps the number positive.
    let mut serial: [u8; 16] = rand::random();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn date(at: Timestamp) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(PkiError::request)
}

fn saturating(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(if by.is_negative() {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests;
