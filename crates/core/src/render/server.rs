//! `server.properties` of a node: what the operator decides, what it proposes and what
//! the user wants, in that order of weight.

use std::collections::BTreeMap;

use sdm_api::{ListenerTls, SaslMechanism, names};

use super::properties;
use crate::resolve::{Node, Resolved, Volume};
use crate::state::ClusterState;

/// The internal listeners.
const CONTROLLER: &str = "CONTROLLER";
const REPLICATION: &str = "REPLICATION";
/// Where the node's certificate is mounted.
pub(super) const TLS_DIR: &str = "/etc/kafka/tls";
/// Where a node's volumes are mounted.
pub(super) const VOLUMES_DIR: &str = "/var/lib/kafka";

/// Where a volume is mounted.
pub(super) fn mount_path(volume: &Volume) -> String {
    format!("{VOLUMES_DIR}/{}", volume.name)
}

/// A volume's Kafka log directory: not the mount point, which may hold `lost+found`.
pub(super) fn log_dir(volume: &Volume) -> String {
    format!("{VOLUMES_DIR}/{}/data", volume.name)
}

/// The file's text.
pub(super) fn text(resolved: &Resolved, state: &ClusterState, node: &Node) -> String {
    let mut all = defaults(resolved, node);
    all.extend(node.config.clone());
    all.extend(decided(resolved, state, node));
    properties::text(&all)
}

/// What is proposed and may be overruled.
fn defaults(resolved: &Resolved, node: &Node) -> BTreeMap<String, String> {
    let factor = default_replication_factor(resolved.brokers().count());
    let user = |key: &str, otherwise: usize| number(&node.config, key).unwrap_or(otherwise);
    let transactions = user("transaction.state.log.replication.factor", factor);
    let share = user("share.coordinator.state.topic.replication.factor", factor);
    let min_isr = default_min_isr(user("default.replication.factor", factor));
    [
        ("auto.create.topics.enable", "false".to_owned()),
        ("controlled.shutdown.enable", "true".to_owned()),
        ("default.replication.factor", factor.to_string()),
        // Controllers need it too: the quorum takes the first value of the cluster from it.
        ("min.insync.replicas", min_isr.to_string()),
        ("offsets.topic.replication.factor", factor.to_string()),
        (
            "share.coordinator.state.topic.min.isr",
            default_min_isr(share).to_string(),
        ),
        (
            "share.coordinator.state.topic.replication.factor",
            factor.to_string(),
        ),
        (
            "transaction.state.log.min.isr",
            default_min_isr(transactions).to_string(),
        ),
        (
            "transaction.state.log.replication.factor",
            factor.to_string(),
        ),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .collect()
}

/// Copies of every record unless told otherwise.
pub(crate) fn default_replication_factor(brokers: usize) -> usize {
    brokers.clamp(1, 3)
}

/// Copies that must confirm a write unless told otherwise: one broker may be missing.
pub(crate) fn default_min_isr(replication_factor: usize) -> usize {
    replication_factor.saturating_sub(1).clamp(1, 2)
}

/// A whole number in a configuration, if it is there and one.
pub(crate) fn number(config: &BTreeMap<String, String>, key: &str) -> Option<usize> {
    config.get(key).and_then(|value| value.trim().parse().ok())
}

/// What the operator decides: these keys are reserved.
fn decided(resolved: &Resolved, state: &ClusterState, node: &Node) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut set = |key: &str, value: String| {
        out.insert(key.to_owned(), value);
    };

    let roles: Vec<_> = [
        (node.is_broker(), "broker"),
        (node.is_controller(), "controller"),
    ]
    .into_iter()
    .filter_map(|(is, role)| is.then_some(role))
    .collect();
    set("process.roles", roles.join(","));
    set("node.id", node.id.to_string());

    let listeners = listeners(resolved, node);
    let dns = names::node_dns(&resolved.name, &resolved.namespace, node.id);
    set(
        "listeners",
        join(&listeners, |l| format!("{}://:{}", l.name, l.port)),
    );
    set(
        "advertised.listeners",
        join(&listeners, |l| format!("{}://{dns}:{}", l.name, l.port)),
    );
    set("controller.listener.names", CONTROLLER.to_owned());
    if node.is_broker() {
        set("inter.broker.listener.name", REPLICATION.to_owned());
    }
    let mut protocols: Vec<String> = vec![];
    if !node.is_controller() {
        // A broker is a client of this listener, and has to know how to speak to it.
        protocols.push(format!("{CONTROLLER}:SSL"));
    }
    protocols.extend(listeners.iter().map(|l| {
        format!(
            "{}:{}",
            l.name,
            match (l.tls == ListenerTls::None, l.sasl.is_empty()) {
                (true, true) => "PLAINTEXT",
                (true, false) => "SASL_PLAINTEXT",
                (false, true) => "SSL",
                (false, false) => "SASL_SSL",
            }
        )
    }));
    set("listener.security.protocol.map", protocols.join(","));
    for listener in listeners.iter().filter(|l| l.tls != ListenerTls::None) {
        let demand = if listener.tls == ListenerTls::Mtls {
            "required"
        } else {
            "none"
        };
        set(
            &format!(
                "listener.name.{}.ssl.client.auth",
                listener.name.to_lowercase()
            ),
            demand.to_owned(),
        );
    }

    for listener in listeners.iter().filter(|l| !l.sasl.is_empty()) {
        let prefix = format!("listener.name.{}", listener.name.to_lowercase());
        set(
            &format!("{prefix}.sasl.enabled.mechanisms"),
            join(&listener.sasl, |m| m.as_str().to_owned()),
        );
        for mechanism in &listener.sasl {
            set(
                &format!(
                    "{prefix}.{}.sasl.jaas.config",
                    mechanism.as_str().to_lowercase()
                ),
                "org.apache.kafka.common.security.scram.ScramLoginModule required;".to_owned(),
            );
        }
    }

    let quorum: Vec<_> = resolved.controllers().collect();
    set(
        "controller.quorum.bootstrap.servers",
        join(&quorum, |c| {
            format!(
                "{}:{}",
                names::node_dns(&resolved.name, &resolved.namespace, c.id),
                names::CONTROLLER_PORT
            )
        }),
    );

    if node.is_controller() {
        // The leader gathers writes for so long before it puts them into the log. Kafka's 25 ms are what somebody who
        // waits for one topic waits most of.
        set("controller.quorum.append.linger.ms", "5".to_owned());
    }
    set("log.dirs", join(&node.volumes, log_dir));
    if let Some(first) = node.volumes.first() {
        set("metadata.log.dir", log_dir(first));
    }
    if let (true, Some(rack)) = (resolved.rack_awareness.enabled, state.racks.get(&node.id)) {
        set("broker.rack", rack.clone());
    }

    set("ssl.keystore.type", "PEM".to_owned());
    set("ssl.keystore.location", format!("{TLS_DIR}/keystore.pem"));
    set("ssl.truststore.type", "PEM".to_owned());
    set(
        "ssl.truststore.location",
        format!("{TLS_DIR}/truststore.pem"),
    );
    set("ssl.enabled.protocols", "TLSv1.3,TLSv1.2".to_owned());
    // A subject of exactly one common name becomes that name. Anything else stays a distinguished
    // name, which no ACL and no super user has.
    set(
        "ssl.principal.mapping.rules",
        "RULE:^CN=([^,=+]+)$/$1/,DEFAULT".to_owned(),
    );
    set(
        "authorizer.class.name",
        "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned(),
    );
    set("allow.everyone.if.no.acl.found", "false".to_owned());
    set(
        "super.users",
        join(
            &[names::CN_NODE, names::CN_OPERATOR, names::CN_ADMIN],
            |cn| format!("User:{cn}"),
        )
        .replace(',', ";"),
    );
    out
}

/// A listener of a node, by Kafka's name of it.
struct NodeListener {
    name: String,
    port: i32,
    tls: ListenerTls,
    sasl: Vec<SaslMechanism>,
}

fn listeners(resolved: &Resolved, node: &Node) -> Vec<NodeListener> {
    let internal = |name: &str, port| NodeListener {
        name: name.to_owned(),
        port,
        tls: ListenerTls::Mtls,
        sasl: Vec::new(),
    };
    let mut list = Vec::new();
    if node.is_controller() {
        list.push(internal(CONTROLLER, names::CONTROLLER_PORT));
    }
    if node.is_broker() {
        list.push(internal(REPLICATION, names::REPLICATION_PORT));
        list.extend(resolved.listeners.iter().map(|l| NodeListener {
            name: l.name.to_uppercase(),
            port: l.port,
            tls: l.tls,
            sasl: l.sasl.clone(),
        }));
    }
    list
}

fn join<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join(",")
}
