//! From a question to a verdict: the same for every kind.
//!
//! Owns what is never refused (deletions, objects on their way out) and the order: the object's own validator, then the
//! administrator's policies. What is wrong with an object is `sdm-core`'s to say; how it is put into words for the API
//! server is `verdict`'s.

use std::collections::BTreeSet;

use sdm_api::policy::PolicyKind;
use sdm_core::kinds::{self, Kind};
use sdm_core::{Review, Violation};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::extent::{OBJECT, exceeds};
use crate::policies::Policies;
use crate::review::Request;

/// What is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused; empty when it is not.
    pub violations: Vec<Violation>,
    /// What is legal and unwise.
    pub warnings: Vec<String>,
    /// Nothing can be said yet, and it has to be asked again.
    pub too_early: bool,
    /// It is refused for what others say or do not say, of which news may be under way.
    pub by_others: bool,
}

impl From<Review> for Verdict {
    fn from(
        Review {
            violations,
            warnings,
        }: Review,
    ) -> Self {
        Self {
            violations,
            warnings,
            ..Self::default()
        }
    }
}

impl Verdict {
    fn refused(message: &str) -> Self {
        Self {
            violations: vec![Violation::invalid("", message)],
            ..Self::default()
        }
    }
}

/// The plural resource names of all kinds, for the registration.
pub fn resources() -> impl Iterator<Item = &'static str> {
    kinds::KINDS.iter().map(|known| known.plural)
}

/// The plural resource names of `kinds`.
pub fn plurals(kinds: &BTreeSet<PolicyKind>) -> impl Iterator<Item = &'static str> {
    let find = |kind: &PolicyKind| kinds::find(kind.as_str());
    kinds.iter().filter_map(find).map(|known| known.plural)
}

/// The kind's name if it is one of ours, else `other`: a metric label must not be the caller's to choose.
#[must_use]
pub fn kind_label(request: &Request<'_>) -> &'static str {
    find(request).map_or("other", |known| known.name)
}

/// Decides.
#[must_use]
pub fn decide(request: &Request<'_>, policies: &Policies) -> Verdict {
    if !matches!(request.operation.as_str(), "CREATE" | "UPDATE")
        || request
            .sub_resource
            .as_deref()
            .is_some_and(|sub| !sub.is_empty())
    {
        return Verdict::default();
    }
    let Some(known) = find(request) else {
        // A registration newer than this process, in the middle of an upgrade. The controller validates as well.
        let kind = &request.kind.kind;
        return Verdict {
            warnings: vec![format!("not validated: this webhook does not know {kind}")],
            ..Verdict::default()
        };
    };
    let Some(object) = request.object else {
        return Verdict::refused("the review carries no object");
    };
    if is_going(object) {
        return Verdict::default();
    }
    if exceeds(object.get(), OBJECT) {
        return Verdict::refused(&format!(
            "the object has more than {OBJECT} values, lists and objects included: make it smaller"
        ));
    }
    let Some(object) = value(object) else {
        return Verdict::refused("the object cannot be read");
    };
    let old = request.old_object.filter(|_| request.operation == "UPDATE");
    let old = old.and_then(value);
    let (review, by_others) = policies.review(known, &object, old.as_ref());
    let mut verdict = Verdict::from(review);
    verdict.by_others = by_others;
    // What is invalid in itself is said first: of what makes no sense, policies would say more of the same.
    if !verdict.violations.is_empty() {
        return verdict;
    }
    if let Some(kind) = PolicyKind::from_name(known.name) {
        match policies.judge(request, kind, &object, old.as_ref()) {
            Some(findings) => {
                let review = findings.review();
                verdict.violations.extend(review.violations);
                verdict.warnings.extend(review.warnings);
            }
            None => verdict.too_early = true,
        }
    }
    verdict
}

/// The object as it is to be with the policies' defaults; none if it stays as it is.
#[must_use]
pub fn defaulted(request: &Request<'_>, policies: &Policies) -> Option<(Value, Value)> {
    if request.operation != "CREATE"
        || request
            .sub_resource
            .as_deref()
            .is_some_and(|s| !s.is_empty())
    {
        return None;
    }
    let kind = PolicyKind::from_name(find(request)?.name)?;
    let object = value(request.object?)?;
    let defaulted = policies.defaulted(request, kind, &object)?;
    Some((object, defaulted))
}

fn value(object: &RawValue) -> Option<Value> {
    let text = Some(object.get()).filter(|text| !exceeds(text, OBJECT));
    serde_json::from_str(text?).ok()
}

fn find(request: &Request<'_>) -> Option<&'static Kind> {
    kinds::find(&request.kind.kind).filter(|_| request.kind.group == sdm_api::GROUP)
}

/// Whether the object is being deleted: then nothing may keep its finalizers from being removed.
fn is_going(object: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        deletion_timestamp: Option<String>,
    }
    #[derive(Deserialize)]
    struct Head {
        metadata: Metadata,
    }
    serde_json::from_str::<Head>(object.get())
        .is_ok_and(|head| head.metadata.deletion_timestamp.is_some())
}
