//! Which policies there are, and what is around the objects they judge.
//!
//! Owns what is remembered, and judging with it. Keeping it up to date is `watch`'s business; what policies mean is
//! `sdm-core`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use sdm_api::KafkaPolicy;
use sdm_api::policy::PolicyKind;
use sdm_core::Review;
use sdm_core::access::ObjectKey;
use sdm_core::around::Around;
use sdm_core::inject::{self, Injection};
use sdm_core::kinds::{self, Kind};
use sdm_core::policy::{Asked, Compiled, Findings, World};
use sdm_core::validate::{StorageClasses, dns_label};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::review::Request;

/// How long a review waits for a namespace that the watch has not told of.
const PATIENCE: Duration = Duration::from_secs(1);

/// More storage classes than anybody has.
const CLASSES: u32 = 500;

/// What is remembered. Clones share it.
#[derive(Clone, Default)]
pub struct Policies {
    known: Arc<RwLock<Known>>,
    filled_in: Arc<watch::Sender<BTreeSet<PolicyKind>>>,
    client: Option<Client>,
}

/// Policies, compiled, and the world that they and validators go by.
pub(crate) struct Known {
    pub compiled: Compiled,
    world: World,
    around: Around,
    /// How many watches have listed everything once.
    pub listed: usize,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            compiled: Compiled::default(),
            world: World::default(),
            around: Around::complete(),
            listed: 0,
        }
    }
}

impl Known {
    /// Takes up an object as it is now.
    pub(crate) fn take(&mut self, object: &Value) {
        if object["kind"] == "KafkaPolicy" {
            match kinds::parse::<KafkaPolicy>(object) {
                Ok(policy) => self.compiled.insert(&policy),
                Err(error) => {
                    let policy = &object["metadata"]["name"];
                    tracing::error!(%policy, %error, "a policy cannot be read, so it holds as it was");
                }
            }
        }
        self.world.take(object);
        self.around.take(object);
    }

    /// An object of that kind is gone.
    pub(crate) fn forget(&mut self, kind: &str, key: &ObjectKey) {
        let (namespace, name) = (&key.namespace, &key.name);
        match kind {
            "KafkaPolicy" => self.compiled.remove(name),
            "Namespace" => self.world.remove_namespace(name),
            "KafkaCluster" => self.world.remove_cluster(namespace, name),
            "KafkaTopic" => self.world.remove_topic(namespace, name),
            _ => {}
        }
        self.around.forget(kind, namespace, name);
    }

    /// What is known of a kind.
    pub(crate) fn keys(&self, kind: &str) -> BTreeSet<ObjectKey> {
        match kind {
            "KafkaPolicy" => {
                let names = self.compiled.names();
                names.map(|name| ObjectKey::new("", name)).collect()
            }
            _ => self.around.keys(kind),
        }
    }

    /// What policies go by.
    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The labels of a namespace, if it is known.
    pub(crate) fn labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.around.labels(namespace)
    }

    /// Whether everything is known that objects are judged by.
    fn suffices(&self) -> bool {
        self.listed >= crate::watch::WATCHES
    }
}

impl Policies {
    /// These policies, for good, around these objects, which need not be all there are: for tests.
    #[must_use]
    pub fn fixed(policies: &[KafkaPolicy], objects: &[Value]) -> Self {
        let mut known = Known {
            compiled: Compiled::new(policies),
            listed: crate::watch::WATCHES,
            around: Around::default(),
            ..Known::default()
        };
        objects.iter().for_each(|object| known.take(object));
        Self {
            filled_in: Arc::new(watch::Sender::new(known.compiled.filled_in())),
            known: Arc::new(RwLock::new(known)),
            client: None,
        }
    }

    /// The same, but `client` is asked for namespaces that nobody has told of.
    #[must_use]
    pub fn asking(self, client: Client) -> Self {
        Self {
            client: Some(client),
            ..self
        }
    }

    /// Nothing known yet; `client` is asked for namespaces that nobody has told of.
    pub(crate) fn unknown(client: Client) -> Self {
        Self::default().asking(client)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds that policies fill something in for.
    #[must_use]
    pub fn filled_in(&self) -> watch::Receiver<BTreeSet<PolicyKind>> {
        self.filled_in.subscribe()
    }

    /// Tells of the kinds that policies fill something in for, if they are others than before.
    pub(crate) fn tell_filled_in(&self) {
        let now = self.read().compiled.filled_in();
        self.filled_in
            .send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
    }

    /// Whether every policy is known: before that nothing can be let in.
    #[must_use]
    pub fn listed(&self) -> bool {
        self.read().suffices()
    }

    /// Makes sure that the namespace of a request is known: one that was made a moment ago may be ahead of the watch.
    pub async fn meet(&self, request: &Request<'_>) {
        let (Some(client), Some(name)) = (&self.client, request.namespace.as_deref()) else {
            return;
        };
        // No other can be there, and who sends one must get no question to the API server out of it, nor a place here.
        if !dns_label(name) {
            return;
        }
        {
            let known = self.read();
            if known.world.knows_namespace(name) {
                return;
            }
        }
        let api: Api<Namespace> = Api::all(client.clone());
        match timeout(PATIENCE, api.get_metadata_opt(name)).await {
            Ok(Ok(Some(found))) => {
                let labels = found.metadata.labels.unwrap_or_default();
                let mut known = self.write();
                known.world.set_namespace(name, &labels);
                known.around.set_namespace(name, labels);
            }
            // Whoever goes by its labels says that they are not known.
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a namespace could not be read"),
        }
    }

    /// Asks which storage classes can grow volumes, for a change of a cluster; few are made, and nobody watches classes.
    pub async fn ask_classes(&self, request: &Request<'_>) {
        let Some(client) = &self.client else { return };
        let is_ours = request.kind.group == sdm_api::GROUP && request.kind.kind == "KafkaCluster";
        if !is_ours || request.operation != "UPDATE" {
            return;
        }
        let api: Api<StorageClass> = Api::all(client.clone());
        let listed = timeout(PATIENCE, api.list(&ListParams::default().limit(CLASSES))).await;
        match listed {
            Ok(Ok(all)) => self.write().around.set_storage_classes(classes(&all.items)),
            Ok(Err(error)) => tracing::warn!(%error, "the storage classes could not be read"),
            Err(_) => tracing::warn!("the storage classes could not be read in time"),
        }
    }

    /// What is wrong with an object in itself and because of others. The second part: whether it is only the others.
    #[must_use]
    pub fn review(&self, kind: &Kind, object: &Value, old: Option<&Value>) -> (Review, bool) {
        let review = kind.review(object, old, &self.read().around);
        let by_others = !review.violations.is_empty()
            && kind
                .review(object, old, &Around::default())
                .violations
                .is_empty();
        (review, by_others)
    }

    /// What policies find wrong with the object of a request; none while they are not known.
    #[must_use]
    pub fn judge(
        &self,
        request: &Request<'_>,
        kind: PolicyKind,
        object: &Value,
        old: Option<&Value>,
    ) -> Option<Findings> {
        self.ask(request, kind, object, old, Compiled::judge)
    }

    /// What becomes of a Pod that asks to be a client; none while policies are not known.
    #[must_use]
    pub fn inject(
        &self,
        pod: &Pod,
        namespace: &str,
        asked: &inject::Asked,
        served: bool,
    ) -> Option<Injection> {
        let known = self.read();
        let now = Time(Timestamp::now());
        known.suffices().then(|| {
            let (around, compiled) = (&known.around, &known.compiled);
            inject::review(pod, namespace, asked, served, around, compiled, &now)
        })
    }

    /// The object of a request with defaults filled in; none if there is nothing to fill in.
    #[must_use]
    pub fn defaulted(
        &self,
        request: &Request<'_>,
        kind: PolicyKind,
        object: &Value,
    ) -> Option<Value> {
        self.ask(request, kind, object, None, Compiled::defaulted)
            .flatten()
    }

    fn ask<T>(
        &self,
        request: &Request<'_>,
        kind: PolicyKind,
        object: &Value,
        old: Option<&Value>,
        ask: impl FnOnce(&Compiled, &Asked<'_>) -> T,
    ) -> Option<T> {
        let known = self.read();
        if !known.suffices() {
            return None;
        }
        let key = (
            request.namespace.as_deref().unwrap_or_default(),
            request.name.as_deref().unwrap_or_default(),
        );
        let now = Time(Timestamp::now());
        let seen = seen(request);
        let mut asked = known.world.ask(kind, key, object, &now);
        asked.old = old;
        asked.request = Some(&seen);
        Some(ask(&known.compiled, &asked))
    }
}

fn classes(all: &[StorageClass]) -> StorageClasses {
    let is_default = |class: &&StorageClass| {
        let annotations = class.metadata.annotations.as_ref();
        let marked = annotations.and_then(|a| a.get("storageclass.kubernetes.io/is-default-class"));
        marked.is_some_and(|value| value == "true")
    };
    let grow = |class: &StorageClass| {
        (
            class.name_any(),
            class.allow_volume_expansion.unwrap_or_default(),
        )
    };
    StorageClasses {
        grow: all.iter().map(grow).collect(),
        default: all.iter().find(is_default).map(ResourceExt::name_any),
    }
}

/// What rules see as `request`.
fn seen(request: &Request<'_>) -> Value {
    json!({
        "operation": request.operation,
        "namespace": request.namespace.as_deref().unwrap_or_default(),
        "name": request.name.as_deref().unwrap_or_default(),
        "userInfo": {
            "username": request.user_info.username,
            "groups": request.user_info.groups,
        },
    })
}
