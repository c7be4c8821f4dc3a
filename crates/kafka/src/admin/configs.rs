//! DescribeConfigs: of brokers from each broker itself, of everything else from any broker.

use std::collections::HashMap;

use futures::future::join_all;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::protocol::StrBytes;

use super::{optional_text, text, wire};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, KafkaError, Result};
use crate::model::{ConfigEntry, ConfigResource, ConfigSource};
use crate::wire::rpc::Rpc;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

impl Client {
    /// The full configuration of each resource, sorted by key, in the order asked for.
    ///
    /// A broker that cannot be reached is that resource's error; the others are still answered.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
    ) -> Result<Vec<(ConfigResource, Result<Vec<ConfigEntry>>)>> {
        let asked: Vec<_> = resources.iter().map(|r| Asked(r, None)).collect();
        self.describe(&asked).await
    }

    /// As [`Client::describe_configs`], but only these keys of each resource, which is named once. A key it does not have
    /// is left out.
    pub async fn describe_config_keys(
        &self,
        asked: &[(ConfigResource, Vec<String>)],
    ) -> Result<Vec<(ConfigResource, Result<Vec<ConfigEntry>>)>> {
        let asked: Vec<_> = asked
            .iter()
            .map(|(resource, keys)| Asked(resource, Some(keys)))
            .collect();
        self.describe(&asked).await
    }

    async fn describe(
        &self,
        asked: &[Asked<'_>],
    ) -> Result<Vec<(ConfigResource, Result<Vec<ConfigEntry>>)>> {
        let deadline = self.deadline();
        // Each broker in a request of its own, all else in one.
        let (single, shared): (Vec<_>, Vec<_>) = asked
            .iter()
            .copied()
            .partition(|asked| matches!(asked.0, ConfigResource::Broker(_)));
        let from_any = async {
            if shared.is_empty() {
                return Vec::new();
            }
            let answer = self
                .call_any(&request(&shared), Repeat::Read, deadline)
                .await;
            pair(&shared, answer.map(|a| a.results))
        };
        let from_each = join_all(single.iter().map(|asked| async move {
            let ConfigResource::Broker(id) = asked.0 else {
                return Vec::new();
            };
            let one = std::slice::from_ref(asked);
            let answer = self
                .call_broker(*id, &request(one), Repeat::Read, deadline)
                .await;
            pair(one, answer.map(|a| a.results))
        }));
        let (from_any, from_each) = futures::future::join(from_any, from_each).await;

        let mut found: Vec<_> = from_any
            .into_iter()
            .chain(from_each.into_iter().flatten())
            .collect();
        let order: HashMap<&ConfigResource, usize> =
            asked.iter().zip(0..).map(|(a, at)| (a.0, at)).collect();
        found.sort_by_key(|(resource, _)| order.get(resource).copied());
        Ok(found)
    }
}

/// A resource, and its keys that are wanted: all of them with `None`.
#[derive(Clone, Copy)]
struct Asked<'a>(&'a ConfigResource, Option<&'a Vec<String>>);

fn request(asked: &[Asked<'_>]) -> DescribeConfigsRequest {
    let resources = asked.iter().map(|Asked(resource, keys)| {
        let (kind, name) = key(resource);
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            // Null asks for every key.
            .with_configuration_keys(keys.map(|keys| keys.iter().map(|k| wire(k)).collect()))
    });
    DescribeConfigsRequest::default().with_resources(resources.collect())
}

/// Kafka's type and name of a resource (`org.apache.kafka.common.config.ConfigResource`).
pub(super) fn key(resource: &ConfigResource) -> (i8, String) {
    match resource {
        ConfigResource::Topic(name) => (TOPIC, name.clone()),
        ConfigResource::Broker(id) => (BROKER, id.to_string()),
        ConfigResource::BrokerDefaults => (BROKER, String::new()),
        ConfigResource::Group(id) => (GROUP, id.clone()),
    }
}

/// Gives every resource its part of the answer, or the failure of the whole call.
fn pair(
    asked: &[Asked<'_>],
    answer: Result<Vec<DescribeConfigsResult>>,
) -> Vec<(ConfigResource, Result<Vec<ConfigEntry>>)> {
    let by_name = answer.as_ref().map(|results| {
        let named = results
            .iter()
            .map(|r| ((r.resource_type, r.resource_name.as_str()), r));
        named.collect::<HashMap<_, _>>()
    });
    asked
        .iter()
        .map(|Asked(resource, keys)| {
            let (kind, name) = key(resource);
            let part = match &by_name {
                Err(e) => Err((*e).clone()),
                Ok(results) => match results.get(&(kind, name.as_str())) {
                    Some(result) => read(result, *keys),
                    None => Err(KafkaError::Protocol {
                        peer: "broker".to_owned(),
                        detail: format!("DescribeConfigs answered without {name}"),
                    }),
                },
            };
            ((*resource).clone(), part)
        })
        .collect()
}

fn read(result: &DescribeConfigsResult, keys: Option<&Vec<String>>) -> Result<Vec<ConfigEntry>> {
    ItemError::check(
        result.error_code,
        optional_text(result.error_message.as_ref()),
    )
    .map_err(|e| e.into_error(DescribeConfigsRequest::NAME))?;
    let mut entries: Vec<ConfigEntry> = result
        .configs
        .iter()
        .map(entry)
        // A broker takes an empty list of keys for all of them.
        .filter(|entry| keys.is_none_or(|keys| keys.contains(&entry.name)))
        .collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn entry(config: &DescribeConfigsResourceResult) -> ConfigEntry {
    ConfigEntry {
        name: text(&config.name),
        value: optional_text(config.value.as_ref()),
        source: match config.config_source {
            1 => ConfigSource::Topic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            other => ConfigSource::Other(other),
        },
        read_only: config.read_only,
        sensitive: config.is_sensitive,
    }
}
