//! What is wrong, in order of weight, each with the command that tells more.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use sdm_api::{KafkaCluster, NodePhase, condition as kinds};
use serde::Serialize;

use super::live::Live;
use super::{condition, report::Node};

/// Something that is wrong.
#[derive(Serialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// A stable CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// What to run next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

fn problem(reason: &str, message: impl Into<String>) -> Problem {
    Problem {
        reason: reason.to_owned(),
        message: message.into(),
        hint: None,
    }
}

impl Problem {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Everything that is wrong with a cluster.
pub fn find(
    cluster: &KafkaCluster,
    nodes: &[Node],
    pods: &[Pod],
    live: Option<&Live>,
) -> Vec<Problem> {
    let mut found = Vec::new();
    let namespace = cluster.namespace().unwrap_or_default();
    of_conditions(cluster, &mut found);
    for node in nodes {
        of_node(node, pods, &namespace, &mut found);
    }
    if let Some(live) = live {
        of_partitions(live, &mut found);
    }
    found
}

fn of_conditions(cluster: &KafkaCluster, found: &mut Vec<Problem>) {
    let operator = "kubectl get pods -n sdm-system    # does the operator run?";
    let Some(status) = &cluster.status else {
        found.push(
            problem(
                "NotObserved",
                "the operator has not looked at this cluster yet",
            )
            .hint(operator),
        );
        return;
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        found.push(problem("Deleting", "the cluster is being deleted"));
    }
    if status.observed_generation < cluster.metadata.generation {
        found.push(
            problem(
                "NotObserved",
                "the operator has not seen the latest change of the spec yet",
            )
            .hint(operator),
        );
    }
    let is = |kind: &str, wanted: &str| condition(cluster, kind).filter(|c| c.status == wanted);
    if let Some(stalled) = is(kinds::STALLED, "True") {
        found.push(
            problem(&stalled.reason, &stalled.message)
                .hint("change the spec; nothing goes on until then"),
        );
    } else if let Some(ready) = is(kinds::READY, "False") {
        found.push(problem(&ready.reason, &ready.message));
    }
}

fn of_node(node: &Node, pods: &[Pod], namespace: &str, found: &mut Vec<Problem>) {
    let name = format!("node {}", node.id);
    let why = node
        .why
        .as_deref()
        .map(|w| format!(": {w}"))
        .unwrap_or_default();
    let trouble = pods
        .iter()
        .find(|p| Some(p.name_any()) == node.pod)
        .and_then(crate::verbs::install::trouble);
    match node.phase {
        NodePhase::Failed => {
            let pod = node.pod.as_deref().unwrap_or_default();
            found.push(
                problem("NodeFailed", format!("{name} fails{why}"))
                    .hint(format!("kubectl logs -n {namespace} {pod} --previous")),
            );
        }
        // A node that fails says why itself; of one that only waits, Kubernetes may know more.
        _ => {
            if let Some(trouble) = trouble {
                let pod = node.pod.as_deref().unwrap_or_default();
                found.push(
                    problem("PodTrouble", format!("{name}: {trouble}"))
                        .hint(format!("kubectl describe pod -n {namespace} {pod}")),
                );
            } else if is_news(node, &name, found) {
                found.push(problem(
                    &format!("Node{:?}", node.phase),
                    format!("{name} is {:?}{why}", node.phase),
                ));
            }
        }
    }
}

/// A node that waits for its turn is in the plan, and one that the condition speaks of was named already.
fn is_news(node: &Node, name: &str, found: &[Problem]) -> bool {
    let waits = matches!(node.phase, NodePhase::Running | NodePhase::Outdated);
    !waits
        && !found
            .iter()
            .any(|p| p.message.contains(&format!("{name}: ")))
}

fn of_partitions(live: &Live, found: &mut Vec<Problem>) {
    let hint = "kubectl kafka topic list --internal --unhealthy";
    if live.offline > 0 {
        found.push(
            problem(
                "OfflinePartitions",
                format!("{} partitions have no leader", live.offline),
            )
            .hint(hint),
        );
    }
    if live.under_replicated > 0 {
        let text = format!(
            "{} of {} partitions have replicas out of sync",
            live.under_replicated, live.partitions
        );
        found.push(problem("UnderReplicatedPartitions", text).hint(hint));
    }
}
