//! A real API server with a cluster of simulated brokers, for what tenants ask of them.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::condition::{READY, Reports};
use sdm_api::{KafkaCluster, KafkaTopic};
use sdm_tests::bulk;
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_kafka::FakeKafka;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::process::Process;
use sdm_tests::simulation::{Shared, Topics, World};
use sdm_tests::wait::until;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cases::good;
use crate::convergence::start_controller;

pub const NAMESPACE: &str = "default";
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of simulated brokers, `case`, whose topics are served, and a controller.
pub struct Simulated {
    pub world: Shared,
    pub topics: Api<KafkaTopic>,
    // Dropped, and so stopped, before what it talks to.
    controller: Mutex<Process>,
    _brokers: (FakeKubelet, FakeKafka),
    plane: ControlPlane,
}

impl Simulated {
    /// Starts them all. The name tells runs apart.
    pub async fn start(name: &str) -> Result<Self> {
        Self::start_on(ControlPlane::start(name).await?).await
    }

    /// As [`Simulated::start`], on a control plane that is there.
    pub async fn start_on(plane: ControlPlane) -> Result<Self> {
        let client = plane.client.clone();
        let world = Shared::default();
        world.lock().topics = Some(Topics::default());
        let kubelet = FakeKubelet::start_in(client.clone(), world.clone(), 99);
        let kafka = FakeKafka::start(client.clone(), world.clone(), NAMESPACE, "case");
        let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
        let case = serde_json::from_value(good("case"))?;
        clusters.create(&PostParams::default(), &case).await?;
        Ok(Self {
            world,
            topics: Api::namespaced(client, NAMESPACE),
            controller: Mutex::new(start_controller(&plane)?),
            _brokers: (kubelet, kafka),
            plane,
        })
    }

    /// A client of the API server.
    pub fn client(&self) -> &Client {
        &self.plane.client
    }

    /// A kind, in the namespace of the cluster.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client().clone(), NAMESPACE)
    }

    /// The controller is killed, something happens, another one starts: it looks at everything.
    pub fn restart(&self, meanwhile: impl FnOnce(&mut World)) -> Result<()> {
        let mut controller = self.controller();
        controller.kill();
        meanwhile(&mut self.world.lock());
        *controller = start_controller(&self.plane)?;
        Ok(())
    }

    /// Waits for what the probe looks for; if it does not come, the controller's last words are shown.
    pub async fn until<T, F, Fut>(&self, what: &str, probe: F) -> Result<T>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<Option<T>>>,
    {
        let found = until(what, PATIENCE, probe).await;
        found.with_context(|| self.tail())
    }

    /// Waits until `Ready` has this reason. Returns the object's version.
    pub async fn until_says<K>(
        &self,
        api: &Api<K>,
        name: &str,
        reason: &str,
    ) -> Result<Option<String>>
    where
        K: Reports + Clone + Debug + DeserializeOwned,
    {
        self.until(&format!("{name} to be {reason}"), || async {
            let (ready, version) = ready(api, name).await?;
            let (said, message) = (ready.reason, ready.message);
            ensure!(said == reason, "{said}: {message}");
            Ok(Some(version))
        })
        .await
    }

    /// Creates topics, all at once, and waits until they are Ready.
    pub async fn create(&self, topics: Vec<KafkaTopic>) -> Result<()> {
        let names: Vec<String> = topics.iter().map(ResourceExt::name_any).collect();
        let create = bulk::create(self.client(), topics);
        let made = bulk::until_ready(&self.topics, &names, 1, PATIENCE, create).await;
        made.map(drop).with_context(|| self.tail())
    }

    /// Waits until the cluster tells of something in a warning with these words.
    pub async fn until_told(&self, reason: &str, words: &[&str]) -> Result<()> {
        let events: Api<Event> = self.api();
        let about = ListParams::default().fields("involvedObject.kind=KafkaCluster");
        self.until("the cluster to say so", || async {
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

    /// Stops the controller. Nobody was asked anything that a simulated node does not know.
    pub fn finish(self) -> Result<()> {
        self.controller().kill();
        let world = self.world.lock();
        ensure!(world.broken.is_empty(), "{:?}", world.broken);
        Ok(())
    }

    /// The lines of the controller's log, so far.
    pub fn log(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(&self.controller().log)?;
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.filter_map(Result::ok).collect())
    }

    fn tail(&self) -> String {
        self.controller().tail()
    }

    fn controller(&self) -> MutexGuard<'_, Process> {
        self.controller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
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
    object(
        name,
        &json!({"clusterRef": {"name": "case"}, "partitions": 1, "driftPolicy": drift_policy}),
    )
}

/// An object in the namespace of that cluster.
pub fn object<K>(name: &str, spec: &Value) -> Result<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    Ok(serde_json::from_value(json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    }))?)
}
