//! Acceptance: whatever ends a broker, it returns on its own volumes and every
//! acknowledged record is read back exactly.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::DeleteParams;
use sdm_tests::ledger::Load;
use sdm_tests::node::Node;
use sdm_tests::process::kill_program;
use sdm_tests::wait::until;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events};

/// Runs `fault` under load and checks the ledger afterwards.
async fn under_load<F>(topic: &str, fault: F) -> Result<()>
where
    F: AsyncFnOnce(&Node) -> Result<()>,
{
    let node = events().await?;
    let topic = format!("{topic}-{}", rand::random::<u32>());
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let load = Load::start(client.clone(), &topic).await?;
    fault(&node).await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    // Kafka itself says when the broker is back: every replica of every partition in sync.
    until("every partition to be in sync", PATIENCE, || async {
        let topics = client.list_topics().await?;
        let behind = topics
            .iter()
            .flat_map(|t| &t.partitions)
            .filter(|p| !p.is_in_sync())
            .count();
        ensure!(behind == 0, "{behind} are not");
        Ok(Some(()))
    })
    .await?;
    load.progress(100).await?;
    load.conclude(client, &topic).await
}

async fn volume_of(node: &Node, pod: &str) -> Result<String> {
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    let claims: kube::Api<PersistentVolumeClaim> =
        kube::Api::namespaced(node.client.clone(), NAMESPACE);
    let claim = claims.get(&format!("{pod}-data")).await?;
    claim
        .spec
        .and_then(|s| s.volume_name)
        .context("the claim is bound")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_pod_returns_on_its_own_volume_and_nothing_is_lost() -> Result<()> {
    under_load("deleted-pod", async |node| {
        let pods = node.pods(NAMESPACE);
        let before = (
            pods.get("events-1").await?.uid(),
            volume_of(node, "events-1").await?,
        );
        pods.delete("events-1", &DeleteParams::default()).await?;
        let uid = until("another Pod events-1", PATIENCE, || async {
            Ok(pods
                .get_opt("events-1")
                .await?
                .and_then(|p| p.uid())
                .filter(|uid| Some(uid) != before.0.as_ref()))
        })
        .await?;
        ensure!(Some(uid) != before.0);
        ensure!(
            volume_of(node, "events-1").await? == before.1,
            "it came back on another volume"
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_jvm_returns_on_its_own_volume_and_nothing_is_lost() -> Result<()> {
    under_load("killed-jvm", async |node| {
        let pods = node.pods(NAMESPACE);
        let restarts = async || -> Result<i32> {
            let statuses = pods
                .get("events-2")
                .await?
                .status
                .and_then(|s| s.container_statuses)
                .unwrap_or_default();
            Ok(statuses
                .iter()
                .filter(|s| s.name == "kafka")
                .map(|s| s.restart_count)
                .sum())
        };
        let before = restarts().await?;
        kill_jvm("events-2")?;
        until("the container to be restarted", PATIENCE, || async {
            Ok((restarts().await? > before).then_some(()))
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_kubelet_disturbs_nobody() -> Result<()> {
    under_load("restarted-kubelet", async |node| {
        let before = node.pod_uids(NAMESPACE, CLUSTER).await?;
        node.script("kubelet-restart", &["sdm-node-1"])?;
        node.kubectl(&[
            "wait",
            "node/sdm-node-1",
            "--for=condition=Ready",
            "--timeout=120s",
        ])?;
        ensure!(
            node.pod_uids(NAMESPACE, CLUSTER).await? == before,
            "Pods were replaced"
        );
        Ok(())
    })
    .await
}

/// SIGKILLs the broker's JVM from the host, as the kernel's OOM killer would.
fn kill_jvm(host_name: &str) -> Result<()> {
    let has = |path: &Path, file: &str, wanted: &str| {
        let bytes = std::fs::read(path.join(file)).unwrap_or_default();
        bytes
            .split(|b| *b == 0)
            .any(|part| part == wanted.as_bytes())
    };
    let name = format!("HOSTNAME={host_name}");
    kill_program(&format!("the JVM of {host_name}"), |path| {
        has(path, "cmdline", "kafka.Kafka") && has(path, "environ", &name)
    })
}
