//! What can go wrong between us and a broker, told apart by what the caller may do next.
//!
//! The line that matters to a writer: [`KafkaError::NotSent`] can be repeated, [`KafkaError::OutcomeUnknown`] must be
//! read back first. Errors are plain data (`Clone`): one failed dial may answer several waiting callers.
//! Nothing here ever holds key material, record contents or a request body.

use serde::Serialize;

use crate::codes::{self, CodeInfo};

/// The crate's result.
pub type Result<T, E = KafkaError> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// No byte of the request left this process: repeating it is safe.
    #[error("{api} was not sent to {peer}: {detail}")]
    NotSent {
        /// Name of the Kafka API, e.g. `CreateTopics`.
        api: &'static str,
        /// `host:port`, or several of them when every one was tried.
        peer: String,
        /// The cause, for people.
        detail: String,
    },
    /// The request left, no answer came: it may or may not have been carried out.
    #[error("{api} was sent to {peer}, and the connection failed before the answer: {detail}")]
    OutcomeUnknown {
        /// Name of the Kafka API.
        api: &'static str,
        /// `host:port`.
        peer: String,
        /// The cause, for people.
        detail: String,
    },
    /// The broker answered with an error code for the whole call.
    #[error("{api}: {name} ({code}){}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Broker {
        /// Kafka's error code.
        code: i16,
        /// Kafka's name for it, e.g. `CLUSTER_AUTHORIZATION_FAILED`; `UNKNOWN` for a code newer than this client.
        name: &'static str,
        /// The broker's own words, where the protocol carries them.
        message: Option<String>,
        /// Name of the Kafka API.
        api: &'static str,
    },
    /// The TLS handshake failed, or the peer refused our certificate after it.
    #[error("TLS with {peer}: {detail}")]
    Tls {
        /// `host:port`.
        peer: String,
        /// The cause, for people.
        detail: String,
    },
    /// The broker refused to let us log in, or could not prove that it knows the password itself.
    #[error("login at {peer}: {detail}")]
    Auth {
        /// `host:port`.
        peer: String,
        /// The cause, for people.
        detail: String,
    },
    /// The peer sent something that is not Kafka's protocol as we know it, or shares no version of a call with us.
    #[error("{peer}: {detail}")]
    Protocol {
        /// `host:port`.
        peer: String,
        /// The cause, for people.
        detail: String,
    },
    /// The deadline of the call passed.
    #[error("{api}: no answer in time{}", if *sent { ", after it was sent: the outcome is unknown" } else { "; it was not sent" })]
    Timeout {
        /// Whether the request may have reached a broker.
        sent: bool,
        /// Name of the Kafka API.
        api: &'static str,
    },
    /// What the caller handed in cannot work: bad PEM, no bootstrap address, an oversized record.
    #[error("{detail}")]
    Config {
        /// The cause, for people.
        detail: String,
    },
}

impl KafkaError {
    /// A stable CamelCase word from a bounded set, for conditions, events and metric labels.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSent { .. } => "NotSent",
            Self::OutcomeUnknown { .. } => "OutcomeUnknown",
            Self::Broker { code, .. } => codes::lookup(*code).reason,
            Self::Tls { .. } => "TlsFailed",
            Self::Auth { .. } => "LoginFailed",
            Self::Protocol { .. } => "ProtocolError",
            Self::Timeout { sent: true, .. } => "TimedOut",
            Self::Timeout { sent: false, .. } => "TimedOutUnsent",
            Self::Config { .. } => "InvalidClientConfig",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    ///
    /// Says nothing about whether repeating it is *safe*: see [`KafkaError::was_sent`]. A TLS failure is retriable,
    /// since material is rotated underneath us and the two sides do not switch at the same instant.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::NotSent { .. }
            | Self::OutcomeUnknown { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. } => true,
            Self::Broker { code, .. } => codes::lookup(*code).retriable,
            Self::Auth { .. } | Self::Protocol { .. } | Self::Config { .. } => false,
        }
    }

    /// Whether reading and writing records should go on: leaders move, and a broker that is away comes back.
    pub(crate) fn is_passing(&self) -> bool {
        (self.is_retriable() && !matches!(self, Self::Tls { .. }))
            || self.code() == Some(code::BROKER_NOT_AVAILABLE)
    }

    /// Whether a broker may have carried the request out (`false`: it certainly did not see it).
    pub fn was_sent(&self) -> bool {
        match self {
            Self::NotSent { .. } | Self::Tls { .. } | Self::Auth { .. } | Self::Config { .. } => {
                false
            }
            Self::Timeout { sent, .. } => *sent,
            Self::OutcomeUnknown { .. } | Self::Broker { .. } | Self::Protocol { .. } => true,
        }
    }

    /// The broker's error code, if the broker answered with one.
    pub fn code(&self) -> Option<i16> {
        match self {
            Self::Broker { code, .. } => Some(*code),
            _ => None,
        }
    }

    pub(crate) fn config(detail: impl Into<String>) -> Self {
        Self::Config {
            detail: detail.into(),
        }
    }
}

/// A broker's verdict on one item of a call (one topic, one partition, one log directory).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{name} ({code}){}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
pub struct ItemError {
    /// Kafka's error code.
    pub code: i16,
    /// Kafka's name for it, e.g. `TOPIC_ALREADY_EXISTS`.
    pub name: &'static str,
    /// The broker's own words, where the protocol carries them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl ItemError {
    /// The error of `code`, or `None` for code 0 (success).
    pub(crate) fn from_code(code: i16, message: Option<String>) -> Option<Self> {
        let CodeInfo { name, .. } = codes::lookup(code);
        // Kafka repeats its standard sentence or sends an empty one; keep only what says more than the name.
        (code != 0).then(|| Self {
            code,
            name,
            message: message.filter(|m| !m.is_empty()),
        })
    }

    /// `Err` unless `code` is 0.
    pub(crate) fn check(code: i16, message: Option<String>) -> std::result::Result<(), Self> {
        Self::from_code(code, message).map_or(Ok(()), Err)
    }

    /// The code as a CamelCase word, for conditions, events and metric labels.
    pub fn reason(&self) -> &'static str {
        codes::lookup(self.code).reason
    }

    /// Whether Kafka calls this code retriable.
    pub fn is_retriable(&self) -> bool {
        codes::lookup(self.code).retriable
    }

    /// The same verdict as the failure of a whole call.
    pub fn into_error(self, api: &'static str) -> KafkaError {
        KafkaError::Broker {
            code: self.code,
            name: self.name,
            message: self.message,
            api,
        }
    }
}

/// Codes that this client acts on, by Kafka's names.
pub mod code {
    #![allow(missing_docs)]
    pub const OFFSET_OUT_OF_RANGE: i16 = 1;
    pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
    pub const LEADER_NOT_AVAILABLE: i16 = 5;
    pub const NOT_LEADER_OR_FOLLOWER: i16 = 6;
    pub const REQUEST_TIMED_OUT: i16 = 7;
    pub const BROKER_NOT_AVAILABLE: i16 = 8;
    pub const MESSAGE_TOO_LARGE: i16 = 10;
    pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    pub const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    pub const NOT_COORDINATOR: i16 = 16;
    pub const NOT_ENOUGH_REPLICAS: i16 = 19;
    pub const NOT_ENOUGH_REPLICAS_AFTER_APPEND: i16 = 20;
    pub const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
    pub const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
    pub const UNSUPPORTED_SASL_MECHANISM: i16 = 33;
    pub const ILLEGAL_SASL_STATE: i16 = 34;
    pub const UNSUPPORTED_VERSION: i16 = 35;
    pub const TOPIC_ALREADY_EXISTS: i16 = 36;
    pub const NOT_CONTROLLER: i16 = 41;
    pub const INVALID_REQUEST: i16 = 42;
    pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
    pub const DUPLICATE_SEQUENCE_NUMBER: i16 = 46;
    pub const INVALID_PRODUCER_EPOCH: i16 = 47;
    pub const SASL_AUTHENTICATION_FAILED: i16 = 58;
    pub const UNKNOWN_PRODUCER_ID: i16 = 59;
    pub const GROUP_ID_NOT_FOUND: i16 = 69;
    pub const ELECTION_NOT_NEEDED: i16 = 84;
    pub const RESOURCE_NOT_FOUND: i16 = 91;
    pub const UNSUPPORTED_ENDPOINT_TYPE: i16 = 115;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_a_caller_may_do_next() {
        let unsent = KafkaError::Timeout {
            sent: false,
            api: "CreateTopics",
        };
        assert_eq!(
            unsent.to_string(),
            "CreateTopics: no answer in time; it was not sent"
        );
        assert!(!unsent.was_sent() && unsent.is_retriable());

        let denied = ItemError::from_code(31, Some(String::new()))
            .unwrap()
            .into_error("CreateTopics");
        assert_eq!(
            denied.to_string(),
            "CreateTopics: CLUSTER_AUTHORIZATION_FAILED (31)"
        );
        assert_eq!(
            (denied.reason(), denied.is_retriable()),
            ("ClusterAuthorizationFailed", false)
        );
        assert_eq!(ItemError::from_code(0, None), None);
    }
}
