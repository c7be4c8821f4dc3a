//! A Pod that asks for an identity in Kafka: what is added to it, or why not; and what its certificate may say.
//!
//! `ask` reads what a Pod wants, `decide` says what it gets, `review` does so with policies, `volume` is what is added,
//! `patch` how, `sign` judges the request for the certificate that follows, `bundle` is what Pods trust; `secret` is what
//! takes the place of the latter two where Kubernetes serves no pod certificates. Identity is never in any of this: the API
//! server vouches for the service account in that request, and nothing that a Pod says can name another one.

mod ask;
mod bundle;
mod decide;
mod patch;
mod review;
pub mod secret;
mod sign;
#[cfg(test)]
mod tests;
mod volume;

pub(crate) use ask::written;
pub use ask::{Asked, Source, account, asked};
pub use bundle::trust_bundle;
pub use decide::{Injection, World, decide};
pub use patch::Operation;
pub use review::review;
pub use sign::{Judgement, Order, denied, issued, judge};
