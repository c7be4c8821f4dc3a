//! Puts together what all objects ask for: each ACL once, with everybody who asks for it.
//!
//! Tens of thousands of ACLs have few distinct words: until they are in order they borrow them, and what differs in
//! operations only is one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use sdm_api::Permission;

use super::rule::{ANY, Acl, ObjectKey, Ops};
use super::targets::Target;
use super::world::Verdict;

/// A principal or an address, by its place.
#[derive(Clone, Copy)]
pub(super) struct Word(usize);

/// Every address.
pub(super) const ANYWHERE: Word = Word(0);

/// ACLs that an object asks for.
pub(super) struct Draft<'w> {
    pub(super) target: Target<'w>,
    pub(super) principal: Word,
    pub(super) host: Word,
    pub(super) operations: Ops,
    pub(super) permission: Permission,
    /// The object, by number.
    pub(super) object: usize,
}

/// All that is asked for.
pub(super) struct Drafts<'w> {
    drafts: Vec<Draft<'w>>,
    words: Vec<Cow<'w, str>>,
}

impl<'w> Drafts<'w> {
    pub(super) fn new() -> Self {
        Self {
            drafts: Vec::new(),
            words: vec![Cow::from(ANY)],
        }
    }

    pub(super) fn word(&mut self, text: Cow<'w, str>) -> Word {
        self.words.push(text);
        Word(self.words.len() - 1)
    }

    pub(super) fn push(&mut self, draft: Draft<'w>) {
        self.drafts.push(draft);
    }

    /// The ACLs in order. `keys` are the objects by number; what each stands for is counted in `verdicts`.
    pub(super) fn gather(
        mut self,
        keys: &[ObjectKey],
        verdicts: &mut [Verdict],
    ) -> BTreeMap<Acl, Vec<ObjectKey>> {
        let words = self.words;
        let text = |word: Word| words.get(word.0).map_or("", AsRef::as_ref);
        let order = |a: &Draft<'_>, b: &Draft<'_>| {
            (a.target.cmp(&b.target))
                .then_with(|| text(a.principal).cmp(text(b.principal)))
                .then_with(|| text(a.host).cmp(text(b.host)))
        };
        self.drafts.sort_unstable_by(|a, b| {
            let key = |draft: &Draft<'_>| keys.get(draft.object);
            order(a, b).then_with(|| key(a).cmp(&key(b)))
        });
        let mut wanted: Vec<(Acl, Vec<ObjectKey>)> = Vec::new();
        for group in (self.drafts).chunk_by(|a, b| order(a, b) == Ordering::Equal) {
            let Some(first) = group.first() else {
                continue;
            };
            let all = group
                .iter()
                .fold(Ops::default(), |all, d| all.union(d.operations));
            for operation in all.iter() {
                for permission in [Permission::Allow, Permission::Deny] {
                    let mut objects = Vec::with_capacity(1);
                    let mut before = None;
                    for draft in group {
                        let asks = draft.permission == permission
                            && draft.operations.contains(operation)
                            && before != Some(draft.object);
                        if !asks {
                            continue;
                        }
                        before = Some(draft.object);
                        if let Some(verdict) = verdicts.get_mut(draft.object) {
                            verdict.acls += 1;
                        }
                        objects.extend(keys.get(draft.object).cloned());
                    }
                    if objects.is_empty() {
                        continue;
                    }
                    let acl = Acl {
                        resource: first.target.resource,
                        pattern: first.target.pattern,
                        name: first.target.name.to_owned(),
                        principal: text(first.principal).to_owned(),
                        host: text(first.host).to_owned(),
                        operation,
                        permission,
                    };
                    wanted.push((acl, objects));
                }
            }
        }
        wanted.into_iter().collect()
    }
}
