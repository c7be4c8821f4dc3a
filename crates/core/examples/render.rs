//! Prints what a `KafkaCluster` file becomes, one JSON object a line:
//! `cargo run -p sdm-core --example render -- deploy/examples/events.yaml`.
//!
//! Ids that the controller would choose at random are fixed here.

use std::error::Error;

use sdm_api::KafkaCluster;
use sdm_core::{ClusterState, decide_racks, render, resolve};
use serde_json::to_string;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("give the file of a KafkaCluster")?;
    let text = std::fs::read_to_string(path)?;
    let document = text
        .split("\n---\n")
        .find(|d| d.contains("kind: KafkaCluster"))
        .ok_or("no KafkaCluster in it")?;
    let cluster: KafkaCluster = serde_saphyr::from_str(document)?;
    let (resolved, warnings) = resolve(&cluster, None).map_err(|review| {
        review
            .violations
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }

    let mut state = ClusterState {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
        ..ClusterState::default()
    };
    for controller in resolved.controllers() {
        state.directory_ids.insert(
            controller.id,
            format!("{:0>21}g", format!("D{}x", controller.id)),
        );
    }
    decide_racks(
        &resolved,
        &["zone-a".to_owned(), "zone-b".to_owned()],
        &std::collections::BTreeSet::new(),
        &mut state.racks,
    );

    println!("{}", to_string(&state.render(&resolved))?);
    for object in render::shared(&resolved, &state) {
        println!("{}", object.to_value());
    }
    for &id in resolved.nodes.keys() {
        let Some(objects) = render::node(&resolved, &state, id, "certificate") else {
            continue;
        };
        println!("{}", to_string(&objects.config_map)?);
        for claim in &objects.claims {
            println!("{}", to_string(claim)?);
        }
        println!("{}", to_string(&objects.pod)?);
    }
    Ok(())
}
