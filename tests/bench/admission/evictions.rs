//! From an eviction's review to its answer: the webhook asks the real controller, through the API server, and that asks
//! Kafka. Kafka and kubelets are simulated here; what real brokers add is what one answer of theirs takes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::PostParams;
use sdm_api::KafkaCluster;
use sdm_tests::control_plane::{ControlPlane, free_ports};
use sdm_tests::fake_kafka::FakeKafka;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::process::{Process, Spawn};
use sdm_tests::simulation::Shared;
use sdm_tests::wait::until;
use sdm_tests::{paths, webhook};
use serde_json::{Value, json};

use crate::{Figures, PATIENCE, median};

const NAMESPACE: &str = webhook::NAMESPACE;
const CLUSTER: &str = "evicted";
const TURNS: usize = 20;

/// The figure.
pub async fn measure(
    plane: &ControlPlane,
    webhook: &webhook::Webhook,
    figures: &mut Figures,
) -> Result<()> {
    let world = Shared::default();
    let _kubelet = FakeKubelet::start(plane.client.clone(), world.clone());
    let _kafka = FakeKafka::start(plane.client.clone(), world, NAMESPACE, CLUSTER);
    let controller = controller(plane)?;
    let clusters: Api<KafkaCluster> = Api::namespaced(plane.client.clone(), NAMESPACE);
    let cluster = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster", "metadata": {"name": CLUSTER, "namespace": NAMESPACE},
        "spec": {"version": "4.3.1", "pools": [{"name": "nodes", "roles": ["broker", "controller"], "nodeIds": [0, 1, 2],
            "storage": {"volumes": [{"name": "data", "size": "1Gi"}]}}]},
    });
    clusters
        .create(&PostParams::default(), &serde_json::from_value(cluster)?)
        .await?;
    until("the cluster to be ready", PATIENCE, || async {
        let status = clusters.get(CLUSTER).await?.status.unwrap_or_default();
        ensure!(
            status
                .conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True"),
            "{:?}",
            status.conditions
        );
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;

    let mut connection = webhook.connect().await?;
    let mut took = Vec::new();
    // The first one may go, and while it may the second has to wait: both are Kafka's and the controller's word.
    for turn in 0..=TURNS {
        let pod = format!("{CLUSTER}-{}", turn.min(1));
        let began = Instant::now();
        let (status, answer) = connection.ask("/evict", eviction(&pod, turn)).await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
        let answer: Value = serde_json::from_slice(&answer)?;
        let said = answer["response"]["status"]["message"]
            .as_str()
            .unwrap_or_default();
        ensure!(
            status == 200 && !said.contains("the controller to answer"),
            "{answer}"
        );
        ensure!(
            turn != 0 || answer["response"]["allowed"] == true,
            "{answer}"
        );
    }
    let slowest = took.iter().copied().fold(0.0, f64::max);
    println!(
        "evictions: the slowest of {} was decided in {slowest:.0} ms",
        took.len()
    );
    figures.insert("eviction_decision_ms", median(took));
    // What it is to be within, with 850 ms for the controller's word.
    ensure!(
        Duration::from_secs(1).as_secs_f64() * 1e3 > slowest,
        "{slowest} ms"
    );
    Ok(())
}

fn controller(plane: &ControlPlane) -> Result<Process> {
    let [port] = free_ports()?;
    Spawn::new(
        &paths::program("sdm-controller"),
        [
            "--leader-elect=false".to_owned(),
            format!("--health-address=127.0.0.1:{port}"),
        ],
        plane.dir.join("controller.log"),
    )
    .env("KUBECONFIG", &plane.kubeconfig)
    .env("POD_NAMESPACE", NAMESPACE)
    .env("POD_NAME", "controller")
    .start()
}

fn eviction(pod: &str, turn: usize) -> bytes::Bytes {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": format!("bench-{turn}"), "kind": {"group": "policy", "version": "v1", "kind": "Eviction"},
            "subResource": "eviction", "name": pod, "namespace": NAMESPACE, "operation": "CREATE",
            "userInfo": {"username": "drain"}, "object": {"metadata": {"name": pod, "namespace": NAMESPACE}},
        },
    });
    review.to_string().into()
}
