//! Which KafkaCluster is meant: the one that `-c` or an argument names, else the only one of the namespace, else the only
//! one that objects in the namespace refer to. Where it was not named, it says which it is.

use std::sync::OnceLock;

use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::KafkaCluster;
use sdm_core::access::ObjectKey;

use super::Session;
use crate::exit::{Code, Failure, Result};
use crate::objects;

/// Where one may look for those of other namespaces.
const ELSEWHERE: &str = "-c NAMESPACE/NAME names one of another namespace; see kubectl get kafkaclusters --all-namespaces";

impl Session {
    /// The name of the KafkaCluster that is meant, if that is known without asking.
    pub fn asked_for<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.meant.get().map(|key| key.name.as_str()))
    }

    /// The Kafka cluster's namespace: the session's own until another one is known to be meant.
    pub fn cluster_namespace(&self) -> &str {
        let meant = self.meant.get();
        meant.map_or(&self.namespace, |key| &key.namespace)
    }

    /// The KafkaCluster meant; `named` is a verb's own argument.
    ///
    /// # Errors
    /// When it does not exist, or when there are several to choose from.
    pub async fn cluster(&self, named: Option<&str>) -> Result<KafkaCluster> {
        if let Some(name) = named {
            return self.get(name).await;
        }
        match self.settle().await? {
            (_, Some(cluster)) => Ok(cluster),
            (key, None) => self.get(&key.name).await,
        }
    }

    /// Which cluster is meant, and the cluster itself if it was read to know. No request is made where `-c` says it.
    ///
    /// # Errors
    /// When there is none, or when there are several to choose from.
    pub async fn settle(&self) -> Result<(&ObjectKey, Option<KafkaCluster>)> {
        if let Some(key) = self.meant.get() {
            return Ok((key, None));
        }
        let list = self.namespaced::<KafkaCluster>();
        let list = list.list(&ListParams::default()).await;
        match list.map_err(|e| self.failed("list kafkaclusters", e)) {
            Ok(list) if list.items.is_empty() => {
                let what = format!("there is no Kafka cluster in namespace {}", self.namespace);
                let none = Failure::new(Code::NotFound, what).at(&self.place);
                Ok((self.referred(none.hint(ELSEWHERE)).await?, None))
            }
            Ok(list) => {
                let (key, only) = self.only(list.items)?;
                Ok((key, Some(only)))
            }
            // A tenant may use a cluster without a right to look at any.
            Err(failure) if failure.code == Code::Denied => {
                Ok((self.referred(failure).await?, None))
            }
            Err(failure) => Err(failure),
        }
    }

    /// The only cluster of the session's namespace.
    fn only(&self, mut found: Vec<KafkaCluster>) -> Result<(&ObjectKey, KafkaCluster)> {
        let namespace = &self.namespace;
        match (found.pop(), found.as_slice()) {
            (Some(only), []) => {
                let key = ObjectKey::new(namespace, only.name_any());
                self.output.note(format!(
                    "using the only Kafka cluster in namespace {namespace}: {}",
                    key.name
                ));
                Ok((self.meant.get_or_init(|| key), only))
            }
            (last, _) => {
                found.extend(last);
                let all: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
                let what = format!("namespace {namespace} has several Kafka clusters");
                Err(self.several(&what, &all))
            }
        }
    }

    /// The only cluster that objects of the session's namespace refer to; `none` is what is said where there is none.
    async fn referred(&self, none: Failure) -> Result<&ObjectKey> {
        let namespace = &self.namespace;
        let referred: Vec<ObjectKey> = objects::referred(self).await?.into_iter().collect();
        match referred.as_slice() {
            [] => Err(none),
            [only] => {
                self.output.note(format!(
                    "using the only Kafka cluster that objects in namespace {namespace} refer to: {only}"
                ));
                Ok(self.meant.get_or_init(|| only.clone()))
            }
            several => {
                let all: Vec<String> = several.iter().map(ToString::to_string).collect();
                let what =
                    format!("objects in namespace {namespace} refer to several Kafka clusters");
                Err(self.several(&what, &all))
            }
        }
    }

    fn several(&self, what: &str, names: &[String]) -> Failure {
        let first = names.first().map_or("", String::as_str);
        Failure::usage(format!("{what}, name one of: {}", names.join(", ")))
            .at(&self.place)
            .hint(format!("add -c {first}"))
    }

    async fn get(&self, name: &str) -> Result<KafkaCluster> {
        let found = self.beside_cluster::<KafkaCluster>().get_opt(name).await;
        let doing = format!("get kafkacluster {name}");
        match found.map_err(|e| self.failed_in(self.cluster_namespace(), &doing, e))? {
            Some(cluster) => Ok(cluster),
            None => Err(self.no_such_cluster(name).await),
        }
    }

    async fn no_such_cluster(&self, name: &str) -> Failure {
        let namespace = self.cluster_namespace();
        let what = format!("there is no Kafka cluster {name} in namespace {namespace}");
        let failure = Failure::new(Code::NotFound, what).at(&self.place);
        // The choices are a courtesy; that they cannot be listed is not what the user should read about.
        let list = self.beside_cluster::<KafkaCluster>();
        match list.list(&ListParams::default()).await {
            Ok(list) if !list.items.is_empty() => {
                failure.hint(format!("this namespace has: {}", names(&list.items)))
            }
            _ => failure.hint(ELSEWHERE),
        }
    }
}

fn names(clusters: &[KafkaCluster]) -> String {
    let names: Vec<String> = clusters.iter().map(ResourceExt::name_any).collect();
    names.join(", ")
}

/// What `-c NAME` or `-c NAMESPACE/NAME` means in a namespace; nothing is settled where no name is given.
pub(super) fn named(flag: Option<&str>, own: &str) -> OnceLock<ObjectKey> {
    let flag = flag.unwrap_or_default();
    let (namespace, name) = flag.split_once('/').unwrap_or((own, flag));
    let namespace = if namespace.is_empty() { own } else { namespace };
    match name {
        "" => OnceLock::new(),
        name => OnceLock::from(ObjectKey::new(namespace, name)),
    }
}
