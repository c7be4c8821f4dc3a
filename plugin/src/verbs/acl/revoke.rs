//! `acl revoke`: deletes KafkaACLs, by name or by what they say, and waits until what nobody else needs is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::ResourceExt;
use sdm_api::KafkaACL;
use sdm_core::access::{Acl, Expansion, ObjectKey};
use sdm_kafka::AclFilter;
use tokio::time::{Instant, sleep};

use super::grant::{Grant, compare};
use super::select::bare;
use crate::access::{self, acl_of};
use crate::exit::{self, Code, Failure, Result};
use crate::flags::{DryRun, Format};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target, Writing, ours};
use crate::output::actions::Actions;
use crate::session::Session;

const PERIOD: Duration = Duration::from_millis(20);

/// Arguments of `acl revoke`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "By name, or by what was said to acl grant. ACLs that another KafkaACL asks for too stay.\nExamples:\n  kubectl kafka acl revoke app-producer-orders\n  kubectl kafka acl revoke producer --user app --topic orders"
)]
pub struct Args {
    /// Names of KafkaACLs; or roles, together with a subject and resources
    #[arg(value_name = "NAME|ROLE")]
    words: Vec<String>,
    #[command(flatten)]
    what: Grant,
    /// The KafkaACL's name; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    access: Access,
}

/// Revokes.
///
/// # Errors
/// When there is no such object, or when what it gave is not gone in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let alone = if args.what.is_empty() {
        args.words.as_slice()
    } else {
        &[]
    };
    let names: Vec<&str> = args
        .name
        .iter()
        .chain(alone)
        .map(|name| bare(name))
        .collect();
    let objects = if names.is_empty() {
        vec![by_words(session, &args, &target).await?]
    } else {
        let each = names
            .iter()
            .map(|name| ours::<KafkaACL>(session, &target, name));
        futures::future::try_join_all(each).await?
    };
    let waits = args.writing.waits();
    let going = match waits {
        true => going(session, &target, &args, &objects).await,
        false => None,
    };
    let mut actions = Actions::new("AclRevocation", args.writing.dry_run);
    let mut failures = Vec::new();
    for object in &objects {
        let deleted = match args.writing.dry_run {
            DryRun::Client => Ok(()),
            mode => objects::delete(session, &session.namespaced(), object, mode).await,
        };
        match deleted {
            Ok(()) => actions.add("kafkaacl", &object.name_any(), "deleted"),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty()
        && let Some((kafka, going, stay)) = going
    {
        if stay > 0 {
            session.output.note(format!(
                "{stay} ACLs stay: another KafkaACL asks for them too"
            ));
        }
        failures.extend(gone(&kafka, going, args.writing.timeout).await?);
    }
    if !actions.is_empty() || session.output.format != Format::Table {
        session.output.report(&actions)?;
    }
    exit::all(failures)
}

/// The one object that says exactly what was asked for.
async fn by_words(session: &Session, args: &Args, target: &Target) -> Result<KafkaACL> {
    let asked = args.what.spec(&args.words, target, &session.namespace);
    if args.what.is_empty() {
        return Err(
            Failure::usage("what? name KafkaACLs, or say what was said to acl grant")
                .hint("kubectl kafka acl revoke --help"),
        );
    }
    let found = objects::referring::<KafkaACL>(session, target).await?;
    let own = found
        .items
        .into_iter()
        .filter(|o| o.namespace().as_deref() == Some(&session.namespace));
    let (exact, near): (Vec<_>, Vec<_>) = own
        .map(|object| (compare(&object.spec, &asked), object))
        .filter(|((_, includes), _)| *includes)
        .partition(|((exactly, _), _)| *exactly);
    let flags = target.flags_from(&session.namespace);
    let names = |some: &[((bool, bool), KafkaACL)]| {
        some.iter()
            .map(|(_, o)| o.name_any())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let failure = match (exact.len(), near.first()) {
        (1, _) => {
            return exact
                .into_iter()
                .next()
                .map(|(_, o)| o)
                .ok_or_else(|| Failure::general(""));
        }
        (0, None) => Failure::new(
            Code::NotFound,
            format!("no KafkaACL of namespace {} says that", session.namespace),
        )
        .hint(format!("kubectl kafka acl list {flags}")),
        (0, Some((_, one))) => {
            let what = format!(
                "no KafkaACL of namespace {} says exactly that; more than that say: {}",
                session.namespace,
                names(&near)
            );
            Failure::new(Code::NotFound, what).hint(format!(
                "kubectl kafka acl describe {} {flags}",
                one.name_any()
            ))
        }
        (_, _) => Failure::new(
            Code::Conflict,
            format!("several KafkaACLs say that: {}", names(&exact)),
        )
        .hint("kubectl kafka acl revoke NAME"),
    };
    Err(failure.at(target.place()))
}

/// What goes with the objects, and how many ACLs stay since others ask for them too.
async fn going(
    session: &Session,
    target: &Target,
    args: &Args,
    objects: &[KafkaACL],
) -> Option<(Kafka, BTreeSet<Acl>, usize)> {
    let found = async {
        let kafka = target.kafka(session, &args.access).await?;
        let (_, expansion, _) = access::sources(session, target, &kafka).await?;
        Ok::<_, Failure>((kafka, expansion))
    };
    match found.await {
        Ok((kafka, expansion)) => {
            let keys: Vec<ObjectKey> = objects.iter().map(ObjectKey::of).collect();
            let (going, stay) = split(&expansion, &keys);
            Some((kafka, going, stay))
        }
        Err(failure) => {
            session.output.note(format!(
                "whether the ACLs are gone is not known: {}",
                target.why(&failure)
            ));
            None
        }
    }
}

fn split(expansion: &Expansion, keys: &[ObjectKey]) -> (BTreeSet<Acl>, usize) {
    let touched = expansion
        .wanted
        .iter()
        .filter(|(_, by)| by.iter().any(|o| keys.contains(o)));
    let (going, stay): (Vec<_>, Vec<_>) =
        touched.partition(|(_, by)| by.iter().all(|o| keys.contains(o)));
    (
        going.into_iter().map(|(acl, _)| acl.clone()).collect(),
        stay.len(),
    )
}

/// Waits until Kafka has none of the ACLs.
async fn gone(
    kafka: &Kafka,
    mut left: BTreeSet<Acl>,
    timeout: Duration,
) -> Result<Option<Failure>> {
    let (deadline, mut pause) = (Instant::now() + timeout, PERIOD);
    while !left.is_empty() {
        let live = access::live(kafka, &AclFilter::any()).await?;
        let live: BTreeSet<Acl> = live.iter().filter_map(acl_of).collect();
        left.retain(|acl| live.contains(acl));
        let Some(one) = left.first() else { break };
        if Instant::now() >= deadline {
            let what = format!(
                "{} ACLs are still in Kafka, among them: {one}; the operator leaves those that somebody else had made",
                left.len()
            );
            return Ok(Some(
                Failure::new(Code::TimedOut, what)
                    .at(kafka.place())
                    .hint("kubectl get pods -n sdm-system    # does the operator run?"),
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdm_api::{Operation, Pattern, Permission, ResourceType};

    use super::*;

    #[test]
    fn only_what_nobody_else_needs_goes() {
        let acl = |name: &str| Acl {
            resource: ResourceType::Topic,
            pattern: Pattern::Literal,
            name: name.to_owned(),
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation: Operation::Read,
            permission: Permission::Allow,
        };
        let (one, two) = (ObjectKey::new("n", "one"), ObjectKey::new("n", "two"));
        let expansion = Expansion {
            wanted: BTreeMap::from([
                (acl("a"), vec![one.clone()]),
                (acl("b"), vec![one.clone(), two.clone()]),
                (acl("c"), vec![two.clone()]),
            ]),
            ..Expansion::default()
        };
        assert_eq!(
            split(&expansion, std::slice::from_ref(&one)),
            (BTreeSet::from([acl("a")]), 1)
        );
        assert_eq!(split(&expansion, &[one, two]).0.len(), 3);
    }
}
