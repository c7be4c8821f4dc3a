//! What the controller reports of a `KafkaCluster`: conditions, one line a node,
//! and the reason of every wait.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::NodeRole;

/// The state of a cluster as last seen.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling` and `Stalled`, as kstatus defines them.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The Kafka cluster id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Nodes that serve, of those wanted: `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_ready: Option<String>,
    /// Every node, in the order of ids.
    #[serde(default)]
    #[schemars(length(max = 1200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub brokers: Vec<NodeStatus>,
    /// The metadata quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumStatus>,
    /// Where clients find the cluster.
    #[serde(default)]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub listeners: Vec<ListenerStatus>,
    /// What is still to be done, in order, each step with its reason and what it waits for.
    /// Empty when there is nothing to do; the first 32 steps otherwise.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub plan: Vec<PlanStepStatus>,
}

/// One node of the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The Kafka node id.
    pub id: i32,
    /// The pool it belongs to; none for a node that is on its way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What it does.
    #[serde(default)]
    #[schemars(length(max = 2))]
    pub roles: Vec<NodeRole>,
    /// The rack it was assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Where it is in its life.
    pub phase: NodePhase,
    /// Why it is not `Running`, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub why: Option<String>,
}

/// Where a node is in its life.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodePhase {
    /// Its Pod does not run yet.
    Pending,
    /// Its Pod runs, Kafka does not serve yet.
    Starting,
    /// It serves.
    Running,
    /// It is being restarted for a change.
    Restarting,
    /// A change waits for its turn.
    Outdated,
    /// It is on its way out.
    Removing,
    /// It fails, see `why`.
    Failed,
}

/// The metadata quorum.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuorumStatus {
    /// The active controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_id: Option<i32>,
    /// The voters.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub voters: Vec<i32>,
    /// Whether the quorum was formed once; from then on nothing is ever formatted as a voter again.
    #[serde(default)]
    pub bootstrapped: bool,
}

/// Where clients find a listener.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// The value of `bootstrap.servers`.
    #[schemars(length(max = 512))]
    pub bootstrap_servers: String,
}

/// One step of what is still to be done.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PlanStepStatus {
    /// The step's stable name, such as `RestartNode/2`.
    #[schemars(length(max = 128))]
    pub step: String,
    /// What differs.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// What it waits for, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub waits_for: Option<String>,
}
