//! Everything that is wrong with a cluster, at once, each with its path and a sentence
//! that says how to mend it.
//!
//! What the CEL rules of the definition say is said here again: an object may have been
//! stored before a rule existed, or by a client that an older definition let through.

mod change;
mod config;
mod identity;
mod listeners;
mod observed;
mod storage;
pub(crate) mod syntax;
mod template;
mod workload;

use sdm_api::KafkaCluster;

pub use change::StorageClasses;
pub use config::reserved_because;
pub use observed::against_observed;
pub use syntax::{dns_label, dns_name};

use crate::around::Around;
use crate::resolve::{Resolved, merged, resolve};
use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaCluster, old: Option<&KafkaCluster>) -> Review {
    match resolve(new, old) {
        Ok((_, warnings)) => Review {
            violations: Vec::new(),
            warnings,
        },
        Err(review) => review,
    }
}

/// The same, with what is known of others: whether volumes can grow.
#[must_use]
pub fn validate_in(new: &KafkaCluster, old: Option<&KafkaCluster>, around: &Around) -> Review {
    let mut review = validate(new, old);
    if let (Some(old), Some(classes)) = (old, around.storage_classes()) {
        change::growth(new, &merged(new), &merged(old), classes, &mut review);
    }
    review
}

/// Reviews a cluster as written and as merged, against the one before.
pub(crate) fn review(
    cluster: &KafkaCluster,
    meant: &Resolved,
    old: Option<(&KafkaCluster, &Resolved)>,
) -> Review {
    let mut review = Review::default();
    identity::check(cluster, &mut review);
    listeners::check(&cluster.spec, &mut review);
    config::check(&cluster.spec, meant, &mut review);
    storage::check(cluster, meant, &mut review);
    workload::check(&cluster.spec, meant, &mut review);
    template::check(&cluster.spec, meant, &mut review);
    if let Some((old, before)) = old {
        change::check((cluster, meant), (old, before), &mut review);
    }
    // A node merges what its pool and overrides say, so the same sentence may come up for many.
    let mut seen = std::collections::BTreeSet::new();
    review
        .violations
        .retain(|v| seen.insert((v.path.clone(), v.message.clone())));
    let mut seen = std::collections::BTreeSet::new();
    review.warnings.retain(|w| seen.insert(w.clone()));
    review
}
