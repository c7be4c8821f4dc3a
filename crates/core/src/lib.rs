//! The decisions of Streaming Data Manager, as pure functions: default, validate,
//! render, plan.
//!
//! Nothing here reads a clock, a network or a file, and nothing is asynchronous.
//! The webhook refuses with these functions, the controller acts on them, the
//! plugin prints them, so the three agree by construction.

pub mod access;
pub mod around;
pub mod config_catalog;
pub mod drift;
pub mod eviction;
pub mod inject;
pub mod kinds;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod quantity;
pub mod racks;
pub mod render;
pub mod resolve;
pub mod snapshot;
pub mod state;
pub mod status;
pub mod topic;
pub mod user;
pub mod validate;
pub mod violation;

pub use drift::{applied_hash, covers};
pub use plan::{Action, Plan, Step, plan};
pub use racks::decide_racks;
pub use render::{KubeObject, NodeObjects, PemParts};
pub use resolve::{Node, Resolved, resolve};
pub use snapshot::{KafkaView, Objects, Snapshot};
pub use state::{ClusterState, StateError};
pub use status::{Failure, status};
pub use validate::{against_observed, validate};
pub use violation::{Review, Violation, ViolationKind};
