//! The objects that a cluster has once.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sdm_api::names;

use super::{KubeObject, meta};
use crate::resolve::Resolved;
use crate::state::ClusterState;

/// The objects that a cluster has once: two Services, a ServiceAccount, a PodDisruptionBudget.
#[must_use]
pub fn shared(resolved: &Resolved, _: &ClusterState) -> Vec<KubeObject> {
    vec![
        KubeObject::Service(Box::new(nodes_service(resolved))),
        KubeObject::Service(Box::new(bootstrap_service(resolved))),
        KubeObject::ServiceAccount(Box::new(ServiceAccount {
            automount_service_account_token: Some(false),
            metadata: metadata(resolved, names::service_account(&resolved.name)),
            ..ServiceAccount::default()
        })),
        KubeObject::PodDisruptionBudget(Box::new(budget(resolved))),
    ]
}

/// Every node under a name of its own, from the moment its Pod has an address: the nodes must find
/// each other before any of them can be ready.
fn nodes_service(resolved: &Resolved) -> Service {
    let mut ports = vec![
        port("controller", names::CONTROLLER_PORT),
        port("replication", names::REPLICATION_PORT),
    ];
    ports.extend(listener_ports(resolved));
    Service {
        metadata: metadata(resolved, names::nodes_service(&resolved.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            ports: Some(ports),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(resolved)),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The brokers that serve, under one name.
fn bootstrap_service(resolved: &Resolved) -> Service {
    let mut selector = selector(resolved);
    selector.insert(names::LABEL_BROKER.to_owned(), "true".to_owned());
    Service {
        metadata: metadata(resolved, names::bootstrap_service(&resolved.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            ports: Some(listener_ports(resolved).collect()),
            selector: Some(selector),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// One node at a time. The number is written out: a percentage or `maxUnavailable` needs a scale
/// subresource, which Pods of their own do not have.
fn budget(resolved: &Resolved) -> PodDisruptionBudget {
    let nodes = i32::try_from(resolved.nodes.len()).unwrap_or(i32::MAX);
    PodDisruptionBudget {
        metadata: metadata(resolved, resolved.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int((nodes - 1).max(0))),
            selector: Some(LabelSelector {
                match_labels: Some(selector(resolved)),
                match_expressions: None,
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

fn metadata(
    resolved: &Resolved,
    name: String,
) -> k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
    meta::owned(resolved, name, meta::labels(&resolved.name))
}

fn selector(resolved: &Resolved) -> BTreeMap<String, String> {
    meta::map([(names::LABEL_CLUSTER, resolved.name.as_str())])
}

fn listener_ports(resolved: &Resolved) -> impl Iterator<Item = ServicePort> {
    resolved.listeners.iter().map(|l| port(&l.name, l.port))
}

fn port(name: &str, port: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(port)),
        ..ServicePort::default()
    }
}
