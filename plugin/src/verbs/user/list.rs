//! `user list`: KafkaUsers, and names with a credential or a quota that only Kafka knows.

use std::io;

use jiff::Timestamp;
use kube::ResourceExt;
use sdm_api::KafkaUser;
use serde::Serialize;

use super::Known;
use crate::exit::{Code, Result};
use crate::flags::Format;
use crate::kafka::Access;
use crate::objects::{self, Standing, Target, created};
use crate::output::age::age;
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

/// Arguments of `user list`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "OWNER is the KafkaUser (namespace/name); - stands for a name that only Kafka knows. Without a way to Kafka, declared users are listed."
)]
pub struct Args {
    /// Only users that a KafkaUser declares
    #[arg(long, conflicts_with = "undeclared")]
    declared: bool,
    /// Only users that only Kafka knows
    #[arg(long)]
    undeclared: bool,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Users {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<User>,
    #[serde(skip)]
    now: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    principal: String,
    authentication: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_not_after: Option<String>,
    #[serde(flatten)]
    standing: Option<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
}

impl Report for Users {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&[
            "PRINCIPAL",
            "AUTHENTICATION",
            "OWNER",
            "READY",
            "REASON",
            "AGE",
            "+SECRET",
            "+VALID-UNTIL",
        ]);
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        for user in &self.items {
            table.row(vec![
                user.principal.as_str().into(),
                user.authentication.as_str().into(),
                or_dash(&user.owner).into(),
                user.standing
                    .as_ref()
                    .map_or_else(|| "-".into(), Standing::cell),
                user.standing
                    .as_ref()
                    .map_or("-", |s| s.reason.as_str())
                    .into(),
                user.created
                    .map_or_else(|| "-".to_owned(), |t| age(Some(t), self.now))
                    .into(),
                or_dash(&user.secret).into(),
                or_dash(&user.certificate_not_after).into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        let name = |user: &User| match user.owner.as_deref().and_then(|o| o.split_once('/')) {
            Some((_, name)) => format!("kafkauser/{name}"),
            None => format!("principal/{}", user.principal),
        };
        self.items.iter().map(name).collect()
    }
}

/// Lists the users.
///
/// # Errors
/// When neither Kafka nor the objects can be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let (found, known) = tokio::join!(
        objects::referring::<KafkaUser>(session, &target),
        ask(session, &target, &args)
    );
    let users = match found {
        Ok(found) => {
            found.note(session);
            found.items
        }
        Err(failure) if matches!(failure.code, Code::NotFound | Code::Denied) && !args.declared => {
            session
                .output
                .note(format!("objects cannot be listed: {failure}"));
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    let known = match known {
        Ok(known) => known,
        Err(failure) if !args.undeclared && !users.is_empty() => {
            session.output.note(format!(
                "Kafka cannot be asked, so declared users are listed alone: {}",
                target.why(&failure)
            ));
            Known::default()
        }
        Err(failure) => return Err(failure),
    };
    let mut items = merge(&users, &known);
    items.retain(|user| {
        (!args.declared || user.owner.is_some()) && (!args.undeclared || user.owner.is_none())
    });
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        session
            .output
            .progress(format!("no users found in cluster {}", target.name));
    }
    session.output.report(&Users {
        api_version: API_VERSION,
        kind: "UserList",
        items,
        now: Timestamp::now(),
    })
}

async fn ask(session: &Session, target: &Target, args: &Args) -> Result<Known> {
    if args.declared {
        return Ok(Known::default());
    }
    Known::ask(&target.kafka(session, &args.access).await?).await
}

fn merge(users: &[KafkaUser], known: &Known) -> Vec<User> {
    let declared = users.iter().map(|user| {
        let status = user.status.as_ref();
        let key = format!(
            "{}/{}",
            user.namespace().unwrap_or_default(),
            user.name_any()
        );
        User {
            principal: format!("User:{}", sdm_core::user::principal(user)),
            authentication: user.spec.authentication.as_str().to_owned(),
            owner: Some(key),
            secret: status.and_then(|s| s.secret.clone()),
            certificate_not_after: status.and_then(|s| s.certificate_not_after.clone()),
            standing: Some(Standing::of(user)),
            created: created(user),
        }
    });
    let undeclared = known.undeclared(users).into_iter().map(|name| {
        let mechanisms = known.scram.get(&name).into_iter().flatten();
        let words: Vec<String> = mechanisms.map(|(m, _)| m.name().to_lowercase()).collect();
        User {
            authentication: if words.is_empty() {
                "-".to_owned()
            } else {
                words.join(",")
            },
            principal: format!("User:{name}"),
            owner: None,
            secret: None,
            certificate_not_after: None,
            standing: None,
            created: None,
        }
    });
    let mut items: Vec<User> = declared.chain(undeclared).collect();
    items.sort_by(|a, b| (&a.principal, &a.owner).cmp(&(&b.principal, &b.owner)));
    items
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdm_kafka::ScramMechanism;

    use super::super::{ready, sample};
    use super::*;
    use crate::output::Output;

    #[test]
    fn declared_and_undeclared_users_are_one_list() {
        let known = Known {
            scram: BTreeMap::from([(
                "legacy".to_owned(),
                vec![
                    (ScramMechanism::Sha256, 4096),
                    (ScramMechanism::Sha512, 4096),
                ],
            )]),
            ..Known::default()
        };
        let mut user = sample(
            "team",
            "app",
            "tls",
            ready(serde_json::json!({"secret": "app"})),
        );
        user.metadata.creation_timestamp =
            serde_json::from_value(serde_json::json!("2026-01-01T00:00:00Z")).unwrap();
        let report = Users {
            api_version: API_VERSION,
            kind: "UserList",
            items: merge(&[user], &known),
            now: "2026-01-01T00:01:00Z".parse().unwrap(),
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "PRINCIPAL            AUTHENTICATION                OWNER      READY   REASON   AGE\n\
             User:legacy          scram-sha-256,scram-sha-512   -          -       -        -\n\
             User:team/user/app   tls                           team/app   True    Ready    60s\n"
        );
        assert_eq!(
            Output::render(Format::Name, &report),
            "principal/User:legacy\nkafkauser/app\n"
        );
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &report)).unwrap();
        assert_eq!(
            (&value["items"][1]["ready"], &value["items"][1]["secret"]),
            (&true.into(), &"app".into())
        );
    }
}
