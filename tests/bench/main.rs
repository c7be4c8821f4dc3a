//! Figures next to what a user would use instead, measured in the same minute on
//! the same cluster: `target/bench/report.json`, a flat object of numbers.

mod admission;
mod floor;
mod quiet;
mod scale;
mod topics;
mod users;

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use sdm_api::{KafkaACL, KafkaTopic, KafkaUser, names};
use sdm_tests::node::Node;
use sdm_tests::{bulk, paths, wait};
use serde_json::json;

const NAMESPACE: &str = "streaming";
const CLUSTER: &str = "events";
/// How the names of all that is made here begin.
const OURS: &str = "bench-";
const PATIENCE: Duration = Duration::from_secs(300);
const RUNS: usize = 10;

type Figures = BTreeMap<&'static str, f64>;

/// The sections that need a node; all others start what they need.
const ON_A_NODE: [&str; 5] = ["cluster", "topics", "users", "scale", "quiet"];

/// Without arguments everything is measured, on a cluster made for it; with names of sections only those, on the
/// cluster that is there.
#[tokio::main]
async fn main() -> Result<()> {
    let sections: Vec<String> = std::env::args().skip(1).collect();
    let wants = |section: &str| sections.is_empty() || sections.iter().any(|s| s == section);
    let mut figures = Figures::new();
    if wants("admission") {
        admission::measure(&mut figures).await?;
    }
    if ON_A_NODE.iter().any(|section| wants(section)) {
        on_the_node(&wants, &mut figures).await?;
    }
    write(&figures)
}

async fn on_the_node(wants: &impl Fn(&str) -> bool, figures: &mut Figures) -> Result<()> {
    let node = Node::connect().await?;
    if wants("cluster") {
        sizes(figures)?;
        node.plugin(&["install"], None)?;
        fresh(&node).await?;
        cluster_ready(&node, figures).await?;
        plugin(&node, figures)?;
        kafka_tools(&node, figures)?;
        controller_memory(&node, figures).await?;
    }
    clear(&node).await?;
    if wants("topics") {
        topics::measure(&node, figures).await?;
    }
    if wants("users") {
        users::measure(&node, figures).await?;
    }
    if wants("scale") {
        room(&node).await?;
        scale::measure(&node, figures).await?;
    }
    if wants("quiet") {
        room(&node).await?;
        quiet::measure(&node, figures).await?;
    }
    Ok(())
}

/// What a run that was stopped has left would be counted, or be in the way.
async fn clear(node: &Node) -> Result<()> {
    let topics: Api<KafkaTopic> = Api::namespaced(node.client.clone(), NAMESPACE);
    let users: Api<KafkaUser> = Api::namespaced(node.client.clone(), NAMESPACE);
    let acls: Api<KafkaACL> = Api::namespaced(node.client.clone(), NAMESPACE);
    bulk::clear(&acls, OURS, PATIENCE).await?;
    bulk::clear(&users, OURS, PATIENCE).await?;
    bulk::clear(&topics, OURS, PATIENCE).await?;
    topics::until_none(&node.kafka(NAMESPACE, CLUSTER).await?, OURS).await
}

fn write(figures: &Figures) -> Result<()> {
    let report = paths::repository().join("target/bench/report.json");
    std::fs::create_dir_all(report.parent().context("a directory")?)?;
    std::fs::write(&report, serde_json::to_string_pretty(figures)? + "\n")?;
    for (name, value) in figures {
        println!("{name:32} {value:10.2}");
    }
    println!("written to {}", report.display());
    Ok(())
}

/// Rounded to a hundredth: nobody should read more into a figure.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    rounded(values[values.len() / 2])
}

fn sizes(figures: &mut Figures) -> Result<()> {
    for (figure, program) in [
        ("binary_plugin_mb", "kubectl-kafka"),
        ("binary_controller_mb", "sdm-controller"),
        ("binary_webhook_mb", "sdm-webhook"),
    ] {
        figures.insert(
            figure,
            rounded(std::fs::metadata(paths::program(program))?.len() as f64 / 1e6),
        );
    }
    Ok(())
}

/// Nothing of the cluster is there, its volumes included.
async fn fresh(node: &Node) -> Result<()> {
    let clusters = node.clusters(NAMESPACE);
    if clusters.get_opt(CLUSTER).await.ok().flatten().is_some() {
        clusters.delete(CLUSTER, &DeleteParams::default()).await?;
    }
    let ours = ListParams::default().labels(&format!("{}={CLUSTER}", names::LABEL_CLUSTER));
    let pods = node.pods(NAMESPACE);
    wait::until("the Pods to go", PATIENCE, || async {
        Ok(pods.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(node.client.clone(), NAMESPACE);
    claims
        .delete_collection(&DeleteParams::default(), &ours)
        .await?;
    wait::until("the volumes to go", PATIENCE, || async {
        Ok(claims.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await?;
    let state: Api<ConfigMap> = Api::namespaced(node.client.clone(), NAMESPACE);
    if state
        .get_opt(&names::state_config_map(CLUSTER))
        .await?
        .is_some()
    {
        state
            .delete(&names::state_config_map(CLUSTER), &DeleteParams::default())
            .await?;
    }
    Ok(())
}

/// Brokers with memory for thousands of topics, three replicas each: with less they end in an `OutOfMemoryError`.
async fn room(node: &Node) -> Result<()> {
    let clusters = node.clusters(NAMESPACE);
    let mut pools = serde_json::to_value(clusters.get(CLUSTER).await?.spec.pools)?;
    for pool in pools.as_array_mut().into_iter().flatten() {
        pool["jvm"] = json!({"heap": "1536Mi"});
        pool["resources"] =
            json!({"limits": {"memory": "2560Mi"}, "requests": {"cpu": "100m", "memory": "1Gi"}});
    }
    let patch = Patch::Merge(json!({"spec": {"pools": pools}}));
    clusters
        .patch(CLUSTER, &PatchParams::default(), &patch)
        .await?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    Ok(())
}

/// From apply to Ready, and how much of it the slowest node's own JVMs took: one to format, one to serve.
async fn cluster_ready(node: &Node, figures: &mut Figures) -> Result<()> {
    let manifest =
        std::fs::read_to_string(paths::repository().join("deploy/examples/events.yaml"))?;
    let began = Instant::now();
    node.apply(&manifest)?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    figures.insert("cluster_ready_s", rounded(began.elapsed().as_secs_f64()));
    let pods = node.pods(NAMESPACE);
    let mut slowest: f64 = 0.0;
    for id in 0..3 {
        let pod = pods.get(&names::node(CLUSTER, id)).await?;
        slowest = slowest.max(jvm_seconds(&pods, &pod).await?);
    }
    figures.insert("cluster_ready_jvm_floor_s", rounded(slowest));
    Ok(())
}

async fn jvm_seconds(pods: &Api<Pod>, pod: &Pod) -> Result<f64> {
    let status = pod.status.as_ref().context("a status")?;
    let format = status
        .init_container_statuses
        .iter()
        .flatten()
        .find_map(|s| s.state.as_ref()?.terminated.as_ref())
        .context("the format container")?;
    let (from, to) = (
        format.started_at.as_ref().context("a start")?,
        format.finished_at.as_ref().context("an end")?,
    );
    let kafka = status
        .container_statuses
        .iter()
        .flatten()
        .find(|s| s.name == "kafka")
        .context("the Kafka container")?;
    let started = kafka
        .state
        .as_ref()
        .and_then(|s| s.running.as_ref()?.started_at.as_ref())
        .context("a start")?;
    let params = LogParams {
        container: Some("kafka".into()),
        timestamps: true,
        ..LogParams::default()
    };
    let log = pods.logs(&pod.name_any(), &params).await?;
    let line = log
        .lines()
        .find(|l| l.contains("Kafka Server started"))
        .context("'Kafka Server started' in the log")?;
    let serving: Timestamp = line.split(' ').next().unwrap_or_default().parse()?;
    Ok((to.0.duration_since(from.0) + serving.duration_since(started.0)).as_secs_f64())
}

/// The plugin as a whole process, from a shell's point of view.
fn plugin(node: &Node, figures: &mut Figures) -> Result<()> {
    let target = ["-n", NAMESPACE, "-c", CLUSTER];
    let timed = |arguments: &[&str]| -> Result<f64> {
        let began = Instant::now();
        node.plugin(arguments, None)?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let help = |_| {
        let began = Instant::now();
        Command::new(paths::program("kubectl-kafka"))
            .arg("--help")
            .stdout(Stdio::null())
            .status()?;
        anyhow::Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    figures.insert(
        "plugin_help_ms",
        median((0..RUNS).map(help).collect::<Result<_>>()?),
    );
    let create = |n: usize| {
        timed(
            &[
                &[
                    "topic",
                    "create",
                    &format!("bench-plugin-{n}"),
                    "--partitions",
                    "3",
                    "--replicas",
                    "3",
                ][..],
                &target,
            ]
            .concat(),
        )
    };
    figures.insert(
        "topic_create_ms",
        median((0..RUNS).map(create).collect::<Result<_>>()?),
    );
    let list = |_| timed(&[&["topic", "list"][..], &target].concat());
    figures.insert(
        "topic_list_ms",
        median((0..RUNS).map(list).collect::<Result<_>>()?),
    );
    Ok(())
}

/// Kafka's own tools in a Pod beside the brokers, timed inside the Pod: no API server in between.
fn kafka_tools(node: &Node, figures: &mut Figures) -> Result<()> {
    let manifest = std::fs::read_to_string(paths::repository().join("deploy/demo/console.yaml"))?;
    node.apply(&manifest.replace("KAFKA_IMAGE", "apache/kafka:4.3.1"))?;
    node.kubectl(&[
        "wait",
        "pod/kafka-console",
        "-n",
        NAMESPACE,
        "--for=condition=Ready",
        "--timeout=120s",
    ])?;
    let server = format!("{}:9092", names::bootstrap_dns(CLUSTER, NAMESPACE));
    let timed = |arguments: &str| -> Result<f64> {
        let script = format!(
            "a=$(date +%s%N); kafka-topics.sh --bootstrap-server {server} --command-config /etc/kafka-client/client.properties {arguments} >/tmp/out 2>&1 || {{ cat /tmp/out >&2; exit 1; }}; b=$(date +%s%N); echo $(((b - a) / 1000))"
        );
        let text = node.kubectl(&[
            "exec",
            "-n",
            NAMESPACE,
            "kafka-console",
            "--",
            "sh",
            "-c",
            &script,
        ])?;
        Ok(text.trim().parse::<f64>()? / 1e3)
    };
    let create = |n: usize| {
        timed(&format!(
            "--create --topic bench-tools-{n} --partitions 3 --replication-factor 3"
        ))
    };
    figures.insert(
        "kafka_topics_create_ms",
        median((0..RUNS).map(create).collect::<Result<_>>()?),
    );
    figures.insert(
        "kafka_topics_list_ms",
        median((0..RUNS).map(|_| timed("--list")).collect::<Result<_>>()?),
    );
    node.kubectl(&[
        "delete",
        "pod",
        "kafka-console",
        "-n",
        NAMESPACE,
        "--wait=false",
    ])?;
    for n in 0..RUNS {
        for tool in ["plugin", "tools"] {
            node.plugin(
                &[
                    "topic",
                    "delete",
                    &format!("bench-{tool}-{n}"),
                    "--yes",
                    "-n",
                    NAMESPACE,
                    "-c",
                    CLUSTER,
                ],
                None,
            )?;
        }
    }
    Ok(())
}

/// Resident memory of the leading controller, from its own metrics, after a while without changes.
async fn controller_memory(node: &Node, figures: &mut Figures) -> Result<()> {
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), names::OPERATOR_NAMESPACE);
    let mut most: f64 = 0.0;
    for pod in pods
        .list(&ListParams::default())
        .await?
        .iter()
        .filter(|p| p.name_any().starts_with("sdm-controller"))
    {
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:8080/proxy/metrics",
            names::OPERATOR_NAMESPACE,
            pod.name_any()
        );
        let text = node.kubectl(&["get", "--raw", &path])?;
        let line = text
            .lines()
            .find(|l| l.contains("resident_memory_bytes") && !l.starts_with('#'))
            .context("a memory metric")?;
        most = most.max(line.rsplit(' ').next().unwrap_or_default().parse::<f64>()? / 1e6);
    }
    figures.insert("controller_rss_idle_mb", rounded(most));
    Ok(())
}
