//! The first of the five steps of a reconcile, and the only one that reads: everything a decision
//! may look at, gathered into one [`Snapshot`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use sdm_api::{KafkaCluster, names};
use sdm_core::eviction::Answer;
use sdm_core::state::StateError;
use sdm_core::{ClusterState, Resolved, Snapshot};
use uuid::Uuid;

use crate::authority;
use crate::error::Error;
use crate::store::{Key, Stores};

/// Everything of one cluster, from memory.
pub async fn snapshot(
    client: &Client,
    stores: &Stores,
    key: &Key,
    cluster: KafkaCluster,
    resolved: &Resolved,
) -> Result<Snapshot, Error> {
    let mut objects = stores.objects(key);
    let state = names::state_config_map(&key.name);
    if let Entry::Vacant(missing) = objects.config_maps.entry(state) {
        // Two watches know nothing of each other: before anybody concludes that the decisions are
        // lost, or takes them anew, the API server itself is asked.
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
        if let Some(found) = api.get_opt(missing.key()).await? {
            missing.insert(found);
        }
    }
    let certificates = authority::views(&key.name, &objects.secrets);
    let now = Timestamp::now().as_second();
    let mut evictions = stores.evictions(key, now);
    evictions.retain(|pod, question| {
        let pod = objects.pods.get(pod);
        pod.is_some_and(|p| Answer::on(p).is_none_or(|answer| answer.id != question.id))
    });
    Ok(Snapshot {
        cluster,
        objects,
        certificates,
        zones: stores.zones(&resolved.rack_awareness.topology_key),
        kafka: None,
        kafka_age: 0,
        kafka_error: None,
        evictions,
        now,
        fresh_ids: (0..=resolved.controllers().count())
            .map(|_| fresh_id())
            .collect(),
    })
}

/// The decisions on record.
pub fn state(snapshot: &Snapshot, key: &Key) -> Result<Option<ClusterState>, StateError> {
    snapshot
        .objects
        .config_maps
        .get(&names::state_config_map(&key.name))
        .map(ClusterState::parse)
        .transpose()
}

/// The Pods of a cluster as the API server has them at this moment, not as the watch told last.
pub async fn pods_now(client: &Client, key: &Key) -> Result<BTreeMap<String, Pod>, Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &key.namespace);
    let list = api
        .list(&ListParams::default().labels(&format!("{}={}", names::LABEL_CLUSTER, key.name)))
        .await?;
    Ok(list.items.into_iter().map(|p| (p.name_any(), p)).collect())
}

/// A random id as Kafka writes it. Never one that looks like an option on a command line, as
/// Kafka's own generator takes care of too.
fn fresh_id() -> String {
    loop {
        let id = sdm_kafka::Id::from(Uuid::new_v4()).to_string();
        if !id.starts_with('-') {
            return id;
        }
    }
}
