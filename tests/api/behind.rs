//! A broker that is behind the active controller does not know every topic. That is no proof that one is gone.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::simulated::{Simulated, ready, topic};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_behind_makes_no_topic_missing() -> Result<()> {
    let simulated = Simulated::start("behind").await?;
    let (world, topics) = (&simulated.world, &simulated.topics);
    let mut before = Vec::new();
    for (name, policy) in [("corrected", "Correct"), ("reported", "Report")] {
        simulated.create(vec![topic(name, policy)?]).await?;
        before.push((name, ready(topics, name).await?.1));
    }

    // From now on the broker knows neither of them.
    simulated.restart(|world| {
        if let Some(topics) = &mut world.topics {
            topics.behind = true;
        }
    })?;
    simulated
        .until("the broker to be asked three times", || async {
            let asked = world.lock().topics.as_ref().map_or(0, |t| t.asked_behind);
            ensure!(asked >= 3, "{asked} times");
            Ok(Some(()))
        })
        .await?;
    for (name, version) in before {
        let (ready, now) = ready(topics, name).await?;
        ensure!(
            ready.status == "True" && now == version,
            "{name}: {}, {version:?} became {now:?}",
            ready.reason
        );
    }
    let events: Api<Event> = simulated.api();
    let about = ListParams::default().fields("involvedObject.kind=KafkaTopic");
    let told = events.list(&about).await?.items;
    ensure!(told.is_empty(), "{told:?}");

    // One that is really gone is missing, whatever the broker knows.
    if let Some(topics) = &mut world.lock().topics {
        topics.there.clear();
    }
    simulated
        .until_says(topics, "reported", "TopicMissing")
        .await?;
    simulated
        .until("the other one to be there again", || async {
            let topics = &world.lock().topics;
            let created = topics.as_ref().map_or(0, |t| t.created);
            ensure!(created == 3, "{created} were created");
            Ok(Some(()))
        })
        .await?;
    simulated.finish()
}

/// One broker tells of the topic, another one of its configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_waits_for_the_broker_that_tells_of_its_configuration() -> Result<()> {
    let simulated = Simulated::start("behind-configs").await?;
    let topics = &simulated.topics;
    let mut orders = topic("orders", "Correct")?;
    let config = ("retention.ms".to_owned(), "3600000".to_owned());
    orders.spec.config.extend([config]);
    simulated.create(vec![orders]).await?;
    let behind = |behind| {
        if let Some(topics) = &mut simulated.world.lock().topics {
            topics.configs_behind = behind;
        }
    };
    behind(true);
    let change = Patch::Merge(json!({"spec": {"driftPolicy": "Report"}}));
    let params = PatchParams::default();
    topics.patch("orders", &params, &change).await?;
    simulated
        .until_says(topics, "orders", "BrokerBehind")
        .await?;
    behind(false);
    simulated.until_says(topics, "orders", "Ready").await?;
    simulated.finish()
}
