//! What is wrong with a user's object.

use sdm_api::KafkaUser;

use crate::violation::Review;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaUser, old: Option<&KafkaUser>) -> Review {
    let _ = (new, old);
    Review::default()
}
