//! `topic create --undeclared`: straight into Kafka, several at once, checked by Kafka itself with `--dry-run=server`.

use std::io;
use std::time::Duration;

use sdm_kafka::NewTopic;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::bare;
use super::create::Args;
use crate::exit::{self, Code, Failure, Result};
use crate::flags::{DryRun, Format};
use crate::kafka::Kafka;
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<&'static str>,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    name: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<i16>,
}

impl Report for Created {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = self
            .dry_run
            .map(|mode| format!(" (dry run, {mode})"))
            .unwrap_or_default();
        for item in &self.items {
            out.line(format!("topic/{} {}{suffix}", item.name, item.result))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|item| format!("topic/{}", item.name))
            .collect()
    }
}

/// Creates the topics.
///
/// # Errors
/// When one of them could not be created; the others are.
pub async fn run(session: &Session, args: &Args) -> Result<()> {
    let topics: Vec<NewTopic> = args
        .names
        .iter()
        .map(|name| NewTopic {
            name: bare(name).to_owned(),
            partitions: args.partitions,
            replication_factor: args.replicas,
            assignments: Vec::new(),
            configs: args.config.clone(),
        })
        .collect();
    if args.writing.dry_run == DryRun::Client {
        return session.output.report(&report(
            topics.iter().map(planned).collect(),
            Some("client"),
        ));
    }
    let kafka = Kafka::open(session, &args.access).await?;
    let validate_only = args.writing.dry_run == DryRun::Server;
    let verdicts = kafka
        .client
        .create_topics(&topics, validate_only)
        .await
        .map_err(|e| kafka.failed("create topics", e))?;

    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for (name, verdict) in verdicts {
        match verdict {
            Ok(created) => items.push(Item {
                name,
                result: "created",
                id: created.id.map(|id| id.to_string()),
                partitions: created.partitions,
                replicas: created.replication_factor,
            }),
            Err(error) => {
                let failure = Failure::from(error)
                    .doing(format!("create topic {name}"))
                    .at(kafka.place());
                if failure.code == Code::Conflict && args.if_not_exists {
                    items.push(Item {
                        name,
                        result: "unchanged",
                        id: None,
                        partitions: None,
                        replicas: None,
                    });
                } else {
                    failures.push(failure);
                }
            }
        }
    }
    if args.writing.wait && !validate_only {
        let created: Vec<&str> = items
            .iter()
            .filter(|i| i.result == "created")
            .map(|i| i.name.as_str())
            .collect();
        led(&kafka, &created, args.writing.timeout).await?;
    }
    let unchanged =
        args.error_unchanged && !items.is_empty() && items.iter().all(|i| i.result == "unchanged");
    if !items.is_empty() || session.output.format != Format::Table {
        session
            .output
            .report(&report(items, validate_only.then_some("server")))?;
    }
    exit::all(failures)?;
    if unchanged {
        Err(Failure::silent(Code::Unchanged))
    } else {
        Ok(())
    }
}

fn report(items: Vec<Item>, dry_run: Option<&'static str>) -> Created {
    Created {
        api_version: API_VERSION,
        kind: "TopicCreation",
        dry_run,
        items,
    }
}

fn planned(topic: &NewTopic) -> Item {
    Item {
        name: topic.name.clone(),
        result: "created",
        id: None,
        partitions: topic.partitions,
        replicas: topic.replication_factor,
    }
}

/// Waits until every partition of the topics has a leader, as the broker that we ask knows it.
async fn led(kafka: &Kafka, names: &[&str], timeout: Duration) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + timeout;
    loop {
        let seen = kafka
            .client
            .metadata(Some(names))
            .await
            .map_err(|e| kafka.failed("describe the new topics", e))?;
        let led = |topic: &sdm_kafka::TopicMetadata| {
            topic.error.is_none() && topic.partitions.iter().all(|p| p.leader.is_some())
        };
        match seen.topics.iter().find(|topic| !led(topic)) {
            None => return Ok(()),
            Some(topic) if Instant::now() >= deadline => {
                let what = format!(
                    "topic {} was created, but not every partition has a leader yet",
                    topic.name
                );
                return Err(Failure::new(Code::TimedOut, what)
                    .at(kafka.place())
                    .hint(format!(
                        "kubectl kafka topic describe {} {}",
                        topic.name,
                        kafka.flags()
                    )));
            }
            Some(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
