//! Thousands of objects at once: how long their lifecycles take.

use anyhow::Result;
use sdm_tests::node::Node;

use crate::{CLUSTER, Figures, NAMESPACE, PATIENCE, floor, rounded, topics, users};

/// Lifecycles before those that count: the brokers have just got more memory, by a restart.
const WARM: usize = 20;

/// The figures.
pub async fn measure(node: &Node, figures: &mut Figures) -> Result<()> {
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    floor::topics_in_kafka_alone(node, 250, WARM).await?;
    for (count, figure) in [
        (2000, "topics_2000_lifecycle_s"),
        (5000, "topics_5000_lifecycle_s"),
    ] {
        tokio::time::sleep(topics::FILES_GONE).await;
        let took = topics::lifecycle(node, &format!("bench-{count}"), count).await?;
        println!("{count} topics: {took:.2?}");
        figures.insert(figure, rounded(took.total()));
    }
    users::scale(node, figures).await
}
