//! What the expansion sees of the world, and what it says.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRoleSpec};

use super::claims::Claims;
use super::rule::{Acl, ObjectKey};
use crate::outcome::Refusal;

/// The principals of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserIdentity {
    /// Every `User:...` in use; empty while unknown. Then nothing is given: for a user that had a principal once, say that
    /// one.
    pub principals: Vec<String>,
}

/// Everything about one cluster that its ACLs depend on. It has to be complete: what is missing is taken away in Kafka.
/// Objects that are being deleted are not in it.
#[derive(Clone, Debug)]
pub struct World<'a> {
    /// The cluster.
    pub cluster: ObjectKey,
    /// The cluster's `spec.tenancy.allowedNamespaces`.
    pub allowed: Option<&'a LabelSelector>,
    /// Labels of all namespaces.
    pub namespaces: BTreeMap<&'a str, &'a BTreeMap<String, String>>,
    /// Topics by name, with the namespace that owns each.
    pub topics: &'a BTreeMap<String, String>,
    /// Users of this cluster in namespaces that are allowed.
    pub users: BTreeMap<ObjectKey, UserIdentity>,
    /// Users that refer to another cluster.
    pub foreign_users: BTreeSet<ObjectKey>,
    /// Roles of all namespaces.
    pub roles: BTreeMap<ObjectKey, &'a KafkaRoleSpec>,
    /// ACL objects of this cluster.
    pub acls: Vec<&'a KafkaACL>,
    /// Grants of this cluster.
    pub grants: Vec<&'a KafkaAccessGrant>,
    /// Which namespace held which group and transactional id at the last expansion ([`Expansion::claims`]); empty the
    /// first time, when the age of objects decides alone. Without it, somebody could take a name over by adding it to an
    /// object that is older than its holder's.
    pub held: &'a Claims,
}

impl Default for World<'_> {
    fn default() -> Self {
        static NO_TOPICS: BTreeMap<String, String> = BTreeMap::new();
        static NO_CLAIMS: Claims = Claims::new();
        Self {
            cluster: ObjectKey::default(),
            allowed: None,
            namespaces: BTreeMap::new(),
            topics: &NO_TOPICS,
            users: BTreeMap::new(),
            foreign_users: BTreeSet::new(),
            roles: BTreeMap::new(),
            acls: Vec::new(),
            grants: Vec::new(),
            held: &NO_CLAIMS,
        }
    }
}

/// What became of one ACL object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many Kafka ACLs it stands for.
    pub acls: usize,
    /// What of it is not given, each once; what somebody has to change comes first, then what may come by itself.
    pub refused: Vec<Refusal>,
    /// What is worth knowing and no failure: prefixes that match nothing.
    pub notes: Vec<String>,
}

/// The ACLs that Kafka should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Every ACL, with the objects that ask for it, sorted. It goes with the last of them.
    pub wanted: BTreeMap<Acl, Vec<ObjectKey>>,
    /// What became of each ACL object.
    pub verdicts: BTreeMap<ObjectKey, Verdict>,
    /// Which namespace holds which group and transactional id: [`World::held`] of the next expansion.
    pub claims: Claims,
}
