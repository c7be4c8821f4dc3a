//! Every rule in a table, with the words that a user reads; what is rendered, to the byte; and what holds for whatever
//! comes.

mod credential;
mod lifecycle;
mod listener;
mod plan;
mod quota;
mod remembered;
mod secret;
mod status;
mod validate;

use sdm_api::KafkaUser;
use serde_json::{Value, json};

use super::{ListenerChoice, Protocol};

/// A user of namespace `shop`, with this spec beside the reference to the cluster.
fn user(spec: Value) -> KafkaUser {
    let mut value = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1",
        "kind": "KafkaUser",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "1", "generation": 3},
        "spec": {"clusterRef": {"name": "events", "namespace": "streaming"}},
    });
    for (key, field) in spec.as_object().unwrap() {
        value["spec"][key] = field.clone();
    }
    serde_json::from_value(value).unwrap()
}

fn scram(password: Value) -> KafkaUser {
    user(json!({"authentication": "scram-sha-512", "password": password}))
}

fn annotated(mut user: KafkaUser, key: &str, value: &str) -> KafkaUser {
    let annotations = user.metadata.annotations.get_or_insert_default();
    annotations.insert(key.to_owned(), value.to_owned());
    user
}

fn listener(protocol: Protocol) -> ListenerChoice {
    let scram = matches!(protocol, Protocol::SaslSsl | Protocol::SaslPlaintext);
    ListenerChoice {
        name: "clients".to_owned(),
        bootstrap_servers: "events-bootstrap.streaming.svc:9092".to_owned(),
        protocol,
        mechanism: scram.then_some(sdm_api::SaslMechanism::ScramSha512),
    }
}
