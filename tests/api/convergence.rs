//! Acceptance: the controller is killed at random moments of bringing up, changing
//! and deleting a cluster; every run converges to the same objects, and the quorum
//! is formatted once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rand::Rng;
use sdm_api::{KafkaCluster, names};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_kafka::FakeKafka;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::process::{Process, Spawn};
use sdm_tests::simulation::Shared;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::cases::good;

const NAMESPACE: &str = "default";
const KILLS: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

/// The controller on this machine, acting without an election.
pub fn start_controller(plane: &ControlPlane) -> Result<Process> {
    let [port] = sdm_tests::control_plane::free_ports()?;
    Spawn::new(
        &sdm_tests::paths::program("sdm-controller"),
        [
            "--leader-elect=false".to_owned(),
            format!("--health-address=127.0.0.1:{port}"),
        ],
        plane.dir.join("controller.log"),
    )
    .env("KUBECONFIG", &plane.kubeconfig)
    .env("POD_NAMESPACE", NAMESPACE)
    .env("POD_NAME", "controller-under-test")
    .start()
}

/// Runs the controller and kills it at random moments until `done`; at least `kills` times.
async fn with_kills<F>(plane: &ControlPlane, kills: usize, done: F) -> Result<()>
where
    F: AsyncFn() -> Result<Option<()>>,
{
    for _ in 0..kills {
        let mut controller = start_controller(plane)?;
        let moment = rand::rng().random_range(20..900);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        controller.kill();
    }
    let controller = start_controller(plane)?;
    until("the controller to converge", PATIENCE, || done())
        .await
        .with_context(|| controller.tail())
}

async fn is_ready(api: &Api<KafkaCluster>) -> Result<Option<()>> {
    let cluster = api.get("case").await?;
    let status = cluster.status.clone().unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    let settled =
        status.observed_generation == cluster.metadata.generation && status.plan.is_empty();
    ensure!(
        ready && settled,
        "{:?} {:?}",
        status.conditions,
        status.plan
    );
    Ok(Some(()))
}

/// Everything of the cluster, without what differs from run to run: names of kinds to what they say.
async fn objects(client: &Client) -> Result<BTreeMap<String, Value>> {
    let ours = ListParams::default().labels(&format!("{}=case", names::LABEL_CLUSTER));
    let mut found = BTreeMap::new();
    macro_rules! collect {
        ($kind:ty) => {
            for object in Api::<$kind>::namespaced(client.clone(), NAMESPACE)
                .list(&ours)
                .await?
            {
                let key = format!(
                    "{}/{}",
                    <$kind as kube::Resource>::kind(&()),
                    object.name_any()
                );
                found.insert(key, normal(serde_json::to_value(object)?));
            }
        };
    }
    collect!(Pod);
    collect!(ConfigMap);
    collect!(PersistentVolumeClaim);
    collect!(Secret);
    collect!(Service);
    Ok(found)
}

/// Random and server-made parts replaced: uids, times, certificates, directory ids.
fn normal(mut object: Value) -> Value {
    for gone in [
        "managedFields",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "ownerReferences",
        "generation",
    ] {
        object["metadata"].as_object_mut().map(|m| m.remove(gone));
    }
    object["metadata"]["annotations"] = Value::Null;
    object.as_object_mut().map(|o| o.remove("status"));
    if let Some(data) = object.get_mut("data").and_then(Value::as_object_mut) {
        // Certificates and random ids differ; that they are there does not.
        for value in data.values_mut() {
            *value = Value::from("present");
        }
    }
    for path in ["/spec/clusterIP", "/spec/clusterIPs", "/spec/nodeName"] {
        if let Some(value) = object.pointer_mut(path) {
            *value = Value::Null;
        }
    }
    object
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_fifty_random_moments_it_converges_to_the_same_objects() -> Result<()> {
    let plane = ControlPlane::start("convergence").await?;
    let client = plane.client.clone();
    let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), NAMESPACE);
    let mut outcomes: Vec<BTreeMap<String, Value>> = Vec::new();
    // One undisturbed run is what the others are compared with.
    for (run, kills) in [0, KILLS / 2, KILLS - KILLS / 2].into_iter().enumerate() {
        let world = Shared::default();
        let _kubelet = FakeKubelet::start(client.clone(), world.clone());
        let _kafka = FakeKafka::start(client.clone(), world.clone(), NAMESPACE, "case");
        let (up, change) = (kills / 2, kills / 3);

        clusters
            .create(
                &PostParams::default(),
                &serde_json::from_value(good("case"))?,
            )
            .await?;
        with_kills(&plane, up, async || is_ready(&clusters).await)
            .await
            .with_context(|| format!("run {run}: bringing up"))?;

        let patch = json!({"spec": {"config": {"num.io.threads": "4"}}});
        clusters
            .patch("case", &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        with_kills(&plane, change, async || is_ready(&clusters).await)
            .await
            .with_context(|| format!("run {run}: changing"))?;
        outcomes.push(objects(&client).await?);
        {
            let world = world.lock();
            ensure!(world.broken.is_empty(), "run {run}: {:?}", world.broken);
            ensure!(
                world.bootstraps.len() == 1,
                "run {run}: the quorum was formatted {} times",
                world.bootstraps.len()
            );
        }

        clusters.delete("case", &DeleteParams::default()).await?;
        with_kills(&plane, kills - up - change, async || {
            let left = objects(&client).await?;
            let kept = |key: &str| {
                key.starts_with("PersistentVolumeClaim/") || key == "ConfigMap/case-state"
            };
            let rest: Vec<&String> = left.keys().filter(|k| !kept(k)).collect();
            ensure!(rest.is_empty(), "still there: {rest:?}");
            ensure!(left.len() == 4, "kept: {:?}", left.keys());
            Ok(Some(()))
        })
        .await
        .with_context(|| format!("run {run}: deleting"))?;

        // The next run starts from nothing.
        let ours = ListParams::default().labels(&format!("{}=case", names::LABEL_CLUSTER));
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), NAMESPACE);
        for claim in claims.list(&ours).await? {
            // No controller takes off the protection finalizer here.
            let bare = json!({"metadata": {"finalizers": null}});
            claims
                .patch(
                    &claim.name_any(),
                    &PatchParams::default(),
                    &Patch::Merge(bare),
                )
                .await?;
            claims
                .delete(&claim.name_any(), &DeleteParams::default())
                .await?;
        }
        Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE)
            .delete("case-state", &DeleteParams::default())
            .await?;
    }
    for (run, outcome) in outcomes.iter().enumerate().skip(1) {
        let keys: (Vec<_>, Vec<_>) = (outcomes[0].keys().collect(), outcome.keys().collect());
        assert_eq!(
            keys.0, keys.1,
            "run {run} has other objects than the undisturbed one"
        );
        for (key, object) in outcome {
            assert_eq!(
                *object, outcomes[0][key],
                "run {run}: {key} differs from the undisturbed run's"
            );
        }
    }
    Ok(())
}
