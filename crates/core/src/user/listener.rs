//! Which listener of a cluster a user is sent to.

use sdm_api::{Authentication, KafkaCluster, SaslMechanism};

use super::reason;
use crate::outcome::Refusal;

/// How a listener is spoken to, as Kafka names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TLS.
    Ssl,
    /// TLS and a password.
    SaslSsl,
    /// A password in plaintext TCP.
    SaslPlaintext,
    /// Neither.
    Plaintext,
}

impl Protocol {
    /// As Kafka writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssl => "SSL",
            Self::SaslSsl => "SASL_SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::Plaintext => "PLAINTEXT",
        }
    }

    /// Whether it is TLS.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }
}

/// The listener a user is sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerChoice {
    /// Its name.
    pub name: String,
    /// Where clients start from.
    pub bootstrap_servers: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// How passwords are proven to it.
    pub mechanism: Option<SaslMechanism>,
}

/// The listener for a user that logs in like this: mutual TLS for certificates; for passwords one with TLS, else one
/// without; for credentials of somebody else the first.
///
/// # Errors
/// [`reason::NO_LISTENER`] when there is none, with what to add to the cluster.
pub fn choose_listener(
    cluster: &KafkaCluster,
    authentication: Authentication,
) -> Result<ListenerChoice, Refusal> {
    let _ = (cluster, authentication);
    Err(Refusal::waits(reason::NO_LISTENER, ""))
}
