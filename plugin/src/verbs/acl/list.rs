//! `acl list`: every ACL in Kafka, with the KafkaACLs that ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use sdm_api::{AclResource, Pattern, ResourceType};
use sdm_core::access::{Acl, ObjectKey};
use sdm_kafka::{AclBinding, AclFilter, AclResourceType};
use serde::Serialize;

use super::rule::{Rule, rules_table};
use super::select::{Subject, parse_resource};
use crate::access::{self, Logins, Objects, acl_of, parse_type};
use crate::exit::Result;
use crate::flags::Format;
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target};
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

/// Arguments of `acl list`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "FROM are the KafkaACLs (namespace/name) that ask for an ACL; - stands for ACLs that somebody else made, which the operator leaves alone.\nExamples:\n  kubectl kafka acl list --user app\n  kubectl kafka acl list --resource topic/orders"
)]
pub struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Only ACLs that speak of this resource, as TYPE/NAME, or of this TYPE
    #[arg(long, value_name = "RESOURCE", value_parser = wanted)]
    resource: Option<Wanted>,
    /// Only ACLs that no object asks for
    #[arg(long)]
    foreign: bool,
    #[command(flatten)]
    access: Access,
}

/// What ACLs are to speak of.
#[derive(Clone, Debug)]
enum Wanted {
    Type(ResourceType),
    Resource(AclResource),
}

fn wanted(text: &str) -> Result<Wanted, String> {
    match parse_type(text) {
        Ok(type_) => Ok(Wanted::Type(type_)),
        Err(_) => parse_resource(text).map(Wanted::Resource),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acls {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Rule>,
}

impl Report for Acls {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.table(&rules_table(self.items.iter()))
    }
    fn names(&self) -> Vec<String> {
        let objects = self.items.iter().flat_map(|rule| &rule.objects);
        let names: BTreeSet<String> = objects
            .map(|key| format!("kafkaacl/{}", key.name))
            .collect();
        names.into_iter().collect()
    }
}

/// Lists the ACLs.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let (mut items, principals) = match target.kafka(session, &args.access).await {
        Ok(kafka) => in_kafka(session, &args, &target, &kafka).await?,
        Err(failure) if !args.foreign => {
            let (objects, expansion) = access::without_kafka(session, &target, failure).await?;
            let asked = expansion.wanted.iter().filter(|(acl, _)| {
                let wanted = args.resource.as_ref();
                wanted.is_none_or(|wanted| wanted.speaks_of(acl))
            });
            let items = asked.map(|(acl, objects)| Rule::of(acl, objects));
            (
                items.collect(),
                principals(session, &args, Some(&objects), None)?,
            )
        }
        Err(failure) => return Err(failure),
    };
    items.retain(|rule| {
        principals
            .as_ref()
            .is_none_or(|p| p.contains(&rule.principal))
            && (!args.foreign || rule.objects.is_empty())
    });
    items.sort();
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        session
            .output
            .progress(format!("no ACLs found in cluster {}", target.name));
    }
    session.output.report(&Acls {
        api_version: API_VERSION,
        kind: "AclList",
        items,
    })
}

/// The principals that are meant; none for all.
fn principals(
    session: &Session,
    args: &Args,
    objects: Option<&Objects>,
    logins: Option<&Logins>,
) -> Result<Option<Vec<String>>> {
    if args.subject.named().is_empty() {
        return Ok(None);
    }
    args.subject.principals(session, objects, logins).map(Some)
}

/// ACLs as they are in Kafka, and the principals that are meant.
async fn in_kafka(
    session: &Session,
    args: &Args,
    target: &Target,
    kafka: &Kafka,
) -> Result<(Vec<Rule>, Option<Vec<String>>)> {
    let filter = filter(args.resource.as_ref());
    let (live, known) = tokio::join!(
        access::live(kafka, &filter),
        access::sources(session, target, kafka)
    );
    let (live, (objects, expansion, logins)) = (live?, known?);
    let principals = principals(session, args, objects.as_ref(), logins.as_ref())?;
    let missing = missing(&live, &expansion.wanted);
    if principals.is_none() && args.resource.is_none() && !args.foreign && !missing.is_empty() {
        let objects: Vec<String> = missing.iter().map(ToString::to_string).collect();
        session.output.note(format!(
            "not everything that objects ask for is in Kafka yet; see acl describe of {}",
            objects.join(", ")
        ));
    }
    Ok((merge(&live, &expansion.wanted), principals))
}

impl Wanted {
    /// Whether an ACL is meant: the same answer as Kafka gives to [`filter`].
    fn speaks_of(&self, acl: &Acl) -> bool {
        let resource = match self {
            Self::Type(type_) => return acl.resource == *type_,
            Self::Resource(resource) => resource,
        };
        let name = resource.name.as_deref().unwrap_or("kafka-cluster");
        acl.resource == resource.type_
            && match (resource.pattern, acl.pattern) {
                (Pattern::Prefixed, _) => acl.name == name,
                (Pattern::Literal, Pattern::Literal) => acl.name == name || acl.name == "*",
                (Pattern::Literal, Pattern::Prefixed) => name.starts_with(&acl.name),
            }
    }
}

fn filter(wanted: Option<&Wanted>) -> AclFilter {
    let type_ = |type_| match type_ {
        ResourceType::Topic => AclResourceType::Topic,
        ResourceType::Group => AclResourceType::Group,
        ResourceType::TransactionalId => AclResourceType::TransactionalId,
        ResourceType::Cluster => AclResourceType::Cluster,
        ResourceType::DelegationToken => AclResourceType::DelegationToken,
    };
    match wanted {
        None => AclFilter::any(),
        Some(Wanted::Type(resource)) => AclFilter {
            resource_type: Some(type_(*resource)),
            ..AclFilter::any()
        },
        Some(Wanted::Resource(AclResource {
            type_: resource,
            name,
            pattern,
        })) => {
            let name = name.as_deref().unwrap_or("kafka-cluster");
            match pattern {
                // ACLs that affect the resource, whatever pattern they were written with.
                Pattern::Literal => AclFilter::affecting(type_(*resource), name),
                Pattern::Prefixed => AclFilter::resource(type_(*resource), name),
            }
        }
    }
}

/// ACLs of Kafka with the objects behind them.
fn merge(live: &[AclBinding], wanted: &BTreeMap<Acl, Vec<ObjectKey>>) -> Vec<Rule> {
    live.iter()
        .map(|binding| {
            let known = acl_of(binding).and_then(|acl| wanted.get_key_value(&acl));
            known.map_or_else(
                || Rule::foreign(binding),
                |(acl, objects)| Rule::of(acl, objects),
            )
        })
        .collect()
}

/// Objects that ask for something that is not in Kafka.
fn missing<'a>(
    live: &[AclBinding],
    wanted: &'a BTreeMap<Acl, Vec<ObjectKey>>,
) -> BTreeSet<&'a ObjectKey> {
    let live: BTreeSet<Acl> = live.iter().filter_map(acl_of).collect();
    let missing = wanted.iter().filter(|(acl, _)| !live.contains(acl));
    missing.flat_map(|(_, objects)| objects).collect()
}

#[cfg(test)]
mod tests {
    use sdm_kafka::{AclOperation, AclPatternType, AclPermission};

    use super::*;
    use crate::output::Output;

    fn binding(principal: &str, operation: AclOperation) -> AclBinding {
        AclBinding {
            resource_type: AclResourceType::Topic,
            resource_name: "orders".to_owned(),
            pattern_type: AclPatternType::Literal,
            principal: principal.to_owned(),
            host: "*".to_owned(),
            operation,
            permission: AclPermission::Allow,
        }
    }

    #[test]
    fn every_acl_says_where_it_comes_from() {
        let live = [
            binding("User:b", AclOperation::TwoPhaseCommit),
            binding("User:a", AclOperation::Read),
            binding("User:a", AclOperation::Write),
        ];
        let (ours, other) = (acl_of(&live[1]).unwrap(), acl_of(&live[2]).unwrap());
        let mut elsewhere = other.clone();
        elsewhere.name = "x".to_owned();
        let wanted = BTreeMap::from([
            (
                ours,
                vec![ObjectKey::new("team", "one"), ObjectKey::new("team", "two")],
            ),
            (elsewhere, vec![ObjectKey::new("team", "three")]),
        ]);
        let mut items = merge(&live, &wanted);
        items.sort();
        let report = Acls {
            api_version: API_VERSION,
            kind: "AclList",
            items,
        };
        assert_eq!(
            Output::render(Format::Table, &report),
            "PRINCIPAL   PERMISSION   OPERATION        RESOURCE       PATTERN   HOST   FROM\n\
             User:a      Allow        Read             topic/orders   literal   *      team/one,team/two\n\
             User:a      Allow        Write            topic/orders   literal   *      -\n\
             User:b      Allow        TwoPhaseCommit   topic/orders   literal   *      -\n"
        );
        assert_eq!(
            Output::render(Format::Name, &report),
            "kafkaacl/one\nkafkaacl/two\n"
        );
        assert_eq!(
            missing(&live, &wanted).into_iter().collect::<Vec<_>>(),
            [&ObjectKey::new("team", "three")]
        );
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &report)).unwrap();
        assert_eq!(value["items"][0]["objects"][0]["name"], "one");
    }

    #[test]
    fn a_filter_finds_what_affects_a_resource() {
        assert_eq!(filter(None), AclFilter::any());
        let of = |text: &str| filter(Some(&wanted(text).unwrap()));
        assert_eq!(
            of("topic/a"),
            AclFilter::affecting(AclResourceType::Topic, "a")
        );
        assert_eq!(
            of("topic/a*"),
            AclFilter::resource(AclResourceType::Topic, "a")
        );
        assert_eq!(of("cluster").resource_type, Some(AclResourceType::Cluster));
        assert_eq!(of("group").resource_name, None);
        let acl = acl_of(&binding("User:a", AclOperation::Read)).unwrap();
        for (text, speaks) in [
            ("topic/orders", true),
            ("topic", true),
            ("topic/order", false),
            ("topic/orders*", true),
            ("group", false),
        ] {
            assert_eq!(wanted(text).unwrap().speaks_of(&acl), speaks, "{text}");
        }
        let mut prefix = acl;
        (prefix.pattern, prefix.name) = (Pattern::Prefixed, "ord".to_owned());
        assert!(wanted("topic/orders").unwrap().speaks_of(&prefix));
    }
}
