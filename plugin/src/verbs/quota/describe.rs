//! `quota describe`: which quotas bind a user, a client id or both, each with the entity it comes from.

use std::io;

use sdm_kafka::{QuotaEntity, QuotaFilter};
use serde::Serialize;

use super::entity::{Entity, as_parts, label};
use crate::access;
use crate::exit::{Failure, Result};
use crate::kafka::Access;
use crate::objects;
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;
use crate::verbs::acl::principals_of;
use crate::verbs::user::{Quotas, number};

/// Arguments of `quota describe`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Kafka takes, for each quota, the first entity that has one: the user with the client id, the user with the default one, the user; the same of the default user; the client id; the default client id.\nExample:\n  kubectl kafka quota describe --user app --client-id importer"
)]
pub struct Args {
    #[command(flatten)]
    entity: Entity,
    #[command(flatten)]
    access: Access,
}

/// Kind `QuotaDescription` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(serialize_with = "as_parts")]
    entity: QuotaEntity,
    binding: Vec<Binding>,
}

/// A quota that binds.
#[derive(Serialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Binding {
    key: String,
    value: f64,
    /// The entity that has it.
    from: String,
}

impl Report for Description {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        for item in &self.items {
            let name = style::plain(&label(&item.entity));
            if item.binding.is_empty() {
                out.line(format!("no quota binds {name}"))?;
                continue;
            }
            out.line(format!("Entity:  {name}"))?;
            let mut table = Table::new(&["QUOTA", "VALUE", "FROM"]);
            for binding in &item.binding {
                table.row(vec![
                    binding.key.as_str().into(),
                    number(binding.value).into(),
                    binding.from.as_str().into(),
                ]);
            }
            out.table(&table)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| label(&item.entity)).collect()
    }
}

/// Describes the quotas.
///
/// # Errors
/// When nobody was named, or Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    if args.entity.named().is_none() {
        args.entity.of(None)?;
    }
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let (quotas, logins) = tokio::join!(
        kafka.client.describe_client_quotas(&QuotaFilter::All),
        access::logins(&kafka)
    );
    let quotas = quotas.map_err(|e| kafka.failed("list quotas", e))?;
    let entities = match args.entity.named() {
        None => vec![args.entity.of(None)?],
        Some(subject) => {
            let objects = access::gather(session, &target).await?;
            let principals = principals_of(
                &subject,
                &session.namespace,
                Some(&objects),
                logins.as_ref(),
            )?;
            let each = principals
                .iter()
                .map(|principal| args.entity.of(Some(principal)));
            each.collect::<Result<Vec<_>, Failure>>()?
        }
    };
    let items = entities.into_iter().map(|entity| Item {
        binding: binding(&entity, &quotas),
        entity,
    });
    session.output.report(&Description {
        api_version: API_VERSION,
        kind: "QuotaDescription",
        items: items.collect(),
    })
}

/// Entities by which Kafka looks for a quota, in its order (`ClientQuotaManager.DefaultQuotaCallback`).
fn order(entity: &QuotaEntity) -> Vec<QuotaEntity> {
    let part = |wanted: &str| {
        let found = entity.parts().iter().find(|(kind, _)| kind == wanted);
        found.map(|(_, name)| name.as_deref())
    };
    if let Some(address) = part("ip") {
        return vec![QuotaEntity::ip(address), QuotaEntity::ip(None)];
    }
    let (user, client) = (part("user"), part("client-id"));
    let mut order = Vec::new();
    // A user is asked for by name first, then as any user.
    let users: Vec<Option<&str>> = user.into_iter().chain(user.map(|_| None)).collect();
    for user in users {
        if let Some(client) = client {
            order.push(QuotaEntity::user_with_client_id(user, client));
        }
        if client.is_some() {
            order.push(QuotaEntity::user_with_client_id(user, None));
        }
        order.push(QuotaEntity::user(user));
    }
    if let Some(client) = client {
        order.extend([QuotaEntity::client_id(client), QuotaEntity::client_id(None)]);
    }
    order.dedup();
    order
}

fn binding(entity: &QuotaEntity, quotas: &[(QuotaEntity, Quotas)]) -> Vec<Binding> {
    let mut found: Vec<Binding> = Vec::new();
    for candidate in order(entity) {
        let own = quotas
            .iter()
            .filter(|(other, _)| *other == candidate)
            .flat_map(|(_, quotas)| quotas);
        for (key, value) in own {
            if !found.iter().any(|binding| binding.key == *key) {
                found.push(Binding {
                    key: key.clone(),
                    value: *value,
                    from: label(&candidate),
                });
            }
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn the_narrowest_entity_that_has_a_quota_gives_it() {
        let quota = |key: &str, value: f64| Quotas::from([(key.to_owned(), value)]);
        let quotas = vec![
            (
                QuotaEntity::client_id(None),
                quota("request_percentage", 1.0),
            ),
            (QuotaEntity::user(None), quota("producer_byte_rate", 2.0)),
            (
                QuotaEntity::user(Some("a")),
                quota("producer_byte_rate", 3.0),
            ),
            (
                QuotaEntity::user_with_client_id(Some("a"), Some("c")),
                quota("consumer_byte_rate", 4.0),
            ),
            (
                QuotaEntity::user_with_client_id(None, Some("c")),
                quota("consumer_byte_rate", 5.0),
            ),
        ];
        let of = |entity: &QuotaEntity| {
            let found = binding(entity, &quotas);
            found
                .iter()
                .map(|b| format!("{}={} {}", b.key, b.value, b.from))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(&QuotaEntity::user_with_client_id(Some("a"), Some("c"))),
            [
                "consumer_byte_rate=4 user/a client-id/c",
                "producer_byte_rate=3 user/a",
                "request_percentage=1 client-id/<default>"
            ]
        );
        assert_eq!(
            of(&QuotaEntity::user(Some("b"))),
            ["producer_byte_rate=2 user/<default>"]
        );
        assert_eq!(
            of(&QuotaEntity::client_id(Some("x"))),
            ["request_percentage=1 client-id/<default>"]
        );
        assert!(of(&QuotaEntity::ip(Some("10.0.0.1"))).is_empty());
        let report = Description {
            api_version: API_VERSION,
            kind: "QuotaDescription",
            items: vec![Item {
                entity: QuotaEntity::user(Some("b")),
                binding: binding(&QuotaEntity::user(Some("b")), &quotas),
            }],
        };
        assert_eq!(
            Output::render(Format::Table, &report),
            "Entity:  user/b\nQUOTA                VALUE   FROM\nproducer_byte_rate   2       user/<default>\n"
        );
    }
}
