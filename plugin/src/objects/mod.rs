//! The objects of tenants: which of them belong to a Kafka cluster, how they stand, how they are written and waited for.
//!
//! Knows Kubernetes only. What the objects mean is decided in `sdm_core`, what is in Kafka is asked elsewhere.

mod events;
mod find;
mod flow;
mod name;
mod standing;
#[cfg(test)]
mod tests;
mod wait;
mod write;

pub use events::{Event, events, table as event_table};
pub use find::{Found, Target, everywhere, ours, referred, referring, target};
pub use flow::{Done, Writing, change, create_all, finish};
pub use name::{fnv, object_name};
pub use standing::{Standing, Tenant, created};
pub use wait::{Ended, ready, watch};
pub use write::{Written, annotate, delete, documents, sparse, tell_manager};

/// Field manager of everything that the plugin writes.
pub const MANAGER: &str = crate::verbs::install::MANAGER;
