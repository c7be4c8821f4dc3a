//! Which listener of a cluster a user is sent to.

use sdm_api::{Authentication, KafkaCluster, Listener, ListenerTls, SaslMechanism, names};

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
    let listeners = &cluster.spec.listeners;
    let with = |tls: ListenerTls, mechanism: SaslMechanism| {
        let fits = move |l: &&Listener| l.tls == tls && l.sasl.contains(&mechanism);
        listeners.iter().find(fits)
    };
    let mechanism = mechanism(authentication);
    let found = match (authentication, mechanism) {
        (_, Some(m)) => with(ListenerTls::Server, m).or_else(|| with(ListenerTls::None, m)),
        (Authentication::Tls, None) => listeners.iter().find(|l| l.tls == ListenerTls::Mtls),
        (_, None) => listeners.first(),
    };
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let listener = found.ok_or_else(|| {
        let (takes, add) = match mechanism {
            Some(m) => (
                format!("takes {}", authentication.as_str()),
                format!("add `sasl: [{}]` to one with `tls: server`", m.as_str()),
            ),
            None => (
                "asks for certificates".to_owned(),
                "add one with `tls: mtls`".to_owned(),
            ),
        };
        let message = format!("no listener of cluster {namespace}/{name} {takes}: {add}");
        Refusal::waits(reason::NO_LISTENER, message)
    })?;
    Ok(ListenerChoice {
        name: listener.name.clone(),
        bootstrap_servers: format!(
            "{}:{}",
            names::bootstrap_dns(name, namespace),
            listener.port
        ),
        protocol: protocol(listener, mechanism.is_some()),
        mechanism,
    })
}

/// How passwords of this kind are proven.
#[must_use]
pub fn mechanism(authentication: Authentication) -> Option<SaslMechanism> {
    match authentication {
        Authentication::ScramSha512 => Some(SaslMechanism::ScramSha512),
        Authentication::ScramSha256 => Some(SaslMechanism::ScramSha256),
        Authentication::Tls | Authentication::External => None,
    }
}

fn protocol(listener: &Listener, password: bool) -> Protocol {
    match (listener.tls, password || !listener.sasl.is_empty()) {
        (ListenerTls::None, true) => Protocol::SaslPlaintext,
        (ListenerTls::None, false) => Protocol::Plaintext,
        (ListenerTls::Server, true) => Protocol::SaslSsl,
        (ListenerTls::Server, false) | (ListenerTls::Mtls, _) => Protocol::Ssl,
    }
}
