use sdm_api::{Authentication, KafkaCluster};
use serde_json::{Value, json};

use crate::outcome::Refusal;
use crate::user::{Protocol, choose_listener};

fn cluster(listeners: Value) -> KafkaCluster {
    let pools = json!([{"name": "nodes", "nodeIds": [0], "storage": {"volumes": [{"name": "data", "size": "1Gi"}]}}]);
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1",
        "kind": "KafkaCluster",
        "metadata": {"name": "events", "namespace": "streaming"},
        "spec": {"listeners": listeners, "pools": pools},
    }))
    .unwrap()
}

#[test]
fn each_user_is_sent_to_a_listener_that_takes_its_credential() {
    let all = json!([
        {"name": "plain", "port": 9092, "tls": "none"},
        {"name": "open", "port": 9093, "tls": "none", "sasl": ["SCRAM-SHA-256", "SCRAM-SHA-512"]},
        {"name": "anonymous", "port": 9094, "tls": "server"},
        {"name": "passwords", "port": 9095, "tls": "server", "sasl": ["SCRAM-SHA-512"]},
        {"name": "certificates", "port": 9096, "tls": "mtls"},
    ]);
    for (authentication, name, port, protocol, mechanism) in [
        (
            Authentication::Tls,
            "certificates",
            9096,
            Protocol::Ssl,
            None,
        ),
        (
            Authentication::ScramSha512,
            "passwords",
            9095,
            Protocol::SaslSsl,
            Some("SCRAM-SHA-512"),
        ),
        (
            Authentication::ScramSha256,
            "open",
            9093,
            Protocol::SaslPlaintext,
            Some("SCRAM-SHA-256"),
        ),
        (
            Authentication::External,
            "plain",
            9092,
            Protocol::Plaintext,
            None,
        ),
    ] {
        let found = choose_listener(&cluster(all.clone()), authentication).unwrap();
        assert_eq!((found.name.as_str(), found.protocol), (name, protocol));
        assert_eq!(
            found.bootstrap_servers,
            format!("events-bootstrap.streaming.svc:{port}")
        );
        assert_eq!(
            found.mechanism.map(sdm_api::SaslMechanism::as_str),
            mechanism
        );
    }
    let first = cluster(
        json!([{"name": "passwords", "port": 9095, "tls": "server", "sasl": ["SCRAM-SHA-512"]}]),
    );
    let external = choose_listener(&first, Authentication::External).unwrap();
    assert_eq!(
        (external.protocol, external.mechanism),
        (Protocol::SaslSsl, None)
    );
}

#[test]
fn what_has_to_be_added_where_no_listener_takes_it() {
    let mtls = cluster(json!([{"name": "clients", "port": 9092}]));
    let server = cluster(
        json!([{"name": "clients", "port": 9092, "tls": "server", "sasl": ["SCRAM-SHA-256"]}]),
    );
    for (cluster, authentication, message) in [
        (
            &server,
            Authentication::Tls,
            "no listener of cluster streaming/events asks for certificates: add one with `tls: mtls`",
        ),
        (
            &mtls,
            Authentication::ScramSha256,
            "no listener of cluster streaming/events takes scram-sha-256: add `sasl: [SCRAM-SHA-256]` to one with `tls: server`",
        ),
        (
            &server,
            Authentication::ScramSha512,
            "no listener of cluster streaming/events takes scram-sha-512: add `sasl: [SCRAM-SHA-512]` to one with `tls: server`",
        ),
    ] {
        let refusal = choose_listener(cluster, authentication).unwrap_err();
        assert_eq!(refusal, Refusal::waits("NoListener", message));
    }
}
