//! DescribeClientQuotas and AlterClientQuotas (KIP-546). Any broker will do; it forwards changes to the active
//! controller, and describes what has reached itself.

use std::collections::BTreeMap;

use kafka_protocol::messages::alter_client_quotas_request::{
    EntityData as ChangedPart, EntryData as Changed, OpData,
};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};

use super::{optional_text, repeat, text, wire};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result};
use crate::model::{QuotaChange, QuotaEntity, QuotaFilter};
use crate::wire::rpc::Rpc;

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
/// Any name, and the default.
const ANY: i8 = 2;

impl Client {
    /// Quotas as they were set, by entity, each a key and its value.
    pub async fn describe_client_quotas(
        &self,
        filter: &QuotaFilter,
    ) -> Result<Vec<(QuotaEntity, BTreeMap<String, f64>)>> {
        let part = |kind: &str, how| {
            ComponentData::default()
                .with_entity_type(wire(kind))
                .with_match_type(how)
                // The codec's default is an empty name, which is one.
                .with_match(None)
        };
        let (components, strict) = match filter {
            QuotaFilter::All => (Vec::new(), false),
            QuotaFilter::Users => (vec![part("user", ANY)], true),
            QuotaFilter::Exactly(entity) => {
                let parts = entity.parts().iter().map(|(kind, name)| match name {
                    Some(name) => part(kind, EXACT).with_match(Some(wire(name))),
                    None => part(kind, DEFAULT),
                });
                (parts.collect(), true)
            }
        };
        let request = DescribeClientQuotasRequest::default()
            .with_components(components)
            .with_strict(strict);
        let answer = self
            .call_any(&request, Repeat::Read, self.deadline())
            .await?;
        ItemError::check(
            answer.error_code,
            optional_text(answer.error_message.as_ref()),
        )
        .map_err(|e| e.into_error(DescribeClientQuotasRequest::NAME))?;
        let mut found: Vec<_> = answer
            .entries
            .unwrap_or_default()
            .iter()
            .map(|entry| {
                let parts = entry.entity.iter();
                let parts =
                    parts.map(|p| (text(&p.entity_type), optional_text(p.entity_name.as_ref())));
                let values = entry.values.iter().map(|v| (text(&v.key), v.value));
                (QuotaEntity::new(parts), values.collect())
            })
            .collect();
        found.sort_by(|(a, _): &(QuotaEntity, BTreeMap<String, f64>), (b, _)| a.cmp(b));
        Ok(found)
    }

    /// Sets quotas and takes them away, or with `validate_only` checks whether it could be done. One verdict per entity.
    /// Kafka takes at most 10,000 changes in a call.
    pub async fn alter_client_quotas(
        &self,
        changes: &[QuotaChange],
        validate_only: bool,
    ) -> Result<Vec<(QuotaEntity, Result<(), ItemError>)>> {
        let request = AlterClientQuotasRequest::default()
            .with_entries(changes.iter().map(changed).collect())
            .with_validate_only(validate_only);
        let answer = self
            .call_any(&request, repeat(validate_only), self.deadline())
            .await?;
        Ok(answer
            .entries
            .iter()
            .map(|entry| {
                let parts = entry.entity.iter();
                let parts =
                    parts.map(|p| (text(&p.entity_type), optional_text(p.entity_name.as_ref())));
                let verdict = ItemError::check(
                    entry.error_code,
                    optional_text(entry.error_message.as_ref()),
                );
                (QuotaEntity::new(parts), verdict)
            })
            .collect())
    }
}

fn changed(change: &QuotaChange) -> Changed {
    let entity = change.entity.parts().iter().map(|(kind, name)| {
        ChangedPart::default()
            .with_entity_type(wire(kind))
            .with_entity_name(name.as_deref().map(wire))
    });
    let ops = change.ops.iter().map(|(key, value)| {
        OpData::default()
            .with_key(wire(key))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    });
    Changed::default()
        .with_entity(entity.collect())
        .with_ops(ops.collect())
}
