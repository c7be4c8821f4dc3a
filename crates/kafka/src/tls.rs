//! TLS for the client side: trust anchors, an optional identity, and replacing both while running.
//!
//! Owns PEM parsing and the rustls configuration (aws-lc-rs, TLS 1.2 and 1.3, host names always verified). Where the
//! material comes from and when it is rotated is the caller's business. Never prints key material.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::dial::Stream;
use crate::error::{KafkaError, Result};

/// PEM material of a client: whom it trusts and, for mutual TLS, who it is.
#[derive(Clone)]
pub struct TlsMaterial {
    /// One or more CA certificates. Nothing else is trusted; the system's store is not consulted.
    pub ca_pem: Vec<u8>,
    /// The client's certificate, leaf first, then intermediates.
    pub cert_chain_pem: Option<Vec<u8>>,
    /// The client's private key (PKCS#8, SEC1 or PKCS#1).
    pub key_pem: Option<Vec<u8>>,
}

impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsMaterial")
            .field("ca_pem", &format_args!("{} bytes", self.ca_pem.len()))
            .field("has_certificate", &self.cert_chain_pem.is_some())
            .field("has_key", &self.key_pem.is_some())
            .finish()
    }
}

/// A shared, reloadable TLS configuration. Clones see the same material.
#[derive(Clone)]
pub struct TlsConfig {
    inner: Arc<Inner>,
}

struct Inner {
    current: ArcSwap<ClientConfig>,
    generation: AtomicU64,
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig")
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}

impl TlsConfig {
    /// Parses `material`; refuses what could never complete a handshake.
    pub fn new(material: TlsMaterial) -> Result<Self> {
        let config = build(&material)?;
        Ok(Self {
            inner: Arc::new(Inner {
                current: ArcSwap::from_pointee(config),
                generation: AtomicU64::new(0),
            }),
        })
    }

    /// Replaces the material. The next connection uses it, established ones stay. On error the old material stays.
    pub fn reload(&self, material: TlsMaterial) -> Result<()> {
        let config = build(&material)?;
        self.inner.current.store(Arc::new(config));
        self.inner.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Counts successful reloads: a failure seen under an older generation says nothing about the current one.
    pub(crate) fn generation(&self) -> u64 {
        self.inner.generation.load(Ordering::Acquire)
    }

    /// Handshakes on `stream` as a client of `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: Box<dyn Stream>,
    ) -> io::Result<tokio_rustls::client::TlsStream<Box<dyn Stream>>> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{host:?} is not a host name or an IP address"),
            )
        })?;
        TlsConnector::from(self.inner.current.load_full())
            .connect(name, stream)
            .await
    }
}

fn build(material: &TlsMaterial) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for ca in certificates(&material.ca_pem, "CA bundle")? {
        roots.add(ca).map_err(|e| {
            KafkaError::config(format!("CA bundle: not usable as a trust anchor: {e}"))
        })?;
    }
    // The provider is named, so that the process-wide default cannot change what this crate does.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| KafkaError::config(format!("TLS: {e}")))?
        .with_root_certificates(roots);
    match (&material.cert_chain_pem, &material.key_pem) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let chain = certificates(chain, "client certificate")?;
            // The parser's error is not shown: it could quote a piece of the key.
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| KafkaError::config("client key: no private key in PEM form found"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| KafkaError::config(format!("client certificate and key: {e}")))
        }
        (Some(_), None) => Err(KafkaError::config(
            "a client certificate needs its private key",
        )),
        (None, Some(_)) => Err(KafkaError::config("a client key needs its certificate")),
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<std::result::Result<_, _>>()
        .map_err(|e| KafkaError::config(format!("{what}: {e}")))?;
    if found.is_empty() {
        return Err(KafkaError::config(format!(
            "{what}: no certificate in PEM form found"
        )));
    }
    Ok(found)
}

/// The sentence for a failed TLS exchange, if `error` is one.
pub(crate) fn describe(error: &io::Error) -> Option<String> {
    use rustls::Error as E;
    let tls = error.get_ref()?.downcast_ref::<E>()?;
    Some(match tls {
        E::AlertReceived(alert) => {
            use rustls::AlertDescription as A;
            match alert {
                A::CertificateRequired
                | A::BadCertificate
                | A::UnsupportedCertificate
                | A::CertificateRevoked
                | A::CertificateExpired
                | A::CertificateUnknown
                | A::UnknownCA
                | A::AccessDenied => {
                    format!("the broker refused our certificate: {alert:?}")
                }
                _ => format!("the broker ended the handshake: {alert:?}"),
            }
        }
        E::InvalidCertificate(cause) => {
            format!("the broker's certificate is not acceptable: {cause}")
        }
        E::InvalidMessage(_) => "the peer does not speak TLS on this port".to_owned(),
        other => other.to_string(),
    })
}
