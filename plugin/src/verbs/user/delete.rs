//! `user delete`: a declared user goes with its object, of one that only Kafka knows the credentials and quotas go.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use sdm_api::{Authentication, KafkaUser};
use sdm_kafka::{QuotaChange, QuotaEntity, ScramDeletion};
use tokio::time::{Instant, sleep};

use super::{Known, bare, issued_to};
use crate::access::principals;
use crate::exit::{self, Code, Failure, Result};
use crate::flags::{DryRun, duration};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target};
use crate::output::actions::Actions;
use crate::prompt;
use crate::session::Session;

const PERIOD: Duration = Duration::from_millis(50);

/// Arguments of `user delete`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "With a KafkaUser go its Secret, its credential in Kafka, its quotas and the ACLs that name it. Of a name that only Kafka knows, SCRAM credentials and quotas are taken away; its ACLs stay."
)]
pub struct Args {
    /// Names of KafkaUsers of the namespace, or principals that only Kafka knows, as User:NAME
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Delete without being asked
    #[arg(short, long)]
    yes: bool,
    /// A user that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// client: print what would be deleted; server: also check that it exists
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    /// Wait until nobody can log in any more
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    timeout: Duration,
    #[command(flatten)]
    access: Access,
}

/// Deletes the users.
///
/// # Errors
/// When one of them could not be deleted; the others are.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let mut actions = Actions::new("UserDeletion", args.dry_run);
    if args.dry_run == DryRun::Client {
        args.names
            .iter()
            .for_each(|name| actions.add("kafkauser", bare(name), "deleted"));
        return session.output.report(&actions);
    }
    let target = objects::target(session).await?;
    let (mut users, mut names, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for name in args.names.iter().map(|name| bare(name)) {
        match name.strip_prefix("User:") {
            Some(other) => match issued_to(other) {
                Some(key) => failures.push(
                    Failure::usage(format!("{name} is issued to KafkaUser {key}")).hint(format!(
                        "kubectl kafka user delete {} {}",
                        key.name,
                        target.flags_from(&key.namespace)
                    )),
                ),
                None => names.push(other.to_owned()),
            },
            None => match objects::ours::<KafkaUser>(session, &target, name).await {
                Ok(user) => users.push(user),
                Err(failure) if failure.code == Code::NotFound && args.ignore_not_found => {}
                Err(failure) => failures.push(failure),
            },
        }
    }
    if args.dry_run == DryRun::None && users.len() + names.len() > 0 {
        let (what, expected) = question(&target, &users, &names);
        prompt::confirm(args.yes, &what, &expected)?;
    }
    for user in &users {
        match objects::delete(session, &session.namespaced(), user, args.dry_run).await {
            Ok(()) => actions.add("kafkauser", &user.name_any(), "deleted"),
            Err(failure) => failures.push(failure),
        }
    }
    if !names.is_empty() {
        let kafka = target.kafka(session, &args.access).await?;
        direct(&kafka, &args, &names, &mut actions, &mut failures).await?;
    }
    if args.wait && args.dry_run == DryRun::None && !users.is_empty() {
        failures.extend(gone(session, &target, &args, &users).await?);
    }
    if !actions.is_empty() {
        session.output.report(&actions)?;
    }
    exit::all(failures)
}

fn question(target: &Target, users: &[KafkaUser], names: &[String]) -> (String, String) {
    let all: Vec<String> = users
        .iter()
        .map(ResourceExt::name_any)
        .chain(names.iter().cloned())
        .collect();
    let what = format!(
        "{} of {} will be deleted: whoever logs in so is cut off",
        match all.as_slice() {
            [one] => format!("user {one}"),
            many => format!("{} users ({})", many.len(), many.join(", ")),
        },
        target.place()
    );
    let expected = match all.as_slice() {
        [one] => one.clone(),
        many => many.len().to_string(),
    };
    (what, expected)
}

/// Names that only Kafka knows.
async fn direct(
    kafka: &Kafka,
    args: &Args,
    names: &[String],
    actions: &mut Actions,
    failures: &mut Vec<Failure>,
) -> Result<()> {
    let known = Known::ask(kafka).await?;
    for name in names {
        let scram: Vec<ScramDeletion> = known
            .scram
            .get(name)
            .into_iter()
            .flatten()
            .map(|(mechanism, _)| ScramDeletion {
                user: name.clone(),
                mechanism: *mechanism,
            })
            .collect();
        let quotas = known.quotas.get(name);
        if scram.is_empty() && quotas.is_none() {
            if !args.ignore_not_found {
                let what = format!("Kafka has neither a credential nor a quota of User:{name}");
                failures.push(
                    Failure::new(Code::NotFound, what)
                        .at(kafka.place())
                        .hint(format!(
                            "kubectl kafka user list --undeclared {}",
                            kafka.flags()
                        )),
                );
            }
            continue;
        }
        if args.dry_run == DryRun::None {
            if !scram.is_empty() {
                let verdicts = kafka.client.alter_scram(&scram, &[]).await;
                for (_, verdict) in verdicts.map_err(|e| kafka.failed("delete credentials", e))? {
                    verdict.map_err(|e| {
                        Failure::from(e).doing(format!("delete the credential of {name}"))
                    })?;
                }
            }
            if let Some(quotas) = quotas {
                let change = QuotaChange {
                    entity: QuotaEntity::user(Some(name)),
                    ops: quotas.keys().map(|key| (key.clone(), None)).collect(),
                };
                let verdicts = kafka.client.alter_client_quotas(&[change], false).await;
                for (_, verdict) in verdicts.map_err(|e| kafka.failed("delete quotas", e))? {
                    verdict.map_err(|e| {
                        Failure::from(e).doing(format!("delete the quotas of {name}"))
                    })?;
                }
            }
        }
        actions.add("principal", &format!("User:{name}"), "deleted");
    }
    Ok(())
}

/// Waits until the Secrets and what Kafka knows of the users are gone.
async fn gone(
    session: &Session,
    target: &Target,
    args: &Args,
    users: &[KafkaUser],
) -> Result<Option<Failure>> {
    let kafka = match target.kafka(session, &args.access).await {
        Ok(kafka) => Some(kafka),
        Err(failure) => {
            session.output.note(format!(
                "whether Kafka has forgotten the users is not known: {}",
                target.why(&failure)
            ));
            None
        }
    };
    let (deadline, mut pause) = (Instant::now() + args.timeout, PERIOD);
    loop {
        let left = match secret_left(session, users).await? {
            Some(left) => Some(left),
            None => match &kafka {
                Some(kafka) => login_left(&Known::ask(kafka).await?, users),
                None => None,
            },
        };
        let Some(left) = left else {
            return Ok(None);
        };
        if Instant::now() >= deadline {
            return Ok(Some(
                Failure::new(Code::TimedOut, format!("not gone in time: {left}"))
                    .at(target.place())
                    .hint("kubectl get pods -n sdm-system    # does the operator run?"),
            ));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(500));
    }
}

async fn secret_left(session: &Session, users: &[KafkaUser]) -> Result<Option<String>> {
    for user in users {
        let Some(name) = user.status.as_ref().and_then(|s| s.secret.as_deref()) else {
            continue;
        };
        match session.namespaced::<Secret>().get_metadata_opt(name).await {
            Ok(Some(_)) => return Ok(Some(format!("Secret {name}"))),
            Ok(None) => {}
            // Who may not look at Secrets has to take the operator's word.
            Err(kube::Error::Api(status)) if status.is_forbidden() => {}
            Err(error) => return Err(session.failed(&format!("get secret {name}"), error)),
        }
    }
    Ok(None)
}

/// What of the users' own is still in Kafka. A credential that somebody else provides stays, and so do quotas that no
/// object declared.
fn login_left(known: &Known, users: &[KafkaUser]) -> Option<String> {
    users.iter().find_map(|user| {
        let ours = user.spec.authentication != Authentication::External;
        let declared = sdm_core::user::quota_wanted(user);
        let names = principals(user, None).into_iter();
        let mut names = names.filter_map(|p| p.strip_prefix("User:").map(ToOwned::to_owned));
        let left = |name: &String| {
            let quotas = known.quotas.get(name).into_iter().flatten();
            (ours && known.scram.contains_key(name))
                || quotas
                    .into_iter()
                    .any(|(key, _)| declared.contains_key(key.as_str()))
        };
        names.find(left).map(|name| format!("{name} in Kafka"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{ready, sample};
    use super::*;

    #[test]
    fn the_question_names_who_is_cut_off() {
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        let user = sample("team", "app", "tls", ready(serde_json::json!({})));
        let (what, expected) = question(&target, std::slice::from_ref(&user), &[]);
        assert!(
            what.starts_with("user app of cluster events") && expected == "app",
            "{what}"
        );
        let (what, expected) = question(&target, &[user], &["legacy".to_owned()]);
        assert!(
            what.starts_with("2 users (app, legacy)") && expected == "2",
            "{what}"
        );
    }

    #[test]
    fn a_login_that_is_left_is_named() {
        let user = sample("team", "app", "scram-sha-512", ready(serde_json::json!({})));
        let known = |name: &str| Known {
            scram: BTreeMap::from([(name.to_owned(), Vec::new())]),
            ..Known::default()
        };
        assert_eq!(
            login_left(&known("team/user/app/2"), std::slice::from_ref(&user)).as_deref(),
            Some("team/user/app/2 in Kafka")
        );
        assert_eq!(
            login_left(&known("legacy"), std::slice::from_ref(&user)),
            None
        );
        let mut external = user;
        external.spec.authentication = Authentication::External;
        external.spec.principal = Some("legacy".to_owned());
        assert_eq!(login_left(&known("legacy"), &[external]), None);
    }
}
