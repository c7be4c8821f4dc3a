//! Tests on the whole node: kubelets, containers, real brokers.
//!
//! One test says one thing that a user relies on. They share the cluster `events`,
//! which the first to run brings up; each leaves it Ready. Those about tenants share
//! the smaller cluster `tenants`. Long ones are ignored here and run by `make e2e`.
//!
//! With `SDM_TEST_OPERATOR=running` an operator that runs already is used, wherever it
//! runs; `SDM_TEST_RESTART` is the command that restarts its controller.

mod access;
mod broker_logs;
mod change;
mod deletion;
mod drain;
mod faults;
mod handshake;
mod heterogeneous;
mod injection;
mod injection_secret;
mod logins;
mod namespaces;
mod operator;
mod plugin;
mod policies;
mod quiet;
mod tenancy;
mod topics;
mod users;
mod versions;
mod webhook;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use sdm_tests::node::Node;
use tokio::sync::OnceCell;

/// The namespace of the shared cluster.
pub const NAMESPACE: &str = "streaming";
/// The shared cluster.
pub const CLUSTER: &str = "events";
/// The longest a cluster may take here: two cores, several JVMs.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// How installing the operator went, once tried: what failed once takes its whole time each time, and the others say the
/// same.
static INSTALLED: OnceCell<Result<(), String>> = OnceCell::const_new();

/// The node with the operator installed and `events` Ready.
pub async fn events() -> Result<Node> {
    let node = operator_only().await?;
    node.apply(&example("events.yaml")?)?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    Ok(node)
}

/// The cluster of tenants, in a namespace of the same name: one broker, a listener for certificates and one for
/// passwords, and every namespace may use it that is not labelled with [`KEPT_OUT`].
pub const TENANTS: (&str, &str) = ("tenants", "tenants");

/// The label of namespaces that may not use the tenants' cluster.
pub const KEPT_OUT: &str = "tests.kept-out";

const TENANTS_MANIFEST: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: tenants, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaCluster
metadata: {name: tenants, namespace: tenants}
spec:
  version: 4.3.1
  deletionPolicy: Delete
  pools:
    - name: node
      roles: [broker, controller]
      nodeIds: [0]
      storage: {volumes: [{name: data, size: 1Gi}]}
      resources: {requests: {cpu: 100m, memory: 640Mi}, limits: {memory: 1Gi}}
      jvm: {heap: 384Mi}
  listeners:
    - {name: clients, port: 9092}
    - {name: scram, port: 9094, tls: server, sasl: [SCRAM-SHA-512, SCRAM-SHA-256]}
  tenancy: {allowedNamespaces: {matchExpressions: [{key: tests.kept-out, operator: DoesNotExist}]}}
";

/// The node with the cluster of tenants Ready, and a client with its administrator's certificate.
pub async fn tenants() -> Result<(Node, sdm_kafka::Client)> {
    let node = operator_only().await?;
    node.apply(TENANTS_MANIFEST)?;
    node.ready(TENANTS.0, TENANTS.1, PATIENCE).await?;
    let kafka = node.kafka(TENANTS.0, TENANTS.1).await?;
    Ok((node, kafka))
}

/// The image that the tenants' broker runs, which has all clients that tests use.
pub async fn kafka_image(node: &Node) -> Result<String> {
    let pod = node.pods(TENANTS.0).get("tenants-0").await?;
    let containers = pod.spec.map(|s| s.containers).unwrap_or_default();
    let kafka = containers.into_iter().find(|c| c.name == "kafka");
    kafka.and_then(|c| c.image).context("the broker's image")
}

/// The node with the operator installed.
pub async fn operator_only() -> Result<Node> {
    let node = Node::connect().await?;
    let installed = INSTALLED.get_or_init(|| async {
        if std::env::var("SDM_TEST_OPERATOR").is_ok_and(|v| v == "running") {
            return Ok(());
        }
        let done = node.plugin(&["install"], None).map(drop);
        done.map_err(|e| format!("{e:#}"))
    });
    match installed.await {
        Ok(()) => Ok(node),
        Err(why) => bail!("the operator is not installed: {why}"),
    }
}

/// One of `deploy/examples`.
pub fn example(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(
        sdm_tests::paths::repository()
            .join("deploy/examples")
            .join(name),
    )?)
}
