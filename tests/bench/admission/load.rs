//! Reviews at a steady rate, whether or not the ones before were answered: on kept connections over TLS, of several kinds,
//! creations with their defaults first and changes, some refused. What they take is read from the webhook's own histogram.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use sdm_tests::webhook::Webhook;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::topic;
use crate::{Figures, rounded};

const RATE: u32 = 200;
const SECONDS: u32 = 30;
const CONNECTIONS: usize = 4;

/// The figures.
pub async fn measure(webhook: &Webhook, figures: &mut Figures) -> Result<()> {
    let reviews = reviews();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(webhook.connect().await?);
    }
    let before = Histogram::read(&webhook.metrics().await?)?;
    let mut running = JoinSet::new();
    let began = Instant::now();
    for n in 0..RATE * SECONDS {
        let due = began + Duration::from_secs(1) * n / RATE;
        sleep_until(due.into()).await;
        let (path, review) = reviews[n as usize % reviews.len()].clone();
        let mut connection = connections[n as usize % CONNECTIONS].share()?;
        running.spawn(async move {
            let (status, answer) = connection.ask(path, review).await?;
            ensure!(
                status == 200,
                "{status}: {}",
                String::from_utf8_lossy(&answer)
            );
            // Counted from when it was due, so that nothing is hidden by a late start.
            anyhow::Ok(due.elapsed().as_secs_f64() * 1e3)
        });
    }
    let mut took = Vec::new();
    while let Some(one) = running.join_next().await {
        took.push(one??);
    }
    let during = Histogram::read(&webhook.metrics().await?)?.since(&before);
    ensure!(
        during.count() == f64::from(RATE * SECONDS),
        "{} were counted",
        during.count()
    );
    took.sort_by(f64::total_cmp);
    let client = |share: f64| rounded(took[((took.len() - 1) as f64 * share) as usize]);
    figures.insert("webhook_review_p50_ms", rounded(during.quantile(0.5) * 1e3));
    figures.insert(
        "webhook_review_p99_ms",
        rounded(during.quantile(0.99) * 1e3),
    );
    figures.insert("webhook_review_client_p50_ms", client(0.5));
    figures.insert("webhook_review_client_p99_ms", client(0.99));
    Ok(())
}

fn reviews() -> Vec<(&'static str, Bytes)> {
    let refer = |kind: &str, n: usize, mut spec: Value| {
        spec["clusterRef"] = json!({"name": "events", "namespace": "kafka"});
        let metadata =
            json!({"name": format!("mine-{n}"), "namespace": format!("team-{}", n % 50)});
        json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind, "metadata": metadata, "spec": spec})
    };
    let mut all = Vec::new();
    for n in 0..40 {
        let namespace = format!("team-{n}");
        let config = json!({"retention.ms": "86400000", "min.insync.replicas": "2", "cleanup.policy": "delete"});
        let spec =
            |partitions: usize| json!({"partitions": partitions, "replicas": 3, "config": config});
        let old = topic(&namespace, &format!("topic-{n}"), spec(n % 24 + 1));
        let grown = topic(&namespace, &format!("topic-{n}"), spec(n % 24 + 2));
        let new = topic(&namespace, &format!("topic-new-{n}"), spec(n + 1));
        all.push(("/mutate", question("CREATE", &new, &Value::Null)));
        all.push(("/validate", question("CREATE", &new, &Value::Null)));
        all.push(("/validate", question("UPDATE", &grown, &old)));
        let other = match n % 4 {
            0 => refer(
                "KafkaUser",
                n,
                json!({"authentication": "tls", "quotas": {"producerByteRate": 1_048_576}}),
            ),
            1 => refer(
                "KafkaACL",
                n,
                json!({"subjects": [{"name": "orders"}], "roles": ["producer"], "resources": [{"type": "topic", "name": "mine."}]}),
            ),
            2 => refer(
                "KafkaAccessGrant",
                n,
                json!({"namespaces": ["team-1"], "topics": [{"name": "orders"}]}),
            ),
            _ => json!({
                "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster", "metadata": {"name": "mine", "namespace": "kafka"},
                "spec": {"version": "4.3.1", "pools": [{"name": "nodes", "roles": ["broker", "controller"], "nodeIds": [0, 1, 2],
                    "storage": {"volumes": [{"name": "data", "size": "10Gi"}]}}]},
            }),
        };
        all.push(("/validate", question("CREATE", &other, &Value::Null)));
    }
    all
}

fn question(operation: &str, object: &Value, old: &Value) -> Bytes {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "kafka.sdm.dev", "version": "v1beta1", "kind": object["kind"]},
            "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"], "operation": operation,
            "userInfo": {"username": "alice", "groups": ["dev", "system:authenticated"]},
            "object": object, "oldObject": old, "dryRun": false,
        },
    });
    review.to_string().into()
}

/// `sdm_webhook_duration_seconds`: upper bounds, and how many took no longer.
struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    fn read(metrics: &str) -> Result<Self> {
        let buckets = metrics
            .lines()
            .filter_map(|line| line.strip_prefix("sdm_webhook_duration_seconds_bucket{le=\""));
        let buckets = buckets.map(|line| {
            let (bound, count) = line.split_once("\"} ").context("a bucket")?;
            let bound = bound.trim_start_matches('+').parse()?;
            anyhow::Ok((bound, count.parse()?))
        });
        let buckets: Vec<_> = buckets.collect::<Result<_>>()?;
        ensure!(buckets.len() > 1, "no histogram");
        Ok(Self(buckets))
    }

    fn since(&self, before: &Self) -> Self {
        let pairs = self.0.iter().zip(&before.0);
        Self(pairs.map(|(now, then)| (now.0, now.1 - then.1)).collect())
    }

    fn count(&self) -> f64 {
        self.0.last().map_or(0.0, |last| last.1)
    }

    /// As Prometheus has it: a straight line through the bucket it falls into.
    fn quantile(&self, share: f64) -> f64 {
        let rank = share * self.count();
        let mut below = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= rank && bound.is_finite() {
                let part = (rank - below.1) / (count - below.1);
                return below.0 + (bound - below.0) * part;
            }
            below = (*bound, *count);
        }
        f64::INFINITY
    }
}
