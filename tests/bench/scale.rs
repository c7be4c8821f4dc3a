//! Thousands of objects at once: how long their lifecycles take.

use anyhow::Result;
use sdm_tests::node::Node;

use crate::{CLUSTER, Figures, NAMESPACE, PATIENCE, rounded, topics, users};

/// The figures.
pub async fn measure(node: &Node, figures: &mut Figures) -> Result<()> {
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    for (count, figure) in [
        (2000, "topics_2000_lifecycle_s"),
        (5000, "topics_5000_lifecycle_s"),
    ] {
        let took = topics::lifecycle(node, &format!("bench-{count}"), count).await?;
        println!("{count} topics: {took:.2?}");
        figures.insert(figure, rounded(took.total()));
    }
    users::scale(node, figures).await
}
