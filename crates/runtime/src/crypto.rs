//! The one TLS provider of a process: rustls on aws-lc-rs.
//!
//! Every `main` calls [`install`] before anything else. What is built on it lives in `pki` and `tls_server`.

/// Makes aws-lc-rs the process-wide rustls provider. Calling it again does nothing.
pub fn install() {
    // An error means that a provider is installed already, which is what was asked for.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    #[test]
    fn install_is_idempotent_and_leaves_a_provider() {
        super::install();
        super::install();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
