//! The way to one cluster's Kafka: the operator's certificate and the connections made with it.
//!
//! Owns when either is made anew. What is asked over it is the callers' business.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use sdm_core::Resolved;

use crate::authority::Identity;
use crate::context::Context;
use crate::error::Error;
use crate::kafka::Kafka;
use crate::store::Key;

/// Connections to one cluster, made when first needed.
pub struct Link {
    timeout: Duration,
    identity: Option<Identity>,
    kafka: Option<Kafka>,
}

impl Link {
    /// Nothing is dialled yet. Every call has `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            identity: None,
            kafka: None,
        }
    }

    /// The connections, with a certificate of the authority whose hash is given, to the nodes as they are meant, at
    /// the addresses that `pods` have. `None`: no Kafka container runs.
    pub async fn kafka(
        &mut self,
        context: &Context,
        key: &Key,
        resolved: &Resolved,
        pods: &BTreeMap<String, Pod>,
        authority: &str,
    ) -> Result<&Kafka, Error> {
        let identity = match self.identity.take().filter(|i| i.is_current(authority)) {
            Some(identity) => identity,
            None => {
                self.kafka = None;
                let api = Api::namespaced(context.client.clone(), &key.namespace);
                Identity::issue(&api, &key.name, authority).await?
            }
        };
        self.kafka.take_if(|k| k.is_outdated(resolved));
        let kafka = self
            .kafka
            .get_or_insert_with(|| Kafka::new(resolved, &identity.tls, self.timeout));
        self.identity = Some(identity);
        kafka.locate(resolved, pods);
        Ok(kafka)
    }
}
