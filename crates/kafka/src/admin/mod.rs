//! The administrative calls, one file per subject: request in, own types out.
//!
//! Each file owns the translation of its answers and decides whether a call may be repeated; the client owns routing.
//! A verdict on one item (a topic, a directory) is part of the result, never folded into the call's own error.

mod acls;
mod alter_configs;
mod cluster;
mod configs;
mod coordinators;
mod elections;
mod group_offsets;
mod groups;
mod log_dirs;
mod metadata;
mod offsets;
mod partitions;
mod quorum;
mod quotas;
mod reassignments;
mod scram;
mod topics;

use kafka_protocol::messages::{BrokerId, GroupId, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::client::{Client, Repeat};
use crate::model::Id;

impl Client {
    /// What the controller may take: less than our own deadline, so that its verdict arrives before we give up.
    fn timeout_ms(&self) -> i32 {
        i32::try_from(self.timeout().as_millis() * 3 / 4).unwrap_or(i32::MAX)
    }
}

/// A call that only validates changes nothing.
fn repeat(validate_only: bool) -> Repeat {
    match validate_only {
        true => Repeat::Read,
        false => Repeat::Write,
    }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

/// A string as the codec has it.
fn wire(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn group_id(group: &str) -> GroupId {
    GroupId(wire(group))
}

fn broker_ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

fn plain_ids(ids: &[BrokerId]) -> Vec<i32> {
    ids.iter().map(|id| id.0).collect()
}

pub(crate) fn text(value: &StrBytes) -> String {
    value.as_str().to_owned()
}

pub(crate) fn optional_text(value: Option<&StrBytes>) -> Option<String> {
    value.map(text)
}

/// Kafka writes "none" as -1.
fn at_least_zero<T: PartialOrd + From<i8>>(value: T) -> Option<T> {
    (value >= T::from(0)).then_some(value)
}

fn non_zero_id(id: uuid::Uuid) -> Option<Id> {
    let id = Id::from(id);
    (!id.is_zero()).then_some(id)
}

/// Ports travel as 32-bit integers; one that is no port becomes 0, which no dial accepts.
fn port(value: i32) -> u16 {
    u16::try_from(value).unwrap_or(0)
}
