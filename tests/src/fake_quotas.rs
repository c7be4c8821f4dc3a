//! Quotas of the simulated Kafka: told, and changed unless it refuses to.

use std::collections::BTreeMap;
use std::time::Instant;

use sdm_kafka::messages::alter_client_quotas_request::EntryData as Change;
use sdm_kafka::messages::alter_client_quotas_response as changed;
use sdm_kafka::messages::describe_client_quotas_response as told;
use sdm_kafka::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};
use sdm_kafka::testing::{Reply, Request};

use crate::simulation::World;

const REQUEST_TIMED_OUT: i16 = 7;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;

/// Quotas by user.
#[derive(Debug, Default)]
pub struct Quotas {
    /// What each user has.
    pub there: BTreeMap<String, BTreeMap<String, f64>>,
    /// Whether every change times out.
    pub refusing: bool,
    /// Whether nobody may know of them.
    pub closed: bool,
    /// How often it was asked and did not tell.
    pub asked_closed: usize,
    /// When each user was to be changed.
    pub changes: BTreeMap<String, Vec<Instant>>,
}

/// Answers a request about quotas; `None`: it is about something else.
pub fn handle(request: &Request, world: &mut World) -> Option<Reply> {
    let quotas = &mut world.quotas;
    if request.read::<DescribeClientQuotasRequest>().is_some() {
        if quotas.closed {
            quotas.asked_closed += 1;
            let answer = DescribeClientQuotasResponse::default()
                .with_error_code(CLUSTER_AUTHORIZATION_FAILED)
                .with_entries(None);
            return Some(request.answer::<DescribeClientQuotasRequest>(&answer));
        }
        let entries = quotas.there.iter().map(|(user, values)| {
            let entity = told::EntityData::default()
                .with_entity_type("user".to_owned().into())
                .with_entity_name(Some(user.clone().into()));
            let values = values.iter().map(|(key, value)| {
                told::ValueData::default()
                    .with_key(key.clone().into())
                    .with_value(*value)
            });
            told::EntryData::default()
                .with_entity(vec![entity])
                .with_values(values.collect())
        });
        let answer = DescribeClientQuotasResponse::default().with_entries(Some(entries.collect()));
        return Some(request.answer::<DescribeClientQuotasRequest>(&answer));
    }
    let alter = request.read::<AlterClientQuotasRequest>()?;
    let entries = alter.entries.iter().map(|entry| {
        let code = change(quotas, entry);
        let parts = entry.entity.iter().map(|part| {
            changed::EntityData::default()
                .with_entity_type(part.entity_type.clone())
                .with_entity_name(part.entity_name.clone())
        });
        changed::EntryData::default()
            .with_error_code(code)
            .with_entity(parts.collect())
    });
    let answer = AlterClientQuotasResponse::default().with_entries(entries.collect());
    Some(request.answer::<AlterClientQuotasRequest>(&answer))
}

/// Changes one user's. Returns an error's code, or 0.
fn change(quotas: &mut Quotas, entry: &Change) -> i16 {
    let names = entry.entity.iter().filter_map(|p| p.entity_name.as_ref());
    let user: String = names.map(|n| n.to_string()).collect();
    let times = quotas.changes.entry(user.clone()).or_default();
    times.push(Instant::now());
    if quotas.refusing {
        return REQUEST_TIMED_OUT;
    }
    let values = quotas.there.entry(user).or_default();
    for op in &entry.ops {
        match op.remove {
            true => values.remove(op.key.as_str()),
            false => values.insert(op.key.to_string(), op.value),
        };
    }
    0
}
