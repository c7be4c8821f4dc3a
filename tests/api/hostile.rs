//! What reaches the webhook's port from whoever can reach it: hundreds of connections that are slow, half-open, broken or
//! no TLS at all, while API servers go on asking. Those are answered, every time; the others are let go, and take with
//! them what was opened for them. What bodies are made of is the fuzz test's subject, beside the webhook.

mod dense;
mod peers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::wait::until;
use sdm_tests::webhook::{Connection, Webhook};
use serde_json::{Value, json};

use crate::cases::good;
use peers::{PEERS, Peer};

const PATIENCE: Duration = Duration::from_secs(60);
/// Of each kind at a time: together fewer than the webhook serves at once.
const EACH: usize = 25;
/// Connections that the webhook itself may have more at one moment than at another: to the API server.
const OWN: usize = 20;
/// Most of what its Pod may have.
const PEAK_KB: u64 = 100 * 1024;
/// More than the webhook serves at once.
const CROWD: usize = 600;
/// How much more may be resident afterwards: buffers that are kept, and not one for each that came.
const ROOM_KB: u64 = 12 * 1024;

fn review(uid: &str, pad: usize) -> Bytes {
    let mut object = good("asked");
    if pad > 0 {
        object["metadata"]["annotations"] = json!({"pad": "x".repeat(pad)});
    }
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid, "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": "KafkaCluster"},
            "name": "asked", "namespace": "default", "operation": "CREATE", "userInfo": {"username": "alice"},
            "object": object, "oldObject": null,
        },
    });
    review.to_string().into()
}

/// A good question gets a good answer.
async fn asks(connection: &mut Connection, uid: &str, body: Bytes) -> Result<()> {
    let (status, answer) = connection.ask("/validate", body).await?;
    ensure!(status == 200, "{uid}: {status}");
    let answer: Value = serde_json::from_slice(&answer)?;
    let response = &answer["response"];
    ensure!(
        response["uid"] == uid && response["allowed"] == true,
        "{answer}"
    );
    Ok(())
}

/// Asks on a kept connection until told to stop; how often.
async fn goes_on(
    mut connection: Connection,
    who: usize,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let uid = format!("good-{who}-{}", asked.fetch_add(1, Ordering::Relaxed));
        asks(&mut connection, &uid, review(&uid, 0)).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Every peer `EACH` times at once.
async fn visit(webhook: &Webhook) -> Result<()> {
    let all = PEERS.iter().flat_map(|peer| [peer; EACH]);
    try_join_all(all.map(|peer| peer.play(webhook))).await?;
    Ok(())
}

/// Files that are open when nobody but us is there.
async fn settled(webhook: &Webhook, at_most: usize) -> Result<usize> {
    until("connections to be closed", PATIENCE, || async {
        let open = webhook.open_files()?;
        ensure!(open <= at_most, "{open} files are open, and not {at_most}");
        Ok(Some(open))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_held_up_and_nothing_is_left_behind() -> Result<()> {
    let plane = ControlPlane::start("hostile").await?;
    let mut webhook = Webhook::start(&plane).await?;
    let (stop, asked) = <(Arc<AtomicBool>, Arc<AtomicUsize>)>::default();
    let mut good = Vec::new();
    for who in 0..4 {
        let connection = match who % 2 {
            0 => webhook.connect().await?,
            _ => webhook.connect_h1().await?,
        };
        good.push(tokio::spawn(goes_on(
            connection,
            who,
            stop.clone(),
            asked.clone(),
        )));
    }
    let open = webhook.open_files()? + OWN;

    // What an API server may send, with both versions of HTTP.
    const MIB: usize = 1024 * 1024;
    let size = 8 * MIB - review("large", 1).len() + 1;
    for mut connection in [webhook.connect().await?, webhook.connect_h1().await?] {
        let large = review("large", size);
        ensure!(large.len() == 8 * MIB, "{}", large.len());
        asks(&mut connection, "large", large)
            .await
            .context("8 MiB")?;
    }

    // The first visit is when buffers are made that are kept.
    visit(&webhook).await?;
    settled(&webhook, open).await?;
    let before = (
        webhook.process.resident_kb()?,
        asked.load(Ordering::Relaxed),
    );
    for _ in 0..3 {
        visit(&webhook).await?;
    }
    settled(&webhook, open).await?;
    let after = (
        webhook.process.resident_kb()?,
        asked.load(Ordering::Relaxed),
    );
    println!(
        "{} good reviews meanwhile; resident {} kB before, {} kB after {} visitors",
        after.1 - before.1,
        before.0,
        after.0,
        3 * EACH * PEERS.len()
    );
    ensure!(
        after.0 < before.0 + ROOM_KB,
        "{} kB were resident, now {}",
        before.0,
        after.0
    );

    dense::visit(&webhook).await?;
    let peak = webhook.process.peak_kb()?;
    println!("at most {peak} kB were resident");
    ensure!(peak < PEAK_KB, "{peak} kB were resident");

    // Even if nobody else finds room, connections that are there go on, and soon there is room again.
    let crowd = (0..CROWD).map(|_| Peer::Silent.play(&webhook));
    tokio::try_join!(try_join_all(crowd), async {
        let mut connection = webhook.connect().await?;
        asks(&mut connection, "late", review("late", 0)).await
    })?;
    settled(&webhook, open).await?;
    stop.store(true, Ordering::Relaxed);
    for one in good {
        one.await?.context("a good review")?;
    }
    ensure!(webhook.process.is_running(), "it is gone");
    let log = std::fs::read_to_string(&webhook.process.log)?;
    ensure!(!log.contains("panicked"), "{}", webhook.process.tail());
    Ok(())
}
