//! A change that needs a restart rolls one node at a time, under load, with no
//! record lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Result, ensure};
use kube::api::{ListParams, Patch, PatchParams};
use sdm_api::names;
use sdm_kafka::ConfigResource;
use sdm_tests::ledger::Load;
use sdm_tests::node::Node;
use serde_json::json;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events};

/// Counts, until told to stop, how many nodes are not Ready at once, at most.
fn count_down(node: &Node) -> (Arc<AtomicBool>, tokio::task::JoinHandle<usize>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (pods, flag) = (node.pods(NAMESPACE), stop.clone());
    let selector = ListParams::default().labels(&format!("{}={CLUSTER}", names::LABEL_CLUSTER));
    let task = tokio::spawn(async move {
        let most = AtomicUsize::new(0);
        while !flag.load(Ordering::Relaxed) {
            if let Ok(list) = pods.list(&selector).await {
                let serving: BTreeSet<String> = list
                    .iter()
                    .filter(|p| p.metadata.deletion_timestamp.is_none())
                    .filter(|p| {
                        p.status
                            .iter()
                            .flat_map(|s| s.conditions.iter().flatten())
                            .any(|c| c.type_ == "Ready" && c.status == "True")
                    })
                    .filter_map(|p| p.metadata.name.clone())
                    .collect();
                most.fetch_max(3_usize.saturating_sub(serving.len()), Ordering::Relaxed);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        most.load(Ordering::Relaxed)
    });
    (stop, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_change_rolls_one_node_at_a_time_and_loses_nothing() -> Result<()> {
    let node = events().await?;
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let topic = format!("rolled-{}", rand::random::<u32>());
    let load = Load::start(client.clone(), &topic).await?;
    let before = node.pod_uids(NAMESPACE, CLUSTER).await?;
    let (stop, most_down) = count_down(&node);

    let clusters = node.clusters(NAMESPACE);
    let current = clusters.get(CLUSTER).await?;
    let old = current
        .spec
        .config
        .get("log.cleaner.threads")
        .cloned()
        .unwrap_or_else(|| "1".into());
    let new = if old == "1" { "2" } else { "1" };
    let patch = json!({"spec": {"config": {"log.cleaner.threads": new}}});
    clusters
        .patch(CLUSTER, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    stop.store(true, Ordering::Relaxed);

    let after = node.pod_uids(NAMESPACE, CLUSTER).await?;
    ensure!(
        before
            .iter()
            .all(|(name, uid)| after.get(name).is_some_and(|u| u != uid)),
        "not every node restarted"
    );
    let most_down = most_down.await?;
    ensure!(most_down == 1, "{most_down} nodes were down at once");
    for id in 0..3 {
        let mut answer = client
            .describe_configs(&[ConfigResource::Broker(id)])
            .await?;
        let entries = answer
            .pop()
            .map(|(_, r)| r)
            .transpose()?
            .unwrap_or_default();
        ensure!(
            entries
                .iter()
                .any(|e| e.name == "log.cleaner.threads" && e.value.as_deref() == Some(new)),
            "broker {id}"
        );
    }
    load.progress(100).await?;
    load.conclude(client, &topic).await
}
