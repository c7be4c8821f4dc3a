//! Partitions on the move between brokers (KIP-455).

use serde::Serialize;

/// A partition whose replicas are being moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OngoingReassignment {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// Every replica it has now: those that stay, that come and that go.
    pub replicas: Vec<i32>,
    /// Those that come.
    pub adding: Vec<i32>,
    /// Those that go.
    pub removing: Vec<i32>,
}
