//! The administrative calls, one file per subject: request in, own types out.
//!
//! Each file owns the translation of its answers and decides whether a call may be repeated; the client owns routing.
//! A verdict on one item (a topic, a directory) is part of the result, never folded into the call's own error.

mod cluster;
mod configs;
mod log_dirs;
mod metadata;
mod offsets;
mod quorum;
mod topics;

use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;

use crate::model::Id;

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
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
