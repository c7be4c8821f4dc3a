//! Tests on the whole node: kubelets, containers, real brokers.
//!
//! One test says one thing that a user relies on. They share the cluster `events`,
//! which the first to run brings up; each leaves it Ready. Long ones are ignored
//! here and run by `make e2e`.

mod change;
mod deletion;
mod faults;
mod handshake;
mod heterogeneous;
mod operator;
mod plugin;
mod quiet;
mod versions;

use std::time::Duration;

use anyhow::Result;
use sdm_tests::node::Node;
use tokio::sync::Mutex;

/// The namespace of the shared cluster.
pub const NAMESPACE: &str = "streaming";
/// The shared cluster.
pub const CLUSTER: &str = "events";
/// The longest a cluster may take here: two cores, several JVMs.
pub const PATIENCE: Duration = Duration::from_secs(240);

static SETUP: Mutex<bool> = Mutex::const_new(false);

/// The node with the operator installed and `events` Ready.
pub async fn events() -> Result<Node> {
    let node = operator_only().await?;
    node.apply(&example("events.yaml")?)?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    Ok(node)
}

/// The node with the operator installed.
pub async fn operator_only() -> Result<Node> {
    let node = Node::connect().await?;
    let mut done = SETUP.lock().await;
    if !*done {
        node.plugin(&["install"], None)?;
        *done = true;
    }
    Ok(node)
}

/// One of `deploy/examples`.
pub fn example(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(
        sdm_tests::paths::repository()
            .join("deploy/examples")
            .join(name),
    )?)
}
