//! `topic delete`: a declared topic goes with its object, an undeclared one straight from Kafka. Records may be lost, so
//! it is confirmed by name or `--yes`.

use std::time::Duration;

use sdm_api::{KafkaTopic, TopicDeletionPolicy};
use tokio::time::{Instant, sleep};

use super::bare;
use super::claims::key;
use super::find::{Declared, find};
use crate::exit::{self, Code, Failure, Result};
use crate::flags::{DryRun, duration};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target};
use crate::output::actions::Actions;
use crate::prompt;
use crate::session::Session;

const PERIOD: Duration = Duration::from_millis(20);

/// Arguments of `topic delete`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "A topic that a KafkaTopic declares is deleted with that object, and its records with it unless deletionPolicy is Retain."
)]
pub struct Args {
    /// Names of the topics
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Delete without being asked
    #[arg(short, long)]
    yes: bool,
    /// A topic that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// client: print what would be deleted; server: also check that it exists
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    /// Wait until the topics are gone from Kafka
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    timeout: Duration,
    #[command(flatten)]
    access: Access,
}

/// Deletes the topics.
///
/// # Errors
/// When one of them could not be deleted; the others are.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let names: Vec<&str> = args.names.iter().map(|name| bare(name)).collect();
    let mut actions = Actions::new("TopicDeletion", args.dry_run);
    if args.dry_run == DryRun::Client {
        names
            .iter()
            .for_each(|name| actions.add("topic", name, "deleted"));
        return session.output.report(&actions);
    }
    let target = objects::target(session).await?;
    let (mut declared, mut undeclared, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for found in find(session, &target, &names, "delete").await? {
        match found {
            Ok(Declared::Here(object, owns)) => declared.push((*object, owns)),
            Ok(Declared::Nowhere(name)) => undeclared.push(name),
            Err(failure) => failures.push(failure),
        }
    }
    // Kafka is needed for what only it knows; that a declared topic is gone is told where it can be.
    let kafka = match target.kafka(session, &args.access).await {
        Ok(kafka) => Some(kafka),
        Err(failure) if undeclared.is_empty() => {
            if args.wait && !declared.is_empty() {
                session.output.note(format!(
                    "whether the topics are gone is not known: {}",
                    target.why(&failure)
                ));
            }
            None
        }
        Err(failure) => return Err(failure),
    };
    if args.dry_run == DryRun::None && declared.len() + undeclared.len() > 0 {
        let (what, expected) = question(&target, &declared, &undeclared);
        prompt::confirm(args.yes, &what, &expected)?;
    }
    let mut going = Vec::new();
    for (object, owns) in &declared {
        match objects::delete(session, &session.namespaced(), object, args.dry_run).await {
            Ok(()) => {
                let records_go =
                    *owns && object.spec.deletion_policy == TopicDeletionPolicy::Delete;
                actions.add(
                    "kafkatopic",
                    object.metadata.name.as_deref().unwrap_or_default(),
                    "deleted",
                );
                if records_go {
                    going.push(object.topic_name().to_owned());
                } else if args.dry_run == DryRun::None {
                    session.output.note(stays(object, *owns));
                }
            }
            Err(failure) => failures.push(failure),
        }
    }
    if let Some(kafka) = &kafka {
        direct(kafka, &args, &undeclared, &mut actions, &mut failures).await?;
        if args.wait && args.dry_run == DryRun::None {
            failures.extend(gone(kafka, &target, &going, args.timeout).await?);
        }
    }
    if !actions.is_empty() {
        session.output.report(&actions)?;
    }
    exit::all(failures)
}

/// What is asked before anything is lost, and the answer that confirms it.
fn question(
    target: &Target,
    declared: &[(KafkaTopic, bool)],
    undeclared: &[String],
) -> (String, String) {
    let lost = |object: &KafkaTopic, owns: bool| {
        owns && object.spec.deletion_policy == TopicDeletionPolicy::Delete
    };
    let place = target.place();
    match (declared, undeclared) {
        ([], [one]) => (
            format!("topic {one} of {place} will be deleted with all its records"),
            one.clone(),
        ),
        ([(object, owns)], []) => {
            let (topic, key) = (object.topic_name(), key(object));
            let what = if lost(object, *owns) {
                format!(
                    "topic {topic} of {place} will be deleted with all its records, and KafkaTopic {key} with it"
                )
            } else {
                format!("KafkaTopic {key} will be deleted; {}", stays(object, *owns))
            };
            (what, topic.to_owned())
        }
        _ => {
            let names = |kept: bool| {
                let of_objects = declared
                    .iter()
                    .filter(move |(o, owns)| lost(o, *owns) != kept);
                of_objects.map(|(o, _)| o.topic_name())
            };
            let going: Vec<&str> = names(false)
                .chain(undeclared.iter().map(String::as_str))
                .collect();
            let kept: Vec<&str> = names(true).collect();
            let mut what = format!(
                "{} topics of {place} will be deleted with all their records: {}",
                going.len(),
                going.join(", ")
            );
            if !kept.is_empty() {
                what.push_str(&format!(
                    "; of these only the objects go: {}",
                    kept.join(", ")
                ));
            }
            (what, (declared.len() + undeclared.len()).to_string())
        }
    }
}

fn stays(object: &KafkaTopic, owns: bool) -> String {
    let topic = object.topic_name();
    if owns {
        format!("topic {topic} and its records stay: deletionPolicy is Retain")
    } else {
        format!("topic {topic} stays: it does not belong to this object")
    }
}

/// Topics that no object declares.
async fn direct(
    kafka: &Kafka,
    args: &Args,
    names: &[String],
    actions: &mut Actions,
    failures: &mut Vec<Failure>,
) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let verdicts: Vec<(String, Result<()>)> = if args.dry_run == DryRun::Server {
        let seen = kafka
            .client
            .metadata(Some(&names))
            .await
            .map_err(|e| kafka.failed("describe topics", e))?;
        seen.topics
            .into_iter()
            .map(|t| (t.name, t.error.map_or(Ok(()), |e| Err(e.into()))))
            .collect()
    } else {
        let verdicts = kafka
            .client
            .delete_topics(&names)
            .await
            .map_err(|e| kafka.failed("delete topics", e))?;
        verdicts
            .into_iter()
            .map(|(name, verdict)| (name, verdict.map(drop).map_err(Failure::from)))
            .collect()
    };
    for (name, verdict) in verdicts {
        match verdict {
            Ok(()) => actions.add("topic", &name, "deleted"),
            Err(e) if e.code == Code::NotFound && args.ignore_not_found => {}
            Err(e) => failures.push(
                e.doing(format!("delete topic {name}"))
                    .at(kafka.place())
                    .hint(format!("kubectl kafka topic list {}", kafka.flags())),
            ),
        }
    }
    Ok(())
}

/// Waits until the operator has deleted topics whose objects are gone.
async fn gone(
    kafka: &Kafka,
    target: &Target,
    names: &[String],
    timeout: Duration,
) -> Result<Option<Failure>> {
    let mut left: Vec<&str> = names.iter().map(String::as_str).collect();
    let (deadline, mut pause) = (Instant::now() + timeout, PERIOD);
    while !left.is_empty() {
        let seen = kafka
            .client
            .metadata(Some(&left))
            .await
            .map_err(|e| kafka.failed("describe topics", e))?;
        let there = |name: &&str| {
            seen.topics
                .iter()
                .any(|t| t.name == *name && t.error.is_none())
        };
        left.retain(there);
        if left.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            let what = format!("not gone from Kafka in time: {}", left.join(", "));
            return Ok(Some(
                Failure::new(Code::TimedOut, what)
                    .at(kafka.place())
                    .hint(format!(
                        "kubectl kafka status {} -n {}",
                        target.name, target.namespace
                    )),
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::declared;
    use super::*;

    fn asked(declared: &[(KafkaTopic, bool)], undeclared: &[&str]) -> (String, String) {
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        let undeclared: Vec<String> = undeclared.iter().map(|n| (*n).to_owned()).collect();
        question(&target, declared, &undeclared)
    }

    #[test]
    fn the_question_says_whether_records_go() {
        let owned = (declared("a", "orders", "Ready"), true);
        let mut kept = owned.clone();
        kept.0.spec.deletion_policy = TopicDeletionPolicy::Retain;
        let (what, expected) = asked(std::slice::from_ref(&owned), &[]);
        assert!(
            what.contains("with all its records, and KafkaTopic a/orders"),
            "{what}"
        );
        assert_eq!(expected, "orders");
        let (what, _) = asked(&[kept.clone()], &[]);
        assert!(
            what.contains("records stay: deletionPolicy is Retain"),
            "{what}"
        );
        let (what, _) = asked(&[(owned.0.clone(), false)], &[]);
        assert!(what.contains("does not belong to this object"), "{what}");
        let (what, expected) = asked(&[owned, kept], &["x"]);
        assert_eq!(
            what,
            "2 topics of cluster events, namespace streaming will be deleted with all their records: orders, x; of these only the objects go: orders"
        );
        assert_eq!(expected, "3");
        assert_eq!(
            asked(&[], &["x"]).0,
            "topic x of cluster events, namespace streaming will be deleted with all its records"
        );
    }
}
