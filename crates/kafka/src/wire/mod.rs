//! The wire: frames, version negotiation, one connection, and the connections kept per address.
//!
//! Knows nothing about topics or routing; it moves one request to one address and its answer back.

pub(crate) mod conn;
pub(crate) mod frame;
pub(crate) mod guard;
mod inflight;
mod login;
mod plain;
pub(crate) mod pool;
pub(crate) mod reader;
pub(crate) mod rpc;
