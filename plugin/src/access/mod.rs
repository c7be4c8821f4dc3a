//! Who may do what: the ACLs that objects stand for, those that are in Kafka, and which come from which.
//!
//! Reads objects and Kafka. What objects stand for, and what Kafka makes of ACLs, is `sdm_core::access`'s to say.

mod gather;
mod words;

pub use gather::{Logins, Objects, gather, live, logins, principals, sources, without_kafka};
pub use words::{acl_of, parse_operation, parse_type, resource_word};

use sdm_api::names;

/// Principals that no ACL binds (`super.users` of every node).
pub fn super_users() -> [String; 3] {
    [names::CN_NODE, names::CN_OPERATOR, names::CN_ADMIN].map(|cn| format!("User:{cn}"))
}
