//! Acceptance: nodes that differ, one by one, confirmed by Kafka itself.

use anyhow::{Context, Result, ensure};
use sdm_kafka::ConfigResource;

use crate::{PATIENCE, example, operator_only};

const CLUSTER: &str = "mixed";

#[tokio::test(flavor = "multi_thread")]
async fn one_broker_differs_and_kafka_confirms_it() -> Result<()> {
    let node = operator_only().await?;
    let manifest = example("heterogeneous.yaml")?;
    node.apply(&manifest)?;
    let namespace = "streaming";
    let cluster = node.ready(namespace, CLUSTER, PATIENCE).await?;
    let brokers: Vec<i32> = cluster
        .spec
        .pools
        .iter()
        .filter(|p| p.roles == [sdm_api::NodeRole::Broker])
        .flat_map(|p| p.node_ids.clone())
        .collect();
    let controllers: Vec<i32> = cluster
        .spec
        .pools
        .iter()
        .filter(|p| p.roles == [sdm_api::NodeRole::Controller])
        .flat_map(|p| p.node_ids.clone())
        .collect();
    ensure!(
        brokers.len() == 3 && controllers.len() == 3,
        "{brokers:?} {controllers:?}"
    );
    let special = *cluster
        .spec
        .overrides
        .first()
        .and_then(|o| o.node_ids.first())
        .context("the example overrides a node")?;
    let client = node.kafka(namespace, CLUSTER).await?;
    for (id, dirs) in client.describe_log_dirs(&brokers).await {
        let wanted = if id == special { 2 } else { 1 };
        ensure!(
            dirs?.len() == wanted,
            "broker {id} should have {wanted} log directories"
        );
    }
    let overridden = cluster.spec.overrides[0]
        .config
        .iter()
        .next()
        .context("the example changes a key")?;
    for id in brokers {
        let mut answer = client
            .describe_configs(&[ConfigResource::Broker(id)])
            .await?;
        let entries = answer.pop().context("an answer")?.1?;
        let value = entries
            .iter()
            .find(|e| e.name == *overridden.0)
            .and_then(|e| e.value.clone())
            .unwrap_or_default();
        ensure!(
            (value == *overridden.1) == (id == special),
            "broker {id}: {} = {value}",
            overridden.0
        );
    }
    let status = node.plugin(&["status", CLUSTER, "-n", namespace], None)?;
    for id in controllers {
        ensure!(
            status.contains(&id.to_string()),
            "status does not show {id}: {status}"
        );
    }
    let memory = async |name: String| {
        let pod = node.pods(namespace).get(&name).await?;
        let container = pod
            .spec
            .and_then(|s| s.containers.into_iter().find(|c| c.name == "kafka"))
            .context("a container")?;
        anyhow::Ok(
            container
                .resources
                .and_then(|r| r.limits)
                .and_then(|l| l.get("memory").cloned())
                .map(|q| q.0),
        )
    };
    let usual = cluster
        .spec
        .pools
        .iter()
        .flat_map(|p| p.node_ids.clone())
        .find(|id| *id != special)
        .context("another node")?;
    ensure!(
        memory(format!("{CLUSTER}-{special}")).await?
            != memory(format!("{CLUSTER}-{usual}")).await?,
        "the same memory for all"
    );
    Ok(())
}
