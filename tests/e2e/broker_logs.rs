//! What a broker logs of a topic: that it came, changed and went, and not what it does for each replica on the way.

use anyhow::{Result, ensure};
use kube::api::LogParams;
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::json;

use crate::{PATIENCE, TENANTS, tenants};

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_comes_and_goes_is_logged_once() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "logged").await?;
    let spec = json!({"partitions": 1, "replicas": 1, "config": {"retention.ms": "3600000"}});
    let topic = space.topic("orders", spec).await?;
    space.remove(Kind::Topic, "orders").await?;
    let pods = node.pods(TENANTS.0);
    let kafka = LogParams {
        container: Some("kafka".to_owned()),
        ..LogParams::default()
    };
    let log = until("the topic's end to be logged", PATIENCE, || async {
        let log = pods.logs("tenants-0", &kafka).await?;
        let ends = |l: &str| l.contains(&topic) && l.contains("is scheduled for deletion");
        Ok(log.lines().any(ends).then_some(log))
    })
    .await?;
    let of_it: Vec<&str> = log.lines().filter(|l| l.contains(&topic)).collect();
    let says = |what: &str| of_it.iter().any(|l| l.contains(what));
    for kept in [
        "CreateTopics result",
        "Replayed ConfigRecord",
        "Replayed RemoveTopicRecord",
    ] {
        ensure!(says(kept), "{kept} is not there: {of_it:#?}");
    }
    for chatter in [
        "Replayed TopicRecord",
        "Replayed PartitionRecord",
        "Created log for partition",
        "Updating topic",
        "Loading producer state till offset 0",
        "No checkpointed highwatermark",
        "Log loaded for partition",
    ] {
        ensure!(!says(chatter), "{chatter} is there: {of_it:#?}");
    }
    Ok(())
}
