//! What the API server told us last: one watch a kind, kept in memory, pruned of what nobody reads.
//!
//! Owns the watches, the stores and who is woken by an event. Reads of one cluster's objects come
//! from here and cost no request. Private keys are never kept: they are cut off as they arrive.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{
    ConfigMap, Node, PersistentVolumeClaim, Pod, PodSpec, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::{KafkaCluster, names};
use sdm_core::Objects;
use sdm_core::eviction::{self, Question};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

/// A `KafkaCluster`, or what could be read of an object that is none.
pub type Guarded = DeserializeGuard<KafkaCluster>;

/// An object's resource version, as it can be compared: those of one kind are ordered (KEP-5504).
pub fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

/// Namespace and name of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who is to look again.
#[derive(Clone, Debug)]
pub enum Wake {
    /// One cluster.
    One(Key),
    /// All of them.
    All,
}

/// All stores.
#[derive(Clone)]
pub struct Stores {
    /// Clusters.
    pub clusters: Store<Guarded>,
    pods: Store<Pod>,
    config_maps: Store<ConfigMap>,
    secrets: Store<Secret>,
    claims: Store<PersistentVolumeClaim>,
    services: Store<Service>,
    accounts: Store<ServiceAccount>,
    budgets: Store<PodDisruptionBudget>,
    nodes: Store<PartialObjectMeta<Node>>,
    evictions: Store<ConfigMap>,
}

/// A kind that has a store of its own.
pub trait Stored:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// Its store.
    fn store(stores: &Stores) -> &Store<Self>
    where
        Self: Sized;
}

macro_rules! stored {
    ($($kind:ty => $field:ident),* $(,)?) => {
        $(impl Stored for $kind {
            fn store(stores: &Stores) -> &Store<Self> {
                &stores.$field
            }
        })*
    };
}

stored! {
    Guarded => clusters,
    Pod => pods,
    ConfigMap => config_maps,
    Secret => secrets,
    PersistentVolumeClaim => claims,
    Service => services,
    ServiceAccount => accounts,
    PodDisruptionBudget => budgets,
}

impl Stores {
    /// Starts all watches; `wake` is called for every change. The tasks end with `tasks`. `namespace` is the operator's.
    pub fn start(
        client: &Client,
        namespace: &str,
        tasks: &mut JoinSet<()>,
        wake: impl Fn(Wake) + Clone + Send + 'static,
    ) -> Self {
        let ours = watcher::Config::default().labels(&format!(
            "{}={}",
            names::LABEL_MANAGED_BY,
            names::MANAGED_BY
        ));
        let (clusters, writer) = store();
        let stream = watch(
            Api::<Guarded>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff();
        let stream = stream
            .modify(|o| o.managed_fields_mut().clear())
            .reflect(writer);
        tasks.spawn(drive(stream, wake.clone(), |o: &Guarded| {
            Some(Wake::One(Key {
                namespace: o.namespace()?,
                name: o.name_any(),
            }))
        }));
        let (nodes, writer) = store();
        let stream = watch(
            Api::<PartialObjectMeta<Node>>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff();
        let stream = stream
            .modify(|o| {
                o.managed_fields_mut().clear();
                o.metadata.annotations = None;
            })
            .reflect(writer);
        // Kubelets touch their Nodes all the time; only what zones there are matters, and that is
        // read at the next look.
        tasks.spawn(drive(stream, wake.clone(), |_| None));
        let (evictions, writer) = store();
        let only =
            watcher::Config::default().fields(&format!("metadata.name={}", eviction::QUESTIONS));
        let stream = watch(Api::namespaced(client.clone(), namespace), only)
            .default_backoff()
            .reflect(writer);
        tasks.spawn(drive(stream, wake.clone(), newest_question));
        Self {
            clusters,
            nodes,
            evictions,
            pods: owned(client, &ours, tasks, &wake, prune_pod),
            config_maps: owned(client, &ours, tasks, &wake, |_| {}),
            secrets: owned(client, &ours, tasks, &wake, prune_secret),
            claims: owned(client, &ours, tasks, &wake, |_| {}),
            services: owned(client, &ours, tasks, &wake, |_| {}),
            accounts: owned(client, &ours, tasks, &wake, |_| {}),
            budgets: owned(client, &ours, tasks, &wake, |_| {}),
        }
    }

    /// Resolves when every store has been filled once.
    pub async fn ready(&self) {
        // A dropped writer means that the process is ending.
        let _ = tokio::join!(
            self.clusters.wait_until_ready(),
            self.pods.wait_until_ready(),
            self.config_maps.wait_until_ready(),
            self.secrets.wait_until_ready(),
            self.claims.wait_until_ready(),
            self.services.wait_until_ready(),
            self.accounts.wait_until_ready(),
            self.budgets.wait_until_ready(),
            self.nodes.wait_until_ready(),
            self.evictions.wait_until_ready(),
        );
    }

    /// The cluster as stored.
    pub fn cluster(&self, key: &Key) -> Option<Arc<Guarded>> {
        self.clusters
            .get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    /// A Secret of a cluster, without what is secret in it.
    pub fn secret(&self, key: &Key, name: &str) -> Option<Arc<Secret>> {
        self.secrets
            .get(&ObjectRef::new(name).within(&key.namespace))
    }

    /// A cluster's Pods.
    pub fn pods(&self, key: &Key) -> BTreeMap<String, Pod> {
        select(&self.pods, key)
    }

    /// Whether an object with our labels is known under this name.
    pub fn has<K: Stored>(&self, key: &Key, name: &str) -> bool
    where
        K::DynamicType: Hash + Eq,
    {
        let reference = ObjectRef::<K>::new(name).within(&key.namespace);
        K::store(self).get(&reference).is_some()
    }

    /// Every object of one cluster.
    pub fn objects(&self, key: &Key) -> Objects {
        Objects {
            pods: select(&self.pods, key),
            config_maps: select(&self.config_maps, key),
            secrets: select(&self.secrets, key),
            claims: select(&self.claims, key),
            services: select(&self.services, key),
            service_accounts: select(&self.accounts, key),
            budgets: select(&self.budgets, key),
        }
    }

    /// Evictions of Pods in a cluster's namespace that are asked for, by the Pod's name.
    pub fn evictions(&self, key: &Key, now: i64) -> BTreeMap<String, Question> {
        let questions = self.evictions.state();
        let all = questions.iter().filter_map(|map| map.data.as_ref());
        all.flat_map(|data| Question::of(data, &key.namespace, now))
            .collect()
    }

    /// The values of `topology_key` on Kubernetes nodes, sorted.
    pub fn zones(&self, topology_key: &str) -> Vec<String> {
        let mut zones: Vec<String> = self
            .nodes
            .state()
            .iter()
            .filter_map(|n| n.labels().get(topology_key).cloned())
            .collect();
        zones.sort();
        zones.dedup();
        zones
    }

    /// Waits until the store shows `name` at `version` or later, or without it when `version` is
    /// none, so that the next look does not miss what was just written. Gives up after a second:
    /// every step can be repeated.
    pub async fn seen<K: Stored>(&self, key: &Key, name: &str, version: Option<&str>)
    where
        K::DynamicType: Hash + Eq,
    {
        let reference = ObjectRef::<K>::new(name).within(&key.namespace);
        let wanted: Option<u64> = version.and_then(|v| v.parse().ok());
        for _ in 0..200 {
            let found = K::store(self).get(&reference);
            let there = match (&found, wanted) {
                (None, None) => true,
                (Some(found), Some(wanted)) => self::version(found.as_ref()) >= Some(wanted),
                (Some(found), None) => found.meta().deletion_timestamp.is_some(),
                (None, Some(_)) => false,
            };
            if there {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn owned<K>(
    client: &Client,
    config: &watcher::Config,
    tasks: &mut JoinSet<()>,
    wake: &(impl Fn(Wake) + Clone + Send + 'static),
    prune: impl Fn(&mut K) + Send + 'static,
) -> Store<K>
where
    K: Stored,
{
    let (reader, writer) = store();
    let stream = watch(Api::<K>::all(client.clone()), config.clone()).default_backoff();
    let stream = stream
        .modify(move |o| {
            o.managed_fields_mut().clear();
            prune(o);
        })
        .reflect(writer);
    tasks.spawn(drive(stream, wake.clone(), |o: &K| {
        let name = o.labels().get(names::LABEL_CLUSTER)?.clone();
        Some(Wake::One(Key {
            namespace: o.namespace()?,
            name,
        }))
    }));
    reader
}

async fn drive<K: Debug>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    wake: impl Fn(Wake),
    whom: impl Fn(&K) -> Option<Wake>,
) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => {
                if let Some(who) = whom(&object) {
                    wake(who);
                }
            }
            Ok(Event::Init | Event::InitApply(_)) => {}
            Ok(Event::InitDone) => wake(Wake::All),
            Err(error) => tracing::warn!(%error, "watch interrupted, will be resumed"),
        }
    }
}

/// The cluster whose node is to be evicted by the last question.
fn newest_question(map: &ConfigMap) -> Option<Wake> {
    let questions = map.data.iter().flatten();
    let (key, _) =
        questions.max_by_key(|(_, text)| Question::parse(text).map(|question| question.at))?;
    let (namespace, pod) = key.split_once('.')?;
    let (cluster, _) = pod.rsplit_once('-')?;
    Some(Wake::One(Key {
        namespace: namespace.to_owned(),
        name: cluster.to_owned(),
    }))
}

fn select<K>(store: &Store<K>, key: &Key) -> BTreeMap<String, K>
where
    K: Stored,
    K::DynamicType: Hash + Eq + Clone,
{
    store
        .state()
        .into_iter()
        .filter(|o| {
            o.meta().namespace.as_deref() == Some(&*key.namespace)
                && o.meta()
                    .labels
                    .as_ref()
                    .and_then(|l| l.get(names::LABEL_CLUSTER))
                    == Some(&key.name)
        })
        .map(|o| (o.name_any(), K::clone(&o)))
        .collect()
}

/// Of a Pod's spec only where it runs is read; what it should be is known by its revision.
fn prune_pod(pod: &mut Pod) {
    let node_name = pod.spec.take().and_then(|s| s.node_name);
    pod.spec = Some(PodSpec {
        node_name,
        ..PodSpec::default()
    });
}

/// Certificates stay. Of everything else, keys above all, only that it is there.
fn prune_secret(secret: &mut Secret) {
    for (key, value) in secret.data.iter_mut().flatten() {
        if key != "tls.crt" && key != "ca.crt" {
            *value = ByteString::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_private_key_is_kept() {
        let data = [
            "tls.crt",
            "tls.key",
            "keystore.pem",
            "client.properties",
            "ca.crt",
        ];
        let data = data.map(|k| (k.to_owned(), ByteString(b"content".to_vec())));
        let mut secret = Secret {
            data: Some(data.into()),
            ..Secret::default()
        };
        prune_secret(&mut secret);
        let kept: Vec<_> = secret
            .data
            .iter()
            .flatten()
            .filter(|(_, v)| !v.0.is_empty())
            .map(|(k, _)| k.as_str())
            .collect();
        assert_eq!(kept, ["ca.crt", "tls.crt"]);
        assert_eq!(
            secret.data.map(|d| d.len()),
            Some(5),
            "that the others are there is known"
        );
    }
}
