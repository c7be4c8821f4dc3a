//! `quota set` and `quota unset`: for what no KafkaUser declares; what one declares is changed there.

use kube::ResourceExt;
use sdm_api::KafkaUser;
use sdm_core::access::ObjectKey;
use sdm_kafka::{QuotaChange, QuotaEntity};

use super::entity::{Entity, key, label};
use crate::access::{self, principals};
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, pair};
use crate::kafka::Access;
use crate::objects::{self, Target};
use crate::output::actions::Actions;
use crate::session::Session;
use crate::verbs::acl::principals_of;

/// Arguments of `quota set`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Quotas hold for each broker. A quota that a KafkaUser declares is changed in that object.\nExamples:\n  kubectl kafka quota set --default-user producer-byte-rate=1048576\n  kubectl kafka quota set --principal User:legacy --client-id importer consumer-byte-rate=10485760"
)]
pub struct SetArgs {
    /// Quotas: producer-byte-rate, consumer-byte-rate, request-percentage, controller-mutation-rate; of addresses connection-creation-rate
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = pair)]
    quotas: Vec<(String, String)>,
    #[command(flatten)]
    change: Change,
}

/// Arguments of `quota unset`.
#[derive(clap::Args, Debug)]
pub struct UnsetArgs {
    /// Quotas to take away
    #[arg(required = true, value_name = "KEY")]
    quotas: Vec<String>,
    #[command(flatten)]
    change: Change,
}

/// Whose, and how.
#[derive(clap::Args, Debug)]
struct Change {
    #[command(flatten)]
    entity: Entity,
    /// client: print what would be sent; server: let Kafka check it without a change
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    #[command(flatten)]
    access: Access,
}

/// Sets quotas.
///
/// # Errors
/// When a KafkaUser declares them, or Kafka refuses.
pub async fn set(session: &Session, args: SetArgs) -> Result<()> {
    let ip = args.change.entity.is_ip();
    let ops: Result<Vec<(String, Option<f64>)>> = args
        .quotas
        .iter()
        .map(|(name, value)| {
            let number = value
                .parse::<f64>()
                .ok()
                .filter(|n| n.is_finite() && *n > 0.0);
            let number = number.ok_or_else(|| {
                Failure::usage(format!("quota {name}: {value:?} is no number above zero"))
            })?;
            Ok((key(name, ip)?.to_owned(), Some(number)))
        })
        .collect();
    change(session, &args.change, ops?, "configured").await
}

/// Takes quotas away.
///
/// # Errors
/// When a KafkaUser declares them, or Kafka refuses.
pub async fn unset(session: &Session, args: UnsetArgs) -> Result<()> {
    let ip = args.change.entity.is_ip();
    let ops: Result<Vec<(String, Option<f64>)>> = args
        .quotas
        .iter()
        .map(|name| Ok((key(name, ip)?.to_owned(), None)))
        .collect();
    change(session, &args.change, ops?, "unset").await
}

async fn change(
    session: &Session,
    args: &Change,
    ops: Vec<(String, Option<f64>)>,
    verb: &'static str,
) -> Result<()> {
    let target = objects::target(session).await?;
    let entities = entities(session, args, &target).await?;
    let mut actions = Actions::new("QuotaChange", args.dry_run);
    entities
        .iter()
        .for_each(|entity| actions.add("quota", &label(entity), verb));
    if args.dry_run == DryRun::Client {
        return session.output.report(&actions);
    }
    let kafka = target.kafka(session, &args.access).await?;
    let changes: Vec<QuotaChange> = entities
        .into_iter()
        .map(|entity| QuotaChange {
            entity,
            ops: ops.clone(),
        })
        .collect();
    let verdicts = kafka
        .client
        .alter_client_quotas(&changes, args.dry_run == DryRun::Server)
        .await;
    for (entity, verdict) in verdicts.map_err(|e| kafka.failed("change quotas", e))? {
        verdict.map_err(|e| {
            Failure::from(e)
                .doing(format!("change quotas of {}", label(&entity)))
                .at(kafka.place())
        })?;
    }
    session.output.report(&actions)
}

/// Whose quotas are changed: those of every name that a user logs in with.
async fn entities(session: &Session, args: &Change, target: &Target) -> Result<Vec<QuotaEntity>> {
    let Some(subject) = args.entity.named() else {
        return Ok(vec![args.entity.of(None)?]);
    };
    let users = match objects::referring::<KafkaUser>(session, target).await {
        Ok(found) => {
            found.note(session);
            found.items
        }
        Err(failure) if failure.code == Code::NotFound => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let principals = match subject.kind {
        sdm_api::SubjectKind::KafkaUser => {
            let objects = access::gather(session, target).await?;
            principals_of(&subject, &session.namespace, Some(&objects), None)?
        }
        _ => principals_of(&subject, &session.namespace, None, None)?,
    };
    // A quota of a client id is no user's own.
    if args.entity.client().is_none() {
        refuse_declared(&users, &principals, target)?;
    }
    principals
        .iter()
        .map(|principal| args.entity.of(Some(principal)))
        .collect()
}

fn refuse_declared(users: &[KafkaUser], wanted: &[String], target: &Target) -> Result<()> {
    let declares = |user: &&KafkaUser| {
        user.spec.quotas.is_some() && principals(user, None).iter().any(|p| wanted.contains(p))
    };
    let Some(user) = users.iter().find(declares) else {
        return Ok(());
    };
    let (key, namespace) = (ObjectKey::of(user), user.namespace().unwrap_or_default());
    Err(Failure::new(
        Code::Conflict,
        format!("KafkaUser {key} declares the quotas of {}, and what differs would be undone", wanted.join(", ")),
    )
    .at(target.place())
    .hint(format!(
        "kubectl patch kafkauser {} -n {namespace} --type=merge -p '{{\"spec\":{{\"quotas\":{{\"producerByteRate\":1048576}}}}}}'",
        user.name_any()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_declares_is_changed_there() {
        let user = |quotas: serde_json::Value| -> KafkaUser {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaUser", "metadata": {"name": "app", "namespace": "team"},
                "spec": {"clusterRef": {"name": "c"}, "quotas": quotas},
            }))
            .unwrap()
        };
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        let principal = ["User:team/user/app".to_owned()];
        let declares = [user(serde_json::json!({"producerByteRate": 5}))];
        let failure = refuse_declared(&declares, &principal, &target).unwrap_err();
        assert_eq!(failure.code, Code::Conflict);
        assert!(
            failure
                .hint
                .unwrap()
                .starts_with("kubectl patch kafkauser app -n team ")
        );
        assert!(refuse_declared(&[user(serde_json::json!(null))], &principal, &target).is_ok());
        assert!(refuse_declared(&declares, &["User:x".to_owned()], &target).is_ok());
    }
}
