//! `user`: identities that KafkaUsers declare, and those that only Kafka knows.

mod adopt;
mod config;
mod create;
mod delete;
mod describe;
mod list;
mod rotate;

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use sdm_api::KafkaUser;
use sdm_core::access::ObjectKey;
use sdm_kafka::{QuotaFilter, ScramMechanism};

use crate::access::principals;
use crate::exit::Result;
use crate::kafka::Kafka;
use crate::session::Session;

pub use config::takes as takes_config;

/// What can be done with users.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List users, declared ones and those that only Kafka knows
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show users: credential, quotas, and what they may do and why
    #[command(visible_alias = "get")]
    Describe(describe::Args),
    /// Declare a user, and wait until it can log in
    Create(create::Args),
    /// Print or write the client configuration of a user
    Config(config::Args),
    /// Give a user another credential, with the one before valid for a while
    Rotate(rotate::Args),
    /// Print KafkaUser resources for users that only Kafka knows
    Adopt(adopt::Args),
    /// Delete users with their credentials and quotas
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

impl Verb {
    /// Runs it.
    ///
    /// # Errors
    /// See each verb.
    pub async fn run(self, session: &Session) -> Result<()> {
        match self {
            Self::List(args) => list::run(session, args).await,
            Self::Describe(args) => describe::run(session, args).await,
            Self::Create(args) => create::run(session, args).await,
            Self::Config(args) => config::run(session, args).await,
            Self::Rotate(args) => rotate::run(session, args).await,
            Self::Adopt(args) => adopt::run(session, args).await,
            Self::Delete(args) => delete::run(session, args).await,
        }
    }
}

/// `kafkauser/app` and `principal/User:app`, as `-o name` prints them, without what stands in front.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("kafkauser/").unwrap_or(name);
    name.strip_prefix("principal/").unwrap_or(name)
}

/// Quotas, by Kafka's key.
pub type Quotas = BTreeMap<String, f64>;

/// What Kafka knows of users: by name, without `User:`.
#[derive(Debug, Default)]
struct Known {
    /// SCRAM credentials, with their iterations.
    scram: BTreeMap<String, Vec<(ScramMechanism, i32)>>,
    /// Quotas, those for everybody else aside.
    quotas: BTreeMap<String, Quotas>,
}

impl Known {
    /// Asks.
    async fn ask(kafka: &Kafka) -> Result<Self> {
        let (scram, quotas) = tokio::join!(
            kafka.client.describe_scram(None),
            kafka.client.describe_client_quotas(&QuotaFilter::Users)
        );
        let scram = scram.map_err(|e| kafka.failed("list SCRAM credentials", e))?;
        let quotas = quotas.map_err(|e| kafka.failed("list quotas", e))?;
        let with_any = scram
            .into_iter()
            .filter_map(|(name, found)| Some((name, found.ok()?)));
        Ok(Self {
            scram: with_any.filter(|(_, found)| !found.is_empty()).collect(),
            quotas: quotas
                .into_iter()
                .filter_map(|(entity, quotas)| Some((entity.as_user()??.to_owned(), quotas)))
                .collect(),
        })
    }

    fn logins(&self) -> BTreeSet<String> {
        self.scram.keys().cloned().collect()
    }

    /// Names that are no KafkaUser's.
    fn undeclared(&self, users: &[KafkaUser]) -> BTreeSet<String> {
        let declared: BTreeSet<String> = users
            .iter()
            .flat_map(|user| principals(user, None))
            .collect();
        let names = self.scram.keys().chain(self.quotas.keys());
        names
            .filter(|name| !declared.contains(&format!("User:{name}")))
            .cloned()
            .collect()
    }
}

/// The KafkaUser that a principal is issued to, by its name alone.
fn issued_to(principal: &str) -> Option<ObjectKey> {
    let mut parts = principal
        .strip_prefix("User:")
        .unwrap_or(principal)
        .split('/');
    match (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) {
        (Some(namespace), Some("user"), Some(name), None | Some("2"), None) => {
            Some(ObjectKey::new(namespace, name))
        }
        _ => None,
    }
}

/// `1048576`, `12.5`
pub fn number(value: f64) -> String {
    format!("{value}")
}

/// A user as tests describe it.
#[cfg(test)]
fn sample(
    namespace: &str,
    name: &str,
    authentication: &str,
    status: serde_json::Value,
) -> KafkaUser {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaUser",
        "metadata": {"name": name, "namespace": namespace, "generation": 1},
        "spec": {"clusterRef": {"name": "events", "namespace": "streaming"}, "authentication": authentication},
        "status": status,
    }))
    .unwrap()
}

#[cfg(test)]
fn ready(more: serde_json::Value) -> serde_json::Value {
    let mut status = serde_json::json!({"observedGeneration": 1, "conditions": [
        {"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    if let (Some(status), Some(more)) = (status.as_object_mut(), more.as_object()) {
        status.extend(more.clone());
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_be_piped_back() {
        assert_eq!(
            (bare("kafkauser/a"), bare("principal/User:a"), bare("a")),
            ("a", "User:a", "a")
        );
    }

    #[test]
    fn a_principal_tells_whose_it_is() {
        assert_eq!(
            issued_to("User:team/user/app"),
            Some(ObjectKey::new("team", "app"))
        );
        assert_eq!(
            issued_to("team/user/app/2"),
            Some(ObjectKey::new("team", "app"))
        );
        for other in [
            "User:team/app",
            "legacy",
            "User:team/user/app/3",
            "team/user/app/2/x",
        ] {
            assert_eq!(issued_to(other), None, "{other}");
        }
    }

    #[test]
    fn names_of_declared_users_are_not_undeclared() {
        let known = Known {
            scram: BTreeMap::from([
                ("team/user/app/2".to_owned(), Vec::new()),
                ("legacy".to_owned(), Vec::new()),
            ]),
            quotas: BTreeMap::from([("other".to_owned(), Quotas::new())]),
        };
        let users = [sample(
            "team",
            "app",
            "scram-sha-512",
            ready(serde_json::json!({})),
        )];
        let undeclared: Vec<String> = known.undeclared(&users).into_iter().collect();
        assert_eq!(undeclared, ["legacy", "other"]);
    }
}
