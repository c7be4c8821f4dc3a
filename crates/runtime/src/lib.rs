//! Process plumbing shared by the controller, the webhook and the plugin.
//!
//! Everything here is about being a well-behaved process next to an API server: clients, certificates, a TLS
//! server, leader election, health, logs, signals. It knows Kubernetes, and nothing of Kafka or of what the
//! programs decide; those live in `sdm-core`, `sdm-kafka` and the programs themselves.

pub mod apply;
mod brisk;
pub mod crypto;
pub mod events;
pub mod health;
pub mod kube_client;
pub mod lease;
pub mod permissions;
pub mod pki;
pub mod pod_certificates;
mod server;
pub mod shutdown;
pub mod telemetry;
#[cfg(test)]
mod testing;
pub mod tls_server;
pub mod webhook_ca;
