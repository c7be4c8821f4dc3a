//! Topics that come together are made together: a call to Kafka makes many.

use anyhow::{Result, ensure};

use crate::simulated::{Simulated, topic};

/// Topics that come at once.
const TOPICS: usize = 300;
/// Calls that may make them. As they arrive there are five to ten, one for those that came while the call before was under
/// way; by themselves there would be three hundred.
const CALLS: usize = TOPICS / 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_topics_takes_few_calls() -> Result<()> {
    let simulated = Simulated::start("bursts").await?;
    let created = || {
        let world = simulated.world.lock();
        let topics = world.topics.as_ref();
        topics.map_or((0, 0), |t| (t.created, t.creations))
    };
    // The first one waits for the cluster; afterwards it is served.
    simulated.create(vec![topic("first", "Correct")?]).await?;
    let (_, before) = created();

    let many: Vec<_> = (0..TOPICS)
        .map(|n| topic(&format!("burst-{n}"), "Correct"))
        .collect::<Result<_>>()?;
    simulated.create(many).await?;
    let (made, calls) = created();
    let calls = calls - before;
    println!("{TOPICS} topics in {calls} calls");
    ensure!(made == TOPICS + 1, "{made} topics were made");
    ensure!(calls <= CALLS, "{calls} calls for {TOPICS} topics");
    simulated.finish()
}
