//! Certificates for tests, made in process.
#![allow(dead_code, reason = "each test binary uses its part")]

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use sdm_kafka::TlsMaterial;

/// A certificate authority.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub struct Leaf {
    pub cert_pem: String,
    pub key_pem: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A leaf for both directions of mutual TLS, good for `localhost`.
    pub fn issue(&self, name: &str) -> Leaf {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let cert_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Leaf {
            cert_pem,
            key_pem: key.serialize_pem(),
        }
    }

    /// A client that trusts this authority and shows `leaf`.
    pub fn client(&self, leaf: Option<&Leaf>) -> TlsMaterial {
        TlsMaterial {
            ca_pem: self.pem.clone().into_bytes(),
            cert_chain_pem: leaf.map(|l| l.cert_pem.clone().into_bytes()),
            key_pem: leaf.map(|l| l.key_pem.clone().into_bytes()),
        }
    }
}
