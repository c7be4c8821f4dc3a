//! `topic alter`: a declared topic through its object, an undeclared one in Kafka itself.

use sdm_api::KafkaTopic;
use sdm_kafka::{ConfigChange, ConfigOp, ConfigResource};
use serde_json::{Map, Value, json};

use super::bare;
use super::find::{Declared, find};
use crate::exit::{Failure, Result};
use crate::flags::{DryRun, pair};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target, Writing};
use crate::output::actions::Actions;
use crate::session::Session;

/// Arguments of `topic alter`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "A topic that a KafkaTopic declares is changed there, and the operator does the rest; one that nobody declares is changed in Kafka.\nExamples:\n  kubectl kafka topic alter orders --partitions 24\n  kubectl kafka topic alter audit --config retention.ms=604800000 --unset cleanup.policy"
)]
pub struct Args {
    /// Name of the topic
    #[arg(value_name = "NAME")]
    name: String,
    /// Number of partitions there are to be; it can grow and not shrink
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Copies of each partition; a change moves data, throttled
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..), visible_alias = "replication-factor")]
    replicas: Option<i16>,
    /// Topic configuration to set, as key=value; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Topic configuration to take back to the brokers' value; may be repeated
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    access: Access,
}

/// Changes the topic.
///
/// # Errors
/// When the change is refused, or not done in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    check(&args)?;
    let target = objects::target(session).await?;
    let name = bare(&args.name);
    let found = find(session, &target, &[name], "alter").await?;
    match found.into_iter().next() {
        Some(Ok(Declared::Here(object, _))) => object_of(session, &args, &target, &object).await,
        Some(Ok(Declared::Nowhere(topic))) => {
            let kafka = target.kafka(session, &args.access).await?;
            in_kafka(session, &args, &kafka, &topic, &target).await
        }
        Some(Err(failure)) => Err(failure),
        None => Ok(()),
    }
}

fn check(args: &Args) -> Result<()> {
    if args.partitions.is_none()
        && args.replicas.is_none()
        && args.config.is_empty()
        && args.unset.is_empty()
    {
        return Err(Failure::usage(
            "nothing to change: say --partitions, --replicas, --config or --unset",
        )
        .hint("kubectl kafka topic alter --help"));
    }
    match args.config.iter().find(|(key, _)| args.unset.contains(key)) {
        Some((key, _)) => Err(Failure::usage(format!(
            "{key} cannot be both set and unset"
        ))),
        None => Ok(()),
    }
}

/// The change of the object, as a merge patch.
fn patch(args: &Args) -> Value {
    let mut spec = Map::new();
    let numbers = [
        ("partitions", args.partitions),
        ("replicas", args.replicas.map(i32::from)),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            spec.insert(key.to_owned(), json!(value));
        }
    }
    let set = args
        .config
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)));
    let unset = args.unset.iter().map(|key| (key.clone(), Value::Null));
    let config: Map<String, Value> = set.chain(unset).collect();
    if !config.is_empty() {
        spec.insert("config".to_owned(), Value::Object(config));
    }
    json!({ "spec": spec })
}

async fn object_of(
    session: &Session,
    args: &Args,
    target: &Target,
    object: &KafkaTopic,
) -> Result<()> {
    // A key that never stood in the object is not the object's to unset.
    if let Some(key) = args
        .unset
        .iter()
        .find(|key| !object.spec.config.contains_key(*key))
    {
        let what = format!(
            "KafkaTopic {} does not set {key}",
            super::claims::key(object)
        );
        return Err(Failure::usage(what).hint(format!(
            "kubectl kafka topic describe {} {}",
            object.topic_name(),
            target.flags_from(&session.namespace)
        )));
    }
    let patch = patch(args);
    if args.writing.dry_run == DryRun::Client {
        let written = objects::Written::new([(object, "configured")].into_iter(), DryRun::Client)?;
        return session.output.report(&written);
    }
    let hint = format!(
        "kubectl kafka topic describe {} {}",
        object.topic_name(),
        target.flags_from(&session.namespace)
    );
    objects::tell_manager(session, object);
    let api = session.namespaced::<KafkaTopic>();
    let done = objects::change(session, &api, object, &patch, &args.writing, &hint).await?;
    objects::finish(session, vec![done], &args.writing)
}

async fn in_kafka(
    session: &Session,
    args: &Args,
    kafka: &Kafka,
    topic: &str,
    target: &Target,
) -> Result<()> {
    let failed = |what: &str, failure: Failure| {
        failure
            .doing(format!("{what} of topic {topic}"))
            .at(kafka.place())
            .hint(format!(
                "kubectl kafka topic describe {topic} {}",
                kafka.flags()
            ))
    };
    if args.replicas.is_some() {
        let what = format!(
            "topic {topic} is declared by no KafkaTopic, and nobody would move its replicas"
        );
        return Err(Failure::usage(what).at(kafka.place()).hint(format!(
            "kubectl kafka topic adopt {topic} {} | kubectl apply -f -    # then alter it",
            target.flags_from(&session.namespace)
        )));
    }
    let done = Actions::new("TopicChange", args.writing.dry_run).with("topic", topic, "configured");
    if args.writing.dry_run == DryRun::Client {
        return session.output.report(&done);
    }
    let validate_only = args.writing.dry_run == DryRun::Server;
    if let Some(change) = config_change(args, topic) {
        let verdicts = kafka
            .client
            .incremental_alter_configs(&[change], validate_only)
            .await
            .map_err(|e| kafka.failed("change the configuration", e))?;
        for (_, verdict) in verdicts {
            verdict.map_err(|e| failed("change the configuration", e.into()))?;
        }
    }
    if let Some(total) = args.partitions {
        let verdicts = kafka
            .client
            .create_partitions(&[(topic.to_owned(), total, Vec::new())], validate_only)
            .await
            .map_err(|e| kafka.failed("add partitions", e))?;
        for (_, verdict) in verdicts {
            verdict.map_err(|e| failed("set the number of partitions", e.into()))?;
        }
    }
    session.output.report(&done)
}

fn config_change(args: &Args, topic: &str) -> Option<ConfigChange> {
    let set = args.config.iter().map(|(key, value)| ConfigOp::Set {
        key: key.clone(),
        value: value.clone(),
    });
    let unset = args
        .unset
        .iter()
        .map(|key| ConfigOp::Delete { key: key.clone() });
    let ops: Vec<ConfigOp> = set.chain(unset).collect();
    (!ops.is_empty()).then(|| ConfigChange {
        resource: ConfigResource::Topic(topic.to_owned()),
        ops,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::parse_from(line.split(' ')).args
    }

    #[test]
    fn only_what_was_said_is_changed() {
        assert_eq!(
            patch(&args("alter a --config x=1 --unset y -p 6")),
            json!({"spec": {"partitions": 6, "config": {"x": "1", "y": null}}})
        );
        assert_eq!(
            patch(&args("alter a -r 3")),
            json!({"spec": {"replicas": 3}})
        );
        let ops = config_change(&args("alter a --config x=1 --unset y"), "a")
            .unwrap()
            .ops;
        assert_eq!(ops.len(), 2);
        assert!(config_change(&args("alter a -p 2"), "a").is_none());
    }

    #[test]
    fn nothing_and_contradictions_are_refused() {
        assert!(check(&args("alter a")).is_err());
        assert!(check(&args("alter a --config x=1 --unset x")).is_err());
        assert!(check(&args("alter a --unset x")).is_ok());
    }
}
