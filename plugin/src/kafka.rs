//! From a KafkaCluster to a Kafka client: which listener, which brokers, under which identity.
//!
//! Everything is read from the API server (the cluster, its Pods, one Secret); how bytes then travel is `dial`'s
//! business, what is said is `sdm_kafka`'s.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::{KafkaCluster, Listener, ListenerTls, names};
use sdm_kafka::{Client, ClientConfig, Dialer, KafkaError, TcpDialer, TlsConfig, TlsMaterial};

use crate::dial::PortForward;
use crate::exit::{Code, Failure, Result};
use crate::session::Session;

/// How to reach Kafka, and as whom.
#[derive(Args, Clone, Debug, Default)]
pub struct Access {
    /// The Secret (tls.crt, tls.key, ca.crt) to speak as; the cluster's administrator if not given
    #[arg(long, value_name = "SECRET", help_heading = "Kafka")]
    pub identity: Option<String>,
    /// The listener to use; the first one with mutual TLS if not given
    #[arg(long, value_name = "NAME", help_heading = "Kafka")]
    pub listener: Option<String>,
    /// Dial the brokers directly instead of through the API server (works inside the Kubernetes cluster)
    #[arg(long, help_heading = "Kafka")]
    pub direct: bool,
}

/// A cluster's Kafka client.
pub struct Kafka {
    /// The client.
    pub client: Client,
    /// The cluster's name.
    pub cluster: String,
    tunnel: Option<Arc<PortForward>>,
    place: String,
    flags: String,
}

impl Kafka {
    /// Finds out everything that is needed. Nothing is dialed yet.
    ///
    /// # Errors
    /// When the cluster, a broker or the Secret is missing, or may not be read.
    pub async fn open(session: &Session, access: &Access) -> Result<Self> {
        let Some(name) = session.asked_for(None) else {
            let cluster = session.cluster(None).await?;
            return Self::open_for(session, &cluster, access).await;
        };
        // With the name known, everything is asked for at once. A cluster that is not there says more than its Secret.
        let (cluster, pods, secret) = tokio::join!(
            session.cluster(Some(name)),
            brokers(session, name),
            identity(session, name, access)
        );
        Self::make(session, &cluster?, &pods?, secret?, access)
    }

    /// The same for a cluster that was read already.
    ///
    /// # Errors
    /// When a broker or the Secret is missing, or may not be read.
    pub async fn open_for(
        session: &Session,
        cluster: &KafkaCluster,
        access: &Access,
    ) -> Result<Self> {
        let name = cluster.name_any();
        let (pods, secret) =
            tokio::try_join!(brokers(session, &name), identity(session, &name, access))?;
        Self::make(session, cluster, &pods, secret, access)
    }

    fn make(
        session: &Session,
        cluster: &KafkaCluster,
        pods: &[Pod],
        secret: Option<Secret>,
        access: &Access,
    ) -> Result<Self> {
        let name = cluster.name_any();
        let place = format!("cluster {name}, namespace {}", session.cluster_namespace());
        let listener = listener(cluster, access.listener.as_deref()).map_err(|f| f.at(&place))?;
        let port = u16::try_from(listener.port).unwrap_or_default();
        let bootstrap: Vec<(String, u16)> = serving(pods)
            .into_iter()
            .map(|pod| {
                (
                    format!(
                        "{pod}.{}.{}.svc",
                        names::nodes_service(&name),
                        session.cluster_namespace()
                    ),
                    port,
                )
            })
            .collect();
        if bootstrap.is_empty() {
            return Err(Failure::general("no broker runs").at(place).hint(format!(
                "kubectl kafka status {name} -n {}",
                session.cluster_namespace()
            )));
        }
        let tls = match (listener.tls, secret) {
            (ListenerTls::None, _) => None,
            (tls, Some(secret)) => {
                Some(tls_config(&secret, tls == ListenerTls::Mtls).map_err(|f| f.at(&place))?)
            }
            (_, None) => {
                let name = access
                    .identity
                    .clone()
                    .unwrap_or_else(|| names::admin_secret(&name));
                return Err(Failure::new(Code::NotFound, format!("there is no Secret {name}")).at(place).hint(if access.identity.is_some() {
                    "kubectl get secrets    # any with tls.crt, tls.key and ca.crt of this cluster".to_owned()
                } else {
                    format!("kubectl kafka status {} -n {}    # the operator writes it first", cluster.name_any(), session.cluster_namespace())
                }));
            }
        };
        let tunnel = (!access.direct).then(|| PortForward::new(session.beside_cluster::<Pod>()));
        let dialer: Arc<dyn Dialer> = match &tunnel {
            Some(tunnel) => Arc::clone(tunnel) as _,
            None => Arc::new(TcpDialer),
        };
        let timeout = if session.request_timeout.is_zero() {
            Duration::from_secs(3600)
        } else {
            session.request_timeout
        };
        let client = Client::new(ClientConfig {
            bootstrap,
            tls,
            sasl: None,
            dialer,
            client_id: "kubectl-kafka".to_owned(),
            timeout,
        });
        let flags = session.flags(&name);
        Ok(Self {
            client,
            cluster: name,
            tunnel,
            place,
            flags,
        })
    }

    /// The failure of a call to Kafka.
    pub fn failed(&self, doing: &str, error: KafkaError) -> Failure {
        if let Some(refusal) = self.tunnel.as_ref().and_then(|t| t.refusal()) {
            return refusal.doing(doing).at(&self.place);
        }
        let code = Failure::from(error.clone()).code;
        let failure = Failure::from(error).doing(doing).at(&self.place);
        if code == Code::Denied {
            failure.hint("the identity has no ACL for this; see --identity")
        } else {
            failure
        }
    }

    /// Flags that name this cluster, for commands in hints.
    pub fn flags(&self) -> &str {
        &self.flags
    }

    /// Adds where it happened.
    pub fn place(&self) -> &str {
        &self.place
    }
}

async fn brokers(session: &Session, cluster: &str) -> Result<Vec<Pod>> {
    let labels = format!(
        "{}={cluster},{}=true",
        names::LABEL_CLUSTER,
        names::LABEL_BROKER
    );
    let list = session
        .beside_cluster::<Pod>()
        .list(&ListParams::default().labels(&labels))
        .await;
    Ok(list
        .map_err(|e| session.failed_in(session.cluster_namespace(), "list the brokers' pods", e))?
        .items)
}

async fn identity(session: &Session, cluster: &str, access: &Access) -> Result<Option<Secret>> {
    // Somebody's own identity is in their own namespace, the administrator's is beside the cluster.
    let (api, namespace, name) = match &access.identity {
        Some(name) => (
            session.namespaced::<Secret>(),
            session.namespace.as_str(),
            name.clone(),
        ),
        None => (
            session.beside_cluster(),
            session.cluster_namespace(),
            names::admin_secret(cluster),
        ),
    };
    api.get_opt(&name).await.map_err(|e| {
        let denied = session.failed_in(namespace, &format!("read secret {name}"), e);
        denied.hint("--identity SECRET names another Secret that you may read")
    })
}

/// Names of the Pods to start from: those that serve; failing that, those that run.
fn serving(pods: &[Pod]) -> Vec<String> {
    let ready = |pod: &&Pod| {
        let conditions = pod
            .status
            .iter()
            .flat_map(|s| s.conditions.iter().flatten());
        conditions
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    let running =
        |pod: &&Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
    let names = |pods: Vec<&Pod>| {
        pods.into_iter()
            .map(ResourceExt::name_any)
            .collect::<Vec<_>>()
    };
    let first = names(pods.iter().filter(ready).collect());
    if first.is_empty() {
        names(pods.iter().filter(running).collect())
    } else {
        first
    }
}

/// The listener to use.
///
/// # Errors
/// When there is none by that name.
pub fn listener<'a>(cluster: &'a KafkaCluster, named: Option<&str>) -> Result<&'a Listener> {
    let all = &cluster.spec.listeners;
    let choices = || {
        all.iter()
            .map(|l| l.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match named {
        Some(name) => all.iter().find(|l| l.name == name).ok_or_else(|| {
            Failure::new(Code::NotFound, format!("there is no listener {name}"))
                .hint(format!("the cluster has: {}", choices()))
        }),
        None => all
            .iter()
            .find(|l| l.tls == ListenerTls::Mtls)
            .or_else(|| all.first())
            .ok_or_else(|| Failure::general("the cluster has no listener for clients")),
    }
}

/// A key of a Secret.
pub fn secret_key<'a>(secret: &'a Secret, key: &str) -> Option<&'a [u8]> {
    secret
        .data
        .as_ref()
        .and_then(|data| data.get(key))
        .map(|bytes| bytes.0.as_slice())
}

fn tls_config(secret: &Secret, mutual: bool) -> Result<TlsConfig> {
    let part = |key: &str| {
        secret_key(secret, key).map(<[u8]>::to_vec).ok_or_else(|| {
            Failure::general(format!("Secret {} has no {key}", secret.name_any()))
                .hint("an identity Secret has tls.crt, tls.key and ca.crt")
        })
    };
    let material = TlsMaterial {
        ca_pem: part("ca.crt")?,
        cert_chain_pem: if mutual { Some(part("tls.crt")?) } else { None },
        key_pem: if mutual { Some(part("tls.key")?) } else { None },
    };
    TlsConfig::new(material)
        .map_err(|e| Failure::from(e).doing(format!("Secret {}", secret.name_any())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, phase: &str, ready: bool) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": name},
            "status": {"phase": phase, "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}
        }))
        .unwrap()
    }

    #[test]
    fn brokers_that_serve_come_first_and_running_ones_are_the_fallback() {
        let pods = [
            pod("a", "Pending", false),
            pod("b", "Running", false),
            pod("c", "Running", true),
        ];
        assert_eq!(serving(&pods), ["c"]);
        assert_eq!(serving(&pods[..2]), ["b"]);
        assert!(serving(&pods[..1]).is_empty());
    }

    #[test]
    fn the_listener_is_the_one_asked_for_or_the_first_with_mutual_tls() {
        let cluster: KafkaCluster = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "a"},
            "spec": {"pools": [], "listeners": [{"name": "plain", "port": 9093, "tls": "none"}, {"name": "clients", "port": 9092}]}
        }))
        .unwrap();
        assert_eq!(listener(&cluster, None).unwrap().name, "clients");
        assert_eq!(listener(&cluster, Some("plain")).unwrap().port, 9093);
        assert_eq!(
            listener(&cluster, Some("no")).unwrap_err().code,
            Code::NotFound
        );
    }
}
