//! The local node as tests use it: its API server, its kubectl, and Kafka reached
//! from the host, which is on the Pods' bridge.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client, ResourceExt};
use sdm_api::{KafkaCluster, names};
use sdm_kafka::{ClientConfig, Dialer, Stream, TcpDialer, TlsConfig, TlsMaterial};

use crate::paths;
use crate::wait::until;

/// A running Kubernetes with the operator's images on it.
#[derive(Clone)]
pub struct Node {
    /// A client with every right.
    pub client: Client,
    kubeconfig: PathBuf,
}

impl Node {
    /// The node of `KUBECONFIG`.
    pub async fn connect() -> Result<Self> {
        sdm_runtime::crypto::install();
        let kubeconfig =
            std::env::var_os("KUBECONFIG").context("KUBECONFIG is not set: run `tests/run e2e`")?;
        let kubeconfig = PathBuf::from(kubeconfig);
        Ok(Self {
            client: crate::control_plane::client_of(&kubeconfig).await?,
            kubeconfig,
        })
    }

    /// A client with every right that does not repeat by itself what the API server could not do.
    pub async fn asking_once(&self) -> Result<Client> {
        let mut config = crate::control_plane::config_of(&self.kubeconfig).await?;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// The same node, asked by another client.
    #[must_use]
    pub fn with_client(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// Runs kubectl and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.run(&paths::kubernetes("kubectl"), arguments, None)
    }

    /// Runs `kubectl kafka`, feeding it `input`.
    pub fn plugin(&self, arguments: &[&str], input: Option<&str>) -> Result<String> {
        self.run(&paths::program("kubectl-kafka"), arguments, input)
    }

    fn run(
        &self,
        program: &std::path::Path,
        arguments: &[&str],
        input: Option<&str>,
    ) -> Result<String> {
        use std::io::Write;
        use std::process::Stdio;
        let mut child = Command::new(program)
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let (Some(text), Some(mut stdin)) = (input.map(str::to_owned), child.stdin.take()) {
            std::thread::spawn(move || stdin.write_all(text.as_bytes()));
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!(
                "{} {arguments:?}: {}: {error}",
                program.display(),
                output.status
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs kubectl beside the test and returns whether it succeeded, what it printed and what it complained of.
    pub async fn kubectl_says(&self, arguments: &[&str]) -> Result<(bool, String, String)> {
        let mut command = Command::new(paths::kubernetes("kubectl"));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        command.stdin(std::process::Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok((
            output.status.success(),
            text(output.stdout),
            text(output.stderr),
        ))
    }

    /// The requests of the operator's programs since this cluster began, as the API server recorded them: those with
    /// `mark` in them.
    pub fn recorded(&self, mark: &str) -> Result<Vec<serde_json::Value>> {
        let logs = self.kubeconfig.with_file_name("logs");
        let mut events = Vec::new();
        for file in std::fs::read_dir(&logs).with_context(|| logs.display().to_string())? {
            let file = file?;
            if !file.file_name().to_string_lossy().starts_with("audit") {
                continue;
            }
            let text = std::fs::read_to_string(file.path())?;
            // The last line may be half written.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines().filter(|line| line.contains(mark)) {
                events.push(serde_json::from_str(line)?);
            }
        }
        Ok(events)
    }

    /// Runs one of the local node's own scripts, such as `kubelet-restart`.
    pub fn script(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let path = paths::repository().join("deploy/local").join(name);
        self.run(&path, arguments, None).map(drop)
    }

    /// Applies a manifest as a user would.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        let scratch = paths::repository().join("target/tests");
        std::fs::create_dir_all(&scratch)?;
        let path = scratch.join(format!("apply-{}.yaml", rand::random::<u32>()));
        std::fs::write(&path, manifest)?;
        let done = self
            .kubectl(&["apply", "-f", &path.display().to_string()])
            .map(drop);
        std::fs::remove_file(&path)?;
        done
    }

    /// The clusters of a namespace.
    pub fn clusters(&self, namespace: &str) -> Api<KafkaCluster> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The Pods of a namespace.
    pub fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Waits until a cluster is Ready for its present generation and nothing is left to do.
    pub async fn ready(
        &self,
        namespace: &str,
        name: &str,
        limit: Duration,
    ) -> Result<KafkaCluster> {
        let api = self.clusters(namespace);
        until(&format!("cluster {name} to be Ready"), limit, || async {
            let cluster = api.get(name).await?;
            let status = cluster.status.clone().unwrap_or_default();
            let current =
                status.observed_generation == cluster.metadata.generation && status.plan.is_empty();
            let ready = status
                .conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True");
            if current && ready {
                return Ok(Some(cluster));
            }
            let said: Vec<String> = status
                .conditions
                .iter()
                .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
                .collect();
            bail!("{}; plan {:?}", said.join("; "), status.plan)
        })
        .await
    }

    /// A Kafka client with the administrator's certificate.
    pub async fn kafka(&self, namespace: &str, cluster: &str) -> Result<sdm_kafka::Client> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let data = secrets
            .get(&names::admin_secret(cluster))
            .await?
            .data
            .unwrap_or_default();
        let part = |key: &str| {
            data.get(key)
                .map(|b| b.0.clone())
                .with_context(|| format!("no {key}"))
        };
        let tls = TlsConfig::new(TlsMaterial {
            ca_pem: part("ca.crt")?,
            cert_chain_pem: Some(part("tls.crt")?),
            key_pem: Some(part("tls.key")?),
        })?;
        let cluster_object = self.clusters(namespace).get(cluster).await?;
        let ids = cluster_object
            .spec
            .pools
            .iter()
            .filter(|p| p.roles.contains(&sdm_api::NodeRole::Broker))
            .flat_map(|p| p.node_ids.clone());
        let port = u16::try_from(cluster_object.spec.listeners[0].port)?;
        Ok(sdm_kafka::Client::new(ClientConfig {
            bootstrap: ids
                .map(|id| (names::node_dns(cluster, namespace, id), port))
                .collect(),
            tls: Some(tls),
            sasl: None,
            dialer: Arc::new(PodDialer {
                pods: self.pods(namespace),
            }),
            client_id: "sdm-tests".into(),
            timeout: Duration::from_secs(20),
        }))
    }

    /// The uid of each Pod of a cluster, by name.
    pub async fn pod_uids(
        &self,
        namespace: &str,
        cluster: &str,
    ) -> Result<BTreeMap<String, String>> {
        let selector =
            kube::api::ListParams::default().labels(&format!("{}={cluster}", names::LABEL_CLUSTER));
        let pods = self.pods(namespace).list(&selector).await?;
        Ok(pods
            .iter()
            .map(|p| (p.name_any(), p.uid().unwrap_or_default()))
            .collect())
    }
}

/// Dials a node by its Pod's address: the host has no cluster DNS.
pub struct PodDialer {
    /// Where the Pods are.
    pub pods: Api<Pod>,
}

impl Dialer for PodDialer {
    fn dial<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Stream>>> {
        async move {
            let name = host.split('.').next().unwrap_or(host);
            let pod = self.pods.get(name).await.map_err(std::io::Error::other)?;
            let ip = pod
                .status
                .and_then(|s| s.pod_ip)
                .ok_or_else(|| std::io::Error::other(format!("{name} has no address")))?;
            TcpDialer.dial(&ip, port).await
        }
        .boxed()
    }
}
