//! A simulated kubelet and volume binder for node Pods: binds claims, formats
//! disks as the Pod's format script says, reports Pods running, ends them when
//! deleted. It does what the real one does to the API objects, only faster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, ConfigMap, ObjectReference, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use sdm_api::names;
use serde_json::json;

use crate::simulation::{Running, Shared};

/// Serves all namespaces until dropped.
pub struct FakeKubelet {
    task: tokio::task::JoinHandle<()>,
}

impl FakeKubelet {
    /// Starts serving, with addresses in 127.77.0.0/16.
    pub fn start(client: Client, world: Shared) -> Self {
        Self::start_in(client, world, 77)
    }

    /// Starts serving, with addresses in 127.`net`.0.0/16: for nodes that are no other test's.
    pub fn start_in(client: Client, world: Shared, net: u8) -> Self {
        let task = tokio::spawn(async move {
            let mut addresses = BTreeMap::new();
            loop {
                // A list a round is simple and enough for tens of Pods.
                if let Err(error) = round(&client, &world, net, &mut addresses).await {
                    eprintln!("simulated kubelet: {error:#}");
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
        Self { task }
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn round(
    client: &Client,
    world: &Shared,
    net: u8,
    addresses: &mut BTreeMap<String, String>,
) -> Result<()> {
    let selector = ListParams::default().labels(&format!(
        "{}={}",
        names::LABEL_MANAGED_BY,
        names::MANAGED_BY
    ));
    let pods = Api::<Pod>::all(client.clone()).list(&selector).await?;
    let present: Vec<String> = pods.iter().filter_map(ResourceExt::uid).collect();
    world
        .lock()
        .running
        .retain(|_, node| present.contains(&node.uid));
    futures::stream::iter(pods)
        .for_each_concurrent(8, |pod| {
            let key = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
            let next = addresses.len() + 10;
            let ip = addresses
                .entry(key)
                .or_insert_with(|| format!("127.{net}.{}.{}", next / 250, next % 250 + 1))
                .clone();
            async move {
                if let Err(error) = serve(client, world, &pod, ip).await
                    && !is_gone(&error)
                {
                    eprintln!("simulated kubelet: {}: {error:#}", pod.name_any());
                }
            }
        })
        .await;
    Ok(())
}

async fn serve(client: &Client, world: &Shared, pod: &Pod, ip: String) -> Result<()> {
    let namespace = pod.namespace().context("a Pod has a namespace")?;
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        world.lock().running.remove(&name);
        api.delete(&name, &DeleteParams::default().grace_period(0))
            .await?;
        return Ok(());
    }
    if pod.spec.as_ref().is_some_and(|s| s.node_name.is_none()) {
        let target = ObjectReference {
            kind: Some("Node".into()),
            name: Some("simulated".into()),
            ..Default::default()
        };
        let metadata = ObjectMeta {
            name: Some(name.clone()),
            uid: pod.uid(),
            ..ObjectMeta::default()
        };
        let binding = Binding { metadata, target };
        let _: serde_json::Value = api
            .create_subresource("binding", &name, &PostParams::default(), &binding)
            .await?;
    }
    let uid = pod.uid().context("a Pod has a uid")?;
    let known = world
        .lock()
        .running
        .get(&name)
        .is_some_and(|n| n.uid == uid);
    if !known {
        let node = boot(client, world, pod, ip.clone()).await?;
        world.lock().running.insert(name.clone(), node);
    }
    report(&api, pod, &ip).await
}

/// Formats the node's disks if they are blank, and says what runs then.
async fn boot(client: &Client, world: &Shared, pod: &Pod, ip: String) -> Result<Running> {
    let namespace = pod.namespace().context("a Pod has a namespace")?;
    let label = |key: &str| pod.labels().get(key).cloned().unwrap_or_default();
    let (cluster, id) = (
        label(names::LABEL_CLUSTER),
        label(names::LABEL_NODE_ID).parse::<i32>()?,
    );
    let config: ConfigMap = Api::namespaced(client.clone(), &namespace)
        .get(&names::node(&cluster, id))
        .await?;
    let data = config.data.unwrap_or_default();
    let script = data.get("format.sh").context("no format.sh")?;
    let properties = data
        .get("server.properties")
        .context("no server.properties")?;
    let cluster_id = word_after(script, &["cluster_id='"]).context("no cluster id in format.sh")?;
    let initial = word_after(script, &["--initial-controllers "]);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
    let mut directory_id = String::new();
    for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
        let Some(source) = &volume.persistent_volume_claim else {
            continue;
        };
        let claim = claims.get(&source.claim_name).await?;
        let disk = world.lock().format(
            &claim.uid().context("a claim has a uid")?,
            &cluster_id,
            initial.as_deref().filter(|_| directory_id.is_empty()),
            id,
        );
        if directory_id.is_empty() {
            directory_id = disk
                .directory_id
                .unwrap_or_else(|| format!("observer-{id}"));
        }
        if claim.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
            let status = json!({"status": {"phase": "Bound"}});
            claims
                .patch_status(
                    &source.claim_name,
                    &PatchParams::default(),
                    &Patch::Merge(status),
                )
                .await?;
        }
    }
    Ok(Running {
        uid: pod.uid().unwrap_or_default(),
        ip,
        id,
        broker: label(names::LABEL_BROKER) == "true",
        controller: label(names::LABEL_CONTROLLER) == "true",
        directory_id,
        rack: properties
            .lines()
            .find_map(|l| l.strip_prefix("broker.rack="))
            .map(str::to_owned),
    })
}

/// The status a kubelet would report: containers ready, and Ready once the gates are open too.
async fn report(api: &Api<Pod>, pod: &Pod, ip: &str) -> Result<()> {
    let conditions = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let is_true = |kind: &str| {
        conditions
            .clone()
            .any(|c| c.type_ == kind && c.status == "True")
    };
    let gates = pod
        .spec
        .iter()
        .flat_map(|s| s.readiness_gates.iter().flatten());
    let open = gates
        .map(|g| g.condition_type.clone())
        .all(|gate| is_true(&gate));
    let running = pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
    if running && is_true("Ready") == open {
        return Ok(());
    }
    let ready = if open { "True" } else { "False" };
    let now = "2026-01-01T00:00:00Z";
    let status = json!({"status": {
        "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "127.0.0.1", "startTime": now,
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
            {"type": "Initialized", "status": "True", "lastTransitionTime": now},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": now},
            {"type": "Ready", "status": ready, "lastTransitionTime": now},
        ],
        "containerStatuses": [{
            "name": "kafka", "ready": true, "started": true, "restartCount": 0, "image": "simulated", "imageID": "simulated",
            "state": {"running": {"startedAt": now}},
        }],
    }});
    api.patch_status(
        &pod.name_any(),
        &PatchParams::default(),
        &Patch::Strategic(status),
    )
    .await?;
    Ok(())
}

/// The word after one of `keys`, quotes dropped; shell variables are not expanded.
fn word_after(text: &str, keys: &[&str]) -> Option<String> {
    let rest = keys
        .iter()
        .find_map(|key| text.split_once(key).map(|(_, rest)| rest))?;
    let word: String = rest
        .chars()
        .take_while(|c| !c.is_whitespace())
        .filter(|c| !['\'', '"'].contains(c))
        .collect();
    (!word.is_empty()).then_some(word)
}

fn is_gone(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict())
}
