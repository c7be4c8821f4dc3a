//! Whom a quota binds, and which keys there are, on the command line.

use sdm_api::AclSubject;
use sdm_kafka::QuotaEntity;
use serde::Serializer;

use crate::exit::{Failure, Result};
use crate::verbs::acl::Subject;

/// Quotas of users and client ids.
const KEYS: [&str; 4] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
];
/// The quota of addresses.
const IP_KEY: &str = "connection_creation_rate";

/// Whom.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Entity {
    #[command(flatten)]
    pub subject: Subject,
    /// Every user without a quota of its own
    #[arg(long, help_heading = "Subject", conflicts_with_all = ["user", "service_account", "principal"])]
    default_user: bool,
    /// A client id; together with a user, that client id of that user
    #[arg(long, value_name = "ID", help_heading = "Subject")]
    client_id: Option<String>,
    /// Every client id without a quota of its own
    #[arg(long, help_heading = "Subject", conflicts_with = "client_id")]
    default_client_id: bool,
    /// An IP address
    #[arg(long, value_name = "ADDRESS", help_heading = "Subject", conflicts_with_all = ["user", "service_account", "principal", "default_user", "client_id", "default_client_id"])]
    ip: Option<String>,
    /// Every IP address without a quota of its own
    #[arg(long, help_heading = "Subject", conflicts_with_all = ["ip", "user", "service_account", "principal", "default_user", "client_id", "default_client_id"])]
    default_ip: bool,
}

impl Entity {
    /// The user or account that was named.
    pub fn named(&self) -> Option<AclSubject> {
        self.subject.named().into_iter().next()
    }

    /// The client id meant: named, or `None` for the default.
    pub fn client(&self) -> Option<Option<&str>> {
        match &self.client_id {
            Some(id) => Some(Some(id)),
            None => self.default_client_id.then_some(None),
        }
    }

    /// Kafka's entity; `principal` is that of the subject that was named.
    ///
    /// # Errors
    /// When nobody was named.
    pub fn of(&self, principal: Option<&str>) -> Result<QuotaEntity> {
        let name = principal.map(|p| p.strip_prefix("User:").unwrap_or(p));
        let user = match name {
            Some(name) => Some(Some(name)),
            None => self.default_user.then_some(None),
        };
        match (user, self.client(), &self.ip) {
            (_, _, Some(address)) => Ok(QuotaEntity::ip(Some(address))),
            _ if self.default_ip => Ok(QuotaEntity::ip(None)),
            (Some(user), Some(client), _) => Ok(QuotaEntity::user_with_client_id(user, client)),
            (Some(user), None, _) => Ok(QuotaEntity::user(user)),
            (None, Some(client), _) => Ok(QuotaEntity::client_id(client)),
            (None, None, _) => Err(Failure::usage(
                "whose? say --user, --principal, --client-id, --ip or one of the defaults",
            )
            .hint("kubectl kafka quota list")),
        }
    }

    /// Whether it is about addresses.
    pub fn is_ip(&self) -> bool {
        self.ip.is_some() || self.default_ip
    }
}

/// An entity for programs: its parts by type, null for the default.
///
/// # Errors
/// What the serializer says.
pub fn as_parts<S: Serializer>(entity: &QuotaEntity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(entity.parts().iter().map(|(kind, name)| (kind, name)))
}

/// `user/app`, `user/<default> client-id/x`
pub fn label(entity: &QuotaEntity) -> String {
    let mut parts: Vec<String> = entity
        .parts()
        .iter()
        .map(|(kind, name)| format!("{kind}/{}", name.as_deref().unwrap_or("<default>")))
        .collect();
    // The user first, as people think of it.
    parts.reverse();
    parts.join(" ")
}

/// Kafka's key of a quota, in any of the spellings that people use.
///
/// # Errors
/// When there is none for such an entity.
pub fn key(text: &str, ip: bool) -> Result<&'static str> {
    let keys: &[&'static str] = if ip { &[IP_KEY] } else { &KEYS };
    let wanted = text.replace('-', "_").to_ascii_lowercase();
    keys.iter()
        .copied()
        .find(|key| **key == wanted)
        .ok_or_else(|| {
            let all: Vec<String> = keys.iter().map(|key| key.replace('_', "-")).collect();
            Failure::usage(format!("there is no quota {text} here"))
                .hint(format!("one of {}", all.join(", ")))
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        entity: Entity,
    }

    fn entity(line: &str, principal: Option<&str>) -> Option<String> {
        let line = Line::try_parse_from(line.split(' ')).ok()?;
        line.entity.of(principal).ok().as_ref().map(label)
    }

    #[test]
    fn entities_are_read_as_they_are_written() {
        for (line, principal, wanted) in [
            ("q --principal User:a", Some("User:a"), "user/a"),
            (
                "q --principal User:a --client-id c",
                Some("User:a"),
                "user/a client-id/c",
            ),
            (
                "q --default-user --default-client-id",
                None,
                "user/<default> client-id/<default>",
            ),
            ("q --client-id c", None, "client-id/c"),
            ("q --default-ip", None, "ip/<default>"),
            ("q --ip 10.0.0.1", None, "ip/10.0.0.1"),
        ] {
            assert_eq!(entity(line, principal).as_deref(), Some(wanted), "{line}");
        }
        for line in [
            "q",
            "q --ip 1.1.1.1 --client-id c",
            "q --default-user --principal a",
        ] {
            assert_eq!(entity(line, None), None, "{line}");
        }
    }

    #[test]
    fn keys_are_read_in_every_spelling() {
        assert_eq!(
            key("producer-byte-rate", false).unwrap(),
            "producer_byte_rate"
        );
        assert_eq!(
            key("request_percentage", false).unwrap(),
            "request_percentage"
        );
        assert_eq!(key("connection-creation-rate", true).unwrap(), IP_KEY);
        assert!(key("connection-creation-rate", false).is_err() && key("x", false).is_err());
    }
}
