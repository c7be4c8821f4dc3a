//! When the record was lost: what objects say that they have, and Kafka confirms, is put on record again.
//!
//! Only what is in Kafka under exactly the id, the login or the ACL that an object of ours stands for is taken for ours;
//! what nobody stands for any more stays where it is. Statuses are the controller's own to write, so they can be believed.

use std::collections::HashMap;
use std::sync::Arc;

use sdm_api::KafkaTopic;
use sdm_core::access::{Acl, Expansion};
use sdm_core::topic::{self, winner};
use sdm_kafka::Client;

use super::gate::Open;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

impl Worker {
    /// Topics, all at once: what is granted on them is computed right after.
    pub(super) async fn salvage_topics(
        &mut self,
        open: &Open,
        client: &Client,
    ) -> Result<(), Error> {
        let said: Vec<Arc<KafkaTopic>> = (self.state.topics.values())
            .filter(|t| {
                t.metadata.deletion_timestamp.is_none() && topic::said_to_be_had(t).is_some()
            })
            .filter(|t| {
                let first = winner(self.claims(open, t.topic_name()), None);
                first.is_some_and(|first| Some(&first.uid) == t.metadata.uid.as_ref())
            })
            .cloned()
            .collect();
        if said.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = said.iter().map(|t| t.topic_name()).collect();
        let found = client.metadata(Some(&names)).await?.topics.into_iter();
        let there: HashMap<String, String> = found
            .filter_map(|t| Some((t.name, t.id?.to_string())))
            .collect();
        let Some(ledger) = &mut self.ledger else {
            return Ok(());
        };
        let mut count = 0;
        for topic in said {
            let name = topic.topic_name();
            if topic::said_to_be_had(&topic) == there.get(name).map(String::as_str) {
                ledger.set_topic(name, Some(Self::entry(&topic, None)));
                count += 1;
            }
        }
        tracing::warn!(cluster = %self.key, topics = count, "the record was lost: topics are on record again as their objects say");
        ledger.commit(&self.context.client).await
    }

    /// ACLs that are there and wanted by objects that had some.
    pub(super) fn had<'a>(&self, expansion: &'a Expansion) -> Vec<&'a Acl> {
        let had = |namespace: &str, name: &str| {
            let key = Key {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            let status = self.state.acls.get(&key).and_then(|a| a.status.as_ref());
            status.is_some_and(|s| s.acls > 0)
        };
        let by_one_that_had = expansion
            .wanted
            .iter()
            .filter(|(_, objects)| objects.iter().any(|o| had(&o.namespace, &o.name)));
        by_one_that_had.map(|(acl, _)| acl).collect()
    }
}
