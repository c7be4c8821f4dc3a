//! A Kafka that refuses something: what is Ready stays so for a while, it is asked less and less often, and nobody else
//! waits for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use sdm_api::KafkaUser;
use sdm_tests::bulk;
use sdm_tests::wait::until;
use serde_json::json;

use crate::convergence::start_controller;
use crate::simulated::{NAMESPACE, Simulated, ready, told, topic};

const PATIENCE: Duration = Duration::from_secs(60);

/// A user of whom Kafka has nothing but a quota.
fn user(name: &str) -> Result<KafkaUser> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaUser",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "clusterRef": {"name": "case"}, "authentication": "external", "principal": name,
            "quotas": {"producerByteRate": 1000},
        },
    }))?)
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
    let Simulated { plane, world, .. } = &simulated;
    let users: Api<KafkaUser> = Api::namespaced(plane.client.clone(), NAMESPACE);
    let mut controller = start_controller(plane)?;
    users.create(&PostParams::default(), &user("old")?).await?;
    let before = until("the user to be Ready", PATIENCE, || async {
        let (ready, version) = ready(&users, "old").await?;
        ensure!(
            ready.status == "True",
            "{}: {}",
            ready.reason,
            ready.message
        );
        Ok(Some(version))
    })
    .await
    .with_context(|| controller.tail())?;
    let quota = |name: &str| world.lock().quotas.there.get(name).cloned();
    ensure!(
        quota("old").is_some_and(|q| q.len() == 1),
        "it has its quota"
    );

    // Somebody takes it away, and for now nobody can give it back. A controller that starts looks at all users.
    controller.kill();
    {
        let mut world = world.lock();
        world.quotas.there.clear();
        world.quotas.changes.clear();
        world.quotas.refusing = true;
    }
    let mut controller = start_controller(plane)?;
    let asked = || world.lock().quotas.changes.get("old").cloned();
    let times: Vec<Instant> = until("five attempts", PATIENCE, || async {
        Ok(asked().filter(|times| times.len() >= 5))
    })
    .await
    .with_context(|| controller.tail())?;
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
    until("the new user to be told", PATIENCE, || async {
        let (ready, _) = ready(&users, "new").await?;
        ensure!(ready.reason == "RequestTimedOut", "{}", ready.reason);
        Ok((ready.status == "False").then_some(()))
    })
    .await
    .with_context(|| controller.tail())?;

    world.lock().quotas.refusing = false;
    until("both to have their quotas", PATIENCE, || async {
        let (ready, _) = ready(&users, "new").await?;
        let both = quota("old").is_some() && quota("new").is_some();
        Ok((both && ready.status == "True").then_some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    let (_, version) = ready(&users, "old").await?;
    ensure!(version == before, "{before:?} became {version:?}");

    // Of a user who is gone the cluster tells.
    world.lock().quotas.refusing = true;
    users.delete("old", &DeleteParams::default()).await?;
    let words = ["default/old", "REQUEST_TIMED_OUT"];
    let told = told(&plane.client, "UsersLeftBehind", &words).await;
    told.with_context(|| controller.tail())?;
    world.lock().quotas.refusing = false;
    until("the quota to be gone", PATIENCE, || async {
        Ok(quota("old").is_none_or(|q| q.is_empty()).then_some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    controller.kill();
    simulated.is_sound()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_cannot_be_served_hold_up_no_topics() -> Result<()> {
    let simulated = Simulated::start("users").await?;
    let Simulated {
        plane,
        world,
        topics,
        ..
    } = &simulated;
    let users: Api<KafkaUser> = Api::namespaced(plane.client.clone(), NAMESPACE);
    world.lock().quotas.closed = true;
    let mut controller = start_controller(plane)?;
    users.create(&PostParams::default(), &user("new")?).await?;
    let asked = |times: usize| {
        until("Kafka to be asked again", PATIENCE, move || async move {
            let asked = world.lock().quotas.asked_closed;
            Ok((asked >= times).then_some(asked))
        })
    };
    until("the user to be told", PATIENCE, || async {
        let (ready, _) = ready(&users, "new").await?;
        let known = ready.reason == "ClusterAuthorizationFailed";
        ensure!(known, "{}: {}", ready.reason, ready.message);
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;

    // The pauses are long by now: a topic comes in the middle of one.
    let before = asked(6).await.with_context(|| controller.tail())?;
    let names = ["meanwhile".to_owned()];
    let create = bulk::create(&plane.client, vec![topic(&names[0], "Correct")?]);
    let made = bulk::until_ready(topics, &names, 1, PATIENCE, create).await;
    made.with_context(|| controller.tail())?;
    let after = world.lock().quotas.asked_closed;
    ensure!(after == before, "it waited for attempt {after}");

    world.lock().quotas.closed = false;
    until("the user to be Ready", PATIENCE, || async {
        let (ready, _) = ready(&users, "new").await?;
        ensure!(
            ready.status == "True",
            "{}: {}",
            ready.reason,
            ready.message
        );
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    controller.kill();
    simulated.is_sound()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_kafka_keeps_holds_up_nobody() -> Result<()> {
    let simulated = Simulated::start("kept").await?;
    let Simulated {
        plane,
        world,
        topics,
        ..
    } = &simulated;
    let mut controller = start_controller(plane)?;
    let create = |name: &str| {
        let (names, topic) = ([name.to_owned()], topic(name, "Correct"));
        async move {
            let create = bulk::create(&plane.client, vec![topic?]);
            bulk::until_ready(topics, &names, 1, PATIENCE, create).await
        }
    };
    create("kept").await.with_context(|| controller.tail())?;
    if let Some(topics) = &mut world.lock().topics {
        topics.keeping = true;
    }
    topics.delete("kept", &DeleteParams::default()).await?;
    let kept = || world.lock().topics.as_ref().map(|t| t.kept.clone());
    until("Kafka to refuse", PATIENCE, || async {
        Ok(kept().filter(|times| !times.is_empty()))
    })
    .await
    .with_context(|| controller.tail())?;
    create("other").await.with_context(|| controller.tail())?;

    let words = ["kept", "TOPIC_DELETION_DISABLED"];
    let told = told(&plane.client, "TopicsLeftBehind", &words).await;
    told.with_context(|| controller.tail())?;
    let times = until("five attempts", PATIENCE, || async {
        Ok(kept().filter(|times| times.len() >= 5))
    })
    .await
    .with_context(|| controller.tail())?;
    less_and_less(&times)?;

    if let Some(topics) = &mut world.lock().topics {
        topics.keeping = false;
    }
    until("the topic to be gone", PATIENCE, || async {
        let world = world.lock();
        let there = world.topics.as_ref().map(|t| t.there.contains_key("kept"));
        Ok((there == Some(false)).then_some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    controller.kill();
    simulated.is_sound()
}
