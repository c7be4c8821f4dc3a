//! The watches of tenants' objects: each change goes to the inbox of the cluster it refers to.
//!
//! Objects themselves are kept by the workers, once. Kept here: which cluster each refers to, roles, labels of
//! namespaces, and delivered Secrets without what is secret in them.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{Store, store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::user::LABEL_USER;
use sdm_api::{ClusterRef, KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use sdm_core::access::ObjectKey;
use serde::de::DeserializeOwned;
use tokio::sync::watch as flag;
use tokio::task::JoinSet;

use super::abreast::{Position, Told};
use super::hub::{Change, Hub, Kind, Object};
use super::secrets;
use crate::store::Key;

/// What all workers read.
#[derive(Clone)]
pub struct Shared {
    /// Roles.
    pub roles: Store<DeserializeGuard<KafkaRole>>,
    /// Namespaces with their labels.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// Delivered Secrets.
    pub secrets: Store<Secret>,
    /// How far the watches have told; what they told is in the inboxes.
    pub told: Told,
    users: Index,
    listed: flag::Receiver<usize>,
}

/// Kinds that are handed to workers.
const KINDS: usize = 4;

impl Shared {
    /// Resolves when everything was listed once: before that nobody may conclude that an object is gone.
    pub async fn ready(&self) {
        let _ = tokio::join!(
            self.roles.wait_until_ready(),
            self.namespaces.wait_until_ready(),
            self.secrets.wait_until_ready(),
        );
        let mut listed = self.listed.clone();
        let _ = listed.wait_for(|n| *n >= KINDS).await;
    }
}

impl Shared {
    /// Users that refer to other clusters than this one.
    pub fn users_elsewhere(&self, cluster: &Key) -> BTreeSet<ObjectKey> {
        let users = lock(&self.users);
        users
            .iter()
            .filter(|(_, of)| *of != cluster)
            .map(|(user, _)| ObjectKey {
                namespace: user.namespace.clone(),
                name: user.name.clone(),
            })
            .collect()
    }

    /// Whether a user refers to another cluster than this one.
    pub fn is_user_elsewhere(&self, user: &Key, cluster: &Key) -> bool {
        let users = lock(&self.users);
        users.get(user).is_some_and(|of| of != cluster)
    }
}

/// A kind whose objects refer to a cluster.
trait Tenant:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    const KIND: Kind;
    fn cluster(&self) -> &ClusterRef;
    fn wrap(object: Arc<Self>) -> Object;
}

macro_rules! tenants {
    ($($kind:ty => $tag:ident),* $(,)?) => {
        $(impl Tenant for $kind {
            const KIND: Kind = Kind::$tag;
            fn cluster(&self) -> &ClusterRef { &self.spec.cluster_ref }
            fn wrap(object: Arc<Self>) -> Object { Object::$tag(object) }
        })*
    };
}

tenants! { KafkaTopic => Topic, KafkaUser => User, KafkaACL => Acl, KafkaAccessGrant => Grant }

/// Users by their cluster, for Secrets.
type Index = Arc<Mutex<HashMap<Key, Key>>>;

fn lock(index: &Index) -> MutexGuard<'_, HashMap<Key, Key>> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts everything; the tasks end with `tasks`.
pub fn start(client: &Client, hub: &Arc<Hub>, tasks: &mut JoinSet<()>) -> Shared {
    let (tell, listed) = flag::channel(0);
    let tell = Arc::new(tell);
    let (users, told) = (Index::default(), Told::default());
    let all_users = Arc::clone(&users);
    tasks.spawn(follow::<KafkaTopic>(
        client.clone(),
        Arc::clone(hub),
        Index::default(),
        Position::default(),
        Arc::clone(&tell),
    ));
    tasks.spawn(follow::<KafkaUser>(
        client.clone(),
        Arc::clone(hub),
        Arc::clone(&users),
        Position::default(),
        Arc::clone(&tell),
    ));
    tasks.spawn(follow::<KafkaACL>(
        client.clone(),
        Arc::clone(hub),
        Index::default(),
        told.acls.clone(),
        Arc::clone(&tell),
    ));
    tasks.spawn(follow::<KafkaAccessGrant>(
        client.clone(),
        Arc::clone(hub),
        Index::default(),
        told.grants.clone(),
        tell,
    ));

    let (roles, writer) = store();
    let stream = watch(
        Api::<DeserializeGuard<KafkaRole>>::all(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|o| o.managed_fields_mut().clear())
    .reflect(writer);
    let (wake, position) = (Arc::clone(hub), told.roles.clone());
    tasks.spawn(drive(stream, move |event| {
        if !matches!(event, Event::Init | Event::InitApply(_)) {
            wake.role();
        }
        position.note(event);
    }));

    let (namespaces, writer) = store();
    let stream = watch(
        Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|o| {
        o.managed_fields_mut().clear();
        o.metadata.annotations = None;
    })
    .reflect(writer);
    let wake = Arc::clone(hub);
    let mut labels = HashMap::new();
    tasks.spawn(drive(stream, move |event| match event {
        Event::Apply(namespace) => {
            let now = namespace.metadata.labels.clone();
            if labels.insert(namespace.name_any(), now.clone()) != Some(now) {
                wake.surroundings();
            }
        }
        Event::Delete(namespace) => drop(labels.remove(&namespace.name_any())),
        Event::InitApply(namespace) => {
            labels.insert(namespace.name_any(), namespace.metadata.labels.clone());
        }
        Event::InitDone => wake.surroundings(),
        Event::Init => {}
    }));

    let (secrets, writer) = store();
    let config = watcher::Config::default().labels(LABEL_USER);
    let stream = watch(Api::<Secret>::all(client.clone()), config)
        .default_backoff()
        .modify(secrets::prune)
        .reflect(writer);
    let wake = Arc::clone(hub);
    tasks.spawn(drive(stream, move |event| {
        if let Event::Apply(secret) | Event::Delete(secret) = event
            && let Some(user) = secrets::user_of(secret)
        {
            let cluster = lock(&users).get(&user).cloned();
            if let Some(cluster) = cluster {
                let gone = matches!(event, Event::Delete(_))
                    .then(|| secret.uid())
                    .flatten();
                wake.secret(&cluster, user, gone);
            }
        }
    }));
    Shared {
        roles,
        namespaces,
        secrets,
        told,
        users: all_users,
        listed,
    }
}

async fn drive<K: Debug>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    mut heard: impl FnMut(&Event<K>),
) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => heard(&event),
            Err(error) => tracing::warn!(%error, "watch interrupted, will be resumed"),
        }
    }
}

/// Where an object belongs: the cluster is read from the raw object too when the rest of it cannot be.
async fn follow<K: Tenant>(
    client: Client,
    hub: Arc<Hub>,
    index: Index,
    position: Position,
    listed: Arc<flag::Sender<usize>>,
) {
    let stream = watch(
        Api::<DeserializeGuard<K>>::all(client),
        watcher::Config::default(),
    )
    .default_backoff()
    .modify(|o| {
        o.managed_fields_mut().clear();
        o.annotations_mut()
            .remove("kubectl.kubernetes.io/last-applied-configuration");
    });
    let mut first = true;
    let mut before: HashMap<Key, Key> = HashMap::new();
    let mut tell = |event: &Event<DeserializeGuard<K>>| match event {
        Event::Init => before = std::mem::take(&mut *lock(&index)),
        Event::InitApply(object) | Event::Apply(object) => {
            let Some(key) = key_of(object) else { return };
            let fresh = matches!(event, Event::Apply(_));
            let was = before.remove(&key);
            match &object.0 {
                Ok(object) => {
                    let reference = object.cluster();
                    let cluster = Key {
                        namespace: reference.namespace_from(&key.namespace).to_owned(),
                        name: reference.name.clone(),
                    };
                    let was = was.or_else(|| lock(&index).get(&key).cloned());
                    if let Some(was) = was.filter(|was| *was != cluster) {
                        hub.tell(&was, K::KIND, key.clone(), Change::Gone);
                    }
                    lock(&index).insert(key.clone(), cluster.clone());
                    let object = K::wrap(Arc::new(object.clone()));
                    hub.tell(&cluster, K::KIND, key, Change::Is { object, fresh });
                }
                Err(error) => {
                    tracing::warn!(object = %key, kind = %K::kind(&()), error = %error.error, "object cannot be read");
                    if let Some(cluster) = was.or_else(|| lock(&index).get(&key).cloned()) {
                        lock(&index).insert(key.clone(), cluster.clone());
                        hub.tell(&cluster, K::KIND, key, Change::Unreadable);
                    }
                }
            }
        }
        Event::Delete(object) => {
            if let Some(key) = key_of(object)
                && let Some(cluster) = lock(&index).remove(&key)
            {
                hub.tell(&cluster, K::KIND, key, Change::Gone);
            }
        }
        Event::InitDone => {
            // What was there before the list and is not in it was deleted meanwhile.
            for (key, cluster) in before.drain() {
                hub.tell(&cluster, K::KIND, key, Change::Gone);
            }
            if std::mem::take(&mut first) {
                listed.send_modify(|n| *n += 1);
            }
        }
    };
    drive(stream, |event| {
        tell(event);
        position.note(event);
    })
    .await;
}

fn key_of<K: Resource>(object: &K) -> Option<Key> {
    Some(Key {
        namespace: object.namespace()?,
        name: object.meta().name.clone()?,
    })
}
