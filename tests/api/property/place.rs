//! Where it happens: an API server, one real broker, the controller, and clients of all sorts.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use sdm_api::{KafkaCluster, names};
use sdm_kafka::{Client, Producer, ProducerConfig, Record, SaslConfig, SaslMechanism};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_kubelet::FakeKubelet;
use sdm_tests::metadata_log::MetadataLog;
use sdm_tests::process::Process;
use sdm_tests::real_kafka::{RealKafka, secret};
use sdm_tests::simulation::Shared;
use sdm_tests::slow_watch::SlowWatches;
use sdm_tests::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::convergence::start_controller;

/// The cluster's namespace, and two tenants.
pub const HOME: &str = "home";
pub const NAMESPACES: [&str; 3] = [HOME, "alpha", "beta"];
pub const CLUSTER: &str = "prop";
/// What the cluster wants a tenant's namespace to have.
pub const LABEL: (&str, &str) = ("kafka", "allowed");
const CERTIFICATES: u16 = 9092;
const PASSWORDS: u16 = 9094;

/// How many there were, in this process.
static PLACES: AtomicU32 = AtomicU32::new(0);

pub struct Place {
    pub plane: ControlPlane,
    pub kafka: RealKafka,
    pub log: MetadataLog,
    pub controller: Option<Process>,
    /// A super user.
    pub admin: Client,
    /// How the controller hears of what is written.
    pub watches: SlowWatches,
    _kubelet: FakeKubelet,
}

fn cluster() -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"name": CLUSTER, "namespace": HOME},
        "spec": {
            "version": "4.3.1",
            "tenancy": {"allowedNamespaces": {"matchLabels": {LABEL.0: LABEL.1}}},
            "listeners": [
                {"name": "clients", "port": CERTIFICATES},
                {"name": "passwords", "port": PASSWORDS, "tls": "server", "sasl": ["SCRAM-SHA-512", "SCRAM-SHA-256"]},
            ],
            "config": {"log.cleaner.dedupe.buffer.size": "2097152", "offsets.topic.num.partitions": "3"},
            "pools": [{
                "name": "nodes", "roles": ["broker", "controller"], "nodeIds": [0],
                "storage": {"volumes": [{"name": "data", "size": "1Gi"}]},
                "jvm": {"heap": "320Mi", "options": ["-XX:TieredStopAtLevel=1"]},
            }],
        },
    })
}

impl Place {
    /// Everything runs and the cluster is Ready.
    pub async fn start(name: &str) -> Result<Self> {
        let mut plane = ControlPlane::start(name).await?;
        let watches = SlowWatches::before(&mut plane).await?;
        let client = plane.client.clone();
        for namespace in NAMESPACES {
            let labels =
                (namespace != HOME).then(|| [(LABEL.0.to_owned(), LABEL.1.to_owned())].into());
            let mut object = Namespace::default();
            object.metadata.name = Some(namespace.to_owned());
            object.metadata.labels = labels;
            Api::<Namespace>::all(client.clone())
                .create(&PostParams::default(), &object)
                .await?;
        }
        let clusters: Api<KafkaCluster> = Api::namespaced(client.clone(), HOME);
        clusters
            .create(&PostParams::default(), &serde_json::from_value(cluster())?)
            .await?;
        let world = Shared::default();
        // Neither another test nor another run of this one has nodes there.
        let net =
            u8::try_from(100 + (std::process::id() % 33) * 3 + PLACES.fetch_add(1, Relaxed) % 3)?;
        let kubelet = FakeKubelet::start_in(client, world.clone(), net);
        let controller = start_controller(&plane)?;
        let kafka = RealKafka::start(&plane, &world, HOME, CLUSTER, 0).await?;
        until(
            "the cluster to be Ready",
            Duration::from_secs(90),
            || async {
                let status = clusters.get(CLUSTER).await?.status.unwrap_or_default();
                let ready = status
                    .conditions
                    .iter()
                    .any(|c| c.type_ == "Ready" && c.status == "True");
                ensure!(ready, "{:?}", status.conditions);
                Ok(Some(()))
            },
        )
        .await
        .with_context(|| format!("{}\n{}", kafka.tail(), controller.tail()))?;
        let delivered = secret(&plane, HOME, &names::admin_secret(CLUSTER)).await?;
        let admin = kafka.client(CERTIFICATES, &delivered, None, Duration::from_secs(4))?;
        let log = MetadataLog::new(kafka.metadata());
        Ok(Self {
            plane,
            kafka,
            log,
            controller: Some(controller),
            admin,
            watches,
            _kubelet: kubelet,
        })
    }

    /// Starts the controller unless it runs.
    pub fn control(&mut self) -> Result<()> {
        if self.controller.is_none() {
            self.controller = Some(start_controller(&self.plane)?);
        }
        Ok(())
    }

    /// A producer of a user that was delivered its Secret.
    pub async fn producer(&self, namespace: &str, user: &str, topic: &'static str) -> Result<Load> {
        let delivered = until("the user's Secret", Duration::from_secs(60), || async {
            Ok(secret(&self.plane, namespace, user).await.ok())
        })
        .await?;
        let text = |key: &str| {
            delivered
                .get(key)
                .map(|v| String::from_utf8_lossy(v).into_owned())
        };
        let sasl = text("username")
            .zip(text("password"))
            .map(|(username, password)| SaslConfig {
                mechanism: SaslMechanism::ScramSha512,
                username,
                password: password.into(),
            });
        let port = if sasl.is_some() {
            PASSWORDS
        } else {
            CERTIFICATES
        };
        let client = self
            .kafka
            .client(port, &delivered, sasl, Duration::from_secs(4))?;
        Ok(Load::start(client, topic, format!("{namespace}/{user}")))
    }
}

/// A client that writes without a pause, and is always allowed to.
pub struct Load {
    told: Arc<Mutex<(u64, Vec<String>)>>,
    task: JoinHandle<()>,
}

impl Load {
    fn start(client: Client, topic: &'static str, who: String) -> Self {
        let told: Arc<Mutex<(u64, Vec<String>)>> = Arc::default();
        let tell = Arc::clone(&told);
        let config = ProducerConfig {
            delivery_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(3),
            ..ProducerConfig::default()
        };
        let task = tokio::spawn(async move {
            let producer = Producer::new(client, config);
            loop {
                let outcome = producer.send(topic, Record::default()).await;
                {
                    let mut told = tell.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(_) => told.0 += 1,
                        Err(e)
                            if e.reason().ends_with("AuthorizationFailed")
                                || e.reason() == "LoginFailed" =>
                        {
                            told.1.push(format!("{who} was refused: {e}"));
                        }
                        // A broker that is away is nobody's refusal.
                        Err(_) => {}
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { told, task }
    }

    /// How many records were written, unless one was refused.
    pub fn written(&self) -> Result<u64> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        ensure!(told.1.is_empty(), "{:?}", told.1);
        Ok(told.0)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}
