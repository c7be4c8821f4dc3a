//! A real API server with a cluster of simulated brokers, for what tenants ask of them.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use sdm_api::condition::{READY, Reports};
use sdm_api::{KafkaCluster, KafkaTopic};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_kafka::FakeKafka;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::simulation::{Shared, Topics};
use sdm_tests::wait::until;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cases::good;

pub const NAMESPACE: &str = "default";
const PATIENCE: Duration = Duration::from_secs(60);

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

impl Simulated {
    /// Nobody was asked anything that a simulated node does not know.
    pub fn is_sound(&self) -> Result<()> {
        let world = self.world.lock();
        ensure!(world.broken.is_empty(), "{:?}", world.broken);
        Ok(())
    }
}

/// Waits until the cluster tells of something in a warning with these words.
pub async fn told(client: &Client, reason: &str, words: &[&str]) -> Result<()> {
    let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
    let about = ListParams::default().fields("involvedObject.kind=KafkaCluster");
    until("the cluster to say so", PATIENCE, || async {
        let told = events.list(&about).await?.items.into_iter();
        let mut told = told
            .filter(|event| event.reason.as_deref() == Some(reason))
            .filter_map(|event| event.message);
        Ok(told
            .any(|text| words.iter().all(|word| text.contains(word)))
            .then_some(()))
    })
    .await
}

/// What `Ready` says of an object, and the object's version.
pub async fn ready<K>(api: &Api<K>, name: &str) -> Result<(Condition, Option<String>)>
where
    K: Reports + Clone + Debug + DeserializeOwned,
{
    let object = api.get(name).await?;
    let ready = object
        .report()
        .and_then(|(_, all)| all.iter().find(|c| c.type_ == READY).cloned());
    let ready = ready.with_context(|| format!("{name} has no condition yet"))?;
    Ok((ready, object.meta().resource_version.clone()))
}

/// A topic of that cluster.
pub fn topic(name: &str, drift_policy: &str) -> Result<KafkaTopic> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"clusterRef": {"name": "case"}, "partitions": 1, "driftPolicy": drift_policy},
    }))?)
}
