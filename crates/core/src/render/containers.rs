//! The containers of a node: `format`, which runs first, `kafka`, and the user's own.
//! Each meets the restricted Pod Security Standard.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, Probe, ResourceRequirements, SecurityContext,
    TCPSocketAction, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sdm_api::{ResourceSpec, names};

use super::config_map::{CONFIG_DIR, FORMAT};
use super::{jvm, server};
use crate::resolve::{Node, Resolved, Volume};

/// Names of the Pod's volumes begin like this; a user's must not.
pub(crate) const VOLUME_PREFIX: &str = "kafka-";
/// Paths of the Kafka container that are ours.
pub(crate) const RESERVED_PATHS: [&str; 6] = [
    server::VOLUMES_DIR,
    CONFIG_DIR,
    server::TLS_DIR,
    "/opt/kafka",
    "/tmp",
    "/var/log/kafka",
];
/// Container names that are ours.
pub(crate) const RESERVED_CONTAINERS: [&str; 2] = ["kafka", "format"];
/// A node that replays its log after a crash may take hours; nothing may kill it for that.
const START_WITHIN_SECONDS: i32 = 86_400;

/// The Pod's name of a Kafka volume.
pub(super) fn volume_name(volume: &Volume) -> String {
    format!("{VOLUME_PREFIX}volume-{}", volume.name)
}

/// The init container.
pub(super) fn format(node: &Node) -> Container {
    Container {
        name: "format".to_owned(),
        command: Some(vec!["sh".to_owned(), format!("{CONFIG_DIR}/{FORMAT}")]),
        volume_mounts: Some(mounts(node)),
        ..base(node)
    }
}

/// The Kafka container.
pub(super) fn kafka(resolved: &Resolved, node: &Node) -> Container {
    let port = if node.is_broker() {
        names::REPLICATION_PORT
    } else {
        names::CONTROLLER_PORT
    };
    let probe = |period, threshold| Probe {
        tcp_socket: Some(TCPSocketAction {
            host: None,
            port: IntOrString::Int(port),
        }),
        period_seconds: Some(period),
        failure_threshold: Some(threshold),
        timeout_seconds: Some(5),
        ..Probe::default()
    };
    let mut volume_mounts = mounts(node);
    volume_mounts.extend(node.template.volume_mounts.iter().cloned());
    Container {
        name: "kafka".to_owned(),
        command: Some(jvm::kafka_command(node)),
        env: some(node.template.env.clone()),
        ports: Some(ports(resolved, node)),
        // The startup probe makes the first answer quick, and later ones cheap. Whether the node
        // serves is the readiness gate's word; a liveness probe could only kill what recovers.
        startup_probe: Some(probe(1, START_WITHIN_SECONDS)),
        readiness_probe: Some(probe(10, 3)),
        volume_mounts: Some(volume_mounts),
        ..base(node)
    }
}

/// A user's container, with what the restricted standard demands filled in where it says nothing.
pub(super) fn sidecar(container: &Container) -> Container {
    let mut container = container.clone();
    let context = container.security_context.get_or_insert_default();
    context.allow_privilege_escalation.get_or_insert(false);
    let drop = &mut context.capabilities.get_or_insert_default().drop;
    let drop = drop.get_or_insert_default();
    if !drop.iter().any(|c| c == "ALL") {
        drop.push("ALL".to_owned());
    }
    container
}

fn base(node: &Node) -> Container {
    Container {
        image: Some(node.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        resources: Some(resources(&node.resources)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                add: None,
                drop: Some(vec!["ALL".to_owned()]),
            }),
            read_only_root_filesystem: Some(true),
            ..SecurityContext::default()
        }),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}

fn mounts(node: &Node) -> Vec<VolumeMount> {
    let mount = |name: String, path: &str, read_only: bool| VolumeMount {
        name,
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let ours = |name: &str| format!("{VOLUME_PREFIX}{name}");
    let mut mounts = vec![
        mount(ours("config"), CONFIG_DIR, true),
        mount(ours("tls"), server::TLS_DIR, true),
        mount(ours("tmp"), "/tmp", false),
        mount(ours("logs"), "/var/log/kafka", false),
    ];
    mounts.extend(
        node.volumes
            .iter()
            .map(|v| mount(volume_name(v), &server::mount_path(v), false)),
    );
    mounts
}

fn ports(resolved: &Resolved, node: &Node) -> Vec<ContainerPort> {
    let port = |name: &str, container_port| ContainerPort {
        name: Some(name.to_owned()),
        container_port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mut ports = Vec::new();
    if node.is_controller() {
        ports.push(port("controller", names::CONTROLLER_PORT));
    }
    if node.is_broker() {
        ports.push(port("replication", names::REPLICATION_PORT));
        ports.extend(resolved.listeners.iter().map(|l| port(&l.name, l.port)));
    }
    ports
}

fn resources(spec: &ResourceSpec) -> ResourceRequirements {
    let quantities = |map: &std::collections::BTreeMap<String, String>| {
        (!map.is_empty()).then(|| {
            map.iter()
                .map(|(k, v)| (k.clone(), Quantity(v.clone())))
                .collect()
        })
    };
    ResourceRequirements {
        claims: None,
        limits: quantities(&spec.limits),
        requests: quantities(&spec.requests),
    }
}

/// A list, or nothing where it is empty: the API server drops empty ones.
pub(super) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
