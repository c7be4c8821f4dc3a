//! `topic diff`: what the operator would change, of topics that are declared or in files. Exits with 1 if anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kube::ResourceExt;
use sdm_api::KafkaTopic;
use serde::Serialize;

use super::actual;
use super::bare;
use super::claims::{Claims, key};
use super::difference::{self, Difference};
use crate::exit::{Code, Failure, Result};
use crate::files;
use crate::kafka::Access;
use crate::objects::{self, Target};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `topic diff`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Lines with - are in Kafka, lines with + are declared, ! is what would be refused. Exits with 0 if nothing differs and with 1 if something does.\nExamples:\n  kubectl kafka topic diff orders\n  kubectl kafka topic diff -f topics/"
)]
pub struct Args {
    /// Names of declared topics; all that are declared if neither names nor files are given
    #[arg(value_name = "NAME", conflicts_with = "filename")]
    names: Vec<String>,
    /// Files or directories with KafkaTopic resources, - for standard input; may be repeated
    #[arg(short, long, value_name = "FILE")]
    filename: Vec<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Differences {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    topic: String,
    object: String,
    #[serde(flatten)]
    difference: Difference,
}

impl Report for Differences {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        for item in self.items.iter().filter(|i| !i.difference.is_none()) {
            let before = if item.difference.missing {
                "(none)"
            } else {
                ""
            };
            out.line(format!("--- kafka      topic/{} {before}", item.topic).trim_end())?;
            out.line(format!("+++ declared   KafkaTopic {}", item.object))?;
            for line in item.difference.lines() {
                let paint = match line.chars().next() {
                    Some('-') => style::bad,
                    Some('+') => style::good,
                    _ => style::warn,
                };
                out.line(paint(&style::plain(&line)))?;
            }
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        let differing = self.items.iter().filter(|i| !i.difference.is_none());
        differing
            .map(|item| format!("topic/{}", item.topic))
            .collect()
    }
}

/// Compares.
///
/// # Errors
/// With 1 when something differs; when files cannot be read or Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let live = objects::referring::<KafkaTopic>(session, &target).await?;
    live.note(session);
    let claims = Claims::new(&live.items);
    let wanted = if args.filename.is_empty() {
        declared(&claims, &live.items, &args, &target, session)?
    } else {
        from_files(session, &args, &target, &live.items)?
    };
    let kafka = target.kafka(session, &args.access).await?;
    let names: BTreeSet<&str> = wanted.iter().map(KafkaTopic::topic_name).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let (mut topics, brokers) =
        tokio::try_join!(actual::actual(&kafka, &names), actual::brokers(&kafka))?;
    let mut seen = BTreeMap::new();
    for name in &names {
        seen.insert(*name, topics.remove(*name).transpose()?.flatten());
    }
    let items: Vec<Item> = wanted
        .iter()
        .map(|object| {
            let name = object.topic_name();
            let owns = claims
                .owner(name)
                .is_some_and(|owner| key(owner) == key(object));
            let actual = seen.get(name).and_then(Option::as_ref);
            Item {
                topic: name.to_owned(),
                object: key(object),
                difference: difference::compare(object, actual, owns, &brokers),
            }
        })
        .collect();
    let differs = items.iter().any(|item| !item.difference.is_none());
    session.output.report(&Differences {
        api_version: API_VERSION,
        kind: "TopicDifferenceList",
        items,
    })?;
    if differs {
        Err(Failure::silent(Code::General))
    } else {
        Ok(())
    }
}

/// Topics by name, or all that belong to objects of the namespace.
fn declared(
    claims: &Claims<'_>,
    all: &[KafkaTopic],
    args: &Args,
    target: &Target,
    session: &Session,
) -> Result<Vec<KafkaTopic>> {
    if args.names.is_empty() {
        let own = all
            .iter()
            .filter(|o| o.namespace().as_deref() == Some(&session.namespace));
        return Ok(own.cloned().collect());
    }
    let each = args.names.iter().map(|name| {
        let name = bare(name);
        let declared = claims.of(name).first().copied();
        let found = declared.or_else(|| claims.called(name, &session.namespace));
        found.cloned().ok_or_else(|| {
            let what = format!("topic {name} is declared by no KafkaTopic");
            Failure::new(Code::NotFound, what)
                .at(target.place())
                .hint(format!(
                    "kubectl kafka topic adopt {name} {}",
                    target.flags_from(&session.namespace)
                ))
        })
    });
    each.collect()
}

/// Topics in files, with what the cluster knows of objects of the same name.
fn from_files(
    session: &Session,
    args: &Args,
    target: &Target,
    live: &[KafkaTopic],
) -> Result<Vec<KafkaTopic>> {
    let mut found = Vec::new();
    for (mut object, file) in files::read::<KafkaTopic>(&args.filename, &session.output)? {
        object
            .metadata
            .namespace
            .get_or_insert_with(|| session.namespace.clone());
        let review = sdm_core::topic::validate(&object, None);
        if let Some(violation) = review.violations.first() {
            return Err(
                Failure::usage(format!("KafkaTopic {}: {violation}", key(&object))).at(file),
            );
        }
        if !target.is_of(&object) {
            session.output.note(format!(
                "KafkaTopic {} belongs to another cluster",
                key(&object)
            ));
            continue;
        }
        // What was set once and is not any more would be reset, which only the status knows.
        object.status = live
            .iter()
            .find(|other| key(other) == key(&object))
            .and_then(|other| other.status.clone());
        found.push(object);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::difference::Change;
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    fn report() -> Differences {
        let change = |path: &str, actual: &str, declared: &str| Change {
            path: path.to_owned(),
            actual: Some(actual.to_owned()),
            declared: Some(declared.to_owned()),
        };
        let item = |topic: &str, changes| Item {
            topic: topic.to_owned(),
            object: format!("a/{topic}"),
            difference: Difference {
                changes,
                ..Difference::default()
            },
        };
        Differences {
            api_version: API_VERSION,
            kind: "TopicDifferenceList",
            items: vec![
                item("orders", vec![change("partitions", "3", "6")]),
                item("same", Vec::new()),
            ],
        }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let text =
            anstream::adapter::strip_str(&Output::render(Format::Table, &report())).to_string();
        assert_eq!(
            text,
            "--- kafka      topic/orders\n+++ declared   KafkaTopic a/orders\n-partitions: 3\n+partitions: 6\n"
        );
        assert_eq!(Output::render(Format::Name, &report()), "topic/orders\n");
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &report())).unwrap();
        assert_eq!(value["items"][0]["changes"][0]["declared"], "6");
        assert_eq!(value["items"][1]["changes"], serde_json::json!([]));
    }
}
