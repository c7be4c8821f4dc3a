//! Key stores in PKCS#12 (RFC 7292), as Java and OpenSSL read them: PBES2 with AES-256, and HMAC-SHA-256.
//!
//! Salts are drawn here. The password is the caller's, and has to be random: it is stretched little.

use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use super::{CertInfo, PkiError, certificates};

/// Rounds of key derivation. They protect weak passwords, and those given here are random.
const ITERATIONS: u32 = 2048;
/// What the key's entry is called.
const ALIAS: &str = "user";

/// A store with a key (PKCS#8 PEM) and its certificate, followed by that of `ca_pem`'s authorities that signed it.
///
/// # Errors
/// When the PEM does not parse.
pub fn key_store(
    cert_pem: &str,
    key_pem: &str,
    ca_pem: &str,
    password: &str,
) -> Result<Vec<u8>, PkiError> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|e| PkiError::unreadable("private key", e))?;
    let key = PrivateKey::from_der(key.secret_pkcs8_der())
        .map_err(|e| PkiError::unreadable("private key", e))?;
    let mut chain = certificates(cert_pem);
    let last = chain
        .last()
        .ok_or_else(|| PkiError::unreadable("certificate", "there is none"))?;
    let signer = certificates(ca_pem)
        .into_iter()
        .find(|ca| last.issuer_matches(ca));
    chain.extend(signer);
    let chain = chain
        .iter()
        .map(certificate)
        .collect::<Result<Vec<_>, _>>()?;
    let entry = PrivateKeyChain::new(ALIAS, key, chain);
    write(
        [(ALIAS.to_owned(), KeyStoreEntry::PrivateKeyChain(entry))],
        password,
    )
}

/// A store with authorities to trust.
///
/// # Errors
/// When there is none in the PEM.
pub fn trust_store(ca_pem: &str, password: &str) -> Result<Vec<u8>, PkiError> {
    let mut entries = Vec::new();
    for (at, authority) in certificates(ca_pem).iter().enumerate() {
        let alias = if at == 0 {
            "ca".to_owned()
        } else {
            format!("ca-{}", at + 1)
        };
        entries.push((alias, KeyStoreEntry::Certificate(certificate(authority)?)));
    }
    if entries.is_empty() {
        return Err(PkiError::unreadable("certificate", "there is none"));
    }
    write(entries, password)
}

fn certificate(info: &CertInfo) -> Result<Certificate, PkiError> {
    Certificate::from_der(&info.der()).map_err(|e| PkiError::unreadable("certificate", e))
}

fn write(
    entries: impl IntoIterator<Item = (String, KeyStoreEntry)>,
    password: &str,
) -> Result<Vec<u8>, PkiError> {
    let mut store = KeyStore::new();
    for (alias, entry) in entries {
        store.add_entry(&alias, entry);
    }
    store
        .writer(password)
        .encryption_iterations(ITERATIONS)
        .mac_iterations(ITERATIONS)
        .write()
        .map_err(PkiError::request)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use jiff::{SignedDuration, Timestamp};
    use p12_keystore::Pkcs12ImportPolicy;

    use super::*;
    use crate::pki::{CertificateAuthority, IssuedPem, LeafRequest, Usage, inspect};

    const PASSWORD: &str = "0123456789abcdef";

    /// Another authority, the one that signed, and what it signed.
    fn material() -> (String, IssuedPem) {
        let now = Timestamp::now();
        let day = SignedDuration::from_hours(24);
        let other = CertificateAuthority::generate("old-ca", now, day).unwrap();
        let ca = CertificateAuthority::generate("events-ca", now, day).unwrap();
        let request = LeafRequest::valid_for("shop/user/orders", Usage::Client, now, day);
        let bundle = format!("{}{}", other.cert_pem(), ca.cert_pem());
        (bundle, ca.issue(&request).unwrap())
    }

    #[test]
    fn stores_hold_what_was_put_into_them() {
        let (ca, leaf) = material();
        let store = key_store(&leaf.chain_pem, leaf.key_pem.expose(), &ca, PASSWORD).unwrap();
        let read = KeyStore::from_pkcs12(&store, PASSWORD, Pkcs12ImportPolicy::Strict).unwrap();
        let (alias, entry) = read.private_key_chain().unwrap();
        let key = PrivatePkcs8KeyDer::from_pem_slice(leaf.key_pem.expose().as_bytes()).unwrap();
        assert_eq!(
            (alias, entry.key().as_der()),
            ("user", key.secret_pkcs8_der())
        );
        let subjects: Vec<_> = entry.certs().iter().map(Certificate::subject).collect();
        assert_eq!(subjects, ["CN=shop/user/orders", "CN=events-ca"]);
        let leaf = inspect(&leaf.chain_pem).unwrap();
        assert_eq!(entry.certs()[0].as_der(), &*leaf.der());

        let store = trust_store(&ca, PASSWORD).unwrap();
        let read = KeyStore::from_pkcs12(&store, PASSWORD, Pkcs12ImportPolicy::Strict).unwrap();
        let mut aliases: Vec<_> = read.entries().map(|(alias, _)| alias.clone()).collect();
        aliases.sort();
        assert_eq!(aliases, ["ca", "ca-2"]);
        assert!(KeyStore::from_pkcs12(&store, "another", Pkcs12ImportPolicy::Strict).is_err());
    }

    #[test]
    fn what_is_no_pem_is_refused() {
        let (ca, leaf) = material();
        let key = leaf.key_pem.expose();
        assert!(trust_store("", PASSWORD).is_err());
        assert!(key_store("", key, &ca, PASSWORD).is_err());
        assert!(key_store(&leaf.chain_pem, "junk", &ca, PASSWORD).is_err());
    }

    /// What a tool says, where it is installed.
    fn tool(name: &str, args: &[&str]) -> Option<Output> {
        match Command::new(name).args(args).output() {
            Ok(output) => Some(output),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => panic!("{name}: {error}"),
        }
    }

    #[test]
    fn java_and_openssl_read_the_stores_where_they_are_installed() {
        let (ca, leaf) = material();
        let dir = std::env::temp_dir().join(format!("sdm-pkcs12-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let (user, trust) = (path("user.p12"), path("ca.p12"));
        let store = key_store(&leaf.chain_pem, leaf.key_pem.expose(), &ca, PASSWORD).unwrap();
        std::fs::write(&user, store).unwrap();
        std::fs::write(&trust, trust_store(&ca, PASSWORD).unwrap()).unwrap();
        let list = |store: &str| {
            tool(
                "keytool",
                &["-list", "-v", "-keystore", store, "-storepass", PASSWORD],
            )
        };
        for (store, entry, count) in [
            (&user, "PrivateKeyEntry", 1),
            (&trust, "trustedCertEntry", 2),
        ] {
            if let Some(output) = list(store) {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(output.status.success(), "{text}");
                assert_eq!(text.matches(entry).count(), count, "{text}");
                let whole = store != &user || text.contains("Certificate chain length: 2");
                assert!(whole, "{text}");
            }
            let password = format!("pass:{PASSWORD}");
            let args = ["pkcs12", "-in", store, "-passin", &password, "-nodes"];
            if let Some(output) = tool("openssl", &args) {
                let text = String::from_utf8_lossy(&output.stdout).into_owned();
                assert!(
                    output.status.success(),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                let keys = text.matches("BEGIN PRIVATE KEY").count();
                assert_eq!(
                    (keys, text.matches("BEGIN CERTIFICATE").count()),
                    (usize::from(store == &user), 2)
                );
            }
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
