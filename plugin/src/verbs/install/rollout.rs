//! Waiting for Deployments, and saying why one does not come up.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use tokio::time::{Instant, sleep};

use crate::exit::{Code, Failure, Result};
use crate::manifests::Manifest;
use crate::session::Session;

const PERIOD: Duration = Duration::from_millis(400);
/// Without news a line says that it is still waiting.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Waits until every Deployment among `manifests` is available in its latest form.
///
/// # Errors
/// When the time is up, with what keeps it from running.
pub async fn wait(session: &Session, manifests: &[Manifest], deadline: Instant) -> Result<()> {
    let mut told: BTreeMap<&str, (String, Instant)> = BTreeMap::new();
    loop {
        let mut waiting = None;
        for manifest in manifests.iter().filter(|m| m.kind() == "Deployment") {
            let (name, namespace) = (
                manifest.name(),
                manifest
                    .object
                    .metadata
                    .namespace
                    .as_deref()
                    .unwrap_or_default(),
            );
            let (done, state) = state(session, name, namespace).await?;
            let now = Instant::now();
            let news = told
                .get(name)
                .is_none_or(|(before, at)| *before != state || (!done && now - *at > HEARTBEAT));
            if news {
                session
                    .output
                    .progress(format!("deployment/{name}: {state}"));
                told.insert(name, (state.clone(), now));
            }
            if !done {
                waiting.get_or_insert((name.to_owned(), namespace.to_owned(), state));
            }
        }
        let Some((name, namespace, state)) = waiting else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            let failure = Failure::new(
                Code::TimedOut,
                format!("deployment/{name} does not come up: {state}"),
            )
            .at(&session.place);
            return Err(
                if state.contains("ImagePull") || state.contains("ErrImage") {
                    failure.hint(
                        "kubectl kafka install --image IMAGE    # an image that the nodes can pull",
                    )
                } else {
                    failure.hint(format!(
                        "kubectl describe pods -n {namespace} -l app.kubernetes.io/component={name}"
                    ))
                },
            );
        }
        sleep(PERIOD).await;
    }
}

/// Whether a Deployment is where it should be, and the sentence about it.
async fn state(session: &Session, name: &str, namespace: &str) -> Result<(bool, String)> {
    let failed = |e: kube::Error| {
        Failure::from(e)
            .doing(format!("get deployment {name}"))
            .at(&session.place)
    };
    let api: Api<Deployment> = Api::namespaced(session.client.clone(), namespace);
    let deployment = api.get(name).await.map_err(failed)?;
    let (done, mut sentence) = progress(&deployment);
    if !done {
        let labels = deployment
            .spec
            .as_ref()
            .and_then(|s| s.selector.match_labels.clone())
            .unwrap_or_default();
        let selector = labels
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect::<Vec<_>>()
            .join(",");
        let pods: Api<Pod> = Api::namespaced(session.client.clone(), namespace);
        let pods = pods
            .list(&ListParams::default().labels(&selector))
            .await
            .map_err(failed)?;
        let why = pods
            .items
            .iter()
            .find_map(trouble)
            .or_else(|| replica_failure(&deployment));
        if let Some(why) = why {
            sentence = format!("{sentence}; {why}");
        }
    }
    Ok((done, sentence))
}

/// The same judgement as `kubectl rollout status`.
fn progress(deployment: &Deployment) -> (bool, String) {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|s| s.replicas)
        .unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let updated = status.updated_replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    if status.observed_generation < deployment.metadata.generation {
        return (
            false,
            "not seen by the deployment controller yet".to_owned(),
        );
    }
    if updated < wanted {
        return (
            false,
            format!("{updated} of {wanted} replicas in their latest form"),
        );
    }
    let old = status.replicas.unwrap_or(0) - updated;
    if old > 0 {
        return (false, format!("{old} old replicas still to go"));
    }
    (
        available >= updated,
        format!("{available} of {wanted} replicas available"),
    )
}

/// What keeps a Pod from being ready, if Kubernetes says so.
pub fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.iter().flatten();
    let unscheduled = conditions
        .clone()
        .find(|c| c.type_ == "PodScheduled" && c.status == "False");
    if let Some(condition) = unscheduled {
        let why = condition
            .message
            .as_deref()
            .or(condition.reason.as_deref())
            .unwrap_or("no node fits");
        return Some(format!("pod {} is not scheduled: {why}", pod.name_any()));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    containers
        .filter_map(|c| why(c).map(|w| format!("pod {}: {w}", pod.name_any())))
        .next()
}

fn why(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("Waiting");
        // On the way up, and no trouble.
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let crashed = container
            .last_state
            .as_ref()
            .and_then(|s| s.terminated.as_ref())
            .map(|t| format!(", last exit code {}", t.exit_code));
        let message = waiting
            .message
            .as_deref()
            .map(|m| format!(": {m}"))
            .unwrap_or_default();
        return Some(format!("{reason}{}{message}", crashed.unwrap_or_default()));
    }
    let ended = state.terminated.as_ref().filter(|t| t.exit_code != 0)?;
    Some(format!(
        "container {} ended with exit code {}",
        container.name, ended.exit_code
    ))
}

/// Pods that cannot even be created: quota, Pod Security, a webhook.
fn replica_failure(deployment: &Deployment) -> Option<String> {
    let conditions = deployment.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| c.type_ == "ReplicaFailure" && c.status == "True")
        .and_then(|c| c.message.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(status: serde_json::Value) -> Deployment {
        serde_json::from_value(json!({"metadata": {"generation": 2}, "spec": {"replicas": 2, "selector": {}, "template": {}}, "status": status})).unwrap()
    }

    #[test]
    fn a_rollout_is_done_when_all_replicas_are_new_and_available() {
        for (status, done, sentence) in [
            (
                json!({"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2}),
                false,
                "not seen by the deployment controller yet",
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 1}),
                false,
                "1 of 2 replicas in their latest form",
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 3}),
                false,
                "1 old replicas still to go",
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 1}),
                false,
                "1 of 2 replicas available",
            ),
            (
                json!({"observedGeneration": 2, "updatedReplicas": 2, "replicas": 2, "availableReplicas": 2}),
                true,
                "2 of 2 replicas available",
            ),
        ] {
            assert_eq!(progress(&deployment(status)), (done, sentence.to_owned()));
        }
    }

    #[test]
    fn a_pods_trouble_is_named() {
        let pod = |status| {
            serde_json::from_value::<Pod>(json!({"metadata": {"name": "p"}, "status": status}))
                .unwrap()
        };
        let container = |state| json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]});
        let pull = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
        assert_eq!(
            trouble(&pod(container(pull))).unwrap(),
            "pod p: ImagePullBackOff: no such image"
        );
        assert_eq!(
            trouble(&pod(container(
                json!({"waiting": {"reason": "ContainerCreating"}})
            ))),
            None
        );
        let pending = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/2 nodes are available"}]});
        assert_eq!(
            trouble(&pod(pending)).unwrap(),
            "pod p is not scheduled: 0/2 nodes are available"
        );
    }
}
