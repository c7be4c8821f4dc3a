//! Acceptance: without a certificate of the cluster's authority nobody gets further
//! than the handshake, on any listener, the controllers' included.

use std::time::Duration;

use anyhow::{Result, bail};
use rcgen::{CertificateParams, KeyPair};
use sdm_api::names;
use sdm_kafka::{Client, ClientConfig, KafkaError, TlsConfig, TlsMaterial};
use sdm_tests::node::PodDialer;

use crate::{CLUSTER, NAMESPACE, events};

/// A key and a certificate that the cluster's authority did not sign, for the operator's own name.
fn stranger() -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, names::CN_OPERATOR);
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_further_than_the_handshake() -> Result<()> {
    let node = events().await?;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(node.client.clone(), NAMESPACE);
    let admin = secrets
        .get(&names::admin_secret(CLUSTER))
        .await?
        .data
        .unwrap_or_default();
    let ca = admin["ca.crt"].0.clone();
    let (other_cert, other_key) = stranger()?;
    let nobody = TlsMaterial {
        ca_pem: ca.clone(),
        cert_chain_pem: None,
        key_pem: None,
    };
    let other = TlsMaterial {
        ca_pem: ca,
        cert_chain_pem: Some(other_cert.into()),
        key_pem: Some(other_key.into()),
    };
    let mut got_in = Vec::new();
    for port in [names::CONTROLLER_PORT, names::REPLICATION_PORT, 9092] {
        for (who, tls) in [
            ("no certificate", Some(nobody.clone())),
            ("another authority's", Some(other.clone())),
            ("plaintext", None),
        ] {
            for id in 0..3 {
                let tls = tls.clone().map(TlsConfig::new).transpose()?;
                let is_tls = tls.is_some();
                let client = Client::new(ClientConfig {
                    bootstrap: vec![(
                        names::node_dns(CLUSTER, NAMESPACE, id),
                        u16::try_from(port)?,
                    )],
                    tls,
                    sasl: None,
                    dialer: std::sync::Arc::new(PodDialer {
                        pods: node.pods(NAMESPACE),
                    }),
                    client_id: "stranger".into(),
                    timeout: Duration::from_secs(5),
                });
                match client.describe_cluster(false).await {
                    Ok(_) => got_in.push(format!("{who} on port {port} of node {id}")),
                    // Spoken to in TLS, a refusal is a TLS error: not a broker's verdict, which would mean that a
                    // request was read.
                    Err(KafkaError::Broker { name, .. }) => {
                        bail!("{who} on port {port}: a request was answered: {name}")
                    }
                    Err(error) if is_tls && !matches!(error, KafkaError::Tls { .. }) => {
                        bail!("{who} on port {port}: not refused by TLS: {error}")
                    }
                    Err(_) => {}
                }
            }
        }
    }
    assert!(got_in.is_empty(), "got in: {got_in:?}");
    Ok(())
}
