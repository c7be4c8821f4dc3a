//! The operator itself may die at any time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rand::Rng;
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_tests::node::Node;
use sdm_tests::process::kill_program;
use sdm_tests::wait::until;
use serde_json::json;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events};

async fn leader(node: &Node) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let lease = leases.get("sdm-controller").await?;
    lease
        .spec
        .and_then(|s| s.holder_identity)
        .filter(|h| !h.is_empty())
        .context("nobody leads")
}

/// The Pod of a candidate: its id is the Pod's name and a suffix.
async fn pod_of(node: &Node, candidate: &str) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let all = pods.list(&Default::default()).await?;
    all.items
        .into_iter()
        .find(|p| candidate.starts_with(&p.name_any()))
        .context("the leader's Pod")
}

/// Ends the controller that acts, properly, and waits until the next one does.
pub async fn restart(node: &Node) -> Result<()> {
    if let Ok(command) = std::env::var("SDM_TEST_RESTART") {
        let done = tokio::process::Command::new("sh")
            .args(["-c", &command])
            .status()
            .await?;
        ensure!(done.success(), "{command}: {done}");
        return Ok(());
    }
    let before = leader(node).await?;
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let pod = pod_of(node, &before).await?.name_any();
    pods.delete(&pod, &DeleteParams::default()).await?;
    until("another leader", Duration::from_secs(40), || async {
        Ok(Some(leader(node).await?).filter(|l| *l != before))
    })
    .await?;
    Ok(())
}

/// SIGKILL to the program in a Pod, found by its container's cgroup.
fn kill_controller(pod: &Pod) -> Result<()> {
    let uid = pod.uid().context("a uid")?;
    kill_program(&format!("the controller of {}", pod.name_any()), |path| {
        let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
        read("cgroup").contains(&uid) && read("comm").starts_with("sdm-controller")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_dies_the_other_acts_within_20_seconds() -> Result<()> {
    let node = events().await?;
    let before = leader(&node).await?;
    // SIGKILL: it has no chance to give up the lease. Started again it is another candidate, as good as the other.
    kill_controller(&pod_of(&node, &before).await?)?;
    let killed = Instant::now();
    let after = until("another leader", Duration::from_secs(40), || async {
        Ok(Some(leader(&node).await?).filter(|l| *l != before))
    })
    .await?;
    let took = killed.elapsed();
    println!("{before} was killed; {after} leads after {took:?}");
    ensure!(took < Duration::from_secs(20), "{took:?}");
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_of_a_change_it_converges() -> Result<()> {
    let node = events().await?;
    let clusters = node.clusters(NAMESPACE);
    let nonce = rand::rng().random_range(1000..9000).to_string();
    let patch = json!({"spec": {"config": {"log.cleaner.backoff.ms": nonce}}});
    clusters
        .patch(CLUSTER, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(rand::rng().random_range(200..6000))).await;
        let leader = until("a leader", Duration::from_secs(60), || async {
            leader(&node).await.map(Some)
        })
        .await?;
        if let Ok(pod) = pod_of(&node, &leader).await {
            // It may be restarting already.
            let _ = kill_controller(&pod);
        }
    }
    node.ready(NAMESPACE, CLUSTER, PATIENCE * 2).await?;
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let quorum = client.describe_quorum().await?;
    ensure!(
        quorum.voters.iter().map(|v| v.id).collect::<Vec<_>>() == [0, 1, 2],
        "{:?}",
        quorum.voters
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_stays_under_20_megabytes() -> Result<()> {
    let node = events().await?;
    // What it needs for what there is, and not what the tests before left in its heap.
    restart(&node).await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    // A Pod leads a moment before its address is known.
    let raw = until("the leader's metrics", PATIENCE, || async {
        let pod = pod_of(&node, &leader(&node).await?).await?.name_any();
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        Ok(Some(node.kubectl(&["get", "--raw", &path])?))
    })
    .await?;
    let line = raw
        .lines()
        .find(|l| {
            l.starts_with("process_resident_memory_bytes")
                || l.starts_with("sdm_resident_memory_bytes")
        })
        .context("a memory metric")?;
    let bytes: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
    println!("resident: {:.1} MB", bytes / 1e6);
    ensure!(bytes < 20e6, "{bytes}");
    Ok(())
}
