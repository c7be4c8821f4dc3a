//! `topic describe`: partitions with leaders and replicas, and the configuration that differs from Kafka's defaults.

use std::io;

use sdm_kafka::{ConfigEntry, ConfigResource, ConfigSource, TopicMetadata};
use serde::Serialize;

use super::{bare, health, replicas};
use crate::exit::{Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `topic describe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of the topics
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Show every configuration key, also those at their default
    #[arg(long)]
    all_configs: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Topic>,
}

#[derive(Serialize)]
struct Topic {
    #[serde(flatten)]
    metadata: TopicMetadata,
    configs: Vec<ConfigEntry>,
}

impl Report for Topics {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        for (i, topic) in self.items.iter().enumerate() {
            if i > 0 {
                out.line("")?;
            }
            topic.text(out)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|topic| format!("topic/{}", topic.metadata.name))
            .collect()
    }
}

impl Topic {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let topic = &self.metadata;
        let (state, good) = health(topic);
        out.line(format!("Name:        {}", topic.name))?;
        if let Some(id) = topic.id {
            out.line(format!("ID:          {id}"))?;
        }
        out.line(format!("Partitions:  {}", topic.partitions.len()))?;
        out.line(format!("Replicas:    {}", replicas(topic)))?;
        out.line(format!(
            "State:       {}",
            if good {
                style::good(&state)
            } else {
                style::bad(&state)
            }
        ))?;
        if !self.configs.is_empty() {
            out.line("Config:")?;
            for entry in &self.configs {
                let value = entry.value.as_deref().unwrap_or(if entry.sensitive {
                    "<hidden>"
                } else {
                    "<unset>"
                });
                out.line(format!(
                    "  {}={}{}",
                    entry.name,
                    style::plain(value),
                    source(entry.source)
                ))?;
            }
        }
        let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "ISR", "STATE", "+EPOCH"]);
        for p in &topic.partitions {
            let state = match (&p.leader, p.is_in_sync()) {
                (None, _) => Cell::painted("Offline", style::bad),
                (_, false) => Cell::painted("UnderReplicated", style::bad),
                // The preferred leader is the first replica; another one is legal, and worth seeing.
                (leader, true) if p.replicas.first() != leader.as_ref() => {
                    "InSync,NotPreferred".into()
                }
                _ => "InSync".into(),
            };
            table.row(vec![
                p.index.to_string().into(),
                p.leader
                    .map_or_else(|| "<none>".to_owned(), |id| id.to_string())
                    .into(),
                ids(&p.replicas).into(),
                ids(&p.isr).into(),
                state,
                p.leader_epoch.to_string().into(),
            ]);
        }
        out.table(&table)
    }
}

fn ids(ids: &[i32]) -> String {
    ids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn source(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "",
        ConfigSource::DynamicBroker
        | ConfigSource::DynamicDefaultBroker
        | ConfigSource::StaticBroker => "  (from the brokers)",
        ConfigSource::Default => "  (default)",
        ConfigSource::Other(_) => "  (other)",
    }
}

/// Describes the topics.
///
/// # Errors
/// When one of them does not exist or cannot be described; the others are shown.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let kafka = Kafka::open(session, &args.access).await?;
    let names: Vec<&str> = args.names.iter().map(|name| bare(name)).collect();
    let resources: Vec<ConfigResource> = names
        .iter()
        .map(|name| ConfigResource::Topic((*name).to_owned()))
        .collect();
    let metadata = kafka
        .client
        .metadata(Some(&names))
        .await
        .map_err(|e| kafka.failed("describe topics", e))?;
    let configs = kafka
        .client
        .describe_configs(&resources)
        .await
        .map_err(|e| kafka.failed("describe topic configuration", e))?;

    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for topic in metadata.topics {
        if let Some(error) = &topic.error {
            let failure = Failure::from(error.clone())
                .doing(format!("describe topic {}", topic.name))
                .at(kafka.place());
            failures.push(failure.hint("kubectl kafka topic list"));
            continue;
        }
        let mine = configs
            .iter()
            .find(|(resource, _)| *resource == ConfigResource::Topic(topic.name.clone()));
        let mut entries = match mine {
            Some((_, Ok(entries))) => entries.clone(),
            Some((_, Err(error))) => {
                // Who may describe a topic may not always describe its configuration.
                session
                    .output
                    .note(format!("no configuration of topic {}: {error}", topic.name));
                Vec::new()
            }
            None => Vec::new(),
        };
        entries.retain(|entry| args.all_configs || entry.source != ConfigSource::Default);
        items.push(Topic {
            metadata: topic,
            configs: entries,
        });
    }
    if !items.is_empty() {
        session.output.report(&Topics {
            api_version: API_VERSION,
            kind: "TopicDescriptionList",
            items,
        })?;
    }
    super::create::finish(failures)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn a_description_shows_what_is_wrong_with_each_partition() {
        let metadata = sample(
            "orders",
            &[
                (Some(0), &[0, 1], &[0, 1]),
                (Some(1), &[0, 1], &[1]),
                (None, &[0, 1], &[]),
            ],
        );
        let configs = vec![ConfigEntry {
            name: "retention.ms".to_owned(),
            value: Some("1000".to_owned()),
            source: ConfigSource::Topic,
            read_only: false,
            sensitive: false,
        }];
        let report = Topics {
            api_version: API_VERSION,
            kind: "TopicDescriptionList",
            items: vec![Topic { metadata, configs }],
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "Name:        orders\n\
             Partitions:  3\n\
             Replicas:    2\n\
             State:       Offline(1)\n\
             Config:\n  retention.ms=1000\n\
             PARTITION   LEADER   REPLICAS   ISR      STATE\n\
             0           0        0,1        0,1      InSync\n\
             1           1        0,1        1        UnderReplicated\n\
             2           <none>   0,1        <none>   Offline\n"
        );
    }
}
