//! A Kafka that refuses something: what is Ready stays so for a while, it is asked less and less often, and nobody else
//! waits for it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use sdm_api::KafkaUser;
use serde_json::json;

use crate::simulated::{Simulated, object, ready, topic};

/// A user of whom Kafka has nothing but a quota.
fn user(name: &str) -> Result<KafkaUser> {
    object(
        name,
        &json!({
            "clusterRef": {"name": "case"}, "authentication": "external", "principal": name,
            "quotas": {"producerByteRate": 1000},
        }),
    )
}

/// Five attempts, the last pause at least twice as long as the first.
fn less_and_less(times: &[Instant]) -> Result<()> {
    let pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    ensure!(
        pauses[3] > pauses[0] * 2,
        "it is asked all the time: {pauses:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_ready_outlasts_a_moment_of_refusals() -> Result<()> {
    let simulated = Simulated::start("patience").await?;
    let world = &simulated.world;
    let users: Api<KafkaUser> = simulated.api();
    users.create(&PostParams::default(), &user("old")?).await?;
    let before = simulated.until_says(&users, "old", "Ready").await?;
    let quota = |name: &str| world.lock().quotas.there.get(name).cloned();
    ensure!(
        quota("old").is_some_and(|q| q.len() == 1),
        "it has its quota"
    );

    // Somebody takes it away, and for now nobody can give it back.
    simulated.restart(|world| {
        world.quotas.there.clear();
        world.quotas.changes.clear();
        world.quotas.refusing = true;
    })?;
    let asked = || world.lock().quotas.changes.get("old").cloned();
    let times: Vec<Instant> = simulated
        .until("five attempts", || async {
            Ok(asked().filter(|times| times.len() >= 5))
        })
        .await?;
    let (still, version) = ready(&users, "old").await?;
    ensure!(
        still.status == "True" && version == before,
        "{}: {}, {before:?} became {version:?}",
        still.reason,
        still.message
    );
    less_and_less(&times)?;

    // Who is not Ready yet is told at once.
    users.create(&PostParams::default(), &user("new")?).await?;
    simulated
        .until_says(&users, "new", "RequestTimedOut")
        .await?;

    world.lock().quotas.refusing = false;
    simulated.until_says(&users, "new", "Ready").await?;
    simulated
        .until("both to have their quotas", || async {
            let both = quota("old").is_some() && quota("new").is_some();
            Ok(both.then_some(()))
        })
        .await?;
    let (_, version) = ready(&users, "old").await?;
    ensure!(version == before, "{before:?} became {version:?}");

    // Of a user who is gone the cluster tells.
    world.lock().quotas.refusing = true;
    users.delete("old", &DeleteParams::default()).await?;
    let words = ["default/old", "REQUEST_TIMED_OUT"];
    simulated.until_told("UsersLeftBehind", &words).await?;
    world.lock().quotas.refusing = false;
    simulated
        .until("the quota to be gone", || async {
            Ok(quota("old").is_none_or(|q| q.is_empty()).then_some(()))
        })
        .await?;
    simulated.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_cannot_be_served_hold_up_no_topics() -> Result<()> {
    let simulated = Simulated::start("users").await?;
    let world = &simulated.world;
    let users: Api<KafkaUser> = simulated.api();
    world.lock().quotas.closed = true;
    users.create(&PostParams::default(), &user("new")?).await?;
    simulated
        .until_says(&users, "new", "ClusterAuthorizationFailed")
        .await?;

    // The pauses are long by now: a topic comes in the middle of one.
    let before = simulated
        .until("Kafka to be asked again", || async {
            let asked = world.lock().quotas.asked_closed;
            Ok((asked >= 6).then_some(asked))
        })
        .await?;
    simulated
        .create(vec![topic("meanwhile", "Correct")?])
        .await?;
    let after = world.lock().quotas.asked_closed;
    ensure!(after == before, "it waited for attempt {after}");

    world.lock().quotas.closed = false;
    simulated.until_says(&users, "new", "Ready").await?;
    simulated.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_kafka_keeps_holds_up_nobody() -> Result<()> {
    let simulated = Simulated::start("kept").await?;
    let (world, topics) = (&simulated.world, &simulated.topics);
    simulated.create(vec![topic("kept", "Correct")?]).await?;
    let keeping = |keeping| {
        if let Some(topics) = &mut world.lock().topics {
            topics.keeping = keeping;
        }
    };
    keeping(true);
    topics.delete("kept", &DeleteParams::default()).await?;
    let kept = || world.lock().topics.as_ref().map(|t| t.kept.clone());
    simulated
        .until("Kafka to refuse", || async {
            Ok(kept().filter(|times| !times.is_empty()))
        })
        .await?;
    simulated.create(vec![topic("other", "Correct")?]).await?;

    let words = ["kept", "TOPIC_DELETION_DISABLED"];
    simulated.until_told("TopicsLeftBehind", &words).await?;
    let times = simulated
        .until("five attempts", || async {
            Ok(kept().filter(|times| times.len() >= 5))
        })
        .await?;
    less_and_less(&times)?;

    keeping(false);
    simulated
        .until("the topic to be gone", || async {
            let world = world.lock();
            let there = world.topics.as_ref().map(|t| t.there.contains_key("kept"));
            Ok((there == Some(false)).then_some(()))
        })
        .await?;
    simulated.finish()
}
