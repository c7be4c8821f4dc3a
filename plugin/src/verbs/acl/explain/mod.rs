//! `acl explain`: whether somebody may do something, which ACL says so and whose it is; else what is missing, what nearly
//! helps, and the command that adds it. Exits with 1 if it is denied. How it is shown is in [`text`].

mod text;

use sdm_api::{AclResource, KafkaACL, Operation, Pattern, ResourceType, names};
use sdm_core::access::{
    Acl, Because, Expansion, Explanation, ObjectKey, Question, explain, suggestion,
};
use sdm_kafka::{AclFilter, AclResourceType};
use serde::Serialize;

use super::select::{Subject, parse_resource, principals_of};
use crate::access::{self, Logins, Objects, acl_of, parse_operation, resource_word, super_users};
use crate::exit::{Code, Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::objects::{self, Target};
use crate::output::API_VERSION;
use crate::session::Session;

/// Arguments of `acl explain`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Answers from the ACLs that Kafka has now, as Kafka itself does. Exits with 0 if it is allowed and with 1 if it is denied.\nExamples:\n  kubectl kafka acl explain --user app Write topic/orders\n  kubectl kafka acl explain --service-account team/billing Read group/billing --host 10.0.0.7"
)]
pub struct Args {
    /// What is done: Read, Write, Describe, ...
    #[arg(value_name = "OPERATION", value_parser = parse_operation)]
    operation: Operation,
    /// On what: topic/NAME, group/NAME, transactionalId/NAME, cluster
    #[arg(value_name = "RESOURCE", value_parser = parse_resource)]
    resource: AclResource,
    #[command(flatten)]
    subject: Subject,
    /// From which IP address; from one that no ACL names if not given
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "*",
        hide_default_value = true
    )]
    host: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanations {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    principal: String,
    operation: Operation,
    resource: ResourceType,
    name: String,
    host: String,
    #[serde(flatten)]
    explanation: Explanation,
    /// Objects that would help and do not yet, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<String>,
    /// The command that would allow it.
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

/// Explains.
///
/// # Errors
/// With 1 when it is denied; when Kafka cannot be asked or there is no such user.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let subject = args.subject.named();
    let [subject] = subject.as_slice() else {
        return Err(Failure::usage(
            "who? name one subject: --user, --service-account or --principal",
        ));
    };
    if args.resource.pattern == Pattern::Prefixed {
        return Err(Failure::usage(
            "a question is about one resource: leave the * out",
        ));
    }
    let target = objects::target(session).await?;
    let (objects, expansion, logins, live) = match target.kafka(session, &args.access).await {
        Ok(kafka) => {
            let (known, live) = tokio::join!(
                access::sources(session, &target, &kafka),
                live(&kafka, args.resource.type_)
            );
            let (objects, expansion, logins) = known?;
            (objects, expansion, logins, live?)
        }
        Err(failure) => {
            let (objects, expansion) = access::without_kafka(session, &target, failure).await?;
            let asked = expansion.wanted.keys().cloned().collect();
            (Some(objects), expansion, Some(Logins::new()), asked)
        }
    };
    let principals = principals_of(
        subject,
        &session.namespace,
        objects.as_ref(),
        logins.as_ref(),
    )?;
    let name = args.resource.name.as_deref().unwrap_or("kafka-cluster");
    let items: Vec<Item> = principals
        .iter()
        .map(|principal| {
            let question = Question {
                principal,
                host: &args.host,
                operation: args.operation,
                resource: args.resource.type_,
                name,
            };
            answer(
                &question,
                &live,
                &expansion,
                objects.as_ref(),
                &target,
                &session.namespace,
            )
        })
        .collect();
    let allowed = items.iter().all(|item| item.explanation.allowed);
    session.output.report(&Explanations {
        api_version: API_VERSION,
        kind: "AccessExplanationList",
        items,
    })?;
    if allowed {
        Ok(())
    } else {
        Err(Failure::silent(Code::General))
    }
}

/// Every ACL on a type of resource: near misses may be anybody's.
async fn live(kafka: &Kafka, resource: ResourceType) -> Result<Vec<Acl>> {
    let filter = AclFilter {
        resource_type: AclResourceType::ALL
            .iter()
            .copied()
            .find(|t| t.to_string().eq_ignore_ascii_case(resource_word(resource))),
        ..AclFilter::any()
    };
    Ok(access::live(kafka, &filter)
        .await?
        .iter()
        .filter_map(acl_of)
        .collect())
}

fn answer(
    question: &Question<'_>,
    live: &[Acl],
    expansion: &Expansion,
    objects: Option<&Objects>,
    target: &Target,
    own: &str,
) -> Item {
    let supers = super_users();
    let supers: Vec<&str> = supers.iter().map(String::as_str).collect();
    let explanation = explain(question, live.iter(), &supers, &expansion.wanted);
    let no_rule = explanation.because == Because::NoRule;
    let cluster = ObjectKey::new(&target.namespace, &target.name);
    // The command is for whoever owns the resource.
    let namespace = match question.resource {
        ResourceType::Topic => objects
            .and_then(|o| o.owner_of(question.name))
            .unwrap_or_else(|| target.namespace.clone()),
        ResourceType::Cluster | ResourceType::DelegationToken => target.namespace.clone(),
        ResourceType::Group | ResourceType::TransactionalId => own.to_owned(),
    };
    Item {
        principal: question.principal.to_owned(),
        operation: question.operation,
        resource: question.resource,
        name: question.name.to_owned(),
        host: question.host.to_owned(),
        waiting: match no_rule {
            true => waiting(question, expansion, objects),
            false => Vec::new(),
        },
        suggestion: match &explanation.because {
            Because::NoRule => suggestion(question, &namespace, &cluster),
            Because::Denied { objects, .. } => objects.first().map(|object| {
                format!(
                    "kubectl kafka acl revoke {} {}",
                    object.name,
                    target.flags_from(&object.namespace)
                )
            }),
            Because::SuperUser | Because::Allowed { .. } => None,
        },
        explanation,
    }
}

/// What objects ask for that would help, and is not in Kafka; and what of them is refused.
fn waiting(
    question: &Question<'_>,
    expansion: &Expansion,
    objects: Option<&Objects>,
) -> Vec<String> {
    let mut sentences = Vec::new();
    let asked = explain(question, expansion.wanted.keys(), &[], &expansion.wanted);
    if let Because::Allowed { acl, objects, .. } = &asked.because {
        let by: Vec<String> = objects.iter().map(ToString::to_string).collect();
        sentences.push(format!(
            "KafkaACL {} asks for it ({acl}), and Kafka does not have it yet",
            by.join(", ")
        ));
    }
    let acls = objects.map(|o| o.acls.as_slice()).unwrap_or_default();
    let about_both =
        |acl: &&KafkaACL| speaks_of(acl, question) && speaks_to(acl, question, objects);
    for acl in acls.iter().filter(about_both) {
        let object = ObjectKey::of(acl);
        let refused = expansion.verdicts.get(&object);
        let refused = refused.into_iter().flat_map(|verdict| &verdict.refused);
        // Of what is refused on a resource, that on others is no answer.
        let about = |message: &str| {
            let named = acl.spec.resources.iter().filter_map(|r| r.name.as_ref());
            let mut others = named.filter(|name| *name != question.name);
            !others.any(|name| message.contains(&format!("{name:?}")))
        };
        let refused = refused.filter(|r| about(&r.message));
        sentences.extend(
            refused.map(|r| format!("KafkaACL {object} is refused: {} ({})", r.message, r.reason)),
        );
    }
    sentences.truncate(5);
    sentences
}

/// Whether an object speaks of the principal, or of a user that would have it.
fn speaks_to(acl: &KafkaACL, question: &Question<'_>, objects: Option<&Objects>) -> bool {
    let own = acl.metadata.namespace.as_deref().unwrap_or_default();
    acl.spec.subjects.iter().any(|subject| {
        let namespace = subject.namespace.as_deref().unwrap_or(own);
        let names = principals_of(subject, own, objects, None).unwrap_or_else(|_| {
            let first = names::user_principal(namespace, &subject.name);
            vec![format!("User:{first}")]
        });
        names
            .iter()
            .any(|name| name == question.principal || name == "User:*")
    })
}

/// Whether an object speaks of the resource.
fn speaks_of(acl: &KafkaACL, question: &Question<'_>) -> bool {
    acl.spec.resources.iter().any(|resource| {
        let name = resource.name.as_deref().unwrap_or("kafka-cluster");
        resource.type_ == question.resource
            && match resource.pattern {
                Pattern::Literal => name == question.name || name == "*",
                Pattern::Prefixed => question.name.starts_with(name),
            }
    })
}

#[cfg(test)]
mod tests;
