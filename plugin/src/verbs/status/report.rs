//! The report of one cluster: what is read from the objects, and how it is shown.

use std::io;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use sdm_api::status::PlanStepStatus;
use sdm_api::{
    KafkaCluster, ListenerStatus, NodePhase, NodeRole, NodeStatus, QuorumStatus,
    condition as kinds, names,
};
use serde::Serialize;

use super::condition;
use super::live::Live;
use super::problems::{self, Problem};
use crate::output::age::age;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};

/// Kind `ClusterStatus` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<String>,
    ready: bool,
    reason: String,
    /// What is wrong; empty when nothing is.
    pub problems: Vec<Problem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes_ready: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quorum: Option<QuorumStatus>,
    nodes: Vec<Node>,
    listeners: Vec<ListenerStatus>,
    plan: Vec<PlanStepStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kafka: Option<Live>,
    #[serde(skip)]
    now: Timestamp,
    #[serde(skip)]
    since: Option<Timestamp>,
}

#[derive(Serialize, Debug)]
struct Metadata {
    name: String,
    namespace: String,
    #[serde(rename = "creationTimestamp")]
    created: Option<Timestamp>,
}

/// One node: what the operator says of it, and what Kubernetes says of its Pod.
#[derive(Serialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// The Kafka node id.
    pub id: i32,
    pool: Option<String>,
    roles: Vec<NodeRole>,
    rack: Option<String>,
    /// Where it is in its life.
    pub phase: NodePhase,
    /// Why it is there.
    pub why: Option<String>,
    /// Its Pod, if it has one.
    pub pod: Option<String>,
    kubernetes_node: Option<String>,
    restarts: i32,
    memory: Option<String>,
    volumes: Vec<Volume>,
    started: Option<Timestamp>,
}

#[derive(Serialize, Debug, Clone)]
#[serde(rename_all = "camelCase")]
struct Volume {
    claim: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
}

/// Puts the objects together.
pub fn build(
    cluster: &KafkaCluster,
    pods: &[Pod],
    claims: &[PersistentVolumeClaim],
    live: Option<Live>,
    now: Timestamp,
) -> ClusterStatus {
    let status = cluster.status.clone().unwrap_or_default();
    let name = cluster.name_any();
    let nodes: Vec<Node> = if status.brokers.is_empty() {
        // Before the operator's first look: what the spec asks for.
        let wanted = cluster
            .spec
            .pools
            .iter()
            .flat_map(|pool| pool.node_ids.iter().map(move |id| (pool, *id)));
        let mut nodes: Vec<Node> = wanted
            .map(|(pool, id)| {
                let stub = NodeStatus {
                    id,
                    pool: Some(pool.name.clone()),
                    roles: pool.roles.clone(),
                    rack: None,
                    phase: NodePhase::Pending,
                    why: None,
                };
                node(&name, &stub, pods, claims)
            })
            .collect();
        nodes.sort_by_key(|n| n.id);
        nodes
    } else {
        status
            .brokers
            .iter()
            .map(|stated| node(&name, stated, pods, claims))
            .collect()
    };
    let ready = condition(cluster, kinds::READY);
    ClusterStatus {
        api_version: API_VERSION,
        kind: "ClusterStatus",
        problems: problems::find(cluster, &nodes, pods, live.as_ref()),
        metadata: Metadata {
            name,
            namespace: cluster.namespace().unwrap_or_default(),
            created: cluster.metadata.creation_timestamp.as_ref().map(|t| t.0),
        },
        version: cluster.spec.version.clone(),
        cluster_id: status.cluster_id,
        ready: ready.is_some_and(|c| c.status == "True"),
        reason: ready.map_or_else(|| "Unknown".to_owned(), |c| c.reason.clone()),
        nodes_ready: status.nodes_ready,
        quorum: status.quorum,
        nodes,
        listeners: status.listeners,
        plan: status.plan,
        kafka: live,
        now,
        since: ready.map(|c| c.last_transition_time.0),
    }
}

fn node(
    cluster: &str,
    stated: &NodeStatus,
    pods: &[Pod],
    claims: &[PersistentVolumeClaim],
) -> Node {
    let id = stated.id.to_string();
    let labelled = |labels: Option<&String>| labels == Some(&id);
    let pod = pods.iter().find(|p| {
        labelled(p.labels().get(names::LABEL_NODE_ID))
            || p.name_any() == names::node(cluster, stated.id)
    });
    let status = pod.and_then(|p| p.status.as_ref());
    let spec = pod.and_then(|p| p.spec.as_ref());
    let kafka = spec.and_then(|s| s.containers.iter().find(|c| c.name == "kafka"));
    let restarts = status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
        .map(|c| c.restart_count)
        .max();
    let mounted = spec
        .iter()
        .flat_map(|s| s.volumes.iter().flatten())
        .filter_map(|v| v.persistent_volume_claim.as_ref());
    let size = |claim: &str| {
        let found = claims.iter().find(|c| c.name_any() == claim)?;
        let bound = found
            .status
            .as_ref()
            .and_then(|s| s.capacity.as_ref())
            .and_then(|c| c.get("storage"));
        let asked = || {
            found
                .spec
                .as_ref()?
                .resources
                .as_ref()?
                .requests
                .as_ref()?
                .get("storage")
        };
        bound.or_else(asked).map(|q| q.0.clone())
    };
    Node {
        id: stated.id,
        pool: stated.pool.clone(),
        roles: stated.roles.clone(),
        rack: stated.rack.clone(),
        phase: stated.phase,
        why: stated.why.clone(),
        pod: pod.map(ResourceExt::name_any),
        kubernetes_node: spec.and_then(|s| s.node_name.clone()),
        restarts: restarts.unwrap_or(0),
        memory: kafka.and_then(|c| {
            c.resources
                .as_ref()?
                .limits
                .as_ref()?
                .get("memory")
                .map(|q| q.0.clone())
        }),
        volumes: mounted
            .map(|v| Volume {
                size: size(&v.claim_name),
                claim: v.claim_name.clone(),
            })
            .collect(),
        started: status.and_then(|s| s.start_time.as_ref()).map(|t| t.0),
    }
}

impl Report for ClusterStatus {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let (ns, name) = (&self.metadata.namespace, &self.metadata.name);
        let state = if self.ready {
            style::good("Ready")
        } else {
            style::bad("Not ready")
        };
        let since = self
            .since
            .map(|t| format!(" for {}", age(Some(t), self.now)))
            .unwrap_or_default();
        out.line(format!(
            "{} {state} ({}){since}",
            style::bold(&format!("{ns}/{name}")),
            self.reason
        ))?;
        if !self.problems.is_empty() {
            out.line("")?;
            out.line(style::bold("Problems"))?;
            for problem in &self.problems {
                out.line(format!(
                    "  {} {}: {}",
                    style::bad("!"),
                    problem.reason,
                    style::plain(&problem.message)
                ))?;
                if let Some(hint) = &problem.hint {
                    out.line(format!("    {hint}"))?;
                }
            }
        }
        if !self.plan.is_empty() {
            out.line("")?;
            out.line(style::bold("Plan"))?;
            for step in &self.plan {
                out.line(format!("  {}: {}", step.step, style::plain(&step.reason)))?;
                if let Some(wait) = &step.waits_for {
                    out.line(format!(
                        "    {} {}",
                        style::warn("waits for"),
                        style::plain(wait)
                    ))?;
                }
            }
        }
        out.line("")?;
        self.facts(out)?;
        out.line("")?;
        out.table(&self.node_table())?;
        if !self.listeners.is_empty() {
            out.line("")?;
            let mut table = Table::new(&["LISTENER", "BOOTSTRAP-SERVERS"]);
            for listener in &self.listeners {
                table.row(vec![
                    listener.name.as_str().into(),
                    listener.bootstrap_servers.as_str().into(),
                ]);
            }
            out.table(&table)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        vec![format!("kafkacluster/{}", self.metadata.name)]
    }
}

impl ClusterStatus {
    fn facts(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.line(format!("Kafka:       {}", self.version))?;
        if let Some(id) = &self.cluster_id {
            out.line(format!("Cluster id:  {id}"))?;
        }
        if let Some(ready) = &self.nodes_ready {
            out.line(format!("Nodes:       {ready} ready"))?;
        }
        if let Some(quorum) = &self.quorum {
            let leader = quorum
                .leader_id
                .map_or_else(|| "none".to_owned(), |id| id.to_string());
            out.line(format!(
                "Quorum:      leader {leader}, voters {}",
                list(&quorum.voters)
            ))?;
        }
        if let Some(live) = &self.kafka {
            out.line(format!(
                "Partitions:  {} in {} topics; {} offline, {} under-replicated, {} not led by their preferred broker",
                live.partitions, live.topics, live.offline, live.under_replicated, live.not_preferred
            ))?;
        }
        Ok(())
    }

    fn node_table(&self) -> Table {
        let mut table = Table::new(&[
            "ID", "POOL", "ROLES", "RACK", "PHASE", "RESTARTS", "AGE", "VOLUMES", "+MEMORY",
            "+POD", "+NODE", "WHY",
        ]);
        for node in &self.nodes {
            let phase = format!("{:?}", node.phase);
            let paint = match node.phase {
                NodePhase::Running => style::good,
                NodePhase::Failed => style::bad,
                _ => style::warn,
            };
            let sizes: Vec<&str> = node
                .volumes
                .iter()
                .map(|v| v.size.as_deref().unwrap_or("?"))
                .collect();
            let roles: Vec<&str> = node
                .roles
                .iter()
                .map(|r| {
                    if *r == NodeRole::Broker {
                        "broker"
                    } else {
                        "controller"
                    }
                })
                .collect();
            table.row(vec![
                node.id.to_string().into(),
                node.pool.clone().unwrap_or_default().into(),
                roles.join(",").into(),
                node.rack.clone().unwrap_or_default().into(),
                Cell::painted(phase, paint),
                node.restarts.to_string().into(),
                if node.pod.is_some() {
                    age(node.started, self.now).into()
                } else {
                    "".into()
                },
                sizes.join(",").into(),
                node.memory.clone().unwrap_or_default().into(),
                node.pod.clone().unwrap_or_default().into(),
                node.kubernetes_node.clone().unwrap_or_default().into(),
                node.why.clone().unwrap_or_else(|| "-".to_owned()).into(),
            ]);
        }
        table
    }
}

fn list(ids: &[i32]) -> String {
    if ids.is_empty() {
        "none".to_owned()
    } else {
        ids.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
