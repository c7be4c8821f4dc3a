//! The decisions of Streaming Data Manager, as pure functions: default, validate,
//! render, plan.
//!
//! Nothing here reads a clock, a network or a file, and nothing is asynchronous.
//! The webhook refuses with these functions, the controller acts on them, the
//! plugin prints them, so the three agree by construction.

pub mod plan;
pub mod render;
pub mod resolve;
pub mod snapshot;
pub mod state;
pub mod violation;

pub use plan::{Action, Plan, Step};
pub use resolve::{Node, Resolved, resolve};
pub use snapshot::{KafkaView, Objects, Snapshot};
pub use state::ClusterState;
pub use violation::{Review, Violation, ViolationKind};
