//! `quota list`: every quota in Kafka, with the KafkaUser that declares it.

use std::collections::BTreeMap;
use std::io;

use sdm_api::KafkaUser;
use sdm_core::access::ObjectKey;
use sdm_kafka::{QuotaEntity, QuotaFilter};
use serde::Serialize;

use super::entity::{as_parts, label};
use crate::access::principals;
use crate::exit::{Code, Result};
use crate::flags::Format;
use crate::kafka::Access;
use crate::objects;
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;
use crate::verbs::user::{Quotas, number};

/// Arguments of `quota list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    access: Access,
}

/// Kind `QuotaList` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(serialize_with = "as_parts")]
    entity: QuotaEntity,
    quotas: Quotas,
    /// The KafkaUser that declares quotas for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
}

impl Report for List {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["ENTITY", "QUOTA", "VALUE", "OWNER"]);
        for item in &self.items {
            for (key, value) in &item.quotas {
                table.row(vec![
                    label(&item.entity).into(),
                    key.as_str().into(),
                    number(*value).into(),
                    item.owner.clone().unwrap_or_else(|| "-".to_owned()).into(),
                ]);
            }
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| label(&item.entity)).collect()
    }
}

/// Lists the quotas.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let (quotas, users) = tokio::join!(
        kafka.client.describe_client_quotas(&QuotaFilter::All),
        objects::referring::<KafkaUser>(session, &target)
    );
    let quotas = quotas.map_err(|e| kafka.failed("list quotas", e))?;
    let users = match users {
        Ok(found) => {
            found.note(session);
            found.items
        }
        Err(failure) if matches!(failure.code, Code::NotFound | Code::Denied) => {
            session
                .output
                .note(format!("who declares quotas is not known: {failure}"));
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    let list = list(quotas, &users);
    if list.items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        session
            .output
            .progress(format!("no quotas found in cluster {}", target.name));
    }
    session.output.report(&list)
}

fn list(quotas: Vec<(QuotaEntity, Quotas)>, users: &[KafkaUser]) -> List {
    let owners: BTreeMap<String, String> = users
        .iter()
        .filter(|user| user.spec.quotas.is_some())
        .flat_map(|user| {
            let names = principals(user, None).into_iter();
            names.map(|principal| (principal, ObjectKey::of(user).to_string()))
        })
        .collect();
    let items = quotas.into_iter().map(|(entity, quotas)| Item {
        owner: entity
            .as_user()
            .flatten()
            .and_then(|name| owners.get(&format!("User:{name}")).cloned()),
        entity,
        quotas,
    });
    List {
        api_version: API_VERSION,
        kind: "QuotaList",
        items: items.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Output;

    #[test]
    fn quotas_say_who_declares_them() {
        let user: KafkaUser = serde_json::from_value(serde_json::json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaUser", "metadata": {"name": "app", "namespace": "team"},
            "spec": {"clusterRef": {"name": "c"}, "quotas": {"producerByteRate": 5}},
        }))
        .unwrap();
        let quota = |value| Quotas::from([("producer_byte_rate".to_owned(), value)]);
        let report = list(
            vec![
                (QuotaEntity::client_id(None), quota(1.5)),
                (QuotaEntity::user(Some("team/user/app")), quota(5.0)),
            ],
            &[user],
        );
        assert_eq!(
            Output::render(Format::Table, &report),
            "ENTITY                QUOTA                VALUE   OWNER\n\
             client-id/<default>   producer_byte_rate   1.5     -\n\
             user/team/user/app    producer_byte_rate   5       team/app\n"
        );
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &report)).unwrap();
        assert_eq!(value["items"][1]["owner"], "team/app");
        assert_eq!(
            value["items"][0]["entity"],
            serde_json::json!({"client-id": null})
        );
    }
}
