//! Listeners: names, ports, and what they demand of clients.

use std::collections::BTreeSet;

use sdm_api::{KafkaClusterSpec, ListenerTls, names};

use crate::violation::Review;

/// Also the bound of a Kubernetes port's name.
const NAME_AT_MOST: usize = 15;
const RESERVED_NAMES: [&str; 2] = ["controller", "replication"];
const RESERVED_PORTS: [i32; 2] = [names::CONTROLLER_PORT, names::REPLICATION_PORT];

pub(super) fn check(spec: &KafkaClusterSpec, review: &mut Review) {
    if spec.listeners.is_empty() {
        review.invalid(
            "spec.listeners",
            "clients need a listener: list one, or leave the field out for the default",
        );
    }
    let (mut seen_names, mut seen_ports) = (BTreeSet::new(), BTreeSet::new());
    for listener in &spec.listeners {
        let path = format!("spec.listeners[{}]", listener.name);
        if !seen_names.insert(&listener.name) {
            review.invalid(
                &path,
                format!(
                    "two listeners are called {:?}: give each a name of its own",
                    listener.name
                ),
            );
        }
        if RESERVED_NAMES.contains(&listener.name.as_str()) {
            review.invalid(
                format!("{path}.name"),
                format!(
                    "{:?} is the operator's own listener: choose another name",
                    listener.name
                ),
            );
        } else if !is_name(&listener.name) {
            review.invalid(
                format!("{path}.name"),
                format!("use up to {NAME_AT_MOST} lower-case letters and digits, and begin with a letter"),
            );
        }
        if RESERVED_PORTS.contains(&listener.port) {
            review.invalid(
                format!("{path}.port"),
                format!("{} is the operator's: controllers use 9090 and replication 9091, choose another", listener.port),
            );
        } else if !(1024..=65535).contains(&listener.port) {
            review.invalid(
                format!("{path}.port"),
                format!(
                    "{} is out of range: use a port from 1024 to 65535",
                    listener.port
                ),
            );
        } else if !seen_ports.insert(listener.port) {
            review.invalid(
                format!("{path}.port"),
                format!(
                    "another listener has port {}: give each a port of its own",
                    listener.port
                ),
            );
        }
        match listener.tls {
            ListenerTls::Mtls if !listener.sasl.is_empty() => review.invalid(
                format!("{path}.sasl"),
                "clients of this listener log in with a certificate: set tls to 'server' for passwords, or leave sasl out",
            ),
            ListenerTls::None if !listener.sasl.is_empty() => review.warn(
                format!("{path}.tls"),
                "plaintext: records can be read and changed on their way, and logins can be attacked offline",
            ),
            ListenerTls::Server if !listener.sasl.is_empty() => {}
            ListenerTls::Mtls => {}
            ListenerTls::Server => review.warn(
                format!("{path}.tls"),
                "clients show no certificate: all of them are ANONYMOUS to access control",
            ),
            ListenerTls::None => review.warn(
                format!("{path}.tls"),
                "plaintext: records can be read and changed on their way, and all clients are ANONYMOUS to access control",
            ),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_AT_MOST
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}
