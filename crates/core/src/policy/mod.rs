//! The administrator's policies: which of them speak of an object, what they find wrong with it, and what they fill in.
//!
//! Owns compiling policies once and judging with all of them; in no order, so that it cannot matter. Clocks come in as
//! an argument, other objects as numbers or as JSON. Who fetches those, and what is done about a finding, is the
//! programs' business: the webhook refuses with [`Compiled::judge`], the plugin tests with it, the controller audits.

pub mod audit;
mod cel;
mod check;
mod compile;
mod defaults;
mod findings;
pub mod glob;
mod injection;
mod judge;
mod limits;
pub mod sample;
mod scope;
mod subject;
#[cfg(test)]
mod tests;
mod world;

pub use audit::Audit;
pub use check::validate;
pub use compile::Compiled;
pub use findings::{Finding, Findings, Outcome};
pub use injection::{Client, forbidden};
pub use subject::{Asked, Totals, cluster_of};
pub use world::World;
