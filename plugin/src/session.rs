//! What every verb that talks to Kubernetes starts from: the client, the namespace, and which KafkaCluster is meant.
//!
//! Namespace: the flag, the context's, `default`; never a guess. Cluster: the flag or argument, or the only one there
//! is, and then it says so.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use kube::api::ListParams;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config, Resource, ResourceExt};
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
        let (mut config, place) = config(global).await?;
        apply(&mut config, global)?;
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

/// The configuration of the kubeconfig, or of the pod we run in, and its name for messages.
async fn config(global: &Global) -> Result<(Config, String)> {
    let options = KubeConfigOptions {
        context: global.context.clone(),
        cluster: global.cluster.clone(),
        user: global.user.clone(),
    };
    let read = match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let chosen = options.context.is_some() || options.cluster.is_some() || options.user.is_some();
    match read {
        Ok(file) => {
            let context = global
                .context
                .clone()
                .or_else(|| file.current_context.clone());
            let place = format!(
                "context {}",
                context
                    .as_deref()
                    .filter(|c| !c.is_empty())
                    .unwrap_or("<none>")
            );
            match (
                Config::from_custom_kubeconfig(file, &options).await,
                &global.server,
            ) {
                (Ok(config), _) => Ok((config, place)),
                (Err(_), Some(server)) if !chosen => {
                    Ok((bare(server)?, format!("server {server}")))
                }
                (Err(error), _) => Err(unusable(&error, global).at(place)),
            }
        }
        Err(error) => {
            if let Some(server) = global
                .server
                .as_deref()
                .filter(|_| global.kubeconfig.is_none() && !chosen)
            {
                return Ok((bare(server)?, format!("server {server}")));
            }
            match Config::incluster() {
                Ok(config) if global.kubeconfig.is_none() && !chosen => {
                    Ok((config, "this pod's service account".to_owned()))
                }
                _ => Err(unusable(&error, global)),
            }
        }
    }
}

fn bare(server: &str) -> Result<Config> {
    let uri = server
        .parse()
        .map_err(|e| Failure::usage(format!("--server {server}: {e}")))?;
    Ok(Config::new(uri))
}

fn unusable(error: &KubeconfigError, global: &Global) -> Failure {
    let failure = Failure::general(format!("no usable kubeconfig: {error}"));
    match (error, &global.kubeconfig) {
        (KubeconfigError::LoadContext(_) | KubeconfigError::CurrentContextNotSet, _) => {
            failure.hint("kubectl config get-contexts")
        }
        (_, Some(_)) => failure.hint("check the path given with --kubeconfig"),
        _ => failure.hint("set KUBECONFIG, or give --kubeconfig FILE"),
    }
}

fn apply(config: &mut Config, global: &Global) -> Result<()> {
    sdm_runtime::kube_client::set_user_agent(
        config,
        &sdm_runtime::kube_client::user_agent("kubectl-kafka"),
    );
    config.default_retry = false;
    if !global.request_timeout.is_zero() {
        config.connect_timeout = Some(global.request_timeout.min(Duration::from_secs(30)));
    }
    if let Some(server) = &global.server {
        config.cluster_url = bare(server)?.cluster_url;
    }
    if let Some(name) = &global.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if global.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    if let Some(token) = &global.token {
        // The kubeconfig's own reader makes the secret string, and a token given here excludes other credentials.
        let (user, groups) = (
            config.auth_info.impersonate.take(),
            config.auth_info.impersonate_groups.take(),
        );
        config.auth_info =
            serde_json::from_value::<AuthInfo>(serde_json::json!({ "token": token }))
                .map_err(|_| Failure::usage("--token: not usable"))?;
        config.auth_info.impersonate = user;
        config.auth_info.impersonate_groups = groups;
    }
    if !global.as_group.is_empty() && global.as_user.is_none() {
        return Err(Failure::usage(
            "--as-group needs --as: Kubernetes does not let a group act without a user",
        ));
    }
    if let Some(user) = &global.as_user {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups =
            (!global.as_group.is_empty()).then(|| global.as_group.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scripted;

    /// A session whose API server knows these clusters, in namespace `ns`.
    fn session(names: &'static [&'static str], flag: Option<&str>) -> Session {
        let answer = move |asked: &scripted::Asked| {
            let spec = json!({"pools": []});
            let cluster = |name: &str| json!({"metadata": {"name": name}, "spec": spec});
            let under = "/apis/kafka.sdm.dev/v1beta1/namespaces/ns/kafkaclusters";
            match asked.path.strip_prefix(under) {
                Some("") => scripted::list(&names.iter().map(|n| cluster(n)).collect::<Vec<_>>()),
                Some(name) if names.contains(&name.trim_start_matches('/')) => {
                    (200, vec![cluster(name.trim_start_matches('/'))])
                }
                _ => scripted::refused(404, "NotFound", &asked.path),
            }
        };
        scripted::session(flag, answer).0
    }

    #[tokio::test]
    async fn the_cluster_is_the_one_named_or_the_only_one() {
        let chosen = async |names, flag, named| {
            session(names, flag)
                .cluster(named)
                .await
                .map(|c| c.name_any())
                .map_err(|f| (f.code, f.what))
        };
        assert_eq!(chosen(&["a"], None, None).await.unwrap(), "a");
        assert_eq!(chosen(&["a", "b"], Some("b"), None).await.unwrap(), "b");
        assert_eq!(
            chosen(&["a", "b"], Some("b"), Some("a")).await.unwrap(),
            "a"
        );
        let (code, what) = chosen(&["a", "b"], None, None).await.unwrap_err();
        assert_eq!(
            (code, what.ends_with("name one of: a, b")),
            (Code::Usage, true),
            "{what}"
        );
        assert_eq!(chosen(&[], None, None).await.unwrap_err().0, Code::NotFound);
        assert_eq!(
            chosen(&["a"], Some("x"), None).await.unwrap_err().0,
            Code::NotFound
        );
    }

    #[test]
    fn a_cluster_may_be_in_another_namespace() {
        let read = |text| cluster_name(Some(text));
        let owned = |text: &str| Some(text.to_owned());
        assert_eq!(read("events"), (None, owned("events")));
        assert_eq!(read("a/events"), (owned("a"), owned("events")));
        assert_eq!((read(""), cluster_name(None)), ((None, None), (None, None)));
    }

    #[tokio::test]
    async fn a_cluster_that_is_not_there_comes_with_the_choices() {
        let failure = session(&["a", "b"], None)
            .cluster(Some("x"))
            .await
            .unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("this namespace has: a, b"));
    }
}
