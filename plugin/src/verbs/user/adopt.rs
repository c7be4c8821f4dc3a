//! `user adopt`: prints KafkaUser resources for names that only Kafka knows, ready for Git. Their credentials stay where
//! they are (`authentication: external`); the operator looks after their quotas, and ACLs can name them.

use kube::api::ObjectMeta;
use sdm_api::{Authentication, KafkaUser, KafkaUserSpec, QuotaSpec};
use serde_json::Value;

use super::{Known, Quotas, bare};
use crate::exit::{self, Code, Failure, Result};
use crate::kafka::Access;
use crate::objects::{self, Target, fnv, object_name};
use crate::session::Session;

/// The bound of a label's value.
const NAME_AT_MOST: usize = 63;

/// Arguments of `user adopt`.
#[derive(clap::Args, Debug)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["names", "all"]),
    after_help = "Prints resources and changes nothing. The credentials stay as they are: to have them issued and rotated, create a new user and move the clients there.\nExample:\n  kubectl kafka user adopt --all -n streaming > users.yaml"
)]
pub struct Args {
    /// Principals, with or without User:
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// All names with a SCRAM credential or a quota that no KafkaUser declares
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    access: Access,
}

/// Prints the resources.
///
/// # Errors
/// When a name that was given is not known to Kafka, is declared already, or cannot be declared.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let (found, kafka) = tokio::try_join!(
        objects::referring::<KafkaUser>(session, &target),
        target.kafka(session, &args.access)
    )?;
    found.note(session);
    let known = Known::ask(&kafka).await?;
    let undeclared = known.undeclared(&found.items);
    let (mut manifests, mut failures) = (Vec::new(), Vec::new());
    let named: Vec<&str> = args
        .names
        .iter()
        .map(|name| bare(name))
        .map(|name| name.strip_prefix("User:").unwrap_or(name))
        .collect();
    let all = undeclared.iter().map(String::as_str).filter(|_| args.all);
    for name in named.iter().copied().chain(all) {
        let made = if undeclared.contains(name) {
            manifest(name, known.quotas.get(name), &session.namespace, &target)
        } else {
            let what = format!(
                "User:{name} has neither a credential nor a quota in Kafka that no KafkaUser declares"
            );
            Err(Failure::new(Code::NotFound, what)
                .at(kafka.place())
                .hint(format!(
                    "kubectl kafka user list --undeclared {}",
                    kafka.flags()
                )))
        };
        match made {
            Ok(made) => manifests.push(made),
            Err(failure) => failures.push(failure),
        }
    }
    if !manifests.is_empty() {
        objects::documents(&session.output, &manifests)?;
    } else if failures.is_empty() {
        session
            .output
            .progress(format!("every user of {} is declared", target.place()));
    }
    exit::all(failures)
}

fn manifest(
    name: &str,
    quotas: Option<&Quotas>,
    namespace: &str,
    target: &Target,
) -> Result<Value> {
    let failed = |what: String| {
        Failure::general(format!("User:{name} cannot be declared: {what}")).at(target.place())
    };
    let spec = KafkaUserSpec {
        cluster_ref: target.reference_from(namespace),
        authentication: Authentication::External,
        principal: Some(name.to_owned()),
        quotas: quotas.map(declared).transpose().map_err(failed)?,
        ..KafkaUserSpec::default()
    };
    let user = KafkaUser {
        metadata: ObjectMeta {
            name: Some(short(name)),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    match sdm_core::user::validate(&user, None).violations.first() {
        Some(violation) => Err(failed(violation.to_string())),
        None => super::create::manifest(&user),
    }
}

/// An object's name that fits into a label, too.
fn short(name: &str) -> String {
    let long = object_name(name);
    if long.len() <= NAME_AT_MOST {
        return long;
    }
    let begin = long[..NAME_AT_MOST - 9].trim_end_matches(['-', '.']);
    format!("{begin}-{:08x}", fnv(name))
}

/// Quotas of Kafka in the words of the resource.
fn declared(quotas: &Quotas) -> Result<QuotaSpec, String> {
    let mut spec = QuotaSpec::default();
    for (key, value) in quotas {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "checked to be whole, and far below 2^63"
        )]
        let whole = || {
            let fits = value.fract() == 0.0 && *value < 9e15;
            fits.then_some(Some(*value as i64))
                .ok_or_else(|| format!("{key} is {value}, and must be a whole number"))
        };
        match key.as_str() {
            "producer_byte_rate" => spec.producer_byte_rate = whole()?,
            "consumer_byte_rate" => spec.consumer_byte_rate = whole()?,
            "request_percentage" => spec.request_percentage = Some(*value),
            "controller_mutation_rate" => spec.controller_mutation_rate = Some(*value),
            other => return Err(format!("{other} is no quota of users")),
        }
    }
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::yaml;

    fn target() -> Target {
        Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        }
    }

    #[test]
    fn the_resource_says_what_is_there() {
        let quotas = Quotas::from([
            ("producer_byte_rate".to_owned(), 1024.0),
            ("request_percentage".to_owned(), 12.5),
        ]);
        let text = yaml(&manifest("CN=legacy_app", Some(&quotas), "streaming", &target()).unwrap())
            .unwrap();
        assert_eq!(
            text,
            "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaUser\nmetadata:\n  name: cn-legacy-app-2fda6df8\n  namespace: streaming\nspec:\n  \
             authentication: external\n  clusterRef:\n    name: events\n  principal: CN=legacy_app\n  quotas:\n    \
             producerByteRate: 1024\n    requestPercentage: 12.5\n"
        );
        let user: KafkaUser = serde_saphyr::from_str(&text).unwrap();
        let wanted = sdm_core::user::quota_wanted(&user);
        assert!(
            quotas
                .iter()
                .all(|(key, value)| wanted.get(key.as_str()) == Some(value))
        );
        assert_eq!(sdm_core::user::principal(&user), "CN=legacy_app");
    }

    #[test]
    fn names_are_short_and_stay_apart() {
        let (a, b) = (
            short(&format!("{}1", "a".repeat(100))),
            short(&format!("{}2", "a".repeat(100))),
        );
        assert!(a != b && a.len() == 63, "{a} {b}");
        assert_ne!(short("Legacy"), short("legacy"));
    }

    #[test]
    fn what_cannot_be_declared_says_why() {
        let odd = Quotas::from([("producer_byte_rate".to_owned(), 0.5)]);
        assert!(
            manifest("a", Some(&odd), "streaming", &target())
                .unwrap_err()
                .what
                .contains("whole number")
        );
        for name in ["sdm:admin", "team/app", "ANONYMOUS"] {
            assert!(
                manifest(name, None, "streaming", &target()).is_err(),
                "{name}"
            );
        }
    }
}
