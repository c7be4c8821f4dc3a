//! Client quotas: whom they bind, and what they allow (KIP-546).

use serde::Serialize;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// Whom a quota binds: a user, a client id, both together, or an IP address; each one named, or the default for those
/// that are not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct QuotaEntity(Vec<(String, Option<String>)>);

impl QuotaEntity {
    /// Of parts: entity type (`user`, `client-id`, `ip`) and name, `None` for the default. Their order does not matter.
    pub fn new(parts: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort();
        Self(parts)
    }

    /// A user by name, without `User:`; `None` for every user that has no quota of its own.
    pub fn user(name: Option<&str>) -> Self {
        Self::new([(USER.to_owned(), name.map(str::to_owned))])
    }

    /// A client id; `None` for every one that has no quota of its own.
    pub fn client_id(id: Option<&str>) -> Self {
        Self::new([(CLIENT_ID.to_owned(), id.map(str::to_owned))])
    }

    /// A client id of a user; `None` stands for any.
    pub fn user_with_client_id(name: Option<&str>, id: Option<&str>) -> Self {
        Self::new([
            (USER.to_owned(), name.map(str::to_owned)),
            (CLIENT_ID.to_owned(), id.map(str::to_owned)),
        ])
    }

    /// An IP address, for connection rates; `None` for every one that has no quota of its own.
    pub fn ip(address: Option<&str>) -> Self {
        Self::new([(IP.to_owned(), address.map(str::to_owned))])
    }

    /// Its parts, sorted by entity type.
    pub fn parts(&self) -> &[(String, Option<String>)] {
        &self.0
    }

    /// The user it is about, if it is about users and nothing else: `Some(None)` is the default for users.
    pub fn as_user(&self) -> Option<Option<&str>> {
        match self.0.as_slice() {
            [(kind, name)] if kind == USER => Some(name.as_deref()),
            _ => None,
        }
    }
}

/// Which quotas to describe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaFilter {
    /// All there are.
    All,
    /// Those of users, the default one included, that are not narrowed to a client id.
    Users,
    /// That of one entity.
    Exactly(QuotaEntity),
}

/// Changes to one entity's quotas.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaChange {
    /// Whose; each entity at most once in a call.
    pub entity: QuotaEntity,
    /// Key (`producer_byte_rate`, `consumer_byte_rate`, `request_percentage`, `controller_mutation_rate`,
    /// `connection_creation_rate`) and value; `None` takes the quota away.
    pub ops: Vec<(String, Option<f64>)>,
}
