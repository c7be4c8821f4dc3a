//! `topic list`: every topic with its health and the object that declares it, from one Metadata request and one list.

use std::collections::BTreeMap;
use std::io;

use kube::ResourceExt;
use sdm_api::KafkaTopic;
use sdm_kafka::TopicMetadata;
use serde::Serialize;

use super::claims::{Claims, key};
use super::{health, replicas};
use crate::exit::{Code, Failure, Result};
use crate::flags::Format;
use crate::kafka::Access;
use crate::objects::{self, Found, Standing, Target};
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `topic list`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "OWNER is the KafkaTopic (namespace/name) that declares the topic; - stands for none. Without a way to Kafka, declared topics are listed as last reported."
)]
pub struct Args {
    /// Only topics that a KafkaTopic declares
    #[arg(long, conflicts_with = "undeclared")]
    declared: bool,
    /// Only topics that no KafkaTopic declares
    #[arg(long)]
    undeclared: bool,
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
    items: Vec<Topic>,
}

/// A topic.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    #[serde(flatten)]
    metadata: TopicMetadata,
    /// Not known without a way to Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_kafka: Option<bool>,
    /// The object that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// Every object that declares it.
    objects: Vec<Object>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    namespace: String,
    name: String,
    #[serde(flatten)]
    standing: Standing,
    #[serde(skip)]
    partitions: Option<i32>,
    #[serde(skip)]
    replicas: Option<i32>,
}

impl Object {
    fn of(object: &KafkaTopic) -> Self {
        let status = object.status.as_ref();
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            standing: Standing::of(object),
            partitions: status.and_then(|s| s.partitions),
            replicas: status.and_then(|s| s.replicas),
        }
    }
}

impl Topic {
    /// How many partitions and replicas: of Kafka, or as last reported.
    fn size(&self, first: Option<&Object>) -> (String, String) {
        let number = |n: Option<i32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        match self.in_kafka {
            Some(true) => (
                self.metadata.partitions.len().to_string(),
                replicas(&self.metadata).to_string(),
            ),
            Some(false) => ("-".to_owned(), "-".to_owned()),
            None => (
                number(first.and_then(|o| o.partitions)),
                number(first.and_then(|o| o.replicas)),
            ),
        }
    }

    /// Its health where that is known, and whether it is good.
    fn state(&self) -> Option<(String, bool)> {
        match self.in_kafka? {
            true => Some(health(&self.metadata)),
            false => Some(("Missing".to_owned(), false)),
        }
    }
}

impl Report for Topics {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&[
            "TOPIC",
            "PARTITIONS",
            "REPLICAS",
            "OWNER",
            "READY",
            "REASON",
            "+STATE",
            "+ID",
            "+LEADERS",
        ]);
        for topic in &self.items {
            let state = topic.state();
            let bad = state
                .as_ref()
                .filter(|(_, good)| !good)
                .map(|(word, _)| word.clone());
            let mut row = |object: Option<&Object>| {
                let (partitions, replicas) = topic.size(object);
                let owner = object.map(|o| format!("{}/{}", o.namespace, o.name));
                // A reason of the object's own says more than the health of its topic.
                let reason = match (object.map(|o| &o.standing), &bad) {
                    (Some(standing), _) if standing.ready != Some(true) => {
                        standing.reason.clone().into()
                    }
                    (_, Some(bad)) => Cell::painted(bad.clone(), style::bad),
                    (Some(standing), None) => standing.reason.clone().into(),
                    (None, None) => "-".into(),
                };
                table.row(vec![
                    topic.metadata.name.as_str().into(),
                    partitions.into(),
                    replicas.into(),
                    owner.unwrap_or_else(|| "-".to_owned()).into(),
                    object.map_or_else(|| "-".into(), |o| o.standing.cell()),
                    reason,
                    state
                        .as_ref()
                        .map(|(word, _)| word.clone())
                        .unwrap_or_default()
                        .into(),
                    topic
                        .metadata
                        .id
                        .map(|id| id.to_string())
                        .unwrap_or_default()
                        .into(),
                    leaders(&topic.metadata).into(),
                ]);
            };
            if topic.objects.is_empty() {
                row(None);
            }
            topic.objects.iter().for_each(|object| row(Some(object)));
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|topic| format!("topic/{}", topic.metadata.name))
            .collect()
    }
}

fn leaders(topic: &TopicMetadata) -> String {
    let mut leaders: Vec<i32> = topic.partitions.iter().filter_map(|p| p.leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

/// Puts Kafka's topics and the objects together; `None` where Kafka could not be asked.
fn merge(kafka: Option<Vec<TopicMetadata>>, objects: &[KafkaTopic]) -> Vec<Topic> {
    let claims = Claims::new(objects);
    let asked = kafka.is_some();
    let mut topics: BTreeMap<String, TopicMetadata> = kafka
        .into_iter()
        .flatten()
        .map(|topic| (topic.name.clone(), topic))
        .collect();
    let mut items = Vec::with_capacity(topics.len());
    let mut names: Vec<String> = topics.keys().cloned().collect();
    names.extend(claims.topics().map(ToOwned::to_owned));
    names.sort_unstable();
    names.dedup();
    for name in names {
        let found = topics.remove(&name);
        items.push(Topic {
            in_kafka: asked.then_some(found.is_some()),
            owner: claims.owner(&name).map(key),
            objects: claims.of(&name).iter().map(|o| Object::of(o)).collect(),
            metadata: found.unwrap_or_else(|| super::absent(&name)),
        });
    }
    items
}

/// Lists the topics.
///
/// # Errors
/// When neither Kafka nor the objects can be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let (found, kafka) = tokio::join!(
        objects::referring::<KafkaTopic>(session, &target),
        from_kafka(session, &target, &args)
    );
    let (objects, kafka) = reconcile(session, &target, &args, found, kafka)?;
    let mut items = merge(kafka, &objects);
    items.retain(|topic| {
        (args.internal || !topic.metadata.internal)
            && (!args.declared || !topic.objects.is_empty())
            && (!args.undeclared || topic.objects.is_empty())
            && (!args.unhealthy || topic.state().is_none_or(|(_, good)| !good))
    });
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        let what = if args.unhealthy {
            "every topic is whole"
        } else {
            "no topics found"
        };
        session
            .output
            .progress(format!("{what} in cluster {}", target.name));
    }
    session.output.report(&Topics {
        api_version: API_VERSION,
        kind: "TopicList",
        items,
    })
}

async fn from_kafka(session: &Session, target: &Target, args: &Args) -> Result<Vec<TopicMetadata>> {
    let kafka = target.kafka(session, &args.access).await?;
    kafka
        .client
        .list_topics()
        .await
        .map_err(|e| kafka.failed("list topics", e))
}

/// What there is to show when one of the two could not be asked.
fn reconcile(
    session: &Session,
    target: &Target,
    args: &Args,
    objects: Result<Found<KafkaTopic>>,
    kafka: Result<Vec<TopicMetadata>>,
) -> Result<(Vec<KafkaTopic>, Option<Vec<TopicMetadata>>)> {
    match (objects, kafka) {
        (Ok(found), Ok(topics)) => {
            found.note(session);
            Ok((found.items, Some(topics)))
        }
        // Who may not look into the cluster still has what is declared, and that may be nothing.
        (Ok(found), Err(failure))
            if !args.undeclared && (!found.items.is_empty() || failure.code == Code::Denied) =>
        {
            session.output.note(format!(
                "Kafka cannot be asked, so declared topics are listed alone, as last reported: {}",
                target.why(&failure)
            ));
            found.note(session);
            Ok((found.items, None))
        }
        (_, Err(failure)) => Err(failure),
        (Err(failure), Ok(topics)) if !args.declared && is_no_kind(&failure) => {
            session.output.note(format!(
                "objects cannot be listed, so no owner is known: {failure}"
            ));
            Ok((Vec::new(), Some(topics)))
        }
        (Err(failure), Ok(_)) => Err(failure),
    }
}

/// Not installed, or not for one's eyes.
fn is_no_kind(failure: &Failure) -> bool {
    matches!(failure.code, Code::NotFound | Code::Denied)
}

#[cfg(test)]
mod tests {
    use super::super::{declared, sample};
    use super::*;
    use crate::output::Output;

    fn topics(kafka: bool, objects: &[KafkaTopic]) -> Topics {
        let found = vec![
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
            items: merge(kafka.then_some(found), objects),
        }
    }

    fn plain(report: &Topics) -> String {
        anstream::adapter::strip_str(&Output::render(Format::Table, report)).to_string()
    }

    #[test]
    fn the_table_is_kubectl_like() {
        assert_eq!(
            Output::render(Format::Table, &topics(true, &[])),
            "TOPIC     PARTITIONS   REPLICAS   OWNER   READY   REASON\n\
             hello     2            3          -       -       -\n\
             limping   1            3          -       -       \u{1b}[31;1mOffline(1)\u{1b}[0m\n"
        );
        assert_eq!(
            Output::render(Format::Name, &topics(true, &[])),
            "topic/hello\ntopic/limping\n"
        );
    }

    #[test]
    fn objects_and_topics_are_one_list() {
        let objects = [
            declared("a", "hello", "Ready"),
            declared("b", "hello", "TopicNameConflict"),
            declared("a", "limping", "Ready"),
            declared("a", "new", "NotObserved"),
        ];
        assert_eq!(
            plain(&topics(true, &objects)),
            "TOPIC     PARTITIONS   REPLICAS   OWNER       READY     REASON\n\
             hello     2            3          a/hello     True      Ready\n\
             hello     2            3          b/hello     False     TopicNameConflict\n\
             limping   1            3          a/limping   True      Offline(1)\n\
             new       -            -          a/new       Unknown   NotObserved\n"
        );
    }

    #[test]
    fn without_kafka_what_was_reported_is_shown() {
        let mut object = declared("a", "hello", "Ready");
        let status = object.status.as_mut().unwrap();
        (status.partitions, status.replicas) = (Some(6), Some(3));
        assert_eq!(
            plain(&topics(false, &[object])),
            "TOPIC   PARTITIONS   REPLICAS   OWNER     READY   REASON\n\
             hello   6            3          a/hello   True    Ready\n"
        );
    }

    #[test]
    fn json_is_a_versioned_list() {
        let objects = [declared("a", "hello", "Ready")];
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &topics(true, &objects))).unwrap();
        assert_eq!(value["apiVersion"], API_VERSION);
        assert_eq!(
            value["items"][0]["partitions"][1]["replicas"],
            serde_json::json!([1, 2, 0])
        );
        assert_eq!(value["items"][0]["owner"], "a/hello");
        assert_eq!(value["items"][0]["objects"][0]["ready"], true);
        assert_eq!(value["items"][1]["objects"], serde_json::json!([]));
        assert!(
            Output::render(Format::Yaml, &topics(true, &[]))
                .starts_with("apiVersion: cli.kafka.sdm.dev/v1\nkind: TopicList\n")
        );
    }
}
