//! Secrets from certificates that somebody else made: the nodes', the administrator's and
//! the authority's.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use sdm_api::{ListenerTls, names};

use super::{meta, properties};
use crate::resolve::Resolved;

/// A certificate with its key and the authority that signed it, as PEM text.
#[derive(Clone, Copy)]
pub struct PemParts<'a> {
    /// The certificate, followed by intermediate ones.
    pub certificate: &'a str,
    /// The private key, PKCS#8.
    pub key: &'a str,
    /// The authorities to trust, one after another.
    pub ca: &'a str,
}

/// The DNS names of node `id`'s certificate, the node's own first.
#[must_use]
pub fn certificate_names(resolved: &Resolved, id: i32) -> Vec<String> {
    let mut dns = vec![names::node_dns(&resolved.name, &resolved.namespace, id)];
    if resolved
        .nodes
        .get(&id)
        .is_some_and(crate::resolve::Node::is_broker)
    {
        dns.push(names::bootstrap_dns(&resolved.name, &resolved.namespace));
    }
    dns
}

/// The Secret `<cluster>-<id>-tls`.
#[must_use]
pub fn node_tls_secret(resolved: &Resolved, id: i32, pem: PemParts<'_>) -> Secret {
    let mut data = parts(pem);
    // Kafka reads the key and the chain from one file, in this order.
    data.insert("keystore.pem".to_owned(), concat(pem.key, pem.certificate));
    data.insert("truststore.pem".to_owned(), pem.ca.to_owned());
    let labels = resolved.nodes.get(&id).map_or_else(
        || meta::labels(&resolved.name),
        |node| meta::node_labels(&resolved.name, node),
    );
    secret(resolved, names::node_tls(&resolved.name, id), labels, data)
}

/// The Secret `<cluster>-admin`, with `client.properties` that Kafka's own tools take as they are.
#[must_use]
pub fn admin_secret(resolved: &Resolved, pem: PemParts<'_>) -> Secret {
    let mut data = parts(pem);
    data.insert(
        "client.properties".to_owned(),
        client_properties(resolved, pem),
    );
    secret(
        resolved,
        names::admin_secret(&resolved.name),
        meta::labels(&resolved.name),
        data,
    )
}

/// The Secret `<cluster>-ca`: the cluster's authority.
#[must_use]
pub fn ca_secret(resolved: &Resolved, certificate: &str, key: &str) -> Secret {
    let data = BTreeMap::from([
        ("tls.crt".to_owned(), certificate.to_owned()),
        ("tls.key".to_owned(), key.to_owned()),
    ]);
    secret(
        resolved,
        names::ca_secret(&resolved.name),
        meta::labels(&resolved.name),
        data,
    )
}

/// Everything that a Java client needs, in one file and without paths.
fn client_properties(resolved: &Resolved, pem: PemParts<'_>) -> String {
    let properties = [
        ("bootstrap.servers", bootstrap_servers(resolved)),
        ("security.protocol", "SSL".to_owned()),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.certificate.chain", pem.certificate.to_owned()),
        ("ssl.keystore.key", pem.key.to_owned()),
        ("ssl.truststore.type", "PEM".to_owned()),
        ("ssl.truststore.certificates", pem.ca.to_owned()),
    ];
    properties::text(&properties.map(|(k, v)| (k.to_owned(), v)).into())
}

/// The first listener that asks for certificates; the brokers' own where there is none.
fn bootstrap_servers(resolved: &Resolved) -> String {
    if let Some(listener) = resolved
        .listeners
        .iter()
        .find(|l| l.tls == ListenerTls::Mtls)
    {
        return format!(
            "{}:{}",
            names::bootstrap_dns(&resolved.name, &resolved.namespace),
            listener.port
        );
    }
    let brokers = resolved.brokers().take(3);
    let dns = brokers.map(|b| names::node_dns(&resolved.name, &resolved.namespace, b.id));
    dns.map(|dns| format!("{dns}:{}", names::REPLICATION_PORT))
        .collect::<Vec<_>>()
        .join(",")
}

fn parts(pem: PemParts<'_>) -> BTreeMap<String, String> {
    [
        ("tls.crt", pem.certificate),
        ("tls.key", pem.key),
        ("ca.crt", pem.ca),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

fn concat(first: &str, second: &str) -> String {
    let newline = if first.ends_with('\n') { "" } else { "\n" };
    format!("{first}{newline}{second}")
}

fn secret(
    resolved: &Resolved,
    name: String,
    labels: BTreeMap<String, String>,
    data: BTreeMap<String, String>,
) -> Secret {
    Secret {
        metadata: meta::owned(resolved, name, labels),
        data: Some(
            data.into_iter()
                .map(|(k, v)| (k, ByteString(v.into_bytes())))
                .collect(),
        ),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}
