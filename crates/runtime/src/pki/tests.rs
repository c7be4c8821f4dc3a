use std::sync::Arc;

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{PrivateKeyDer, ServerName};

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// rustls reads the clock of the machine, so what is shown to it must be valid now.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap()
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("events-ca", now(), YEAR).unwrap()
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    certificates(pem).iter().map(CertInfo::der).collect()
}

fn key(leaf: &IssuedPem) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(leaf.key_pem.expose().as_bytes()).unwrap()
}

/// A handshake in memory, with mutual authentication; the first error of either side.
fn handshake(
    server: (&str, &IssuedPem),
    client: (&str, &IssuedPem),
    name: &str,
) -> Result<(), rustls::Error> {
    crate::crypto::install();
    let roots = |pem: &str| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(chain(pem));
        Arc::new(roots)
    };
    let verifier = WebPkiClientVerifier::builder(roots(server.0))
        .build()
        .unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&server.1.chain_pem), key(server.1))?;
    let mut server = ServerConnection::new(Arc::new(config))?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots(client.0))
        .with_client_auth_cert(chain(&client.1.chain_pem), key(client.1))?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn leaves_are_accepted_by_peers_that_trust_the_authority_and_by_no_others() {
    let (ours, theirs) = (authority(), authority());
    let node = LeafRequest::valid_for("sdm:node", Usage::Both, now(), HOUR)
        .with_dns(["e-0.e-nodes.ns.svc"]);
    let admin = LeafRequest::valid_for("sdm:admin", Usage::Client, now(), HOUR);
    let (node, admin, stranger) = (
        ours.issue(&node).unwrap(),
        ours.issue(&admin).unwrap(),
        theirs.issue(&admin).unwrap(),
    );
    let trust = ours.cert_pem();
    handshake((trust, &node), (trust, &admin), "e-0.e-nodes.ns.svc").unwrap();
    handshake((trust, &node), (trust, &node), "e-0.e-nodes.ns.svc").unwrap();
    assert!(
        handshake((trust, &node), (trust, &admin), "e-1.e-nodes.ns.svc").is_err(),
        "another node's name"
    );
    assert!(
        handshake((trust, &node), (trust, &stranger), "e-0.e-nodes.ns.svc").is_err(),
        "another authority's client"
    );
    assert!(
        handshake((trust, &admin), (trust, &admin), "e-0.e-nodes.ns.svc").is_err(),
        "a client as a server"
    );
    let both = format!("{}{}", theirs.cert_pem(), trust);
    handshake((&both, &node), (&both, &stranger), "e-0.e-nodes.ns.svc").unwrap();
}

#[test]
fn a_leaf_says_what_was_asked_for() {
    let at = now();
    let request = LeafRequest {
        ips: vec!["10.88.0.7".parse().unwrap(), "fd00::1".parse().unwrap()],
        ..LeafRequest::valid_for("sdm:node", Usage::Both, at, HOUR)
            .with_dns(["a.b.c.svc", "*.b.c.svc"])
    };
    let ca = authority();
    let info = inspect(&ca.issue(&request).unwrap().chain_pem).unwrap();
    assert_eq!(info.subject_cn.as_deref(), Some("sdm:node"));
    assert_eq!(
        (info.dns.clone(), info.ips.clone()),
        (request.dns, request.ips)
    );
    assert_eq!(
        (info.not_before, info.not_after),
        (at - BACKDATE, at + HOUR)
    );
    assert!(
        !info.is_ca && info.issuer_matches(ca.info()) && !info.issuer_matches(authority().info())
    );
}

#[test]
fn a_leaf_does_not_outlive_its_authority() {
    let at = now();
    let ca = CertificateAuthority::generate("short", at, HOUR).unwrap();
    let long = LeafRequest::valid_for("x", Usage::Server, at, YEAR);
    assert_eq!(
        inspect(&ca.issue(&long).unwrap().chain_pem)
            .unwrap()
            .not_after,
        at + HOUR
    );
    let late = LeafRequest::valid_for("x", Usage::Server, at + YEAR, HOUR);
    assert!(ca.issue(&late).is_err(), "nothing left");
}

#[test]
fn an_authority_survives_storage_and_its_leaves_with_it() {
    let first = authority();
    let again = CertificateAuthority::from_pem(first.cert_pem(), &first.key_pem()).unwrap();
    assert_eq!(again.cert_pem(), first.cert_pem());
    let request = LeafRequest::valid_for("x", Usage::Both, now(), HOUR).with_dns(["x"]);
    let (a, b) = (
        first.issue(&request).unwrap(),
        again.issue(&request).unwrap(),
    );
    handshake((first.cert_pem(), &a), (first.cert_pem(), &b), "x").unwrap();
}

#[test]
fn what_is_no_authority_is_refused() {
    let ca = authority();
    let leaf = ca
        .issue(&LeafRequest::valid_for("x", Usage::Both, now(), HOUR))
        .unwrap();
    let other = authority();
    let refused = |cert: &str, key: &KeyPem| CertificateAuthority::from_pem(cert, key).unwrap_err();
    assert!(matches!(
        refused(ca.cert_pem(), &other.key_pem()),
        PkiError::KeyMismatch
    ));
    assert!(matches!(
        refused(&leaf.chain_pem, &leaf.key_pem),
        PkiError::NotAnAuthority
    ));
    assert!(matches!(
        refused("", &ca.key_pem()),
        PkiError::Unreadable { .. }
    ));
    assert!(matches!(
        refused(ca.cert_pem(), &KeyPem::new("junk".into())),
        PkiError::Unreadable { .. }
    ));
}

#[test]
fn keys_are_pkcs8_and_do_not_show_in_debug_output() {
    let ca = authority();
    let leaf = ca
        .issue(&LeafRequest::valid_for("x", Usage::Both, now(), HOUR))
        .unwrap();
    assert!(
        leaf.key_pem
            .expose()
            .starts_with("-----BEGIN PRIVATE KEY-----")
    );
    for shown in [
        format!("{leaf:?}"),
        format!("{ca:?}"),
        format!("{:?}", ca.key_pem()),
    ] {
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}

#[test]
fn names_that_peers_would_choke_on_are_refused() {
    let ca = authority();
    for cn in ["", "x".repeat(65).as_str()] {
        assert!(
            ca.issue(&LeafRequest::valid_for(cn, Usage::Client, now(), HOUR))
                .is_err(),
            "{cn:?}"
        );
    }
    let request = LeafRequest::valid_for("x", Usage::Client, now(), HOUR).with_dns(["bücher.svc"]);
    assert!(ca.issue(&request).is_err());
}

#[test]
fn renewal_is_due_at_two_thirds() {
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let end = start + HOUR * 3;
    for (after, want) in [
        (SignedDuration::ZERO, false),
        (HOUR * 2 - SignedDuration::from_secs(1), false),
        (HOUR * 2, true),
        (HOUR * 9, true),
    ] {
        assert_eq!(due(start, end, start + after), want, "{after:?}");
    }
}

#[test]
fn a_bundle_survives_a_bad_element() {
    let (a, b) = (authority(), authority());
    let bundle = format!(
        "{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}",
        a.cert_pem(),
        b.cert_pem()
    );
    let read = certificates(&bundle);
    assert_eq!(read, [a.info().clone(), b.info().clone()]);
    assert_eq!(
        to_pem(&chain(&bundle)),
        format!("{}{}", a.cert_pem(), b.cert_pem())
    );
}

#[test]
fn a_leaf_is_issued_to_a_key_that_stays_with_its_owner() {
    let authority = authority();
    let owner = new_key().unwrap();
    let request = LeafRequest::valid_for("shop/orders", Usage::Client, now(), HOUR);
    let chain_pem = authority
        .issue_to(&request, &owner.subject_public_key_info())
        .unwrap();
    let info = inspect(&chain_pem).unwrap();
    assert_eq!(info.subject_cn.as_deref(), Some("shop/orders"));
    assert_eq!(info.public_key, owner.subject_public_key_info());
    assert!(!info.is_ca && info.issuer_matches(authority.info()));
    // It logs in, with the owner's key.
    let request = LeafRequest::valid_for("server", Usage::Server, now(), HOUR).with_dns(["broker"]);
    let server = authority.issue(&request).unwrap();
    let client = IssuedPem {
        chain_pem,
        key_pem: KeyPem::new(owner.serialize_pem()),
    };
    let ca = authority.cert_pem();
    handshake((ca, &server), (ca, &client), "broker").unwrap();

    for wrong in [&b""[..], b"\x30\x03\x02\x01\x01", &[0x30; 64]] {
        let result = authority.issue_to(&request, wrong);
        assert!(
            matches!(
                result,
                Err(PkiError::Unreadable {
                    what: "public key",
                    ..
                })
            ),
            "{wrong:?}"
        );
    }
}
