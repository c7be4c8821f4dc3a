//! The command that would allow what is not allowed.

use sdm_api::{Operation, ResourceType};

use super::explain::Question;
use super::roles::built_in;
use super::rule::{CLUSTER, ObjectKey, implied, operations_of};

/// Built-in roles, those that give least first.
const NARROWEST: [&str; 6] = [
    "viewer", "consumer", "producer", "connect", "streams", "admin",
];

/// The command that would allow what `question` asks, run in `namespace`: the one that owns the resource. `None` if Kafka
/// knows no such operation on such a resource. It does not help against a denial, which has to go first.
#[must_use]
pub fn suggestion(question: &Question<'_>, namespace: &str, cluster: &ObjectKey) -> Option<String> {
    let role = role_for(question.resource, question.operation)?;
    let to = subject(question.principal, namespace);
    let on = match question.resource {
        ResourceType::Topic => format!("topic:{}", question.name),
        ResourceType::Group => format!("group:{}", question.name),
        ResourceType::TransactionalId => format!("transactionalId:{}", question.name),
        ResourceType::Cluster if question.name == CLUSTER => "cluster".to_owned(),
        ResourceType::Cluster => return None,
        ResourceType::DelegationToken => format!("delegationToken:{}", question.name),
    };
    let cluster = if cluster.namespace == namespace {
        cluster.name.clone()
    } else {
        cluster.to_string()
    };
    Some(format!(
        "kubectl kafka acl grant {role} --to {} --on {} -n {namespace} -c {cluster}",
        quoted(&to),
        quoted(&on)
    ))
}

/// The narrowest built-in role that gives an operation.
fn role_for(resource: ResourceType, operation: Operation) -> Option<&'static str> {
    if operation != Operation::All && !operations_of(resource).contains(&operation) {
        return None;
    }
    let gives = |role: &&&str| {
        let mut rules = built_in(role).into_iter().flatten();
        rules.any(|(kind, operations)| {
            *kind == resource
                && operations.iter().any(|o| {
                    *o == Operation::All || *o == operation || implied(*o) == Some(operation)
                })
        })
    };
    NARROWEST.iter().find(gives).copied()
}

/// A principal as the command takes it: by its object where it has one.
fn subject(principal: &str, namespace: &str) -> String {
    let parts = |name: &str| name.split('/').map(str::to_owned).collect::<Vec<_>>();
    let named = |kind: &str, ns: &str, name: &str| {
        if ns == namespace {
            format!("{kind}:{name}")
        } else {
            format!("{kind}:{ns}/{name}")
        }
    };
    let parts = principal.strip_prefix("User:").map(parts);
    match parts.as_deref().unwrap_or_default() {
        [ns, user, name] if user == "user" => named("user", ns, name),
        [ns, user, name, second] if user == "user" && second == "2" => named("user", ns, name),
        [ns, name] => named("serviceAccount", ns, name),
        _ => format!("principal:{principal}"),
    }
}

/// Text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@,+".contains(&b);
    if text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}
