//! DescribeConfigs of topics (any broker) and of brokers (each from that broker itself).

use futures::future::join_all;
use kafka_protocol::messages::DescribeConfigsRequest;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::protocol::StrBytes;

use super::{optional_text, text};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, KafkaError, Result};
use crate::model::{ConfigEntry, ConfigResource, ConfigSource};
use crate::wire::rpc::Rpc;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

impl Client {
    /// The full configuration of each resource, sorted by key, in the order asked for.
    ///
    /// A broker that cannot be reached is that resource's error; the others are still answered.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
    ) -> Result<Vec<(ConfigResource, Result<Vec<ConfigEntry>>)>> {
        let deadline = self.deadline();
        // All topics in one request, each broker in its own.
        let (topics, brokers): (Vec<_>, Vec<_>) = resources
            .iter()
            .partition(|r| matches!(r, ConfigResource::Topic(_)));
        let about_topics = async {
            if topics.is_empty() {
                return Vec::new();
            }
            let answer = self
                .call_any(&request(&topics), Repeat::Read, deadline)
                .await;
            pair(&topics, answer.map(|a| a.results))
        };
        let about_brokers = join_all(brokers.iter().map(|resource| async move {
            let ConfigResource::Broker(id) = resource else {
                return Vec::new();
            };
            let one = std::slice::from_ref(resource);
            let answer = self
                .call_broker(*id, &request(one), Repeat::Read, deadline)
                .await;
            pair(one, answer.map(|a| a.results))
        }));
        let (of_topics, of_brokers) = futures::future::join(about_topics, about_brokers).await;

        let mut found: Vec<_> = of_topics
            .into_iter()
            .chain(of_brokers.into_iter().flatten())
            .collect();
        found.sort_by_key(|(resource, _)| resources.iter().position(|r| r == resource));
        Ok(found)
    }
}

fn request(resources: &[&ConfigResource]) -> DescribeConfigsRequest {
    let resources = resources.iter().map(|resource| {
        let (kind, name) = key(resource);
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            // Null asks for every key.
            .with_configuration_keys(None)
    });
    DescribeConfigsRequest::default().with_resources(resources.collect())
}

fn key(resource: &ConfigResource) -> (i8, String) {
    match resource {
        ConfigResource::Topic(name) => (TOPIC, name.clone()),
        ConfigResource::Broker(id) => (BROKER, id.to_string()),
    }
}

/// Gives every resource its part of the answer, or the failure of the whole call.
fn pair(
    asked: &[&ConfigResource],
    answer: Result<Vec<DescribeConfigsResult>>,
) -> Vec<(ConfigResource, Result<Vec<ConfigEntry>>)> {
    asked
        .iter()
        .map(|resource| {
            let (kind, name) = key(resource);
            let part = match &answer {
                Err(e) => Err(e.clone()),
                Ok(results) => match results
                    .iter()
                    .find(|r| r.resource_type == kind && r.resource_name.as_str() == name)
                {
                    Some(result) => read(result),
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

fn read(result: &DescribeConfigsResult) -> Result<Vec<ConfigEntry>> {
    ItemError::check(
        result.error_code,
        optional_text(result.error_message.as_ref()),
    )
    .map_err(|e| e.into_error(DescribeConfigsRequest::NAME))?;
    let mut entries: Vec<ConfigEntry> = result.configs.iter().map(entry).collect();
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
