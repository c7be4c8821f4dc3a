//! Two replicas: never two leaders at once, and when one dies the other acts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use sdm_tests::control_plane::{ControlPlane, free_ports};
use sdm_tests::process::{Process, Spawn};
use sdm_tests::wait::until;

fn start(plane: &ControlPlane, name: &str) -> Result<(Process, u16)> {
    let [port] = free_ports()?;
    let process = Spawn::new(
        &sdm_tests::paths::program("sdm-controller"),
        [format!("--health-address=127.0.0.1:{port}")],
        plane.dir.join(format!("{name}.log")),
    )
    .env("KUBECONFIG", &plane.kubeconfig)
    .env("POD_NAMESPACE", "default")
    .env("POD_NAME", name)
    .start()?;
    Ok((process, port))
}

/// Waits until a replica is up: it stands by from then on.
async fn serves(port: u16) -> Result<()> {
    until(
        "the replica to answer",
        Duration::from_secs(20),
        || async move {
            Ok(tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
                .map(drop))
        },
    )
    .await
}

async fn holder(leases: &Api<Lease>) -> Result<Option<String>> {
    let lease = leases.get_opt("sdm-controller").await?;
    Ok(lease
        .and_then(|l| l.spec)
        .and_then(|s| s.holder_identity)
        .filter(|h| !h.is_empty()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_followed_within_20_seconds_and_a_stopped_one_at_once() -> Result<()> {
    let plane = ControlPlane::start("leadership").await?;
    let leases: Api<Lease> = Api::namespaced(plane.client.clone(), "default");
    let (mut first, _) = start(&plane, "first")?;
    until("the first to lead", Duration::from_secs(20), || {
        holder(&leases)
    })
    .await?;
    let (second, port) = start(&plane, "second")?;
    serves(port).await?;
    // Two rounds of the election, watched without a break.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        let holder = holder(&leases).await?.unwrap_or_default();
        ensure!(
            holder.starts_with("first"),
            "the first leads, and {holder} took over"
        );
    }

    first.kill();
    let killed = Instant::now();
    let taken = |name: &'static str| {
        let leases = leases.clone();
        move || {
            let leases = leases.clone();
            async move { Ok(holder(&leases).await?.filter(|h| h.starts_with(name))) }
        }
    };
    until(
        "the second to lead",
        Duration::from_secs(30),
        taken("second"),
    )
    .await?;
    ensure!(
        killed.elapsed() < Duration::from_secs(20),
        "{:?}",
        killed.elapsed()
    );
    ensure!(
        killed.elapsed() > Duration::from_secs(8),
        "taken over while the first might still have acted: {:?}",
        killed.elapsed()
    );

    let (_third, port) = start(&plane, "third")?;
    serves(port).await?;
    let stopped = Instant::now();
    second.terminate()?;
    until("the third to lead", Duration::from_secs(20), taken("third")).await?;
    ensure!(
        stopped.elapsed() < Duration::from_secs(12),
        "a clean stop hands over: {:?}",
        stopped.elapsed()
    );
    Ok(())
}
