//! Topics that come together are made together: a call to Kafka makes many.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::PostParams;
use sdm_tests::bulk;
use sdm_tests::wait::until;

use crate::convergence::start_controller;
use crate::simulated::{Simulated, topic};

const PATIENCE: Duration = Duration::from_secs(60);
/// Topics that come at once.
const TOPICS: usize = 300;
/// Calls that may make them. As they arrive there are five to ten, one for those that came while the call before was under
/// way; by themselves there would be three hundred.
const CALLS: usize = TOPICS / 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_topics_takes_few_calls() -> Result<()> {
    let simulated = Simulated::start("bursts").await?;
    let Simulated {
        plane,
        world,
        topics,
        ..
    } = &simulated;
    let mut controller = start_controller(plane)?;
    let created = || {
        let world = world.lock();
        let topics = world.topics.as_ref();
        topics.map_or((0, 0), |t| (t.created, t.creations))
    };
    // The first one waits for the cluster; afterwards it is served.
    let first = topic("first", "Correct")?;
    topics.create(&PostParams::default(), &first).await?;
    until("the cluster to be served", PATIENCE, || async {
        Ok((created().0 == 1).then_some(()))
    })
    .await
    .with_context(|| controller.tail())?;
    let (_, before) = created();

    let many: Vec<_> = (0..TOPICS)
        .map(|n| topic(&format!("burst-{n}"), "Correct"))
        .collect::<Result<_>>()?;
    let names: Vec<String> = (0..TOPICS).map(|n| format!("burst-{n}")).collect();
    let create = bulk::create(&plane.client, many);
    bulk::until_ready(topics, &names, 1, PATIENCE, create)
        .await
        .with_context(|| controller.tail())?;
    let (made, calls) = created();
    let calls = calls - before;
    println!("{TOPICS} topics in {calls} calls");
    ensure!(made == TOPICS + 1, "{made} topics were made");
    ensure!(calls <= CALLS, "{calls} calls for {TOPICS} topics");
    controller.kill();
    Ok(())
}
