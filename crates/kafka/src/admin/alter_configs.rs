//! IncrementalAlterConfigs: single keys of a dynamic configuration (KIP-339).
//!
//! A broker checks a change to its own configuration against what it runs with, and refuses one meant for another
//! (`ConfigAdminManager`), so those go to each broker itself. All else goes to any broker, which forwards it.

use kafka_protocol::messages::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::protocol::StrBytes;

use super::configs::key;
use super::{optional_text, repeat, wire};
use crate::client::Client;
use crate::error::{ItemError, KafkaError, Result};
use crate::model::{ConfigChange, ConfigOp, ConfigResource};

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

impl Client {
    /// Changes the dynamic configuration of resources, or with `validate_only` checks whether it could be changed. One
    /// verdict per resource, in the order given.
    ///
    /// The call fails if any broker that was to be changed cannot be asked, even if others made their changes. The
    /// operations can be repeated; to have brokers fail on their own, name one in each call.
    pub async fn incremental_alter_configs(
        &self,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<Vec<(ConfigResource, Result<(), ItemError>)>> {
        let deadline = self.deadline();
        let repeat = repeat(validate_only);
        let (single, shared): (Vec<_>, Vec<_>) = changes
            .iter()
            .partition(|change| matches!(change.resource, ConfigResource::Broker(_)));
        let by_any = async {
            if shared.is_empty() {
                return Ok(Vec::new());
            }
            let request = request(shared.iter().copied(), validate_only);
            Ok(self.call_any(&request, repeat, deadline).await?.responses)
        };
        let by_each = futures::future::join_all(single.iter().map(|change| async move {
            let ConfigResource::Broker(id) = change.resource else {
                return Ok(Vec::new());
            };
            let request = request([*change], validate_only);
            let answer = self.call_broker(id, &request, repeat, deadline).await?;
            Ok::<_, KafkaError>(answer.responses)
        }));
        let (by_any, by_each) = futures::future::join(by_any, by_each).await;

        let mut told = by_any?;
        for answer in by_each {
            told.extend(answer?);
        }
        changes
            .iter()
            .map(|change| Ok((change.resource.clone(), verdict(&change.resource, &told)?)))
            .collect()
    }
}

fn request<'a>(
    changes: impl IntoIterator<Item = &'a ConfigChange>,
    validate_only: bool,
) -> IncrementalAlterConfigsRequest {
    let resources = changes.into_iter().map(|change| {
        let (kind, name) = key(&change.resource);
        AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(StrBytes::from_string(name))
            .with_configs(change.ops.iter().map(operation).collect())
    });
    IncrementalAlterConfigsRequest::default()
        .with_resources(resources.collect())
        .with_validate_only(validate_only)
}

fn operation(op: &ConfigOp) -> AlterableConfig {
    let (code, key, value) = match op {
        ConfigOp::Set { key, value } => (SET, key, Some(value)),
        ConfigOp::Delete { key } => (DELETE, key, None),
        ConfigOp::Append { key, value } => (APPEND, key, Some(value)),
        ConfigOp::Subtract { key, value } => (SUBTRACT, key, Some(value)),
    };
    AlterableConfig::default()
        .with_name(wire(key))
        .with_config_operation(code)
        .with_value(value.map(|v| wire(v)))
}

fn verdict(
    resource: &ConfigResource,
    told: &[AlterConfigsResourceResponse],
) -> Result<Result<(), ItemError>> {
    let (kind, name) = key(resource);
    let answer = told
        .iter()
        .find(|r| r.resource_type == kind && r.resource_name.as_str() == name)
        .ok_or_else(|| KafkaError::Protocol {
            peer: "broker".to_owned(),
            detail: format!("IncrementalAlterConfigs answered without {name:?}"),
        })?;
    Ok(ItemError::check(
        answer.error_code,
        optional_text(answer.error_message.as_ref()),
    ))
}
