//! Which objects belong to a Kafka cluster: those of all namespaces one may list, or of one's own.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::ListParams;
use sdm_api::{ClusterRef, KafkaACL, KafkaCluster, KafkaTopic, KafkaUser};
use sdm_core::access::ObjectKey;

use super::Tenant;
use crate::exit::{Code, Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::session::Session;

/// Objects in one answer of the API server.
const PAGE: u32 = 1000;

/// The cluster that is meant.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The cluster itself, where it had to be read to know its name.
    pub read: Option<KafkaCluster>,
}

/// Finds out which cluster is meant. No request is made where `-c` says it.
///
/// # Errors
/// When there is none, or when there are several to choose from.
pub async fn target(session: &Session) -> Result<Target> {
    let (key, read) = session.settle().await?;
    Ok(Target {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        read,
    })
}

impl Target {
    /// The reference to it from an object in `namespace`.
    pub fn reference_from(&self, namespace: &str) -> ClusterRef {
        ClusterRef {
            name: self.name.clone(),
            namespace: (namespace != self.namespace).then(|| self.namespace.clone()),
        }
    }

    /// Whether an object belongs to it.
    pub fn is_of<K: Tenant>(&self, object: &K) -> bool {
        let own = object.meta().namespace.as_deref().unwrap_or_default();
        object.cluster_ref().is_some_and(|reference| {
            reference.name == self.name && reference.namespace_from(own) == self.namespace
        })
    }

    /// Makes sure that the cluster exists, as far as one may know.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self, session: &Session) -> Result<()> {
        if self.read.is_some() {
            return Ok(());
        }
        match session.cluster(Some(&self.name)).await {
            // A tenant may use a cluster that it cannot look at.
            Ok(_) => Ok(()),
            Err(failure) if failure.code == Code::Denied => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Its Kafka.
    ///
    /// # Errors
    /// As [`Kafka::open`].
    pub async fn kafka(&self, session: &Session, access: &Access) -> Result<Kafka> {
        match &self.read {
            Some(cluster) => Kafka::open_for(session, cluster, access).await,
            None => Kafka::open(session, access).await,
        }
    }

    /// Why something about the cluster is not known, for notes.
    pub fn why(&self, failure: &Failure) -> String {
        match failure.code {
            Code::Denied => format!(
                "you may not look into cluster {}/{}",
                self.namespace, self.name
            ),
            _ => failure.to_string(),
        }
    }

    /// For messages.
    pub fn place(&self) -> String {
        format!("cluster {}, namespace {}", self.name, self.namespace)
    }

    /// Flags that name it, for commands in hints: `-n team -c streaming/events`.
    pub fn flags_from(&self, namespace: &str) -> String {
        if namespace == self.namespace {
            format!("-n {namespace} -c {}", self.name)
        } else {
            format!("-n {namespace} -c {}/{}", self.namespace, self.name)
        }
    }
}

/// Objects of a cluster.
#[derive(Clone, Debug)]
pub struct Found<K> {
    /// The objects, by namespace and name.
    pub items: Vec<K>,
    /// Whether all namespaces could be searched.
    pub everywhere: bool,
}

impl<K: Tenant> Found<K> {
    /// Says where was searched, unless it was everywhere.
    pub fn note(&self, session: &Session) {
        if !self.everywhere {
            session.output.note(format!(
                "you may list {} of namespace {} only; those of other namespaces are not known",
                K::plural(&()),
                session.namespace
            ));
        }
    }
}

/// The objects of a kind that belong to a cluster, in all namespaces that may be listed.
///
/// # Errors
/// What the API server answers, when not even the own namespace may be listed.
pub async fn referring<K: Tenant>(session: &Session, target: &Target) -> Result<Found<K>> {
    let mut found = everywhere::<K>(session).await?;
    found.items.retain(|object| target.is_of(object));
    Ok(found)
}

/// All objects of a kind, in all namespaces that may be listed; else in one's own.
///
/// # Errors
/// What the API server answers.
pub async fn everywhere<K: Tenant>(session: &Session) -> Result<Found<K>> {
    let doing = format!("list {}", K::plural(&()));
    let (items, everywhere) = match pages::<K>(&Api::all(session.client.clone())).await {
        Ok(items) => (items, true),
        Err(error) => {
            let failure = session.failed(&doing, error);
            if failure.code != Code::Denied {
                return Err(failure);
            }
            let own = pages::<K>(&session.namespaced()).await;
            (own.map_err(|e| session.failed(&doing, e))?, false)
        }
    };
    Ok(Found { items, everywhere })
}

/// The clusters that topics, users and ACLs of the session's namespace refer to, as far as one may list them.
///
/// # Errors
/// What the API server answers, except that they may not be listed.
pub async fn referred(session: &Session) -> Result<BTreeSet<ObjectKey>> {
    let (topics, users, acls) = tokio::join!(
        references::<KafkaTopic>(session),
        references::<KafkaUser>(session),
        references::<KafkaACL>(session)
    );
    Ok([topics?, users?, acls?].into_iter().flatten().collect())
}

async fn references<K: Tenant>(session: &Session) -> Result<Vec<ObjectKey>> {
    let own = &session.namespace;
    match pages::<K>(&session.namespaced()).await {
        Ok(items) => Ok(items
            .iter()
            .filter_map(Tenant::cluster_ref)
            .map(|reference| ObjectKey::new(reference.namespace_from(own), &reference.name))
            .collect()),
        Err(error) => {
            let failure = session.failed(&format!("list {}", K::plural(&())), error);
            match failure.code {
                Code::Denied => Ok(Vec::new()),
                _ => Err(failure),
            }
        }
    }
}

async fn pages<K: Tenant>(api: &Api<K>) -> Result<Vec<K>, kube::Error> {
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(items),
        }
    }
}

/// An object of the session's namespace that belongs to the cluster.
///
/// # Errors
/// When there is none of that name, or when it belongs to another cluster.
pub async fn ours<K: Tenant>(session: &Session, target: &Target, name: &str) -> Result<K> {
    let kind = K::kind(&()).into_owned();
    let found = session.namespaced::<K>().get_opt(name).await;
    let found =
        found.map_err(|e| session.failed(&format!("get {} {name}", kind.to_lowercase()), e))?;
    let verb = kind.trim_start_matches("Kafka").to_lowercase();
    let missing = |what: String| {
        Failure::new(Code::NotFound, what)
            .at(&session.place)
            .hint(format!(
                "kubectl kafka {verb} list {}",
                target.flags_from(&session.namespace)
            ))
    };
    match found {
        None => Err(missing(format!(
            "there is no {kind} {name} in namespace {}",
            session.namespace
        ))),
        Some(object) if !target.is_of(&object) => {
            let other = object.cluster_ref().map(|reference| {
                format!(
                    "{}/{}",
                    reference.namespace_from(&session.namespace),
                    reference.name
                )
            });
            Err(missing(format!(
                "{kind} {}/{name} belongs to cluster {}",
                session.namespace,
                other.unwrap_or_default()
            )))
        }
        Some(object) => Ok(object),
    }
}
