//! Logging in to Kafka with what was delivered in a Secret, from this process: what Kafka lets that user do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use sdm_api::names;
use sdm_kafka::{
    Client, ClientConfig, Consumer, ConsumerConfig, End, KafkaError, Producer, ProducerConfig,
    Record, SaslConfig, SaslMechanism, Start, TlsConfig, TlsMaterial,
};

use crate::node::PodDialer;
use crate::space::Space;

/// The port for mutual TLS.
pub const MTLS_PORT: u16 = 9092;
/// The port for passwords.
pub const SCRAM_PORT: u16 = 9094;

impl Space {
    /// A client that is whoever the Secret is for.
    pub async fn login(&self, secret: &str) -> Result<Client> {
        self.login_with(&self.secrets().get(secret).await?)
    }

    /// As [`Space::login`], with a Secret as it was at some time.
    pub fn login_with(&self, secret: &Secret) -> Result<Client> {
        let data = secret.data.clone().unwrap_or_default();
        let bytes = |key: &str| data.get(key).map(|v| v.0.clone());
        let text = |key: &str| bytes(key).and_then(|v| String::from_utf8(v).ok());
        let sasl = match (text("username"), text("password")) {
            (Some(username), Some(password)) => {
                let properties = text("client.properties").unwrap_or_default();
                let sha_256 = properties.contains("SCRAM-SHA-256");
                Some(SaslConfig {
                    mechanism: if sha_256 {
                        SaslMechanism::ScramSha256
                    } else {
                        SaslMechanism::ScramSha512
                    },
                    username,
                    password: password.into(),
                })
            }
            _ => None,
        };
        let tls = TlsConfig::new(TlsMaterial {
            ca_pem: bytes("ca.crt").context("no ca.crt")?,
            cert_chain_pem: bytes("tls.crt"),
            key_pem: bytes("tls.key"),
        })?;
        let port = if sasl.is_some() {
            SCRAM_PORT
        } else {
            MTLS_PORT
        };
        let host = names::node_dns(&self.cluster, &self.cluster_namespace, 0);
        Ok(Client::new(ClientConfig {
            bootstrap: vec![(host, port)],
            tls: Some(tls),
            sasl,
            dialer: Arc::new(PodDialer {
                pods: self.node.pods(&self.cluster_namespace),
            }),
            client_id: "sdm-tests".into(),
            timeout: Duration::from_secs(10),
        }))
    }
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt<T> {
    /// Kafka did it.
    Done(T),
    /// Kafka refused it: Kafka's name for why.
    Denied(String),
}

impl<T> Attempt<T> {
    fn of(result: sdm_kafka::Result<T>) -> Result<Self> {
        match result {
            Ok(done) => Ok(Self::Done(done)),
            Err(KafkaError::Broker { name, .. }) if name.ends_with("AUTHORIZATION_FAILED") => {
                Ok(Self::Denied(name.to_owned()))
            }
            Err(KafkaError::Auth { detail, .. }) => Ok(Self::Denied(detail)),
            Err(error) => bail!("neither done nor denied: {error}"),
        }
    }

    /// Whether Kafka refused it.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }
}

/// Reads a topic from its beginning to its end.
pub async fn read(client: &Client, topic: &str) -> Result<Attempt<Vec<String>>> {
    let read = async {
        let mut consumer = Consumer::new(
            client.clone(),
            topic,
            None,
            Start::Earliest,
            End::Current,
            ConsumerConfig::default(),
        )
        .await?;
        let mut values = Vec::new();
        while let Some(records) = consumer.next().await? {
            let text = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
            values.extend(records.iter().filter_map(|r| r.value.as_deref().map(text)));
        }
        Ok(values)
    };
    Attempt::of(read.await)
}

/// Writes a record.
pub async fn write(client: &Client, topic: &str, value: &str) -> Result<Attempt<()>> {
    let record = Record {
        value: Some(value.to_owned().into()),
        ..Record::default()
    };
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    Attempt::of(producer.send(topic, record).await.map(drop))
}
