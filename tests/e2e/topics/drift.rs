//! What is changed in Kafka by hand: undone, or reported.

use anyhow::{Result, bail, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::{topic, topic_config};
use sdm_tests::wait::until;
use serde_json::json;

use super::{SWEEP, configuration, set_by_hand};
use crate::{TENANTS, operator, tenants};

/// Waits until there is an event of that reason about an object, and returns its note.
async fn event(space: &Space, about: &str, reason: &str) -> Result<String> {
    let events: Api<Event> = Api::namespaced(space.node.client.clone(), &space.name);
    let of = ListParams::default().fields(&format!("involvedObject.name={about},reason={reason}"));
    until(
        &format!("an event {reason} about {about}"),
        SWEEP,
        || async {
            let found = events.list(&of).await?.items.pop();
            Ok(found.and_then(|e| e.message))
        },
    )
    .await
}

/// Changes by hand: one topic undoes them, the other one reports.
async fn drift(found: impl AsyncFnOnce(&sdm_tests::node::Node) -> Result<()>) -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "drift").await?;
    let spec = |policy: &str| json!({"partitions": 1, "driftPolicy": policy, "config": {"retention.ms": "3600000"}});
    let corrected = space.topic("corrected", spec("Correct")).await?;
    let deleted = space.topic("deleted", spec("Correct")).await?;
    let reported = space.topic("reported", spec("Report")).await?;
    let missing = space.topic("missing", spec("Report")).await?;
    for name in [&corrected, &reported] {
        set_by_hand(&kafka, name, "retention.ms", "60000").await?;
        set_by_hand(&kafka, name, "segment.ms", "600000").await?;
    }
    kafka.delete_topics(&[&deleted, &missing]).await?;
    found(&node).await?;

    let wanted = configuration(&[("retention.ms", "3600000"), ("segment.ms", "600000")]);
    until("the change to be undone", SWEEP, || async {
        let is = topic_config(&kafka, &corrected).await?;
        if is == wanted {
            Ok(Some(()))
        } else {
            bail!("{is:?}")
        }
    })
    .await?;
    let note = event(&space, "corrected", "DriftCorrected").await?;
    println!("DriftCorrected: {note}");
    ensure!(note.contains("retention.ms set to 3600000"), "{note}");
    until("the deleted topic to be there again", SWEEP, || async {
        Ok(topic(&kafka, &deleted).await?.map(drop))
    })
    .await?;

    let drift = until("the other change to be reported", SWEEP, || async {
        let drift = space.status(Kind::Topic, "reported", "drift").await?;
        Ok(drift.as_array().cloned())
    })
    .await?;
    ensure!(
        drift == [json!("retention.ms is 60000 instead of 3600000")],
        "{drift:?}"
    );
    space.ready(Kind::Topic, "reported").await?;
    ensure!(topic_config(&kafka, &reported).await?["retention.ms"] == "60000");
    until("the missing topic to be reported", SWEEP, || async {
        space
            .refused(Kind::Topic, "missing", "TopicMissing", "set it to Correct")
            .await
            .map(Some)
    })
    .await?;
    ensure!(
        topic(&kafka, &missing).await?.is_none(),
        "it was created again"
    );
    // Told to, it mends that too.
    space
        .change(Kind::Topic, "reported", json!({"driftPolicy": "Correct"}))
        .await?;
    space
        .change(Kind::Topic, "missing", json!({"driftPolicy": "Correct"}))
        .await?;
    space.ready(Kind::Topic, "reported").await?;
    space.ready(Kind::Topic, "missing").await?;
    ensure!(topic_config(&kafka, &reported).await? == wanted);
    ensure!(topic(&kafka, &missing).await?.is_some());
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_hand_are_undone_or_reported_after_a_restart() -> Result<()> {
    drift(async |node| operator::restart(node).await).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "up to two and a half minutes"]
async fn changes_by_hand_are_undone_or_reported_within_a_sweep() -> Result<()> {
    drift(async |_| Ok(())).await
}
