//! `topic adopt`: prints KafkaTopic resources for topics that exist and belong to no object, ready for Git.

use kube::api::ObjectMeta;
use sdm_api::{Adoption, KafkaTopic, KafkaTopicSpec};
use serde_json::Value;

use super::actual::{Actual, actual};
use super::bare;
use super::claims::{Claims, key};
use crate::exit::{self, Code, Failure, Result};
use crate::flags::pair;
use crate::kafka::Access;
use crate::objects::{self, Target, object_name};
use crate::session::Session;

/// Configuration that the operator sets for a while, and that no object may declare.
const THROTTLES: [&str; 2] = [
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
];

/// Arguments of `topic adopt`.
#[derive(clap::Args, Debug)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["names", "all", "prefix"]),
    after_help = "Prints resources and changes nothing. Applied, they take the topics over as they are (adoption: IfIdentical); a namespace other than the cluster's own needs a KafkaAccessGrant with adoption for that.\nExamples:\n  kubectl kafka topic adopt --all -n streaming > topics.yaml\n  kubectl kafka topic adopt --all --namespace-for billing.=billing --namespace-for shop-=shop"
)]
pub struct Args {
    /// Names of topics
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All topics that no KafkaTopic declares, Kafka's own aside
    #[arg(long)]
    all: bool,
    /// Those whose names begin so
    #[arg(long, value_name = "PREFIX", conflicts_with_all = ["names", "all"])]
    prefix: Option<String>,
    /// Topics that begin with PREFIX go into NAMESPACE; may be repeated, the longest prefix wins; -n is for the rest
    #[arg(long, value_name = "PREFIX=NAMESPACE", value_parser = pair)]
    namespace_for: Vec<(String, String)>,
    #[command(flatten)]
    access: Access,
}

/// Prints the resources.
///
/// # Errors
/// When a topic that was named does not exist, is declared already or cannot be declared.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let (found, kafka) = tokio::try_join!(
        objects::referring::<KafkaTopic>(session, &target),
        target.kafka(session, &args.access)
    )?;
    found.note(session);
    let claims = Claims::new(&found.items);
    let (mut names, mut failures) = (Vec::new(), Vec::new());
    if args.names.is_empty() {
        let prefix = args.prefix.as_deref().unwrap_or_default();
        let topics = kafka
            .client
            .list_topics()
            .await
            .map_err(|e| kafka.failed("list topics", e))?;
        let free = topics.into_iter().filter(|t| {
            !t.internal
                && !t.name.starts_with("__")
                && t.name.starts_with(prefix)
                && claims.of(&t.name).is_empty()
        });
        names.extend(free.map(|topic| topic.name));
    } else {
        for name in &args.names {
            let name = bare(name);
            match claims.of(name).first() {
                Some(object) => {
                    let what = format!(
                        "topic {name} is declared already, by KafkaTopic {}",
                        key(object)
                    );
                    failures.push(Failure::new(Code::Conflict, what).at(target.place()));
                }
                None => names.push(name.to_owned()),
            }
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut seen = actual(&kafka, &names).await?;
    let mut manifests = Vec::new();
    for name in &names {
        let made = match seen.remove(*name) {
            Some(Ok(Some(topic))) => manifest(
                &topic,
                namespace_of(&args, name, &session.namespace),
                &target,
            ),
            Some(Err(failure)) => Err(failure),
            Some(Ok(None)) | None => Err(Failure::new(
                Code::NotFound,
                format!("there is no topic {name}"),
            )
            .at(kafka.place())
            .hint(format!(
                "kubectl kafka topic list --undeclared {}",
                kafka.flags()
            ))),
        };
        match made {
            Ok(made) => manifests.push(made),
            Err(failure) => failures.push(failure),
        }
    }
    if manifests.is_empty() && failures.is_empty() {
        session
            .output
            .progress(format!("every topic of {} is declared", target.place()));
    } else if !manifests.is_empty() {
        objects::documents(&session.output, &manifests)?;
    }
    exit::all(failures)
}

fn namespace_of<'a>(args: &'a Args, topic: &str, own: &'a str) -> &'a str {
    let rules = args
        .namespace_for
        .iter()
        .filter(|(prefix, _)| topic.starts_with(prefix.as_str()));
    rules
        .max_by_key(|(prefix, _)| prefix.len())
        .map_or(own, |(_, namespace)| namespace)
}

/// The resource that says what is there.
fn manifest(topic: &Actual, namespace: &str, target: &Target) -> Result<Value> {
    let topic_name = &topic.metadata.name;
    let failed = |what: String| Failure::general(what).at(target.place());
    if let Some(why) = &topic.unreadable {
        return Err(failed(format!(
            "the configuration of topic {topic_name} cannot be read: {why}"
        )));
    }
    let observed = topic.observed(&[]);
    let first = observed.replicas.first().map_or(0, Vec::len);
    // During a move some partitions have another number; then the object says nothing of it.
    let even = observed.replicas.iter().all(|r| r.len() == first);
    let name = object_name(topic_name);
    let spec = KafkaTopicSpec {
        cluster_ref: target.reference_from(namespace),
        topic_name: (name != *topic_name).then(|| topic_name.clone()),
        partitions: i32::try_from(observed.replicas.len()).ok(),
        replicas: i32::try_from(first).ok().filter(|_| even),
        config: topic
            .set()
            .filter(|(key, _)| !THROTTLES.contains(key))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        adoption: Adoption::IfIdentical,
        ..KafkaTopicSpec::default()
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
    if let Some(violation) = sdm_core::topic::validate(&object, None).violations.first() {
        return Err(failed(format!(
            "topic {topic_name} cannot be declared: {violation}"
        )));
    }
    // What matters for taking over is said, though it is the default.
    let default = KafkaTopicSpec {
        adoption: Adoption::Never,
        ..KafkaTopicSpec::default()
    };
    objects::sparse(&object, &default)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;
    use sdm_core::topic::Broker;
    use sdm_kafka::{ConfigEntry, ConfigSource};

    use super::super::{difference, sample};
    use super::*;
    use crate::output::yaml;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn target() -> Target {
        Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        }
    }

    fn topic(name: &str, config: &[(&str, &str, ConfigSource)]) -> Actual {
        let entry = |(name, value, source): &(&str, &str, ConfigSource)| ConfigEntry {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            source: *source,
            read_only: false,
            sensitive: false,
        };
        Actual {
            metadata: sample(
                name,
                &[(Some(0), &[0, 1], &[0, 1]), (Some(1), &[1, 0], &[1, 0])],
            ),
            config: config.iter().map(entry).collect(),
            unreadable: None,
            moving: BTreeMap::new(),
        }
    }

    #[test]
    fn the_resource_says_what_is_there_and_taking_it_over_changes_nothing() {
        let actual = topic(
            "Orders",
            &[
                ("retention.ms", "1000", ConfigSource::Topic),
                (
                    "follower.replication.throttled.replicas",
                    "0:1",
                    ConfigSource::Topic,
                ),
                ("segment.ms", "7", ConfigSource::Default),
                ("min.insync.replicas", "2", ConfigSource::StaticBroker),
            ],
        );
        let text = yaml(&manifest(&actual, "shop", &target()).unwrap()).unwrap();
        let name = object_name("Orders");
        assert_eq!(
            text,
            format!(
                "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaTopic\nmetadata:\n  name: {name}\n  namespace: shop\nspec:\n  \
                 adoption: IfIdentical\n  clusterRef:\n    name: events\n    namespace: streaming\n  config:\n    \
                 retention.ms: \"1000\"\n  partitions: 2\n  replicas: 2\n  topicName: Orders\n"
            )
        );
        let object: KafkaTopic = serde_saphyr::from_str(&text).unwrap();
        assert!(
            sdm_core::topic::validate(&object, None)
                .violations
                .is_empty()
        );
        let brokers: Vec<Broker> = (0..2)
            .map(|id| Broker {
                id,
                rack: None,
                load: 0,
                fenced: false,
            })
            .collect();
        let difference = difference::compare(&object, Some(&actual), false, &brokers);
        assert!(difference.is_none(), "{difference:?}");
    }

    #[test]
    fn the_longest_prefix_decides_on_the_namespace() {
        let args = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.args);
        let both = args("adopt --all --namespace-for a=one --namespace-for a.b=two").unwrap();
        for (topic, namespace) in [("a.b.c", "two"), ("ac", "one"), ("x", "own")] {
            assert_eq!(namespace_of(&both, topic, "own"), namespace, "{topic}");
        }
        assert!(args("adopt").is_err() && args("adopt a --all").is_err());
    }

    #[test]
    fn what_no_object_may_declare_is_said() {
        let failure = manifest(&topic("__own", &[]), "streaming", &target()).unwrap_err();
        assert!(
            failure.what.contains("cannot be declared"),
            "{}",
            failure.what
        );
    }
}
