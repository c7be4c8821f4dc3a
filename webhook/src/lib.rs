//! The admission webhook as a library, so that tests drive it in process.
//!
//! `review` is the wire's shape, `decide` the verdict, `policies` and `watch` what it goes by, `server` the HTTP around
//! it, `body` and `extent` its bounds, `audit` what exists already, `evict` the review of evictions, `inject` that of Pods that ask for an identity, `registration` how API servers
//! learn of it. What is valid is decided by `sdm-core`, with the very function the controller runs; certificates and
//! connections are `sdm-runtime`'s.

pub mod audit;
mod body;
pub mod decide;
pub mod evict;
mod extent;
pub mod inject;
pub mod policies;
pub mod registration;
pub mod review;
mod seen;
pub mod server;
mod verdict;
pub mod watch;
