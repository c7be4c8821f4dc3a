//! Acceptance: random sequences of changes of roles, ACLs, users, topics and grants, of ACLs that others make and delete
//! in Kafka, with the controller and a real broker killed and stopped in between. At rest Kafka holds exactly what the
//! objects stand for and what others made; and on the way nobody was denied who was allowed before and after.
//!
//! `SDM_SEED` repeats a sequence, `SDM_STEPS` is how many rests there are.

mod objects;
mod ops;
pub mod place;
mod rest;
mod run;
mod specs;
mod watch;
mod window;

use anyhow::{Context, Result, ensure};
use rand::SeedableRng;
use rand::rngs::StdRng;

use ops::{Anchors, chance, stories};
use place::Place;
use run::Run;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn play(name: &str, steps: u64) -> Result<()> {
    let seed = from_environment("SDM_SEED").unwrap_or_else(rand::random);
    let steps = from_environment("SDM_STEPS").unwrap_or(steps);
    println!("SDM_SEED={seed} SDM_STEPS={steps}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut run = Run::new(Place::start(name).await?).await?;
    for (story, ops) in stories() {
        run.step(ops)
            .await
            .with_context(|| format!("in which {story}"))?;
    }
    let (mut anchors, first) = Anchors::begin();
    run.step(first).await.context("the beginning")?;
    let loads = [
        run.place.producer("home", "anchor", "anchor").await?,
        run.place.producer("alpha", "guest", "anchor").await?,
    ];
    for step in 0..steps {
        let ops = chance(&mut random, &mut anchors, &run.book);
        run.step(ops)
            .await
            .with_context(|| format!("SDM_SEED={seed}, step {step}"))?;
        for load in &loads {
            load.written()?;
        }
    }
    let written = loads
        .iter()
        .map(place::Load::written)
        .collect::<Result<Vec<_>>>()?;
    drop(loads);
    ensure!(
        written.iter().all(|n| *n > 10 * steps),
        "hardly anything was written: {written:?}"
    );
    run.end()
        .await
        .with_context(|| format!("SDM_SEED={seed}, the end"))?;
    println!(
        "{} states of Kafka's, {} records, {:?}",
        run.states,
        written.iter().sum::<u64>(),
        run.counts
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_kafka_holds_what_is_wanted_and_what_others_made() -> Result<()> {
    play("property", 10).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes"]
async fn at_rest_kafka_holds_what_is_wanted_and_what_others_made_for_long() -> Result<()> {
    play("property-long", 150).await
}
