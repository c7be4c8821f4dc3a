//! A broker that is behind the active controller does not know every topic. That is no proof that one is gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use sdm_tests::wait::until;
use serde_json::json;

use crate::convergence::start_controller;
use crate::simulated::{NAMESPACE, Simulated, ready, topic};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_behind_makes_no_topic_missing() -> Result<()> {
    let simulated = Simulated::start("behind").await?;
    let Simulated {
        plane,
        world,
        topics,
        ..
    } = &simulated;
    let client = plane.client.clone();
    for (name, policy) in [("corrected", "Correct"), ("reported", "Report")] {
        topics
            .create(&PostParams::default(), &topic(name, policy)?)
            .await?;
    }
    let mut controller = start_controller(plane)?;
    let mut before = Vec::new();
    for name in ["corrected", "reported"] {
        let version = until("the topic to be Ready", PATIENCE, || async {
            let (ready, version) = ready(topics, name).await?;
            ensure!(ready.status == "True", "{}", ready.reason);
            Ok(version)
        })
        .await
        .with_context(|| controller.tail())?;
        before.push((name, version));
    }

    // From now on the broker knows neither of them. A controller that starts looks at all of them.
    controller.kill();
    if let Some(topics) = &mut world.lock().topics {
        topics.behind = true;
    }
    let mut controller = start_controller(plane)?;
    until("the broker to be asked three times", PATIENCE, || async {
        let asked = world.lock().topics.as_ref().map_or(0, |t| t.asked_behind);
        ensure!(asked >= 3, "{asked} times");
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    for (name, version) in before {
        let (ready, now) = ready(topics, name).await?;
        ensure!(
            ready.status == "True" && now.as_ref() == Some(&version),
            "{name}: {}, {version:?} became {now:?}",
            ready.reason
        );
    }
    let events: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
    let about = ListParams::default().fields("involvedObject.kind=KafkaTopic");
    let told = events.list(&about).await?.items;
    ensure!(told.is_empty(), "{told:?}");

    // One that is really gone is missing, whatever the broker knows.
    if let Some(topics) = &mut world.lock().topics {
        topics.there.clear();
    }
    until("the topic to be missing", PATIENCE, || async {
        let (ready, _) = ready(topics, "reported").await?;
        ensure!(ready.reason == "TopicMissing", "{}", ready.reason);
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    until("the other one to be there again", PATIENCE, || async {
        let topics = &world.lock().topics;
        let created = topics.as_ref().map_or(0, |t| t.created);
        ensure!(created == 3, "{created} were created");
        Ok(Some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    controller.kill();
    simulated.is_sound()
}

/// One broker tells of the topic, another one of its configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_waits_for_the_broker_that_tells_of_its_configuration() -> Result<()> {
    let simulated = Simulated::start("behind-configs").await?;
    let Simulated {
        plane,
        world,
        topics,
        ..
    } = &simulated;
    let mut controller = start_controller(plane)?;
    let mut orders = topic("orders", "Correct")?;
    let config = ("retention.ms".to_owned(), "3600000".to_owned());
    orders.spec.config.extend([config]);
    topics.create(&PostParams::default(), &orders).await?;
    let becomes = async |wanted: &str| {
        until("the topic to say so", PATIENCE, || async {
            let (ready, _) = ready(topics, "orders").await?;
            ensure!(ready.reason == wanted, "{}", ready.reason);
            Ok(Some(()))
        })
        .await
    };
    becomes("Ready").await.with_context(|| controller.tail())?;
    let behind = |behind| {
        if let Some(topics) = &mut world.lock().topics {
            topics.configs_behind = behind;
        }
    };
    behind(true);
    let change = Patch::Merge(json!({"spec": {"driftPolicy": "Report"}}));
    let params = PatchParams::default();
    topics.patch("orders", &params, &change).await?;
    becomes("BrokerBehind")
        .await
        .with_context(|| controller.tail())?;
    behind(false);
    becomes("Ready").await.with_context(|| controller.tail())?;
    controller.kill();
    simulated.is_sound()
}
