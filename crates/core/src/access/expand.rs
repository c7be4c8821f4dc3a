//! From objects to Kafka ACLs.
//!
//! Linear in the objects and in the ACLs that come out: topics are looked up by name and by prefix in what a namespace
//! reaches, which is put together once for each namespace.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use sdm_api::{KafkaACL, KafkaAccessGrant, Operation, Permission, ResourceType};

use super::claims::Holders;
use super::gather::{ANYWHERE, Draft, Drafts};
use super::reach::{Owned, Reach};
use super::reason;
use super::roles::built_in;
use super::rule::{ObjectKey, Ops, kafka_host};
use super::subjects;
use super::targets::{Reached, described};
use super::tenancy::namespace_allowed;
use super::validate;
use super::world::{Expansion, Verdict, World};
use crate::outcome::Refusal;

/// One object that stands for more would be a burden to every broker, which keeps all ACLs in memory.
const ACLS_AT_MOST: usize = 50_000;

/// What the objects of a cluster stand for. Pure: the same world gives the same answer.
#[must_use]
pub fn expand(world: &World<'_>) -> Expansion {
    let mut allowed: HashMap<&str, Result<(), Refusal>> = HashMap::new();
    let mut may = |namespace| {
        allowed
            .entry(namespace)
            .or_insert_with(|| allowed_in(world, namespace))
            .clone()
    };
    let judged: Vec<_> = world
        .acls
        .iter()
        .map(|acl| may(namespace(&acl.metadata)).and_then(|()| validate::sound_acl(acl)))
        .collect();
    let mut grants: HashMap<&str, Vec<_>> = HashMap::new();
    for grant in &world.grants {
        if may(namespace(&grant.metadata)).is_ok() && validate::sound_grant(grant) {
            for tenant in &grant.spec.namespaces {
                grants.entry(tenant).or_default().push(*grant);
            }
        }
    }
    let admitted = world.acls.iter().zip(&judged);
    let admitted = admitted.filter_map(|(acl, judged)| judged.is_ok().then_some(*acl));
    let mut expander = Expander {
        world,
        owned: Owned::new(world.topics),
        holders: Holders::new(world, admitted),
        grants,
        reaches: HashMap::new(),
        drafts: Drafts::new(),
    };
    let keys: Vec<_> = world.acls.iter().map(|acl| ObjectKey::of(*acl)).collect();
    let mut verdicts: Vec<Verdict> = Vec::with_capacity(keys.len());
    for (index, (acl, judged)) in world.acls.iter().zip(judged).enumerate() {
        verdicts.push(match judged {
            Ok(()) => expander.object(index, acl),
            Err(refusal) => Verdict {
                refused: vec![refusal],
                ..Verdict::default()
            },
        });
    }
    let claims = expander.holders.claims();
    let wanted = expander.drafts.gather(&keys, &mut verdicts);
    Expansion {
        wanted,
        verdicts: keys.into_iter().zip(verdicts).collect(),
        claims,
    }
}

fn namespace(meta: &kube::core::ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or_default()
}

fn allowed_in(world: &World<'_>, namespace: &str) -> Result<(), Refusal> {
    let labels = world.namespaces.get(namespace).copied();
    namespace_allowed(&world.cluster.namespace, world.allowed, namespace, labels)
}

/// The expansion while it is put together.
pub(super) struct Expander<'w> {
    pub(super) world: &'w World<'w>,
    pub(super) owned: Owned<'w>,
    pub(super) holders: Holders<'w>,
    /// Valid grants by the namespace they are for.
    pub(super) grants: HashMap<&'w str, Vec<&'w KafkaAccessGrant>>,
    /// What each tenant reaches, once it was asked.
    pub(super) reaches: HashMap<&'w str, Reach<'w>>,
    drafts: Drafts<'w>,
}

impl<'w> Expander<'w> {
    fn object(&mut self, index: usize, acl: &'w KafkaACL) -> Verdict {
        let own = namespace(&acl.metadata);
        let mut verdict = Verdict::default();
        let rules = self.rules(own, acl, &mut verdict);
        let mut reached = Vec::new();
        for resource in &acl.spec.resources {
            let asked = rules[resource.type_ as usize];
            if asked.is_empty() {
                verdict.notes.push(format!(
                    "no role of this object says anything about {}",
                    described(resource)
                ));
            }
            self.resource(own, resource, asked, &mut reached, &mut verdict);
        }
        let mut principals = Vec::new();
        for subject in &acl.spec.subjects {
            match subjects::principals(self.world, own, subject, acl.spec.permission) {
                Ok(found) => principals.extend(found),
                Err(refusal) => verdict.refused.push(refusal),
            }
        }
        self.emit(index, acl, &reached, principals, &mut verdict);
        verdict.refused.sort_unstable_by(order);
        verdict.refused.dedup();
        verdict.notes.sort_unstable();
        verdict.notes.dedup();
        verdict
    }

    /// What all roles of an object say together, by type of resource.
    fn rules(&self, own: &str, acl: &KafkaACL, verdict: &mut Verdict) -> [Ops; 5] {
        let mut rules = [Ops::default(); 5];
        let mut add = |resource: ResourceType, operations: &[Operation]| {
            let set = &mut rules[resource as usize];
            *set = set.union(operations.iter().copied().collect());
        };
        for role in &acl.spec.roles {
            if let Some(built_in) = built_in(role) {
                for (resource, operations) in built_in {
                    add(*resource, operations);
                }
                continue;
            }
            let key = ObjectKey::new(own, role);
            match self.world.roles.get(&key) {
                None => verdict.refused.push(subjects::no_role(&key)),
                Some(spec) => match validate::sound_role(&key, spec) {
                    Err(refusal) => verdict.refused.push(refusal),
                    Ok(()) => {
                        for rule in &spec.rules {
                            add(rule.resource, &rule.operations);
                        }
                    }
                },
            }
        }
        rules
    }

    /// Every principal, on everything reached, from every address.
    fn emit(
        &mut self,
        index: usize,
        acl: &'w KafkaACL,
        reached: &[Reached<'w>],
        principals: Vec<Cow<'w, str>>,
        verdict: &mut Verdict,
    ) {
        let each = principals.len() * acl.spec.hosts.len().max(1);
        let count: usize = reached.iter().map(|r| r.operations.len() * each).sum();
        if count > ACLS_AT_MOST {
            verdict.refused.push(Refusal::stands(
                reason::TOO_MANY_ACLS,
                format!("it stands for {count} Kafka ACLs, and one object may stand for {ACLS_AT_MOST}: name fewer resources, subjects or hosts, and distribute them over several objects"),
            ));
            return;
        }
        let hosts = acl.spec.hosts.iter().filter_map(|h| kafka_host(h));
        let mut hosts: Vec<_> = hosts.map(|h| self.drafts.word(Cow::from(h))).collect();
        if acl.spec.hosts.is_empty() {
            hosts.push(ANYWHERE);
        }
        let deny = acl.spec.permission == Permission::Deny;
        let own = namespace(&acl.metadata);
        for principal in principals {
            let foreign = deny && !is_of(&principal, own);
            let mut locked = reached.iter().filter(|r| foreign && r.guest);
            if let Some(first) = locked.next() {
                verdict.refused.push(Refusal::stands(
                    reason::DENY_NOT_OWNED,
                    format!("{principal} is not of namespace {own:?}: on a topic that is only granted, such as {:?}, it may deny its own subjects only", first.target.name),
                ));
            }
            let principal = self.drafts.word(principal);
            for one in reached.iter().filter(|r| !(foreign && r.guest)) {
                for host in &hosts {
                    self.drafts.push(Draft {
                        target: one.target,
                        principal,
                        host: *host,
                        operations: one.operations,
                        permission: acl.spec.permission,
                        object: index,
                    });
                }
            }
        }
    }
}

/// Whether a principal is a namespace's for certain: `User:<namespace>/...`.
fn is_of(principal: &str, namespace: &str) -> bool {
    let rest = principal
        .strip_prefix("User:")
        .and_then(|p| p.strip_prefix(namespace));
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// What somebody has to change comes first: it decides what is reported.
fn order(a: &Refusal, b: &Refusal) -> Ordering {
    (a.waits, a.reason, &a.message).cmp(&(b.waits, b.reason, &b.message))
}
