//! Everything that is wrong with a cluster, at once.

use sdm_api::KafkaCluster;

use crate::resolve::resolve;
use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaCluster, old: Option<&KafkaCluster>) -> Review {
    match resolve(new, old) {
        Ok((_, warnings)) => Review { violations: Vec::new(), warnings },
        Err(review) => review,
    }
}
