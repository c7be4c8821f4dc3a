//! Topics as resources: whole lifecycles, the floor under them, single changes, and thousands.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams};
use sdm_api::{ClusterRef, KafkaTopic, KafkaTopicSpec};
use sdm_kafka::{Client, ConfigResource};
use sdm_tests::bulk;
use sdm_tests::node::Node;
use sdm_tests::wait::until;
use serde_json::json;

use crate::{CLUSTER, Figures, NAMESPACE, PATIENCE, floor, median, rounded};

/// Runs of the whole lifecycle.
const RUNS: usize = 3;
/// Lifecycles before those that count, Kafka's part alone: its compilers have little to do after that. API servers keep
/// what happened within some 75 seconds, and after minutes of nothing but writes it is some GB, which is collected while
/// something is measured.
const WARM: usize = 60;
/// Until the files of so many topics are gone.
const WARM_GONE: Duration = Duration::from_secs(200);
/// Between what is measured.
const PAUSE: Duration = Duration::from_secs(5);
/// Brokers delete files a minute after their topic (`file.delete.delay.ms`), and look once in half a minute.
pub const FILES_GONE: Duration = Duration::from_secs(95);
/// Single changes: so many that one pause of the API server's is not the slowest hundredth of them.
const CHANGES: usize = 1000;

/// Topic objects `<prefix>-<n>`.
pub fn topics(prefix: &str, count: usize) -> Vec<KafkaTopic> {
    (0..count)
        .map(|n| KafkaTopic {
            metadata: ObjectMeta {
                name: Some(format!("{prefix}-{n}")),
                namespace: Some(NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            spec: KafkaTopicSpec {
                cluster_ref: ClusterRef {
                    name: CLUSTER.to_owned(),
                    namespace: None,
                },
                partitions: Some(1),
                replicas: Some(3),
                config: BTreeMap::from([("retention.ms".to_owned(), "3600000".to_owned())]),
                ..KafkaTopicSpec::default()
            },
            status: None,
        })
        .collect()
}

/// Their names.
pub fn names(topics: &[KafkaTopic]) -> Vec<String> {
    topics
        .iter()
        .filter_map(|t| t.metadata.name.clone())
        .collect()
}

/// How long each phase of a lifecycle took.
#[derive(Debug, Default)]
pub struct Lifecycle {
    created: Duration,
    changed: Duration,
    deleted: Duration,
}

impl Lifecycle {
    /// All phases, in seconds.
    pub fn total(&self) -> f64 {
        (self.created + self.changed + self.deleted).as_secs_f64()
    }
}

/// Created until Ready, changed until Ready and visible in Kafka, deleted until gone from both.
pub async fn lifecycle(node: &Node, prefix: &str, count: usize) -> Result<Lifecycle> {
    let api: Api<KafkaTopic> = Api::namespaced(node.client.clone(), NAMESPACE);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let objects = topics(prefix, count);
    let names = names(&objects);
    let mut took = Lifecycle::default();
    let create = bulk::create(&node.client, objects);
    took.created = bulk::until_ready(&api, &names, 1, PATIENCE, create).await?;
    let change = json!({"spec": {"config": {"retention.ms": "7200000"}}});
    let began = Instant::now();
    bulk::until_ready(
        &api,
        &names,
        2,
        PATIENCE,
        bulk::patch(&api, &names, &change),
    )
    .await?;
    let asked: Vec<_> = names
        .iter()
        .map(|n| {
            (
                ConfigResource::Topic(n.clone()),
                vec!["retention.ms".to_owned()],
            )
        })
        .collect();
    until("the change to be visible", PATIENCE, || async {
        let found = kafka.describe_config_keys(&asked).await?;
        let all = found.iter().all(|(_, entries)| {
            entries
                .as_ref()
                .is_ok_and(|e| e.iter().any(|e| e.value.as_deref() == Some("7200000")))
        });
        Ok(all.then_some(()))
    })
    .await?;
    took.changed = began.elapsed();
    let began = Instant::now();
    bulk::until_gone(&api, &names, PATIENCE, bulk::delete(&api, &names)).await?;
    until_none(&kafka, prefix).await?;
    took.deleted = began.elapsed();
    Ok(took)
}

/// Waits until Kafka has no topic whose name begins so.
pub async fn until_none(kafka: &Client, prefix: &str) -> Result<()> {
    until("the topics to be gone", PATIENCE, || async {
        let topics = kafka.list_topics().await?;
        let left = topics.iter().filter(|t| t.name.starts_with(prefix)).count();
        ensure!(left == 0, "{left} topics are left");
        Ok(Some(()))
    })
    .await
}

/// From the patch to the value in Kafka, one change at a time.
async fn changes(node: &Node, figures: &mut Figures) -> Result<()> {
    let api: Api<KafkaTopic> = Api::namespaced(node.client.clone(), NAMESPACE);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let objects = topics("bench-change", 1);
    let names = names(&objects);
    // What a run that failed left behind.
    if api.get_opt(&names[0]).await?.is_some() {
        bulk::until_gone(&api, &names, PATIENCE, bulk::delete(&api, &names)).await?;
    }
    bulk::until_ready(
        &api,
        &names,
        1,
        PATIENCE,
        bulk::create(&node.client, objects),
    )
    .await?;
    let asked = [(
        ConfigResource::Topic(names[0].clone()),
        vec!["retention.ms".to_owned()],
    )];
    let mut took = Vec::new();
    for n in 0..CHANGES {
        let value = (4_000_000 + n).to_string();
        let began = Instant::now();
        let change = json!({"spec": {"config": {"retention.ms": value}}});
        api.patch(&names[0], &PatchParams::default(), &Patch::Merge(change))
            .await?;
        loop {
            let found = kafka.describe_config_keys(&asked).await?;
            let (_, entries) = found.into_iter().next().context("an answer")?;
            let seen = match entries {
                Ok(entries) => entries.iter().any(|e| e.value.as_ref() == Some(&value)),
                // A broker that has not heard of the topic yet does not know of the change either.
                Err(error) if error.is_retriable() => false,
                Err(error) => return Err(error.into()),
            };
            if seen {
                break;
            }
            ensure!(began.elapsed() < PATIENCE, "{value} is not to be seen");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        took.push(began.elapsed().as_secs_f64() * 1e3);
        // A person, or a pipeline, does something else in between.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bulk::delete(&api, &names).await?;
    took.sort_by(f64::total_cmp);
    figures.insert("topic_change_p50_ms", rounded(took[took.len() / 2]));
    figures.insert("topic_change_p99_ms", rounded(took[took.len() * 99 / 100]));
    Ok(())
}

/// Waits as on a cluster that is in use, where a few topics come and go: machines may page out programs that are idle for
/// a minute (DAMON), and what is measured then is how fast they are read again. How much that is, is a figure of its own.
async fn in_use(node: &Node, time: Duration) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < time {
        lifecycle(node, "bench-in-use", 3).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// The figures.
pub async fn measure(node: &Node, figures: &mut Figures) -> Result<()> {
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    // Brokers that have just started compile what they run: the first lifecycle is a figure of its own.
    let first = lifecycle(node, "bench-250-first", 250).await?;
    println!("250 topics, first: {first:.2?}");
    figures.insert("topics_250_first_lifecycle_s", rounded(first.total()));
    floor::clear(node).await?;
    floor::topics_in_kafka_alone(node, 250, WARM).await?;
    // The first one waits for API servers to take up its definition.
    floor::topics(node, 250).await?;
    in_use(node, WARM_GONE).await?;
    let (mut floors, mut totals) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        floors.push(floor::topics(node, 250).await?);
        in_use(node, PAUSE).await?;
        let took = lifecycle(node, &format!("bench-250-{run}"), 250).await?;
        println!("250 topics: {took:.2?}");
        totals.push(took.total());
        in_use(node, FILES_GONE).await?;
    }
    let (floor, total) = (median(floors), median(totals));
    figures.insert("topics_250_lifecycle_s", total);
    figures.insert("topics_250_floor_s", floor);
    figures.insert("topics_250_ratio", rounded(total / floor));
    tokio::time::sleep(FILES_GONE).await;
    let rested = lifecycle(node, "bench-250-rested", 250).await?;
    println!("250 topics, after {FILES_GONE:?} of rest: {rested:.2?}");
    figures.insert("topics_250_rested_lifecycle_s", rounded(rested.total()));
    changes(node, figures).await
}
