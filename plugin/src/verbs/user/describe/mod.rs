//! `user describe`: how a user stands, its credential and the one before, its quotas as declared and in Kafka, and what it
//! may do, each ACL with the object it comes from. How it is shown is in [`text`].

mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::ResourceExt;
use sdm_api::{KafkaUser, PreviousCredential};
use sdm_core::access::{Acl, Expansion, ObjectKey};
use sdm_kafka::{AclBinding, AclFilter};
use serde::Serialize;

use super::{Known, Quotas, bare, issued_to};
use crate::access::{self, Logins, acl_of, principals};
use crate::exit::{self, Code, Failure, Result};
use crate::kafka::Access;
use crate::objects::{self, Event, Standing, Target};
use crate::output::API_VERSION;
use crate::session::Session;
use crate::verbs::acl::Rule;

/// Arguments of `user describe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of KafkaUsers of the namespace, or principals
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptions {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Description>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    /// Every principal it logs in as.
    principals: Vec<String>,
    authentication: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<ObjectKey>,
    #[serde(flatten)]
    standing: Option<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousCredential>,
    quotas: BTreeMap<String, Quota>,
    acls: Vec<Rule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Event>,
    /// Whether Kafka was asked.
    in_kafka: bool,
    #[serde(skip)]
    now: Timestamp,
}

/// A quota, as declared and as in Kafka.
#[derive(Serialize, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Quota {
    #[serde(skip_serializing_if = "Option::is_none")]
    declared: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<f64>,
}

/// What was read.
struct Told {
    known: Option<Known>,
    live: Vec<AclBinding>,
    expansion: Expansion,
}

/// Describes the users.
///
/// # Errors
/// When one of them is nowhere; the others are shown.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let found = objects::referring::<KafkaUser>(session, &target).await?;
    let told = match ask(session, &target, &args).await {
        Ok(told) => told,
        Err(failure) => {
            session
                .output
                .note(format!("Kafka cannot be asked: {}", target.why(&failure)));
            let expansion = access::gather(session, &target)
                .await
                .map(|o| o.expansion(None));
            Told {
                known: None,
                live: Vec::new(),
                expansion: expansion.unwrap_or_default(),
            }
        }
    };
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for name in &args.names {
        let name = bare(name);
        let user = find(&found.items, &session.namespace, name);
        if user.is_none() && !is_known(&told, name) {
            let what = format!(
                "there is no KafkaUser {name}, and nothing in Kafka is about such a principal"
            );
            failures.push(
                Failure::new(Code::NotFound, what)
                    .at(target.place())
                    .hint(format!(
                        "kubectl kafka user list {}",
                        target.flags_from(&session.namespace)
                    )),
            );
            continue;
        }
        let events = match user {
            Some(user) => objects::events(session, user).await,
            None => Vec::new(),
        };
        items.push(describe(name, user, &told, events));
    }
    if !items.is_empty() {
        session.output.report(&Descriptions {
            api_version: API_VERSION,
            kind: "UserDescriptionList",
            items,
        })?;
    }
    exit::all(failures)
}

async fn ask(session: &Session, target: &Target, args: &Args) -> Result<Told> {
    let kafka = target.kafka(session, &args.access).await?;
    let every = AclFilter::any();
    let (known, live, sources) = tokio::join!(
        Known::ask(&kafka),
        access::live(&kafka, &every),
        access::sources(session, target, &kafka)
    );
    let (known, live, (_, expansion, _)) = (known?, live?, sources?);
    Ok(Told {
        known: Some(known),
        live,
        expansion,
    })
}

/// A user of the namespace by name, or any by its principal.
fn find<'a>(users: &'a [KafkaUser], namespace: &str, name: &str) -> Option<&'a KafkaUser> {
    let by_key = |key: &ObjectKey| users.iter().find(|user| ObjectKey::of(*user) == *key);
    let principal = name.strip_prefix("User:").unwrap_or(name);
    by_key(&ObjectKey::new(namespace, name))
        .or_else(|| by_key(&issued_to(name)?))
        .or_else(|| {
            users
                .iter()
                .find(|user| sdm_core::user::principal(user) == principal)
        })
}

fn is_known(told: &Told, name: &str) -> bool {
    let name = name.strip_prefix("User:").unwrap_or(name);
    let known = told.known.as_ref();
    known.is_some_and(|k| k.scram.contains_key(name) || k.quotas.contains_key(name))
        || told
            .live
            .iter()
            .any(|acl| acl.principal.strip_prefix("User:") == Some(name))
}

fn describe(name: &str, user: Option<&KafkaUser>, told: &Told, events: Vec<Event>) -> Description {
    // Without Kafka only what the user reports is known.
    let logins: Logins = told.known.as_ref().map(Known::logins).unwrap_or_default();
    let principals = match user {
        Some(user) => principals(user, Some(&logins)),
        None => vec![format!(
            "User:{}",
            name.strip_prefix("User:").unwrap_or(name)
        )],
    };
    let status = user.and_then(|u| u.status.as_ref());
    Description {
        authentication: match user {
            Some(user) => user.spec.authentication.as_str().to_owned(),
            None => credentials(told, &principals),
        },
        owner: user
            .map(|user| ObjectKey::new(user.namespace().unwrap_or_default(), user.name_any())),
        standing: user.map(Standing::of),
        secret: status.and_then(|s| s.secret.clone()),
        certificate_not_after: status.and_then(|s| s.certificate_not_after.clone()),
        previous: status.and_then(|s| s.previous.clone()),
        quotas: quotas(user, told, &principals),
        acls: acls(told, &principals),
        events,
        in_kafka: told.known.is_some(),
        principals,
        now: Timestamp::now(),
    }
}

/// SCRAM credentials of a name that no object declares.
fn credentials(told: &Told, principals: &[String]) -> String {
    let names = principals.iter().filter_map(|p| p.strip_prefix("User:"));
    let scram = told.known.as_ref().map(|k| &k.scram);
    let found = names.filter_map(|name| scram?.get(name)).flatten();
    let words: Vec<String> = found
        .map(|(mechanism, iterations)| {
            format!(
                "{} ({iterations} iterations)",
                mechanism.name().to_lowercase()
            )
        })
        .collect();
    if words.is_empty() {
        "none known to Kafka".to_owned()
    } else {
        words.join(", ")
    }
}

fn quotas(user: Option<&KafkaUser>, told: &Told, principals: &[String]) -> BTreeMap<String, Quota> {
    let mut found: BTreeMap<String, Quota> = BTreeMap::new();
    for (key, value) in user.map(sdm_core::user::quota_wanted).unwrap_or_default() {
        found.entry(key.to_owned()).or_default().declared = Some(value);
    }
    let names = principals.iter().filter_map(|p| p.strip_prefix("User:"));
    let known = told.known.as_ref();
    let actual: Option<&Quotas> = names.filter_map(|name| known?.quotas.get(name)).next();
    for (key, value) in actual.into_iter().flatten() {
        found.entry(key.clone()).or_default().actual = Some(*value);
    }
    found
}

/// ACLs of the principals: those in Kafka, and without Kafka those that objects ask for.
fn acls(told: &Told, principals: &[String]) -> Vec<Rule> {
    let wanted = &told.expansion.wanted;
    let own = |principal: &String| principals.contains(principal);
    let rules: BTreeSet<Rule> = if told.known.is_some() {
        let live = told.live.iter().filter(|acl| own(&acl.principal));
        live.map(|binding| {
            let known: Option<(&Acl, _)> =
                acl_of(binding).and_then(|acl| wanted.get_key_value(&acl));
            known.map_or_else(
                || Rule::foreign(binding),
                |(acl, objects)| Rule::of(acl, objects),
            )
        })
        .collect()
    } else {
        let asked = wanted.iter().filter(|(acl, _)| own(&acl.principal));
        asked.map(|(acl, objects)| Rule::of(acl, objects)).collect()
    };
    rules.into_iter().collect()
}

#[cfg(test)]
mod tests;
