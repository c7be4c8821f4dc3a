//! Puts together what all objects ask for: each ACL once, with everybody who asks for it.
//!
//! Tens of thousands of ACLs have few distinct words. Until they are in order they borrow them.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use sdm_api::{Operation, Permission};

use super::rule::{ANY, Acl, ObjectKey};
use super::targets::Target;
use super::world::Verdict;

/// A principal or an address, by its place.
#[derive(Clone, Copy)]
pub(super) struct Word(usize);

/// Every address.
pub(super) const ANYWHERE: Word = Word(0);

/// An ACL that an object asks for.
struct Draft<'w> {
    target: Target<'w>,
    operation: Operation,
    permission: Permission,
    principal: Word,
    host: Word,
    object: usize,
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

    pub(super) fn push(
        &mut self,
        (object, permission): (usize, Permission),
        target: Target<'w>,
        principal: Word,
        host: Word,
        operation: Operation,
    ) {
        self.drafts.push(Draft {
            target,
            operation,
            permission,
            principal,
            host,
            object,
        });
    }

    /// The ACLs in order. `keys` are the objects by number; what each stands for is counted in `verdicts`.
    pub(super) fn gather(
        mut self,
        keys: &[ObjectKey],
        verdicts: &mut [Verdict],
    ) -> BTreeMap<Acl, Vec<ObjectKey>> {
        let words = self.words;
        let text = |word: Word| words.get(word.0).map_or("", AsRef::as_ref);
        let name = |object: usize| keys.get(object);
        // As `Acl` is ordered, then by object.
        let same = |a: &Draft<'_>, b: &Draft<'_>| {
            (a.target.cmp(&b.target))
                .then_with(|| text(a.principal).cmp(text(b.principal)))
                .then_with(|| text(a.host).cmp(text(b.host)))
                .then_with(|| (a.operation, a.permission).cmp(&(b.operation, b.permission)))
        };
        self.drafts
            .sort_unstable_by(|a, b| same(a, b).then_with(|| name(a.object).cmp(&name(b.object))));
        let mut wanted: Vec<(Acl, Vec<ObjectKey>)> = Vec::with_capacity(self.drafts.len());
        let mut before: Option<&Draft<'_>> = None;
        for draft in &self.drafts {
            let again = before.is_some_and(|b| same(b, draft) == Ordering::Equal);
            let twice = again && before.is_some_and(|b| b.object == draft.object);
            before = Some(draft);
            if twice {
                continue;
            }
            if let Some(verdict) = verdicts.get_mut(draft.object) {
                verdict.acls += 1;
            }
            let key = name(draft.object).cloned().unwrap_or_default();
            match wanted.last_mut() {
                Some((_, objects)) if again => objects.push(key),
                _ => wanted.push((acl(draft, text), vec![key])),
            }
        }
        wanted.into_iter().collect()
    }
}

fn acl<'t>(draft: &Draft<'_>, text: impl Fn(Word) -> &'t str) -> Acl {
    Acl {
        resource: draft.target.resource,
        pattern: draft.target.pattern,
        name: draft.target.name.to_owned(),
        principal: text(draft.principal).to_owned(),
        host: text(draft.host).to_owned(),
        operation: draft.operation,
        permission: draft.permission,
    }
}
