//! What is known of clusters and namespaces, from watches: of a cluster its listeners and tenancy, of a namespace its
//! labels. Reviews are answered from here and cost no request.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, ResourceExt};
use sdm_api::KafkaCluster;
use sdm_core::inject::{Asked, World};
use sdm_runtime::pod_certificates::{LOOK_AGAIN, served};
use tokio::sync::watch as flag;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A `KafkaCluster`, or what could be read of an object that is none.
pub type Guarded = DeserializeGuard<KafkaCluster>;
/// A namespace with its labels.
pub type Labelled = PartialObjectMeta<Namespace>;

/// How long a review waits for a namespace that was created a moment ago.
const MEET: Duration = Duration::from_secs(1);
/// Between two looks for it.
const PERIOD: Duration = Duration::from_millis(20);

/// What is known. Clones share it.
#[derive(Clone)]
pub struct Known {
    clusters: Store<Guarded>,
    namespaces: Store<Labelled>,
    served: Arc<AtomicBool>,
    looked: flag::Receiver<bool>,
}

impl Known {
    /// Starts the watches; the tasks end with `tasks`.
    pub fn start(client: &Client, tasks: &mut JoinSet<()>) -> Self {
        let (clusters, writer) = store();
        let stream = watch(
            Api::<Guarded>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(prune)
        .reflect(writer);
        tasks.spawn(drive(stream));
        let (namespaces, writer) = store();
        let stream = watch(
            Api::<Labelled>::all(client.clone()),
            watcher::Config::default(),
        )
        .default_backoff()
        .modify(|o| {
            o.managed_fields_mut().clear();
            o.metadata.annotations = None;
        })
        .reflect(writer);
        tasks.spawn(drive(stream));
        let (tell, looked) = flag::channel(false);
        let is_served = Arc::new(AtomicBool::new(false));
        tasks.spawn(look(client.clone(), Arc::clone(&is_served), tell));
        Self {
            clusters,
            namespaces,
            served: is_served,
            looked,
        }
    }

    /// What is in these stores.
    #[must_use]
    pub fn of(clusters: Store<Guarded>, namespaces: Store<Labelled>, served: bool) -> Self {
        Self {
            clusters,
            namespaces,
            served: Arc::new(AtomicBool::new(served)),
            looked: flag::channel(true).1,
        }
    }

    /// Resolves once everything was seen.
    pub async fn ready(&self) {
        let mut looked = self.looked.clone();
        // A dropped writer means that the process is ending.
        let _ = tokio::join!(
            self.clusters.wait_until_ready(),
            self.namespaces.wait_until_ready(),
            looked.wait_for(|looked| *looked),
        );
    }

    /// Waits a moment for a namespace that is not known yet: watches tell of a new one a little after others may use it.
    pub async fn meet(&self, namespace: &str) {
        let found = async {
            while self.labels(namespace).is_none() {
                sleep(PERIOD).await;
            }
        };
        let _ = tokio::time::timeout(MEET, found).await;
    }

    fn labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let found = self.namespaces.get(&ObjectRef::new(namespace))?;
        Some(found.metadata.labels.clone().unwrap_or_default())
    }

    /// Calls `decide` with what is known for a Pod in `namespace` that asks for `asked`.
    pub fn world<T>(
        &self,
        asked: &Asked,
        namespace: &str,
        decide: impl FnOnce(World<'_>) -> T,
    ) -> T {
        let key = ObjectRef::new(&asked.cluster).within(&asked.namespace);
        let found = self.clusters.get(&key);
        let labels = self.labels(namespace);
        decide(World {
            served: self.served.load(Ordering::Relaxed),
            cluster: found.as_deref().and_then(|guarded| guarded.0.as_ref().ok()),
            labels: labels.as_ref(),
        })
    }
}

/// Nothing is kept that is not read.
fn prune(object: &mut Guarded) {
    object.managed_fields_mut().clear();
    object.annotations_mut().clear();
    if let Ok(cluster) = &mut object.0 {
        cluster.status = None;
        cluster.spec.config.clear();
        cluster.spec.pools.clear();
        cluster.spec.overrides.clear();
    }
}

async fn drive<K: Debug>(stream: impl Stream<Item = watcher::Result<Event<K>>>) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        if let Err(error) = event {
            tracing::warn!(%error, "watch interrupted, will be resumed");
        }
    }
}

/// Looks again and again whether pod certificates are served.
async fn look(client: Client, is_served: Arc<AtomicBool>, tell: flag::Sender<bool>) {
    loop {
        match served(&client).await {
            Ok(now) => {
                is_served.store(now, Ordering::Relaxed);
                tell.send_replace(true);
            }
            Err(error) => tracing::warn!(%error, "cannot tell whether pod certificates are served"),
        }
        let pause = match *tell.borrow() {
            true => LOOK_AGAIN,
            false => Duration::from_secs(2),
        };
        sleep(pause).await;
    }
}
