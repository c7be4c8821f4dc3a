//! What one object tells of itself: what is wrong with it, and what is legal and unwise. What depends on others (who owns
//! a topic, whether a user exists) is [`expand`](super::expand)'s to say.
//!
//! An invalid object stands for nothing. What is merely forbidden to a tenant is refused at apply, and part by part in
//! the expansion.

mod acl;
mod grant;
mod role;
mod shape;

use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaRoleSpec};

use super::reason;
use super::roles::built_in;
use super::rule::ObjectKey;
use crate::around::{self, Around, Relation};
use crate::outcome::Refusal;
use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate_acl(new: &KafkaACL, old: Option<&KafkaACL>) -> Review {
    let mut review = Review::default();
    shape::same_cluster(
        &new.spec.cluster_ref,
        old.map(|o| &o.spec.cluster_ref),
        &mut review,
    );
    acl::check(&new.spec, &mut review);
    acl::forbid(new, &mut review);
    acl::advise(&new.spec, &mut review);
    review
}

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate_role(new: &KafkaRole, _old: Option<&KafkaRole>) -> Review {
    let mut review = Review::default();
    let name = new.metadata.name.as_deref().unwrap_or_default();
    if built_in(name).is_some() {
        review.invalid(
            "metadata.name",
            format!(
                "{name:?} is a built-in role, which means the same everywhere: choose another name"
            ),
        );
    }
    role::check(&new.spec, &mut review);
    review
}

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate_grant(new: &KafkaAccessGrant, old: Option<&KafkaAccessGrant>) -> Review {
    let mut review = Review::default();
    shape::same_cluster(
        &new.spec.cluster_ref,
        old.map(|o| &o.spec.cluster_ref),
        &mut review,
    );
    grant::check(&new.spec, &mut review);
    grant::forbid(new, &mut review);
    grant::advise(new, &mut review);
    review
}

/// What there is to say about `new`, with what is known of others.
#[must_use]
pub fn review_acl(new: &KafkaACL, old: Option<&KafkaACL>, around: &Around) -> Review {
    let mut review = validate_acl(new, old);
    let namespace = new.metadata.namespace.as_deref().unwrap_or_default();
    let relation = around.relation(namespace, &new.spec.cluster_ref);
    relation.tell(&mut review);
    if let Relation::In(Some(known)) = relation {
        around::check_acl(new, known, around, &mut review);
    }
    review
}

/// What there is to say about `new`, with what is known of others.
#[must_use]
pub fn review_grant(
    new: &KafkaAccessGrant,
    old: Option<&KafkaAccessGrant>,
    around: &Around,
) -> Review {
    let mut review = validate_grant(new, old);
    let namespace = new.metadata.namespace.as_deref().unwrap_or_default();
    let relation = around.relation(namespace, &new.spec.cluster_ref);
    relation.tell(&mut review);
    review
}

/// Whether an ACL object means anything.
pub(super) fn sound_acl(acl: &KafkaACL) -> Result<(), Refusal> {
    let mut review = Review::default();
    acl::check(&acl.spec, &mut review);
    if !review.violations.is_empty() {
        // Everything at once, as at apply.
        acl::forbid(acl, &mut review);
    }
    sound(reason::INVALID_SPEC, "", &review)
}

/// Whether a role means anything.
pub(super) fn sound_role(key: &ObjectKey, role: &KafkaRoleSpec) -> Result<(), Refusal> {
    let mut review = Review::default();
    role::check(role, &mut review);
    sound(
        reason::INVALID_ROLE,
        &format!("KafkaRole {key} is invalid: "),
        &review,
    )
}

/// Whether a grant means anything.
pub(super) fn sound_grant(grant: &KafkaAccessGrant) -> bool {
    let mut review = Review::default();
    grant::check(&grant.spec, &mut review);
    review.violations.is_empty()
}

fn sound(reason: &'static str, before: &str, review: &Review) -> Result<(), Refusal> {
    if review.violations.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = review.violations.iter().map(ToString::to_string).collect();
    Err(Refusal::stands(reason, before.to_owned() + &all.join("; ")))
}
