//! The older supported version runs too, and goes on with its records after an
//! upgrade.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use sdm_api::names;
use sdm_kafka::{Consumer, ConsumerConfig, End, NewTopic, Producer, ProducerConfig, Record, Start};
use serde_json::json;

use crate::{NAMESPACE, PATIENCE, operator_only};

const CLUSTER: &str = "older";

const MANIFEST: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: streaming, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaCluster
metadata: {name: older, namespace: streaming}
spec:
  version: 4.2.2
  pools:
    - name: all
      roles: [broker, controller]
      nodeIds: [0]
      storage: {volumes: [{name: data, size: 1Gi}]}
      jvm: {heap: 384Mi}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the image of Kafka 4.2.2"]
async fn the_older_version_runs_and_is_upgraded_with_its_records() -> Result<()> {
    let node = operator_only().await?;
    node.apply(MANIFEST)?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let topic = NewTopic {
        name: "kept".into(),
        partitions: Some(1),
        replication_factor: Some(1),
        ..NewTopic::default()
    };
    client.create_topics(&[topic], false).await?;
    let records = (0..100)
        .map(|n: u32| Record {
            value: Some(n.to_string().into()),
            ..Record::default()
        })
        .collect();
    for outcome in Producer::new(client, ProducerConfig::default())
        .send_all("kept", records)
        .await?
    {
        outcome?;
    }

    let newer = json!({"spec": {"version": "4.3.1"}});
    node.clusters(NAMESPACE)
        .patch(CLUSTER, &PatchParams::default(), &Patch::Merge(newer))
        .await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let mut consumer = Consumer::new(
        client,
        "kept",
        None,
        Start::Earliest,
        End::Current,
        ConsumerConfig::default(),
    )
    .await?;
    let mut read = 0;
    while let Some(records) = consumer.next().await? {
        read += records.len();
    }
    ensure!(read == 100, "{read} of 100 records after the upgrade");

    node.clusters(NAMESPACE)
        .delete(CLUSTER, &DeleteParams::default())
        .await?;
    let ours = ListParams::default().labels(&format!("{}={CLUSTER}", names::LABEL_CLUSTER));
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(node.client.clone(), NAMESPACE);
    claims
        .delete_collection(&DeleteParams::default(), &ours)
        .await?;
    let state: Api<ConfigMap> = Api::namespaced(node.client.clone(), NAMESPACE);
    state
        .delete(&names::state_config_map(CLUSTER), &DeleteParams::default())
        .await?;
    Ok(())
}
