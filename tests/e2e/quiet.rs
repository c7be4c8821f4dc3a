//! Acceptance: an unchanged world causes no write, read from the API server's own
//! request metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use sdm_tests::node::Node;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events};

/// Write requests by resource and verb, as the API server counts them. Leases and what belongs to the
/// kubelets and the control plane (node status, events of theirs) are left out.
fn writes(node: &Node) -> Result<BTreeMap<String, f64>> {
    let text = node.kubectl(&["get", "--raw", "/metrics"])?;
    let mut counts = BTreeMap::new();
    for line in text
        .lines()
        .filter(|l| l.starts_with("apiserver_request_total{"))
    {
        let label = |name: &str| {
            line.split(&format!("{name}=\""))
                .nth(1)
                .and_then(|r| r.split('"').next())
                .unwrap_or_default()
        };
        let (verb, resource) = (label("verb"), label("resource"));
        let is_write = [
            "POST",
            "PUT",
            "PATCH",
            "APPLY",
            "DELETE",
            "DELETECOLLECTION",
        ]
        .contains(&verb);
        let is_ours = [
            "kafkaclusters",
            "configmaps",
            "secrets",
            "services",
            "serviceaccounts",
            "persistentvolumeclaims",
            "poddisruptionbudgets",
            "pods",
            "validatingwebhookconfigurations",
        ]
        .contains(&resource);
        if is_write && is_ours {
            let value: f64 = line.rsplit(' ').next().unwrap_or("0").parse()?;
            *counts
                .entry(format!("{verb} {resource}/{}", label("subresource")))
                .or_default() += value;
        }
    }
    Ok(counts)
}

async fn watch_for(length: Duration) -> Result<()> {
    let node = events().await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    // What a Ready cluster still has under way (the disruption budget's own status) may settle.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let before = writes(&node)?;
    tokio::time::sleep(length).await;
    let after = writes(&node)?;
    let grown: Vec<String> = after
        .iter()
        .map(|(what, count)| (what, count - before.get(what).copied().unwrap_or_default()))
        .filter(|(_, grown)| *grown > 0.0)
        .map(|(what, grown)| format!("{what}: {grown}"))
        .collect();
    assert!(
        grown.is_empty(),
        "written in {length:?} while nothing changed: {grown:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_cluster_causes_no_write() -> Result<()> {
    watch_for(Duration::from_secs(45)).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "five minutes"]
async fn an_unchanged_cluster_causes_no_write_for_five_minutes() -> Result<()> {
    watch_for(Duration::from_secs(300)).await
}
