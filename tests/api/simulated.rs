//! A real API server with a cluster of simulated brokers, for what tenants ask of them.

use anyhow::Result;
use kube::Api;
use kube::api::PostParams;
use sdm_api::{KafkaCluster, KafkaTopic};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_kafka::FakeKafka;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::simulation::{Shared, Topics};
use serde_json::json;

use crate::cases::good;

pub const NAMESPACE: &str = "default";

/// A cluster of simulated brokers, `case`, whose topics are served.
pub struct Simulated {
    pub plane: ControlPlane,
    pub world: Shared,
    pub topics: Api<KafkaTopic>,
    _brokers: (FakeKubelet, FakeKafka),
}

impl Simulated {
    /// Starts one, and the API server for it; nobody reconciles it yet. The name tells runs apart.
    pub async fn start(name: &str) -> Result<Self> {
        let plane = ControlPlane::start(name).await?;
        let client = plane.client.clone();
        let world = Shared::default();
        world.lock().topics = Some(Topics::default());
        let kubelet = FakeKubelet::start_in(client.clone(), world.clone(), 99);
        let kafka = FakeKafka::start(client.clone(), world.clone(), NAMESPACE, "case");
        let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
        let case = serde_json::from_value(good("case"))?;
        clusters.create(&PostParams::default(), &case).await?;
        Ok(Self {
            plane,
            world,
            topics: Api::namespaced(client, NAMESPACE),
            _brokers: (kubelet, kafka),
        })
    }
}

/// A topic of that cluster.
pub fn topic(name: &str, drift_policy: &str) -> Result<KafkaTopic> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"clusterRef": {"name": "case"}, "partitions": 1, "driftPolicy": drift_policy},
    }))?)
}
