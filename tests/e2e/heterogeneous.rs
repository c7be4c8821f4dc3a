//! Acceptance: nodes that differ, one by one, confirmed by Kafka itself.

use anyhow::{Context, Result, ensure};
use sdm_kafka::{ConfigResource, NewTopic};
use sdm_tests::wait::until;
use serde_json::json;

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

/// Removing an id removes that broker and nobody else, and only once it hosts nothing; until then status says why.
#[tokio::test(flavor = "multi_thread")]
async fn removing_an_id_removes_that_broker_and_waits_while_it_hosts_something() -> Result<()> {
    let node = operator_only().await?;
    let namespace = "streaming";
    node.apply(&example("heterogeneous.yaml")?)?;
    node.ready(namespace, CLUSTER, PATIENCE).await?;
    let before = node.pod_uids(namespace, CLUSTER).await?;
    let brokers = |ids: &[i32]| {
        let patch =
            json!([{"op": "replace", "path": "/spec/pools/1/nodeIds", "value": ids}]).to_string();
        node.kubectl(&[
            "patch",
            "kafkacluster",
            CLUSTER,
            "-n",
            namespace,
            "--type=json",
            "-p",
            &patch,
        ])
    };

    brokers(&[0, 1, 2, 3])?;
    node.ready(namespace, CLUSTER, PATIENCE).await?;
    let client = node.kafka(namespace, CLUSTER).await?;
    let topic = format!("pinned-{}", rand::random::<u32>());
    let pinned = NewTopic {
        name: topic.clone(),
        assignments: vec![vec![3, 1]],
        ..NewTopic::default()
    };
    for (_, verdict) in client.create_topics(&[pinned], false).await? {
        verdict.map_err(|e| anyhow::anyhow!("{e}"))?;
    }

    brokers(&[0, 1, 2])?;
    let why = until("status to say why broker 3 stays", PATIENCE, || async {
        let status = node
            .clusters(namespace)
            .get(CLUSTER)
            .await?
            .status
            .unwrap_or_default();
        Ok(status
            .brokers
            .iter()
            .find(|b| b.id == 3 && b.phase == sdm_api::NodePhase::Removing)
            .and_then(|b| b.why.clone())
            // Until Kafka has been asked, it waits for that.
            .filter(|why| why.contains("replica")))
    })
    .await?;
    println!("broker 3: {why}");
    ensure!(
        node.pod_uids(namespace, CLUSTER)
            .await?
            .contains_key("mixed-3"),
        "it was removed with a replica on it"
    );

    client.delete_topics(&[&topic]).await?;
    until("the Pod of broker 3 to go", PATIENCE, || async {
        Ok((!node
            .pod_uids(namespace, CLUSTER)
            .await?
            .contains_key("mixed-3"))
        .then_some(()))
    })
    .await?;
    node.ready(namespace, CLUSTER, PATIENCE).await?;
    ensure!(
        node.pod_uids(namespace, CLUSTER).await? == before,
        "somebody else was disturbed"
    );
    Ok(())
}
