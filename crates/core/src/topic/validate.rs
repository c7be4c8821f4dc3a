//! What is wrong with a topic's object.

use sdm_api::KafkaTopic;

use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaTopic, old: Option<&KafkaTopic>) -> Review {
    let _ = (new, old);
    Review::default()
}
