//! The admission webhook as something that runs: never away for a moment, never in the way, with no right too many.
//!
//! Owns what the three parts share: its Deployment, its replicas, and what the API server counts of calls that failed.

mod down;
mod rights;
mod rolling;

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_tests::node::Node;
use sdm_tests::wait::until;
use serde_json::json;

use crate::PATIENCE;

/// The Deployment, and what goes with it.
const NAME: &str = "sdm-webhook";

fn deployments(node: &Node) -> Api<Deployment> {
    Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE)
}

/// Its Pods, those that are ending among them; the youngest last.
async fn replicas(node: &Node) -> Result<Vec<Pod>> {
    let ours = ListParams::default().labels(&format!("app.kubernetes.io/component={NAME}"));
    let mut pods = node.pods(OPERATOR_NAMESPACE).list(&ours).await?.items;
    pods.sort_by_key(|pod| pod.metadata.creation_timestamp.clone().map(|t| t.0));
    Ok(pods)
}

async fn scale(node: &Node, replicas: i32) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments(node)
        .patch(NAME, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Waits until both replicas are as the Deployment says, and serve. Its status alone is late: a replica that was just
/// deleted still counts in it.
async fn settled(node: &Node) -> Result<()> {
    let api = deployments(node);
    until("both replicas to serve", PATIENCE, || async {
        let deployment = api.get(NAME).await?;
        let status = deployment.status.clone().unwrap_or_default();
        let mut pods = replicas(node).await?;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        let counts = (
            status.updated_replicas,
            status.available_replicas,
            pods.len(),
        );
        if status.observed_generation == deployment.metadata.generation
            && counts == (Some(2), Some(2), 2)
            && pods.iter().all(is_ready)
        {
            return Ok(Some(()));
        }
        bail!("{counts:?}")
    })
    .await
}

/// How often API servers could not call each of our webhooks, and refused or went on without it.
async fn failed_calls(node: &Node) -> Result<BTreeMap<String, u64>> {
    let text = node.kubectl(&["get", "--raw", "/metrics"])?;
    ensure!(
        text.contains("apiserver_admission_webhook"),
        "no such metrics"
    );
    let counted = |line: &&str| {
        line.starts_with("apiserver_admission_webhook_fail_open_count{")
            || line.starts_with("apiserver_admission_webhook_rejection_count{")
                && !line.contains(r#"error_type="no_error""#)
    };
    let mut counts = BTreeMap::new();
    for line in text.lines().filter(counted) {
        let (labels, value) = line.rsplit_once(' ').unwrap_or_default();
        if labels.contains(".kafka.sdm.dev\"") {
            counts.insert(labels.to_owned(), value.parse::<f64>()? as u64);
        }
    }
    Ok(counts)
}
