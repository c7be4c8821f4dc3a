//! The watches behind `policies`: policies, labels of namespaces, clusters, and how many partitions topics have.
//!
//! Nothing else of any object is kept, so that what the webhook holds is bounded by what policies go by.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource};
use sdm_api::{KafkaCluster, KafkaPolicy, KafkaTopic};
use sdm_runtime::health::CheckHandle;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::policies::{Known, Policies};

/// How many there are.
pub(crate) const WATCHES: usize = 4;

type Key = (String, String);

/// Starts them. `check` passes when each has listed everything once; they end with `tasks`.
pub fn start(client: &Client, check: &CheckHandle, tasks: &mut JoinSet<()>) -> Policies {
    let policies = Policies::unknown(client.clone());
    check.set_ready(false, "policies are not listed yet");
    let (all, of) = (client, &policies);
    tasks.spawn(follow::<DeserializeGuard<KafkaPolicy>>(
        all.clone(),
        of.clone(),
        check.clone(),
        |known, _, policy| match policy.0 {
            Ok(policy) => known.compiled.insert(&policy),
            Err(error) => {
                tracing::error!(policy = ?error.metadata.name, "a policy cannot be read, so it holds as it was");
            }
        },
        |known, (_, name)| known.compiled.remove(name),
    ));
    tasks.spawn(follow::<PartialObjectMeta<Namespace>>(
        all.clone(),
        of.clone(),
        check.clone(),
        |known, (_, name), namespace| {
            let labels = namespace.metadata.labels.unwrap_or_default();
            known.world.set_namespace(name, &labels);
        },
        |known, (_, name)| known.world.remove_namespace(name),
    ));
    tasks.spawn(follow::<DeserializeGuard<KafkaCluster>>(
        all.clone(),
        of.clone(),
        check.clone(),
        |known, (namespace, name), cluster| {
            let Ok(mut cluster) = cluster.0 else { return };
            cluster.metadata.managed_fields = None;
            cluster.status = None;
            if let Ok(value) = serde_json::to_value(&cluster) {
                known.world.set_cluster(namespace, name, value);
            }
        },
        |known, (namespace, name)| known.world.remove_cluster(namespace, name),
    ));
    tasks.spawn(follow::<DeserializeGuard<KafkaTopic>>(
        all.clone(),
        of.clone(),
        check.clone(),
        |known, (namespace, name), topic| {
            let Ok(topic) = topic.0 else { return };
            let reference = &topic.spec.cluster_ref;
            let cluster = (reference.namespace_from(namespace), reference.name.as_str());
            known
                .world
                .set_topic(namespace, name, cluster, topic.spec.partitions);
        },
        |known, (namespace, name)| known.world.remove_topic(namespace, name),
    ));
    policies
}

/// Resolves when policies are known, or it was asked to stop; then it is false.
pub async fn ready(policies: &Policies, stop: &CancellationToken) -> bool {
    loop {
        if policies.listed() {
            return true;
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
    }
}

/// Watches all objects of a kind: `take` is told of each that is there, `lose` of each that is gone.
async fn follow<K>(
    client: Client,
    policies: Policies,
    check: CheckHandle,
    take: fn(&mut Known, &Key, K),
    lose: fn(&mut Known, &Key),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut stream = pin!(watcher(Api::<K>::all(client), Config::default()).default_backoff());
    let (mut there, mut before, mut listed) = (BTreeSet::new(), BTreeSet::new(), false);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => before = std::mem::take(&mut there),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let key = key_of(&object);
                take(&mut policies.write(), &key, object);
                before.remove(&key);
                there.insert(key);
            }
            Ok(Event::Delete(object)) => {
                let key = key_of(&object);
                lose(&mut policies.write(), &key);
                there.remove(&key);
            }
            Ok(Event::InitDone) => {
                let mut known = policies.write();
                // What was there before the list and is not in it went unnoticed.
                for key in std::mem::take(&mut before) {
                    lose(&mut known, &key);
                }
                if !std::mem::replace(&mut listed, true) {
                    known.listed += 1;
                    if known.listed == WATCHES {
                        check.set_ready(true, "");
                    }
                }
            }
            Err(error) => {
                if !listed {
                    check.set_ready(false, format!("cannot list: {error}"));
                }
                tracing::warn!(%error, "watch interrupted, will be resumed");
            }
        }
    }
}

fn key_of<K: Resource<DynamicType = ()>>(object: &K) -> Key {
    let meta = object.meta();
    (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    )
}
