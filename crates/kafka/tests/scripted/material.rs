//! Key material: taken up with the next connection, and never printed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sdm_kafka::testing::{Redirect, Request, Server, ServerTls};
use sdm_kafka::{KafkaError, Record, TcpDialer, TlsConfig, TlsMaterial};
use tokio::time::Instant;

use super::{client_at, described, plain};
use crate::common::Authority;

#[tokio::test]
async fn new_material_counts_from_the_next_connection_and_a_broken_one_changes_nothing() {
    let ca = Authority::new("ca");
    let leaf = ca.issue("broker");
    let me = ca.issue("me");
    let server_tls = ServerTls {
        cert_chain_pem: leaf.cert_pem.clone().into(),
        key_pem: leaf.key_pem.clone().into(),
        client_ca_pem: Some(ca.pem.clone().into()),
    };
    let subject = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&subject);
    let handler = move |request: &Request| {
        seen.lock().unwrap().clone_from(&request.certificate);
        described(request)
    };
    let server = Server::start(Arc::new(handler), Some(server_tls))
        .await
        .unwrap();
    let tls = TlsConfig::new(ca.client(None)).unwrap();
    let bootstrap = vec![("localhost".to_owned(), server.address().port())];
    let client = client_at(
        bootstrap.clone(),
        Arc::new(TcpDialer),
        Some(tls.clone()),
        60_000,
    );

    // TLS 1.3: the client's handshake is complete before the server refuses it.
    let begun = Instant::now();
    let error = client.describe_cluster(false).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the broker refused our certificate: CertificateRequired"),
        "{error}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "a refusal is told long before the deadline"
    );
    tls.reload(ca.client(Some(&me))).unwrap();
    client.describe_cluster(false).await.unwrap();
    assert!(subject.lock().unwrap().is_some());

    for broken in [
        TlsMaterial {
            ca_pem: b"nothing".to_vec(),
            ..ca.client(Some(&me))
        },
        TlsMaterial {
            key_pem: None,
            ..ca.client(Some(&me))
        },
        TlsMaterial {
            key_pem: Some(ca.issue("other").key_pem.into()),
            ..ca.client(Some(&me))
        },
    ] {
        assert_eq!(
            tls.reload(broken).unwrap_err().reason(),
            "InvalidClientConfig"
        );
    }
    client.close_connections();
    client.describe_cluster(false).await.unwrap();

    // The name that was asked for is the name that is verified, wherever the dialer leads.
    let dialer = Arc::new(Redirect::default());
    dialer.route(
        "events-0.events-nodes.streaming.svc",
        9091,
        server.address(),
    );
    let elsewhere = client_at(
        vec![("events-0.events-nodes.streaming.svc".into(), 9091)],
        dialer,
        Some(tls.clone()),
        2000,
    );
    let error = elsewhere.describe_cluster(false).await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::Tls { detail, .. } if detail.contains("not valid for name")),
        "{error}"
    );

    // Plaintext to a TLS port, and TLS to a plaintext one.
    let error = client_at(bootstrap, Arc::new(TcpDialer), None, 1000)
        .describe_cluster(false)
        .await
        .unwrap_err();
    assert!(!error.to_string().is_empty());
    let plaintext = plain(described).await;
    let error = client_at(
        vec![("localhost".into(), plaintext.address().port())],
        Arc::new(TcpDialer),
        Some(tls),
        1000,
    )
    .describe_cluster(false)
    .await
    .unwrap_err();
    assert!(matches!(error, KafkaError::Tls { .. }), "{error}");
}

#[test]
fn nothing_that_can_be_printed_holds_a_key() {
    let ca = Authority::new("ca");
    let me = ca.issue("me");
    let material = ca.client(Some(&me));
    let secret = me.key_pem.lines().nth(1).unwrap();
    let tls = TlsConfig::new(material.clone()).unwrap();
    let wrong = TlsConfig::new(TlsMaterial {
        cert_chain_pem: material.key_pem.clone(),
        ..material.clone()
    })
    .unwrap_err();
    for text in [
        format!("{material:?}"),
        format!("{tls:?}"),
        format!("{wrong:?} {wrong}"),
    ] {
        assert!(
            !text.contains(secret) && !text.contains("PRIVATE"),
            "{text}"
        );
    }
    let record = Record {
        key: Some(Bytes::from_static(b"hush")),
        value: Some(Bytes::from_static(b"hush")),
        ..Record::default()
    };
    assert!(!format!("{record:?}").contains("hush"));
}
