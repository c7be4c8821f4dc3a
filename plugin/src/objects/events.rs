//! What happened to an object, as Kubernetes recorded it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event as Recorded;
use kube::Api;
use kube::api::ListParams;
use serde::Serialize;

use super::Tenant;
use crate::output::age::age;
use crate::output::table::Table;
use crate::session::Session;

/// The latest ones are shown.
const SHOWN: usize = 10;
/// No more are asked for.
const ASKED: u32 = 200;

/// Something that happened.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// `Normal` or `Warning`.
    pub r#type: String,
    /// A CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
}

/// The latest events about an object, the newest last. They are an extra: who may not list them sees none.
pub async fn events<K: Tenant>(session: &Session, object: &K) -> Vec<Event> {
    let meta = object.meta();
    let (Some(namespace), Some(name)) = (&meta.namespace, &meta.name) else {
        return Vec::new();
    };
    let fields = format!(
        "involvedObject.kind={},involvedObject.name={name},involvedObject.uid={}",
        K::kind(&()),
        meta.uid.as_deref().unwrap_or_default()
    );
    let api: Api<Recorded> = Api::namespaced(session.client.clone(), namespace);
    let params = ListParams::default().fields(&fields).limit(ASKED);
    let found = api.list(&params).await.map(|list| list.items);
    let mut events: Vec<Event> = found.unwrap_or_default().into_iter().map(read).collect();
    events.sort_by_key(|event| event.last);
    events.split_off(events.len().saturating_sub(SHOWN))
}

fn read(event: Recorded) -> Event {
    let series = event.series.and_then(|s| s.last_observed_time).map(|t| t.0);
    Event {
        last: series
            .or(event.last_timestamp.map(|t| t.0))
            .or(event.event_time.map(|t| t.0))
            .or(event.metadata.creation_timestamp.map(|t| t.0)),
        r#type: event.type_.unwrap_or_default(),
        reason: event.reason.unwrap_or_default(),
        message: event.message.unwrap_or_default(),
    }
}

/// Events as a table.
pub fn table(events: &[Event], now: Timestamp) -> Table {
    let mut table = Table::new(&["LAST", "TYPE", "EVENT", "MESSAGE"]);
    for event in events {
        table.row(vec![
            age(event.last, now).into(),
            event.r#type.as_str().into(),
            event.reason.as_str().into(),
            event.message.as_str().into(),
        ]);
    }
    table
}
