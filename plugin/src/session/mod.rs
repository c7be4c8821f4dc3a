//! What every verb that talks to Kubernetes starts from: the client, the namespace, and which KafkaCluster is meant.
//!
//! Namespace: the flag, the context's, `default`; never a guess. Which cluster is meant is settled in [`cluster`].

mod cluster;
mod config;

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use sdm_core::access::ObjectKey;
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
    /// All namespaces are meant.
    pub all_namespaces: bool,
    /// For error messages: `context kind-dev`.
    pub place: String,
    /// How long one request may take; also bounds each call to Kafka.
    pub request_timeout: Duration,
    /// The Kafka cluster that is meant, once that is known.
    meant: OnceLock<ObjectKey>,
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
        Ok(Self {
            client,
            output: Output::new(global),
            meant: cluster::named(global.kafka_cluster.as_deref(), &namespace),
            namespace,
            all_namespaces: global.all_namespaces,
            place,
            request_timeout: global.request_timeout,
        })
    }

    /// A session of namespace `ns`, for tests.
    #[cfg(test)]
    pub fn scripted(client: Client, cluster: Option<&str>) -> Self {
        Self {
            client,
            output: Output::new(&Global {
                quiet: true,
                ..Global::default()
            }),
            namespace: "ns".to_owned(),
            meant: cluster::named(cluster, "ns"),
            all_namespaces: false,
            place: "context test".to_owned(),
            request_timeout: Duration::from_secs(1),
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
        Api::namespaced(self.client.clone(), self.cluster_namespace())
    }

    /// Flags that name the session's namespace and a cluster, for commands in hints: `-n team -c streaming/events`.
    pub fn flags(&self, cluster: &str) -> String {
        let (own, other) = (self.namespace.as_str(), self.cluster_namespace());
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
}

#[cfg(test)]
mod tests;
