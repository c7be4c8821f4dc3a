//! Configuration of topics, brokers and groups: keys and values, where they come from, and changes to them.

use serde::Serialize;

/// What has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigResource {
    /// A topic, by name.
    Topic(String),
    /// One broker; asked of that broker itself, since only it knows its static configuration.
    Broker(i32),
    /// The dynamic configuration that all brokers share, beneath each one's own.
    BrokerDefaults,
    /// A group's dynamic configuration, by group id (KIP-848; Kafka 4.0 and later).
    Group(String),
}

/// Where a configuration value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set dynamically on this broker.
    DynamicBroker,
    /// Set dynamically for all brokers.
    DynamicDefaultBroker,
    /// From the broker's properties file.
    StaticBroker,
    /// Kafka's default.
    Default,
    /// Some other level (broker logger, client metrics, group), by Kafka's number.
    Other(i8),
}

/// One configuration key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigEntry {
    /// Key.
    pub name: String,
    /// Value; `None` for a sensitive key, or one without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Cannot be changed while the broker runs.
    pub read_only: bool,
    /// A secret: Kafka never tells the value.
    pub sensitive: bool,
}

/// Changes to one resource's dynamic configuration. Kafka makes all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// What is changed; each resource at most once in a call.
    pub resource: ConfigResource,
    /// At most one operation per key.
    pub ops: Vec<ConfigOp>,
}

/// One operation on one key. Each can be repeated: the second time it changes nothing (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "key and value")]
pub enum ConfigOp {
    /// Gives the key this value.
    Set { key: String, value: String },
    /// Takes the dynamic value away: what is beneath it (a static value, a default) counts again.
    Delete { key: String },
    /// Adds the items of a comma-separated value that a list does not hold yet.
    Append { key: String, value: String },
    /// Removes the items of a comma-separated value from a list.
    Subtract { key: String, value: String },
}
