//! The certificate that handshakes present: held in memory, swapped while the server runs.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use crate::pki::{CertInfo, IssuedPem, PkiError, certificates, inspect};

/// A certificate that can be replaced at any time. Clones share it.
#[derive(Clone, Default)]
pub struct LeafResolver {
    current: Arc<ArcSwapOption<Current>>,
}

struct Current {
    key: Arc<CertifiedKey>,
    info: CertInfo,
}

impl LeafResolver {
    /// What the present leaf says, if there is one.
    #[must_use]
    pub fn info(&self) -> Option<CertInfo> {
        self.current
            .load()
            .as_ref()
            .map(|current| current.info.clone())
    }

    /// Presents `leaf` from the next handshake on.
    ///
    /// # Errors
    /// When it does not parse, or its key is of a kind that the TLS library does not know.
    pub fn set(&self, leaf: &IssuedPem) -> Result<(), PkiError> {
        let unreadable = |error: &dyn fmt::Display| PkiError::unreadable("leaf", error);
        let info = inspect(&leaf.chain_pem)?;
        let chain = certificates(&leaf.chain_pem)
            .iter()
            .map(CertInfo::der)
            .collect();
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.expose().as_bytes())
            .map_err(|e| unreadable(&e))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(|e| unreadable(&e))?;
        self.current.store(Some(Arc::new(Current {
            key: Arc::new(key),
            info,
        })));
        Ok(())
    }
}

impl fmt::Debug for LeafResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafResolver")
            .field("info", &self.info())
            .finish()
    }
}

impl ResolvesServerCert for LeafResolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current
            .load()
            .as_ref()
            .map(|current| Arc::clone(&current.key))
    }
}
