//! Thousands of objects that do not change: what the controller needs in memory, what it asks and writes, how soon a
//! change by hand is undone, and how soon it is back after a restart. Counted by the API server and by Kafka's own log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_api::{KafkaTopic, KafkaUser};
use sdm_kafka::{ConfigChange, ConfigOp, ConfigResource};
use sdm_tests::bulk;
use sdm_tests::node::Node;
use sdm_tests::wait::until;
use serde_json::json;

use crate::{CLUSTER, Figures, NAMESPACE, PATIENCE, rounded, topics, users};

/// How long nothing changes, unless `SDM_BENCH_QUIET` says otherwise in seconds.
const QUIET: u64 = 600;

fn quiet_for() -> Duration {
    let given = std::env::var("SDM_BENCH_QUIET").ok();
    Duration::from_secs(given.and_then(|s| s.parse().ok()).unwrap_or(QUIET))
}

/// The controllers' Pods, with a metric of each.
async fn metric(node: &Node, name: &str) -> Result<Vec<(String, f64)>> {
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let mut found = Vec::new();
    for pod in pods.list(&ListParams::default()).await? {
        let pod = pod.name_any();
        if !pod.starts_with("sdm-controller") {
            continue;
        }
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        let text = node.kubectl(&["get", "--raw", &path])?;
        let sum = text
            .lines()
            .filter(|l| l.starts_with(name))
            .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        found.push((pod, sum));
    }
    ensure!(
        !found.is_empty(),
        "no controller runs in {OPERATOR_NAMESPACE}"
    );
    Ok(found)
}

/// What the controllers say they wrote, by kind, verb and result.
fn written(node: &Node, pods: &[(String, f64)]) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for (pod, _) in pods {
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        let text = node.kubectl(&["get", "--raw", &path])?;
        for line in text
            .lines()
            .filter(|l| l.starts_with("sdm_api_writes_total"))
        {
            if let Some((labels, count)) = line.rsplit_once(' ') {
                *all.entry(labels.to_owned()).or_default() += count.parse::<f64>()?;
            }
        }
    }
    Ok(all)
}

/// Resident memory of the controller that uses most, the one that leads, in MB.
async fn memory(node: &Node) -> Result<f64> {
    let all = metric(node, "process_resident_memory_bytes").await?;
    Ok(all.into_iter().map(|(_, v)| v).fold(0.0, f64::max) / 1e6)
}

/// Requests that changed something, and others, as the API server counts them for all clients: the controllers' own
/// share is what is left without the lease and what the rest of the node does.
fn requests(node: &Node) -> Result<BTreeMap<String, f64>> {
    let text = node.kubectl(&["get", "--raw", "/metrics"])?;
    let mut counts = BTreeMap::new();
    for line in text
        .lines()
        .filter(|l| l.starts_with("apiserver_request_total{"))
    {
        let label = |key: &str| {
            let from = line.find(&format!("{key}=\""))? + key.len() + 2;
            line[from..].split('"').next()
        };
        let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else {
            continue;
        };
        let group = label("group").unwrap_or_default();
        // Ours, and what ours write; nodes, leases and events of the node itself go on.
        let ours = group == "kafka.sdm.dev" || ["configmaps", "secrets"].contains(&resource);
        if ours && verb != "WATCH" {
            let kind = if ["GET", "LIST"].contains(&verb) {
                "reads"
            } else {
                "writes"
            };
            let value: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
            *counts.entry(kind.to_owned()).or_default() += value;
        }
    }
    Ok(counts)
}

/// Records that brokers and controllers write of their own accord.
const OWN_RECORDS: [&str; 6] = [
    "NO_OP_RECORD",
    "PARTITION_CHANGE_RECORD",
    "BROKER_REGISTRATION_CHANGE_RECORD",
    "PRODUCER_IDS_RECORD",
    "CLEAR_ELR_RECORD",
    "REGISTER_CONTROLLER_RECORD",
];

/// Offset and type of what somebody asked for, as the quorum's own log tells it.
fn asked_for(node: &Node) -> Result<Vec<(u64, String)>> {
    let script = r#"cd /var/lib/kafka/data/data/__cluster_metadata-0 && export LOG_DIR=/tmp KAFKA_HEAP_OPTS=-Xmx128m
for log in *.log; do /opt/kafka/bin/kafka-dump-log.sh --cluster-metadata-decoder --files "$log"; done |
sed -n 's/^| offset: \([0-9]*\) .*"type":"\([A-Z_]*\)".*/\1 \2/p' | grep -v NO_OP_RECORD"#;
    let pod = format!("{CLUSTER}-0");
    let all = node.kubectl(&[
        "exec", "-n", NAMESPACE, &pod, "-c", "kafka", "--", "bash", "-c", script,
    ])?;
    let record = |line: &str| {
        let (offset, kind) = line.split_once(' ')?;
        Some((offset.parse().ok()?, kind.to_owned()))
    };
    Ok(all
        .lines()
        .filter_map(record)
        .filter(|(_, kind)| !OWN_RECORDS.contains(&kind.as_str()))
        .collect())
}

/// 5,000 and then 10,000 topics and 1,000 users that do not change.
pub async fn measure(node: &Node, figures: &mut Figures) -> Result<()> {
    let api: Api<KafkaTopic> = Api::namespaced(node.client.clone(), NAMESPACE);
    let user_api: Api<KafkaUser> = Api::namespaced(node.client.clone(), NAMESPACE);
    let all = topics::topics("bench-quiet", 10_000);
    let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
    let (first, second) = all.split_at(5000);
    bulk::until_ready(
        &api,
        &names[..5000],
        1,
        PATIENCE * 2,
        bulk::create(&node.client, first.to_vec()),
    )
    .await?;
    figures.insert(
        "controller_rss_5000_topics_mb",
        rounded(memory(node).await?),
    );
    bulk::until_ready(
        &api,
        &names[5000..],
        1,
        PATIENCE * 2,
        bulk::create(&node.client, second.to_vec()),
    )
    .await?;
    let many = users::users("bench-quiet", 1000);
    let user_names: Vec<String> = many.iter().map(ResourceExt::name_any).collect();
    bulk::until_ready(
        &user_api,
        &user_names,
        1,
        PATIENCE,
        bulk::create(&node.client, many),
    )
    .await?;

    let (before, polls) = (requests(node)?, metric(node, "sdm_kafka_polls").await?);
    let writes = written(node, &polls)?;
    let last = asked_for(node)?.last().map_or(0, |(offset, _)| *offset);
    tokio::time::sleep(quiet_for()).await;
    let after = requests(node)?;
    let delta = |kind: &str| after.get(kind).unwrap_or(&0.0) - before.get(kind).unwrap_or(&0.0);
    figures.insert("quiet_writes_10000_topics", delta("writes"));
    figures.insert("quiet_reads_10000_topics", delta("reads"));
    let in_kafka: Vec<_> = (asked_for(node)?.into_iter())
        .filter(|(offset, _)| *offset > last)
        .collect();
    figures.insert("quiet_kafka_writes_10000_topics", in_kafka.len() as f64);
    println!(
        "written to Kafka meanwhile: {:?}",
        in_kafka.iter().take(20).collect::<Vec<_>>()
    );
    let sum = |all: &[(String, f64)]| all.iter().map(|(_, v)| v).sum::<f64>();
    figures.insert(
        "quiet_kafka_reads_10000_topics",
        sum(&metric(node, "sdm_kafka_polls").await?) - sum(&polls),
    );
    for (what, count) in written(node, &polls)? {
        let more = count - writes.get(&what).unwrap_or(&0.0);
        if more > 0.0 {
            println!("written meanwhile: {what} {more}");
        }
    }
    figures.insert(
        "controller_rss_10000_topics_mb",
        rounded(memory(node).await?),
    );
    drift(node, figures).await?;
    restart(node, figures).await?;
    bulk::delete(&api, &names).await?;
    bulk::delete(&user_api, &user_names).await
}

/// A change by hand in Kafka until it is undone.
async fn drift(node: &Node, figures: &mut Figures) -> Result<()> {
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let topic = ConfigResource::Topic("bench-quiet-7777".to_owned());
    let set = ConfigOp::Set {
        key: "retention.ms".to_owned(),
        value: "1234567".to_owned(),
    };
    let change = ConfigChange {
        resource: topic.clone(),
        ops: vec![set],
    };
    let began = Instant::now();
    for (_, verdict) in kafka.incremental_alter_configs(&[change], false).await? {
        verdict.map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    let asked = [(topic, vec!["retention.ms".to_owned()])];
    // A broker that lags behind would show the value before.
    tokio::time::sleep(Duration::from_secs(2)).await;
    until(
        "the change by hand to be undone",
        Duration::from_secs(300),
        || async {
            let found = kafka.describe_config_keys(&asked).await?;
            let entries = found.into_iter().next().context("an answer")?.1?;
            Ok(entries
                .iter()
                .any(|e| e.value.as_deref() == Some("3600000"))
                .then_some(()))
        },
    )
    .await?;
    figures.insert(
        "drift_found_10000_topics_s",
        rounded(began.elapsed().as_secs_f64()),
    );
    Ok(())
}

/// All controllers go; until the first change is served.
async fn restart(node: &Node, figures: &mut Figures) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let api: Api<KafkaTopic> = Api::namespaced(node.client.clone(), NAMESPACE);
    let writes = requests(node)?;
    let began = Instant::now();
    for pod in pods.list(&ListParams::default()).await? {
        if pod.name_any().starts_with("sdm-controller") {
            pods.delete(&pod.name_any(), &DeleteParams::default())
                .await?;
        }
    }
    let change = json!({"spec": {"config": {"retention.ms": "2222222"}}});
    api.patch(
        "bench-quiet-4242",
        &PatchParams::default(),
        &Patch::Merge(change),
    )
    .await?;
    let asked = [(
        ConfigResource::Topic("bench-quiet-4242".to_owned()),
        vec!["retention.ms".to_owned()],
    )];
    until("the first change to be served", PATIENCE, || async {
        let found = kafka.describe_config_keys(&asked).await?;
        let entries = found.into_iter().next().context("an answer")?.1?;
        Ok(entries
            .iter()
            .any(|e| e.value.as_deref() == Some("2222222"))
            .then_some(()))
    })
    .await?;
    figures.insert(
        "controller_restart_10000_topics_s",
        rounded(began.elapsed().as_secs_f64()),
    );
    // The sweep that follows must not write either: the patch, its status and the Pods' own are all.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let after = requests(node)?;
    let more = after.get("writes").unwrap_or(&0.0) - writes.get("writes").unwrap_or(&0.0);
    figures.insert("controller_restart_writes", more);
    Ok(())
}
