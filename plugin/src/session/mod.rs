//! What every verb that talks to Kubernetes starts from: the client, the namespace, and which KafkaCluster is meant.
//!
//! Namespace: the flag, the context's, `default`; never a guess. Cluster: the flag or argument, or the only one there
//! is, and then it says so.

mod config;

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::KafkaCluster;
use serde::de::DeserializeOwned;

use crate::exit::{Code, Failure, Result};
use crate::flags::Global;
use crate::output::Output;

/// A connection to Kubernetes as the flags describe it. Nothing is dialed before the first request.
pub struct Session {
    /// The API server.
    pub client: Client,
    /// Where reports and progress go.
    pub output: Output,
    /// The namespace meant.
    pub namespace: String,
    /// The Kafka cluster's namespace: that of `-c NAMESPACE/NAME`, else the same.
    pub cluster_namespace: String,
    /// All namespaces are meant.
    pub all_namespaces: bool,
    /// For error messages: `context kind-dev`.
    pub place: String,
    /// How long one request may take; also bounds each call to Kafka.
    pub request_timeout: Duration,
    kafka_cluster: Option<String>,
}

impl Session {
    /// Reads the kubeconfig (or a pod's own credentials) and applies the flags.
    ///
    /// # Errors
    /// When there is no usable configuration.
    pub async fn open(global: &Global) -> Result<Self> {
        sdm_runtime::crypto::install();
        let (mut config, place) = config::read(global).await?;
        config::apply(&mut config, global)?;
        let namespace = global
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client = crate::http::client(config, global.request_timeout, global.verbose >= 6)
            .map_err(|e| Failure::from(e).at(&place))?;
        let (cluster_namespace, kafka_cluster) = cluster_name(global.kafka_cluster.as_deref());
        Ok(Self {
            client,
            output: Output::new(global),
            cluster_namespace: cluster_namespace.unwrap_or_else(|| namespace.clone()),
            namespace,
            all_namespaces: global.all_namespaces,
            place,
            request_timeout: global.request_timeout,
            kafka_cluster,
        })
    }

    /// A session of namespace `ns`, for tests.
    #[cfg(test)]
    pub fn scripted(client: Client, cluster: Option<&str>) -> Self {
        let (other, kafka_cluster) = cluster_name(cluster);
        Self {
            client,
            output: Output::new(&Global {
                quiet: true,
                ..Global::default()
            }),
            namespace: "ns".to_owned(),
            cluster_namespace: other.unwrap_or_else(|| "ns".to_owned()),
            all_namespaces: false,
            place: "context test".to_owned(),
            request_timeout: Duration::from_secs(1),
            kafka_cluster,
        }
    }

    /// Objects of the session's namespace.
    pub fn namespaced<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Objects of the Kafka cluster's namespace.
    pub fn beside_cluster<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.cluster_namespace)
    }

    /// Flags that name the session's namespace and a cluster, for commands in hints: `-n team -c streaming/events`.
    pub fn flags(&self, cluster: &str) -> String {
        let (own, other) = (&self.namespace, &self.cluster_namespace);
        if own == other {
            format!("-n {own} -c {cluster}")
        } else {
            format!("-n {own} -c {other}/{cluster}")
        }
    }

    /// The failure of a request about this session's namespace.
    pub fn failed(&self, doing: &str, error: kube::Error) -> Failure {
        self.failed_in(&self.namespace, doing, error)
    }

    /// The failure of a request about a namespace.
    pub fn failed_in(&self, namespace: &str, doing: &str, error: kube::Error) -> Failure {
        let failure = Failure::from(error).doing(doing);
        let place = if matches!(failure.code, Code::NotFound | Code::Denied | Code::Conflict) {
            format!("namespace {namespace}, {}", self.place)
        } else {
            self.place.clone()
        };
        let denied = failure.code == Code::Denied && failure.what.contains("is forbidden");
        let failure = failure.at(place);
        if denied {
            failure.hint(format!("kubectl auth can-i --list -n {namespace}"))
        } else {
            failure
        }
    }

    /// All objects of a kind in the session's namespace (or in all, with `-A`).
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn list<K>(&self, params: &ListParams) -> Result<Vec<K>>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let api: Api<K> = if self.all_namespaces {
            Api::all(self.client.clone())
        } else {
            self.namespaced()
        };
        let list = api
            .list(params)
            .await
            .map_err(|e| self.failed(&format!("list {}", K::plural(&())), e))?;
        Ok(list.items)
    }

    /// The name of the KafkaCluster that was asked for, if one was.
    pub fn asked_for<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.kafka_cluster.as_deref())
    }

    /// The KafkaCluster meant: `named` (a verb's own argument), `-c`, or the only one in the namespace.
    ///
    /// # Errors
    /// When it does not exist, or when there are several to choose from.
    pub async fn cluster(&self, named: Option<&str>) -> Result<KafkaCluster> {
        if let Some(name) = self.asked_for(named) {
            return match self.beside_cluster::<KafkaCluster>().get_opt(name).await {
                Ok(Some(cluster)) => Ok(cluster),
                Ok(None) => Err(self.no_such_cluster(name).await),
                Err(e) => Err(self.failed_in(
                    &self.cluster_namespace,
                    &format!("get kafkacluster {name}"),
                    e,
                )),
            };
        }
        let list = self
            .namespaced::<KafkaCluster>()
            .list(&ListParams::default())
            .await;
        let mut found = list
            .map_err(|e| self.failed("list kafkaclusters", e))?
            .items;
        match found.len() {
            1 => {
                let only = found.remove(0);
                self.output.note(format!(
                    "using the only Kafka cluster in namespace {}: {}",
                    self.namespace,
                    only.name_any()
                ));
                Ok(only)
            }
            0 => Err(Failure::new(
                Code::NotFound,
                format!("there is no Kafka cluster in namespace {}", self.namespace),
            )
            .at(&self.place)
            .hint("-c NAMESPACE/NAME names one of another namespace; see kubectl get kafkaclusters --all-namespaces")),
            _ => Err(Failure::usage(format!(
                "namespace {} has several Kafka clusters, name one of: {}",
                self.namespace,
                names(&found)
            ))
            .at(&self.place)
            .hint(format!("add -c {}", found[0].name_any()))),
        }
    }

    async fn no_such_cluster(&self, name: &str) -> Failure {
        let failure = Failure::new(
            Code::NotFound,
            format!(
                "there is no Kafka cluster {name} in namespace {}",
                self.cluster_namespace
            ),
        )
        .at(&self.place);
        // The choices are a courtesy; that they cannot be listed is not what the user should read about.
        match self
            .beside_cluster::<KafkaCluster>()
            .list(&ListParams::default())
            .await
        {
            Ok(list) if !list.items.is_empty() => {
                failure.hint(format!("this namespace has: {}", names(&list.items)))
            }
            _ => failure.hint("-c NAMESPACE/NAME names a cluster of another namespace; see kubectl get kafkaclusters --all-namespaces"),
        }
    }
}

fn names(clusters: &[KafkaCluster]) -> String {
    clusters
        .iter()
        .map(ResourceExt::name_any)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `-c NAME` or `-c NAMESPACE/NAME`.
fn cluster_name(flag: Option<&str>) -> (Option<String>, Option<String>) {
    let owned = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    match flag.unwrap_or_default().split_once('/') {
        Some((namespace, name)) => (owned(namespace), owned(name)),
        None => (None, flag.and_then(owned)),
    }
}

#[cfg(test)]
mod tests;
