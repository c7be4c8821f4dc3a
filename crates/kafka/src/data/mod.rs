//! Records: writing them in batches with a producer id, reading them back by partition.
//!
//! Owns the record batch format (magic 2), its compression, partitioning, and the produce and fetch loops. It joins no
//! consumer group and speaks no transactions.

pub(crate) mod batch;
pub(crate) mod compress;
pub(crate) mod consumer;
pub(crate) mod fetched;
mod lane;
pub(crate) mod partitioner;
pub(crate) mod producer;
pub(crate) mod record;
