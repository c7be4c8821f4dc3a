//! `topic create`: writes KafkaTopic objects and waits until the operator has made them true.

use clap::ValueEnum;
use kube::api::ObjectMeta;
use sdm_api::{Adoption, DriftPolicy, KafkaTopic, KafkaTopicSpec, TopicDeletionPolicy};
use serde_json::Value;

use super::{bare, direct};
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, Format, pair};
use crate::kafka::Access;
use crate::objects::{self, Target, Writing, object_name};
use crate::session::Session;

/// Arguments of `topic create`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Writes a KafkaTopic for each name into the namespace, and waits until it is Ready; with --undeclared the topic is created in Kafka alone.\nExamples:\n  kubectl kafka topic create orders --partitions 12 --replicas 3 -n streaming\n  kubectl kafka topic create audit --config retention.ms=-1 --config cleanup.policy=compact\n  kubectl kafka topic create orders -n team-a -c streaming/events --dry-run=client -o yaml > orders.yaml"
)]
pub struct Args {
    /// Names of the topics
    #[arg(required = true, value_name = "NAME")]
    pub(super) names: Vec<String>,
    /// Number of partitions; the brokers' num.partitions if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) partitions: Option<i32>,
    /// Copies of each partition; the brokers' default.replication.factor if not given
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..), visible_alias = "replication-factor")]
    pub(super) replicas: Option<i16>,
    /// Topic configuration, as key=value; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) config: Vec<(String, String)>,
    /// What happens to the records when the KafkaTopic is deleted; delete if not given
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "undeclared")]
    deletion_policy: Option<Deletion>,
    /// Whether a topic that exists and belongs to no object is taken over; if-identical if not given
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "undeclared")]
    adoption: Option<Adopt>,
    /// What is done about changes made by hand in Kafka; correct if not given
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "undeclared")]
    drift_policy: Option<Drift>,
    /// Write no object: create the topic in Kafka, where nobody looks after it
    #[arg(long)]
    undeclared: bool,
    /// A topic that exists already is no error (it is not compared)
    #[arg(long)]
    pub(super) if_not_exists: bool,
    /// Exit with 3 when all of them existed already
    #[arg(long, requires = "if_not_exists")]
    pub(super) error_unchanged: bool,
    #[command(flatten)]
    pub(super) writing: Writing,
    #[command(flatten)]
    pub(super) access: Access,
}

/// What happens to the records.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Deletion {
    /// They go with the object
    Delete,
    /// They stay
    Retain,
}

/// What is taken over.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Adopt {
    /// What is already as the object says
    IfIdentical,
    /// Anything; it is changed
    Always,
    /// Nothing
    Never,
}

/// What is done about changes by hand.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Drift {
    /// They are undone
    Correct,
    /// They are reported
    Report,
}

/// Creates the topics.
///
/// # Errors
/// When one of them could not be created, is refused or does not become ready; the others are.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    if args.undeclared {
        return direct::run(session, &args).await;
    }
    let target = objects::target(session).await?;
    let manifests: Result<Vec<Value>> = args
        .names
        .iter()
        .map(|name| manifest(&args, bare(name), &session.namespace, &target))
        .collect();
    let manifests = manifests?;
    if args.writing.dry_run == DryRun::Client {
        return match session.output.format {
            Format::Json | Format::Yaml => objects::documents(&session.output, &manifests),
            _ => {
                let items = manifests.iter().map(|m| (m, "created"));
                let written = objects::Written::new(items, DryRun::Client)?;
                session.output.report(&written)
            }
        };
    }
    target.check(session).await?;
    let api = session.namespaced::<KafkaTopic>();
    let flags = target.flags_from(&session.namespace);
    let mut done = objects::create_all(
        session,
        &api,
        &manifests,
        &args.writing,
        args.if_not_exists,
        |name| format!("kubectl kafka topic describe {name} {flags}"),
    )
    .await;
    // What exists may still be changed; that is another command.
    for (item, name) in done.iter_mut().zip(&args.names) {
        if let Some(failure) = item.failure.as_mut().filter(|f| f.code == Code::Conflict) {
            failure.hint = Some(format!("kubectl kafka topic alter {} {flags}", bare(name)));
        }
    }
    let unchanged = args.error_unchanged && done.iter().all(|d| d.verb == "unchanged");
    objects::finish(session, done, &args.writing)?;
    if unchanged {
        Err(Failure::silent(Code::Unchanged))
    } else {
        Ok(())
    }
}

/// The object to write.
fn manifest(args: &Args, topic: &str, namespace: &str, target: &Target) -> Result<Value> {
    let name = object_name(topic);
    let spec = KafkaTopicSpec {
        cluster_ref: target.reference_from(namespace),
        topic_name: (name != topic).then(|| topic.to_owned()),
        partitions: args.partitions,
        replicas: args.replicas.map(i32::from),
        config: args.config.iter().cloned().collect(),
        deletion_policy: match args.deletion_policy {
            Some(Deletion::Retain) => TopicDeletionPolicy::Retain,
            Some(Deletion::Delete) | None => TopicDeletionPolicy::Delete,
        },
        adoption: match args.adoption {
            Some(Adopt::Always) => Adoption::Always,
            Some(Adopt::Never) => Adoption::Never,
            Some(Adopt::IfIdentical) | None => Adoption::IfIdentical,
        },
        drift_policy: match args.drift_policy {
            Some(Drift::Report) => DriftPolicy::Report,
            Some(Drift::Correct) | None => DriftPolicy::Correct,
        },
    };
    let object = KafkaTopic {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    objects::sparse(&object, &KafkaTopicSpec::default())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::output::yaml;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn written(line: &str, namespace: &str) -> String {
        let args = Line::parse_from(line.split(' ')).args;
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        yaml(&manifest(&args, &args.names[0], namespace, &target).unwrap()).unwrap()
    }

    #[test]
    fn an_object_says_what_was_asked_for_and_no_more() {
        assert_eq!(
            written("create orders -p 6 -r 3 --config a.b=1", "streaming"),
            "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaTopic\nmetadata:\n  name: orders\n  namespace: streaming\n\
             spec:\n  clusterRef:\n    name: events\n  config:\n    a.b: \"1\"\n  partitions: 6\n  replicas: 3\n"
        );
        let other = written(
            "create Orders --deletion-policy retain --adoption always",
            "team",
        );
        assert!(
            other.contains("clusterRef:\n    name: events\n    namespace: streaming"),
            "{other}"
        );
        assert!(
            other.contains("topicName: Orders") && other.contains("name: orders-"),
            "{other}"
        );
        assert!(
            other.contains("deletionPolicy: Retain") && other.contains("adoption: Always"),
            "{other}"
        );
    }
}
