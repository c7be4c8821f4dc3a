//! Which namespace a group or a transactional id belongs to.
//!
//! Kafka has no object for either: a name is somebody's by how it begins, or because nobody else asked for it before.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::{AclResource, KafkaACL, Pattern, ResourceType};

use super::reason;
use super::rule::{ANY, resource_name};
use super::targets::described;
use super::world::World;
use crate::outcome::Refusal;

/// The namespace that holds each group and transactional id whose name says nothing.
pub type Claims = BTreeMap<ResourceType, BTreeMap<String, String>>;

/// The object that gives its namespace a name.
struct Claim<'w> {
    /// What decides; the least wins. Holding it already comes first, then age, then names.
    rank: (bool, bool, Option<&'w Time>, &'w str, &'w str),
}

impl<'w> Claim<'w> {
    fn namespace(&self) -> &'w str {
        self.rank.3
    }
    fn object(&self) -> &'w str {
        self.rank.4
    }
}

/// Who holds what.
pub(super) struct Holders<'w> {
    world: &'w World<'w>,
    claims: HashMap<(ResourceType, &'w str), Claim<'w>>,
}

impl<'w> Holders<'w> {
    /// From the objects that may speak of this cluster.
    pub(super) fn new(world: &'w World<'w>, acls: impl Iterator<Item = &'w KafkaACL>) -> Self {
        let mut this = Self {
            world,
            claims: HashMap::with_capacity(world.acls.len()),
        };
        for acl in acls {
            let namespace = acl.metadata.namespace.as_deref().unwrap_or_default();
            let name = acl.metadata.name.as_deref().unwrap_or_default();
            for (resource, wanted) in acl.spec.resources.iter().filter_map(claimed) {
                if this.by_name(namespace, wanted).is_some() {
                    continue;
                }
                let holder = world.held.get(&resource).and_then(|h| h.get(wanted));
                let holds = holder.is_some_and(|holder| holder == namespace);
                let created = acl.metadata.creation_timestamp.as_ref();
                let claim = Claim {
                    rank: (!holds, created.is_none(), created, namespace, name),
                };
                match this.claims.entry((resource, wanted)) {
                    Entry::Occupied(other) if other.get().rank <= claim.rank => {}
                    entry => drop(entry.insert_entry(claim)),
                }
            }
        }
        this
    }

    /// For the next expansion.
    pub(super) fn claims(&self) -> Claims {
        let mut sorted: Vec<_> = self.claims.iter().collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        let of = |chunk: &[(&(ResourceType, &str), &Claim<'_>)]| {
            let own = |(key, claim): &(&(ResourceType, &str), &Claim<'_>)| {
                (key.1.to_owned(), claim.namespace().to_owned())
            };
            let resource = chunk.first().map(|(key, _)| key.0)?;
            Some((resource, chunk.iter().map(own).collect()))
        };
        let chunks = sorted.chunk_by(|a, b| a.0.0 == b.0.0);
        chunks.filter_map(of).collect()
    }

    /// The namespace a name speaks of: what stands before its first dot, if there is such a namespace.
    fn by_name(&self, own: &'w str, name: &'w str) -> Option<&'w str> {
        let (namespace, _) = name.split_once('.')?;
        let known = namespace == own
            || namespace == self.world.cluster.namespace
            || self.world.namespaces.contains_key(namespace);
        known.then_some(namespace)
    }

    /// Whether tenant `own` may speak of a group or a transactional id.
    pub(super) fn check(&self, own: &'w str, resource: &'w AclResource) -> Result<(), Refusal> {
        let (kind, what) = (resource.type_, resource_name(resource.type_));
        let name = resource.name.as_deref().unwrap_or_default();
        let refuse = |message: String| Err(Refusal::stands(not_owned(kind), message));
        let by_name = self.by_name(own, name);
        if by_name == Some(own) {
            return Ok(());
        }
        if let Some(refusal) = foreign_pattern(own, resource) {
            return Err(refusal);
        }
        if let Some(other) = by_name {
            return refuse(format!(
                "{what} {name:?} belongs to namespace {other:?}, with which its name begins: use one that begins with \"{own}.\""
            ));
        }
        match self.claims.get(&(kind, name)) {
            Some(claim) if claim.namespace() != own => refuse(format!(
                "{what} {name:?} belongs to namespace {:?}, whose KafkaACL {} named it first: use one that begins with \"{own}.\"",
                claim.namespace(),
                claim.object(),
            )),
            _ => Ok(()),
        }
    }
}

fn not_owned(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::TransactionalId => reason::TRANSACTIONAL_ID_NOT_OWNED,
        _ => reason::GROUP_NOT_OWNED,
    }
}

/// Why tenant `own` may not speak of groups or transactional ids by this pattern; `None` if it is a single name, or
/// begins with the tenant's own.
pub(super) fn foreign_pattern(own: &str, resource: &AclResource) -> Option<Refusal> {
    let name = resource.name.as_deref().unwrap_or_default();
    let single = resource.pattern == Pattern::Literal && name != ANY;
    let begins = name.split_once('.').is_some_and(|(first, _)| first == own);
    let what = resource_name(resource.type_);
    (!single && !begins).then(|| {
        Refusal::stands(
            not_owned(resource.type_),
            format!(
                "{} may be anybody's: namespace {own:?} may name single {what}s, and prefixes that begin with \"{own}.\"",
                described(resource)
            ),
        )
    })
}

/// The name of a group or transactional id that a resource lays claim to.
fn claimed(resource: &AclResource) -> Option<(ResourceType, &str)> {
    let name = resource.name.as_deref()?;
    let claims = matches!(
        resource.type_,
        ResourceType::Group | ResourceType::TransactionalId
    ) && resource.pattern == Pattern::Literal
        && name != ANY;
    claims.then_some((resource.type_, name))
}
