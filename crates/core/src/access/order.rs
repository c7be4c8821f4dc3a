//! From the ACLs that are there to those that should be, without a gap and without a door.
//!
//! Denials are created first and deleted last, allowances in between are created before others are deleted. So at every
//! moment either all of the old or all of the new allowances are there, and likewise the denials, and no allowance
//! outlives or precedes the denial that belongs to it: whoever is allowed before and after is allowed throughout, and
//! whoever is denied before and after is denied throughout. That holds as well when Kafka refuses some: what comes later
//! for the same principals then waits, and for nobody else.

use std::collections::{BTreeMap, BTreeSet};

use sdm_api::Permission;

use super::rule::{Acl, EVERYBODY, ObjectKey};
use crate::outcome::Refusal;

/// What has to be done, in this order: `create[0]`, `create[1]`, `delete[0]`, `delete[1]`. Within each the order does
/// not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclChanges {
    /// Denials, then allowances.
    pub create: [Vec<Acl>; 2],
    /// Allowances, then denials.
    pub delete: [Vec<Acl>; 2],
}

impl AclChanges {
    /// Whether there is nothing to do in Kafka.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.create.iter().chain(&self.delete).all(Vec::is_empty)
    }
}

/// The changes from `present`, all that Kafka has, to `wanted`. Deleted are only those in `owned`, which were created
/// here: an ACL that somebody else made stays, even if it was wanted for a while. What was created here and is not seen
/// is deleted all the same: it may be on its way, asked for by a process that has died or given up waiting.
#[must_use]
pub fn changes(
    wanted: &BTreeMap<Acl, Vec<ObjectKey>>,
    present: &BTreeSet<Acl>,
    owned: &BTreeSet<Acl>,
) -> AclChanges {
    let mut changes = AclChanges::default();
    for acl in wanted.keys().filter(|acl| !present.contains(acl)) {
        let at = usize::from(acl.permission == Permission::Allow);
        changes.create[at].push(acl.clone());
    }
    for acl in owned.iter().filter(|acl| !wanted.contains_key(acl)) {
        let at = usize::from(acl.permission == Permission::Deny);
        changes.delete[at].push(acl.clone());
    }
    changes
}

/// Principals for whom something was refused, and what those read who wait for it. Steps are taken one after the other:
/// each is [divided](Self::divide) before it is carried out, and what Kafka refuses of it is [noted](Self::note) after.
#[derive(Debug, Default)]
pub struct Stopped {
    by_principal: BTreeMap<String, Refusal>,
}

impl Stopped {
    /// Something was refused: what follows for its principal has to wait. The sentence names no ACL: it may be another
    /// tenant's.
    pub fn note(&mut self, acl: &Acl, refusal: &Refusal) {
        let message = format!(
            "waits for another ACL of the principal, or of everybody, that Kafka refused: {}",
            refusal.message
        );
        let why = Refusal::waits(refusal.reason, message);
        let principal = acl.principal.clone();
        self.by_principal.entry(principal).or_insert(why);
    }

    /// Those of a step that go ahead, and those that wait, each with the reason. Who waits makes others wait in turn: what
    /// is everybody's is also everyone's.
    pub fn divide(&mut self, step: Vec<Acl>) -> (Vec<Acl>, Vec<(Acl, Refusal)>) {
        let (mut go, mut wait) = (Vec::with_capacity(step.len()), Vec::new());
        for acl in step {
            match self.why(&acl.principal) {
                None => go.push(acl),
                Some(why) => wait.push((acl, why.clone())),
            }
        }
        for (acl, why) in &wait {
            let principal = acl.principal.clone();
            self.by_principal.entry(principal).or_insert(why.clone());
        }
        (go, wait)
    }

    /// Why something of a principal's has to wait.
    fn why(&self, principal: &str) -> Option<&Refusal> {
        let all = &self.by_principal;
        let own = all.get(principal).or_else(|| all.get(EVERYBODY));
        own.or_else(|| all.values().next().filter(|_| principal == EVERYBODY))
    }
}
