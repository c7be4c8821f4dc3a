//! `topic describe`: how the object stands and why, what is in Kafka, what differs, who else claims the name, who reaches
//! it, what happened.

use jiff::Timestamp;
use kube::ResourceExt;
use sdm_api::{KafkaTopic, Pattern, ResourceType, TopicDeletionPolicy};
use sdm_core::access::{Acl, Expansion};
use sdm_core::topic::Broker;
use sdm_kafka::ConfigSource;

use super::actual::{self, Actual};
use super::claims::Claims;
use super::description::{Object, Topic, Topics};
use super::{absent, bare, difference};
use crate::access::{self, Logins, Objects};
use crate::exit::{self, Code, Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Standing, Target};
use crate::output::API_VERSION;
use crate::session::Session;
use crate::verbs::acl::Rule;

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

/// What Kafka told.
struct Told {
    topics: std::collections::BTreeMap<String, Result<Option<Actual>>>,
    brokers: Vec<Broker>,
    logins: Option<Logins>,
}

/// Describes the topics.
///
/// # Errors
/// When one of them does not exist or cannot be described; the others are shown.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let found = objects::referring::<KafkaTopic>(session, &target);
    let (found, gathered, kafka) = tokio::join!(
        found,
        access::gather(session, &target),
        target.kafka(session, &args.access)
    );
    let objects = match found {
        Ok(found) => {
            found.note(session);
            found.items
        }
        Err(failure) if matches!(failure.code, Code::NotFound | Code::Denied) => {
            session
                .output
                .note(format!("objects are not known: {failure}"));
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    let claims = Claims::new(&objects);
    let topic = |name| {
        let called = claims.called(name, &session.namespace);
        called.map_or(name, KafkaTopic::topic_name)
    };
    // Two names may mean one topic: it is shown once.
    let mut names: Vec<&str> = Vec::new();
    for name in args.names.iter().map(|name| topic(bare(name))) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let told = match kafka {
        Ok(kafka) => ask(&kafka, &names).await,
        Err(failure) => Err(failure),
    };
    let mut told = match told {
        Ok(told) => Some(told),
        Err(failure) if names.iter().any(|name| !claims.of(name).is_empty()) => {
            session
                .output
                .note(format!("Kafka cannot be asked: {}", target.why(&failure)));
            None
        }
        Err(failure) => return Err(failure),
    };
    // Without Kafka, only what users report of themselves is known.
    let unknown = Logins::new();
    let logins = match &told {
        Some(told) => told.logins.as_ref(),
        None => Some(&unknown),
    };
    let expansion = gathered
        .as_ref()
        .map(|objects: &Objects| objects.expansion(logins))
        .unwrap_or_default();
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        let actual = match told.as_mut().map(|t| t.topics.remove(name)) {
            Some(Some(Err(failure))) => {
                failures.push(failure);
                continue;
            }
            Some(Some(Ok(actual))) => actual,
            Some(None) | None => None,
        };
        if actual.is_none() && claims.of(name).is_empty() {
            let what = format!("there is no topic {name}, in Kafka or declared");
            failures.push(
                Failure::new(Code::NotFound, what)
                    .at(target.place())
                    .hint(format!(
                        "kubectl kafka topic list {}",
                        target.flags_from(&session.namespace)
                    )),
            );
            continue;
        }
        let brokers = told.as_ref().map(|t| t.brokers.as_slice());
        items.push(
            describe(
                session, &target, &args, name, actual, &claims, brokers, &expansion,
            )
            .await,
        );
    }
    if !items.is_empty() {
        session.output.report(&Topics {
            api_version: API_VERSION,
            kind: "TopicDescriptionList",
            items,
        })?;
    }
    exit::all(failures)
}

async fn ask(kafka: &Kafka, names: &[&str]) -> Result<Told> {
    let logins = async { Ok(access::logins(kafka).await) };
    let (topics, brokers, logins) =
        tokio::try_join!(actual::actual(kafka, names), actual::brokers(kafka), logins)?;
    Ok(Told {
        topics,
        brokers,
        logins,
    })
}

#[allow(
    clippy::too_many_arguments,
    reason = "each is read elsewhere, and all of them once"
)]
async fn describe(
    session: &Session,
    target: &Target,
    args: &Args,
    name: &str,
    mut actual: Option<Actual>,
    claims: &Claims<'_>,
    brokers: Option<&[Broker]>,
    expansion: &Expansion,
) -> Topic {
    let owner = claims.owner(name);
    let difference = match (owner, brokers) {
        (Some(owner), Some(brokers)) => {
            let difference = difference::compare(owner, actual.as_ref(), true, brokers);
            Some(difference).filter(|d| !d.is_none() && !d.missing)
        }
        _ => None,
    };
    if let Some(why) = actual.as_ref().and_then(|a| a.unreadable.as_ref()) {
        session
            .output
            .note(format!("no configuration of topic {name}: {why}"));
    }
    let mut configs = actual
        .as_mut()
        .map(|a| std::mem::take(&mut a.config))
        .unwrap_or_default();
    configs.retain(|entry| args.all_configs || entry.source != ConfigSource::Default);
    let first = claims.of(name).first().copied();
    Topic {
        in_kafka: brokers.map(|_| actual.is_some()),
        metadata: actual.map_or_else(|| absent(name), |a| a.metadata),
        configs,
        objects: claims
            .of(name)
            .iter()
            .map(|object| of_object(object, owner))
            .collect(),
        difference,
        drift: first
            .and_then(|o| o.status.as_ref())
            .map(|s| s.drift.clone())
            .unwrap_or_default(),
        access: reaching(expansion, name),
        events: match first {
            Some(object) => objects::events(session, object).await,
            None => Vec::new(),
        },
        // Kafka's own topics are nobody's to declare.
        adopt: (first.is_none() && !name.starts_with("__")).then(|| {
            format!(
                "kubectl kafka topic adopt {name} {}",
                target.flags_from(&session.namespace)
            )
        }),
        now: Timestamp::now(),
    }
}

fn of_object(object: &KafkaTopic, owner: Option<&KafkaTopic>) -> Object {
    let keys = object
        .status
        .as_ref()
        .map(|s| s.config_keys.as_slice())
        .unwrap_or_default();
    Object {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        owner: owner.is_some_and(|owner| owner.uid() == object.uid()),
        deletion_policy: match object.spec.deletion_policy {
            TopicDeletionPolicy::Delete => "Delete",
            TopicDeletionPolicy::Retain => "Retain",
        }
        .to_owned(),
        config_keys: object.spec.config.keys().chain(keys).cloned().collect(),
        standing: Standing::of(object),
    }
}

/// ACLs that speak of a topic.
fn reaching(expansion: &Expansion, topic: &str) -> Vec<Rule> {
    let speaks = |acl: &Acl| {
        acl.resource == ResourceType::Topic
            && match acl.pattern {
                Pattern::Literal => acl.name == topic || acl.name == "*",
                Pattern::Prefixed => topic.starts_with(&acl.name),
            }
    };
    let reach = expansion.wanted.iter().filter(|(acl, _)| speaks(acl));
    reach.map(|(acl, objects)| Rule::of(acl, objects)).collect()
}
