//! A real Kafka node behind a simulated kubelet's Pod: the Pod's own files, format script and command line, run as a
//! process of this machine at the Pod's address. Only paths differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::Api;
use sdm_api::names;
use sdm_kafka::{
    Client, ClientConfig, Dialer, SaslConfig, Stream, TcpDialer, TlsConfig, TlsMaterial,
};

use crate::control_plane::ControlPlane;
use crate::paths;
use crate::process::{Process, Spawn};
use crate::simulation::Shared;
use crate::wait::until;

/// Files of a Secret or a ConfigMap.
type Files = BTreeMap<String, Vec<u8>>;

/// A node's process and directory.
pub struct RealKafka {
    /// Where it listens.
    pub ip: String,
    /// Its DNS name.
    pub host: String,
    command: Vec<String>,
    dir: PathBuf,
    jvm: Option<Process>,
}

impl RealKafka {
    /// Formats the disk of a node whose Pod runs as far as the simulated kubelet is concerned, and starts it.
    pub async fn start(
        plane: &ControlPlane,
        world: &Shared,
        namespace: &str,
        cluster: &str,
        id: i32,
    ) -> Result<Self> {
        let name = names::node(cluster, id);
        let ip = until("the node's Pod", Duration::from_secs(60), || async {
            Ok(world.lock().running.get(&name).map(|n| n.ip.clone()))
        })
        .await?;
        let dir = plane.dir.join(&name);
        let host = names::node_dns(cluster, namespace, id);
        let pod: Pod = Api::namespaced(plane.client.clone(), namespace)
            .get(&name)
            .await?;
        let config: ConfigMap = Api::namespaced(plane.client.clone(), namespace)
            .get(&name)
            .await?;
        let config = config
            .data
            .unwrap_or_default()
            .into_iter()
            .map(|(file, text)| (file, text.into_bytes()))
            .collect();
        let tls = secret(plane, namespace, &names::node_tls(cluster, id)).await?;
        let here = |text: &str| {
            let moved = text
                .replace("/etc/kafka/sdm", &dir.join("config").display().to_string())
                .replace("/etc/kafka/tls", &dir.join("tls").display().to_string())
                .replace("/var/lib/kafka", &dir.join("volumes").display().to_string())
                .replace("/var/log/kafka", &dir.join("log").display().to_string())
                .replace(
                    "/opt/kafka/libs",
                    &paths::kafka_libs().display().to_string(),
                );
            let listeners = moved
                .lines()
                .map(|line| match line.starts_with("listeners=") {
                    true => line.replace("://:", &format!("://{ip}:")),
                    false => line.to_owned(),
                });
            listeners.collect::<Vec<_>>().join("\n")
        };
        write(&dir.join("config"), &config, here)?;
        write(&dir.join("tls"), &tls, str::to_owned)?;
        std::fs::create_dir_all(dir.join("log"))?;
        // Names that only the cluster's DNS knows.
        let hosts = format!("{ip} {host}\n127.0.0.1 localhost {}\n", hostname());
        std::fs::write(dir.join("hosts"), hosts)?;

        let formatted = tokio::process::Command::new("sh")
            .arg(dir.join("config/format.sh"))
            .output()
            .await?;
        ensure!(
            formatted.status.success(),
            "{}",
            String::from_utf8_lossy(&formatted.stderr)
        );
        let container = pod
            .spec
            .iter()
            .flat_map(|s| &s.containers)
            .find(|c| c.name == "kafka");
        let command = container
            .and_then(|c| c.command.as_ref())
            .context("the Pod has no command")?;
        let mut command: Vec<String> = command.iter().map(|word| here(word)).collect();
        command.insert(
            1,
            format!("-Djdk.net.hosts.file={}", dir.join("hosts").display()),
        );
        let mut kafka = Self {
            ip,
            host,
            command,
            dir,
            jvm: None,
        };
        kafka.resume()?;
        Ok(kafka)
    }

    /// Starts the process again after [`RealKafka::kill`].
    pub fn resume(&mut self) -> Result<()> {
        let (program, arguments) = self.command.split_first().context("an empty command")?;
        let program = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|dir| dir.join(program))
            .find(|path| path.exists())
            .context("java is not on the PATH")?;
        self.jvm = Some(Spawn::new(&program, arguments, self.dir.join("kafka.log")).start()?);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.jvm = None;
    }

    /// SIGSTOP and SIGCONT: it is there and does nothing.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        let jvm = self.jvm.as_ref().context("it does not run")?;
        jvm.signal(if frozen { "STOP" } else { "CONT" })
    }

    /// The end of its log, for a failure's message.
    pub fn tail(&self) -> String {
        self.jvm.as_ref().map_or_else(String::new, Process::tail)
    }

    /// The log in which the quorum keeps its metadata.
    pub fn metadata(&self) -> PathBuf {
        self.dir
            .join("volumes/data/data/__cluster_metadata-0/00000000000000000000.log")
    }

    /// A client of one of its listeners, by what a Secret delivered.
    pub fn client(
        &self,
        port: u16,
        delivered: &Files,
        sasl: Option<SaslConfig>,
        timeout: Duration,
    ) -> Result<Client> {
        let part = |key: &str| delivered.get(key).cloned();
        let tls = TlsMaterial {
            ca_pem: part("ca.crt").context("no ca.crt")?,
            cert_chain_pem: part("tls.crt"),
            key_pem: part("tls.key"),
        };
        Ok(Client::new(ClientConfig {
            bootstrap: vec![(self.host.clone(), port)],
            tls: Some(TlsConfig::new(tls)?),
            sasl,
            dialer: Arc::new(Fixed(self.ip.clone())),
            client_id: "test".to_owned(),
            timeout,
        }))
    }
}

/// A Secret's content.
pub async fn secret(plane: &ControlPlane, namespace: &str, name: &str) -> Result<Files> {
    let secret: Secret = Api::namespaced(plane.client.clone(), namespace)
        .get(name)
        .await?;
    Ok(secret
        .data
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.0))
        .collect())
}

fn write(dir: &Path, files: &Files, change: impl Fn(&str) -> String) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, content) in files {
        std::fs::write(dir.join(name), change(std::str::from_utf8(content)?))?;
    }
    Ok(())
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Every name is at one address.
struct Fixed(String);

impl Dialer for Fixed {
    fn dial<'a>(
        &'a self,
        _: &'a str,
        port: u16,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Stream>>> {
        TcpDialer.dial(&self.0, port)
    }
}
