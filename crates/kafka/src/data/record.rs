//! Records as callers write and read them.
//!
//! Their `Debug` shows sizes, never contents: records are the users' data and logs are not the place for it.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// A named value beside a record. Names may repeat; order is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Name.
    pub key: String,
    /// Value, or null.
    pub value: Option<Bytes>,
}

/// A record to write.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Decides the partition, unless `partition` does; null spreads records.
    pub key: Option<Bytes>,
    /// The payload; null is a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// Headers.
    pub headers: Vec<Header>,
    /// Milliseconds since the epoch; `None`: the time of sending.
    pub timestamp_ms: Option<i64>,
    /// A fixed partition.
    pub partition: Option<i32>,
}

/// A record that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedRecord {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
    /// Milliseconds since the epoch: of creation, or of the append where the topic is configured so.
    pub timestamp_ms: i64,
    /// Key, or null.
    pub key: Option<Bytes>,
    /// Payload, or null.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

fn size(bytes: Option<&Bytes>) -> impl fmt::Debug {
    bytes.map(Bytes::len)
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("key", &self.key)
            .field("value_bytes", &size(self.value.as_ref()))
            .finish()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key_bytes", &size(self.key.as_ref()))
            .field("value_bytes", &size(self.value.as_ref()))
            .field("headers", &self.headers.len())
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceivedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRecord")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("key_bytes", &size(self.key.as_ref()))
            .field("value_bytes", &size(self.value.as_ref()))
            .finish_non_exhaustive()
    }
}
