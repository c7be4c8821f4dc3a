//! A thin Kafka client for administration, produce and consume, over TLS, mutual or with a login.
//!
//! Speaks Kafka's wire protocol through a schema-generated codec and adds what a reconciler needs: connections with
//! version negotiation and pipelining, one deadline per call, routing by metadata, and errors that tell *not sent* from
//! *outcome unknown*. It knows Kafka and nothing else: no Kubernetes, no files, no global state. No type of the codec
//! leaves it, except through [`Connection::call`].
//!
//! ```no_run
//! # async fn example() -> Result<(), sdm_kafka::KafkaError> {
//! use std::{sync::Arc, time::Duration};
//! use sdm_kafka::{Client, ClientConfig, TcpDialer};
//!
//! let client = Client::new(ClientConfig {
//!     bootstrap: vec![("broker-0.example".into(), 9092)],
//!     tls: None,
//!     sasl: None,
//!     dialer: Arc::new(TcpDialer),
//!     client_id: "example".into(),
//!     timeout: Duration::from_secs(10),
//! });
//! for broker in client.describe_cluster(true).await?.nodes {
//!     println!("{} fenced: {}", broker.id, broker.fenced);
//! }
//! # Ok(())
//! # }
//! ```

mod admin;
mod client;
mod codes;
mod data;
pub mod dial;
pub mod error;
pub mod model;
mod sasl;
pub mod tls;
mod wire;

#[cfg(feature = "testing")]
pub mod testing;

pub use client::{Client, ClientConfig};
pub use data::batch::Compression;
pub use data::consumer::{Consumer, ConsumerConfig, End, Start};
pub use data::partitioner::{murmur2, partition_for_key};
pub use data::producer::{Delivery, Producer, ProducerConfig};
pub use data::record::{Header, ReceivedRecord, Record};
pub use dial::{Dialer, Stream, TcpDialer};
pub use error::{ItemError, KafkaError, Result};
/// The codec's request and answer types, for [`Connection::call`].
pub use kafka_protocol::messages;
pub use model::*;
pub use sasl::{SaslConfig, SaslMechanism};
pub use tls::{TlsConfig, TlsMaterial};
pub use wire::conn::{ConnectOptions, Connection, DEFAULT_MAX_FRAME};
pub use wire::rpc::Rpc;
