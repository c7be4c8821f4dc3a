//! `topic list`: every topic with its health, from one Metadata request.

use std::io;

use sdm_kafka::TopicMetadata;
use serde::Serialize;

use super::{health, replicas};
use crate::exit::Result;
use crate::flags::Format;
use crate::kafka::{Access, Kafka};
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `topic list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Also Kafka's own topics, such as __consumer_offsets
    #[arg(long)]
    internal: bool,
    /// Only topics that are not whole: offline or under-replicated partitions
    #[arg(long)]
    unhealthy: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topics {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<TopicMetadata>,
}

impl Report for Topics {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["NAME", "PARTITIONS", "REPLICAS", "STATE", "+ID", "+LEADERS"]);
        for topic in &self.items {
            let (state, good) = health(topic);
            let mut leaders: Vec<i32> = topic.partitions.iter().filter_map(|p| p.leader).collect();
            leaders.sort_unstable();
            leaders.dedup();
            table.row(vec![
                topic.name.as_str().into(),
                topic.partitions.len().to_string().into(),
                replicas(topic).to_string().into(),
                if good {
                    state.into()
                } else {
                    Cell::painted(state, style::bad)
                },
                topic.id.map(|id| id.to_string()).unwrap_or_default().into(),
                leaders
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(",")
                    .into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|topic| format!("topic/{}", topic.name))
            .collect()
    }
}

/// Lists the topics.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let kafka = Kafka::open(session, &args.access).await?;
    let mut items = kafka
        .client
        .list_topics()
        .await
        .map_err(|e| kafka.failed("list topics", e))?;
    items.retain(|topic| {
        (args.internal || !topic.internal) && (!args.unhealthy || !health(topic).1)
    });
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        let what = if args.unhealthy {
            "every topic is whole"
        } else {
            "no topics found"
        };
        session
            .output
            .progress(format!("{what} in cluster {}", kafka.cluster));
    }
    session.output.report(&Topics {
        api_version: API_VERSION,
        kind: "TopicList",
        items,
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::output::Output;

    fn topics() -> Topics {
        let items = vec![
            sample(
                "hello",
                &[
                    (Some(0), &[0, 1, 2], &[0, 1, 2]),
                    (Some(1), &[1, 2, 0], &[1, 2, 0]),
                ],
            ),
            sample("limping", &[(None, &[0, 1, 2], &[])]),
        ];
        Topics {
            api_version: API_VERSION,
            kind: "TopicList",
            items,
        }
    }

    #[test]
    fn the_table_is_kubectl_like() {
        assert_eq!(
            Output::render(Format::Table, &topics()),
            "NAME      PARTITIONS   REPLICAS   STATE\n\
             hello     2            3          InSync\n\
             limping   1            3          \u{1b}[31;1mOffline(1)\u{1b}[0m\n"
        );
        assert_eq!(
            Output::render(Format::Name, &topics()),
            "topic/hello\ntopic/limping\n"
        );
    }

    #[test]
    fn json_is_a_versioned_list() {
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &topics())).unwrap();
        assert_eq!(value["apiVersion"], API_VERSION);
        assert_eq!(
            value["items"][0]["partitions"][1]["replicas"],
            serde_json::json!([1, 2, 0])
        );
        assert!(
            Output::render(Format::Yaml, &topics())
                .starts_with("apiVersion: cli.kafka.sdm.dev/v1\nkind: TopicList\n")
        );
    }
}
