//! Naming subjects and resources on the command line: `--user app`, `--to user:app`, `--topic orders`, `--on topic:orders`.

use kube::ResourceExt;
use sdm_api::{AclResource, AclSubject, KafkaUser, Pattern, ResourceType, SubjectKind, names};
use sdm_core::access::ObjectKey;

use crate::access::{Logins, Objects, parse_type, principals};
use crate::exit::{Code, Failure, Result};
use crate::session::Session;

/// One subject.
// `user` is the id of kubeconfig's flag, which means nothing to these commands: see `verbs::run`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Subject {
    /// A KafkaUser, as NAME or NAMESPACE/NAME (here, --user is not kubeconfig's)
    #[arg(long, value_name = "NAME", help_heading = "Subject")]
    pub user: Option<String>,
    /// A Kubernetes service account, as NAME or NAMESPACE/NAME
    #[arg(long, value_name = "NAME", help_heading = "Subject")]
    pub service_account: Option<String>,
    /// A principal as Kafka has it, such as User:legacy
    #[arg(long, value_name = "PRINCIPAL", help_heading = "Subject")]
    pub principal: Option<String>,
}

impl Subject {
    /// The subjects as an object names them, none if no flag was given. A principal is completed by `User:`.
    pub fn named(&self) -> Vec<AclSubject> {
        let user = self
            .user
            .as_deref()
            .map(|name| subject(SubjectKind::KafkaUser, name));
        let account = self
            .service_account
            .as_deref()
            .map(|name| subject(SubjectKind::ServiceAccount, name));
        let principal = self
            .principal
            .as_deref()
            .map(|name| subject(SubjectKind::Principal, name));
        [user, account, principal].into_iter().flatten().collect()
    }

    /// The principals of the one subject that was named.
    ///
    /// # Errors
    /// When not exactly one was named, or it does not exist.
    pub fn principals(
        &self,
        session: &Session,
        objects: Option<&Objects>,
        logins: Option<&Logins>,
    ) -> Result<Vec<String>> {
        match self.named().as_slice() {
            [one] => principals_of(one, &session.namespace, objects, logins),
            _ => Err(Failure::usage(
                "name one subject: --user, --service-account or --principal",
            )),
        }
    }
}

/// The principals of a subject, as seen from a namespace.
///
/// # Errors
/// When it is a KafkaUser that does not exist.
pub fn principals_of(
    subject: &AclSubject,
    own: &str,
    objects: Option<&Objects>,
    logins: Option<&Logins>,
) -> Result<Vec<String>> {
    let namespace = subject.namespace.as_deref().unwrap_or(own);
    match subject.kind {
        SubjectKind::Principal => Ok(vec![subject.name.clone()]),
        SubjectKind::ServiceAccount => {
            let name = names::service_account_principal(namespace, &subject.name);
            Ok(vec![format!("User:{name}")])
        }
        SubjectKind::KafkaUser => {
            let key = ObjectKey::new(namespace, &subject.name);
            let found: Option<&KafkaUser> = objects.and_then(|o| o.user(&key));
            found.map(|user| principals(user, logins)).ok_or_else(|| {
                Failure::new(
                    Code::NotFound,
                    format!("there is no KafkaUser {key} of this cluster"),
                )
                .hint(format!("kubectl get kafkausers -n {namespace}"))
            })
        }
    }
}

/// Whether a principal says its type, as `User:a` does and `sdm:admin` does not.
fn has_type(principal: &str) -> bool {
    principal.split_once(':').is_some_and(|(kind, _)| {
        kind.starts_with(|c: char| c.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric())
    })
}

/// A subject by kind and `[NAMESPACE/]NAME`.
fn subject(kind: SubjectKind, text: &str) -> AclSubject {
    let (namespace, name) = match (kind, text.split_once('/')) {
        (SubjectKind::Principal, _) if has_type(text) => (None, text.to_owned()),
        (SubjectKind::Principal, _) => (None, format!("User:{text}")),
        (_, Some((namespace, name))) => (Some(namespace.to_owned()), name.to_owned()),
        (_, None) => (None, text.to_owned()),
    };
    AclSubject {
        kind,
        name,
        namespace,
    }
}

/// Reads `user:app`, `serviceAccount:team/app` or `principal:User:app`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_subject(text: &str) -> Result<AclSubject, String> {
    let kinds = [
        ("user:", SubjectKind::KafkaUser),
        ("serviceAccount:", SubjectKind::ServiceAccount),
        ("service-account:", SubjectKind::ServiceAccount),
        ("principal:", SubjectKind::Principal),
    ];
    let found = kinds
        .iter()
        .find_map(|(prefix, kind)| Some((*kind, text.strip_prefix(prefix)?)));
    match found {
        Some((kind, name)) if !name.is_empty() => Ok(subject(kind, name)),
        _ => Err(format!(
            "{text:?} is no subject: write user:NAME, serviceAccount:NAME or principal:User:NAME"
        )),
    }
}

/// Resources, by a flag for each type.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Resources {
    /// A resource as TYPE:NAME; a * at its end stands for everything that begins so; may be repeated
    #[arg(long = "on", value_name = "RESOURCE", value_parser = parse_resource, help_heading = "Resource")]
    on: Vec<AclResource>,
    /// A topic; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Resource")]
    topic: Vec<String>,
    /// Topics whose names begin so; may be repeated
    #[arg(long, value_name = "PREFIX", help_heading = "Resource")]
    topic_prefix: Vec<String>,
    /// A group; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Resource")]
    group: Vec<String>,
    /// Groups whose names begin so; may be repeated
    #[arg(long, value_name = "PREFIX", help_heading = "Resource")]
    group_prefix: Vec<String>,
    /// A transactional id; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Resource")]
    transactional_id: Vec<String>,
    /// Transactional ids that begin so; may be repeated
    #[arg(long, value_name = "PREFIX", help_heading = "Resource")]
    transactional_id_prefix: Vec<String>,
    /// The Kafka cluster itself (here, --cluster is not kubeconfig's)
    // Of the same type as kubeconfig's flag, whose id it has: see `verbs::run`.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "kafka-cluster", value_parser = ["kafka-cluster"], hide_possible_values = true, help_heading = "Resource")]
    cluster: Option<String>,
}

impl Resources {
    /// The resources as an object names them.
    pub fn named(&self) -> Vec<AclResource> {
        use ResourceType::{Group, Topic, TransactionalId};
        let each = [
            (Topic, Pattern::Literal, &self.topic),
            (Topic, Pattern::Prefixed, &self.topic_prefix),
            (Group, Pattern::Literal, &self.group),
            (Group, Pattern::Prefixed, &self.group_prefix),
            (TransactionalId, Pattern::Literal, &self.transactional_id),
            (
                TransactionalId,
                Pattern::Prefixed,
                &self.transactional_id_prefix,
            ),
        ];
        let mut found = self.on.clone();
        for (type_, pattern, names) in each {
            found.extend(names.iter().map(|name| AclResource {
                type_,
                name: Some(name.clone()),
                pattern,
            }));
        }
        found.extend(self.cluster.iter().map(|_| cluster()));
        found
    }
}

fn cluster() -> AclResource {
    AclResource {
        type_: ResourceType::Cluster,
        name: None,
        pattern: Pattern::Literal,
    }
}

/// Reads `topic:orders`, `topic/orders`, `group:team.*`, `cluster`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_resource(text: &str) -> Result<AclResource, String> {
    let (type_, name) = text.split_once([':', '/']).unwrap_or((text, ""));
    let type_ = parse_type(type_)?;
    if type_ == ResourceType::Cluster {
        return match name {
            "" | "kafka-cluster" => Ok(cluster()),
            _ => Err(format!(
                "the cluster has no name: write cluster, not {text:?}"
            )),
        };
    }
    let (name, pattern) = match name.strip_suffix('*') {
        _ if name == "*" => (name, Pattern::Literal),
        Some(prefix) => (prefix, Pattern::Prefixed),
        None => (name, Pattern::Literal),
    };
    if name.is_empty() {
        return Err(format!("{text:?} names no resource: write {text}:NAME"));
    }
    Ok(AclResource {
        type_,
        name: Some(name.to_owned()),
        pattern,
    })
}

/// `kafkaacl/orders`, as `-o name` prints it, and `orders` both mean the object `orders`.
pub fn bare(name: &str) -> &str {
    name.strip_prefix("kafkaacl/").unwrap_or(name)
}

/// `user:team/app`, as `--to` takes it.
pub fn subject_word(subject: &AclSubject) -> String {
    let kind = match subject.kind {
        SubjectKind::KafkaUser => "user",
        SubjectKind::ServiceAccount => "serviceAccount",
        SubjectKind::Principal => "principal",
    };
    match &subject.namespace {
        Some(namespace) => format!("{kind}:{namespace}/{}", subject.name),
        None => format!("{kind}:{}", subject.name),
    }
}

/// `topic:orders`, as `--on` takes it.
pub fn resource_text(resource: &AclResource) -> String {
    let word = crate::access::resource_word(resource.type_);
    match (&resource.name, resource.pattern) {
        (None, _) => word.to_owned(),
        (Some(name), Pattern::Literal) => format!("{word}:{name}"),
        (Some(name), Pattern::Prefixed) => format!("{word}:{name}*"),
    }
}

/// For messages.
pub fn key<K: kube::Resource>(object: &K) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_as_they_are_written() {
        for (text, kind, namespace, name) in [
            ("user:app", SubjectKind::KafkaUser, None, "app"),
            ("user:team/app", SubjectKind::KafkaUser, Some("team"), "app"),
            (
                "serviceAccount:team/app",
                SubjectKind::ServiceAccount,
                Some("team"),
                "app",
            ),
            (
                "principal:User:a/b",
                SubjectKind::Principal,
                None,
                "User:a/b",
            ),
            (
                "principal:sdm:admin",
                SubjectKind::Principal,
                None,
                "User:sdm:admin",
            ),
            (
                "principal:legacy",
                SubjectKind::Principal,
                None,
                "User:legacy",
            ),
        ] {
            let read = parse_subject(text).unwrap();
            assert_eq!(
                (read.kind, read.namespace.as_deref(), read.name.as_str()),
                (kind, namespace, name),
                "{text}"
            );
        }
        for text in ["app", "user:", "role:x"] {
            assert!(parse_subject(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_are_read_as_they_are_written() {
        for (text, type_, name, pattern) in [
            (
                "topic:orders",
                ResourceType::Topic,
                Some("orders"),
                Pattern::Literal,
            ),
            (
                "topic/orders",
                ResourceType::Topic,
                Some("orders"),
                Pattern::Literal,
            ),
            (
                "group:team.*",
                ResourceType::Group,
                Some("team."),
                Pattern::Prefixed,
            ),
            ("topic:*", ResourceType::Topic, Some("*"), Pattern::Literal),
            (
                "transactionalId:a:b",
                ResourceType::TransactionalId,
                Some("a:b"),
                Pattern::Literal,
            ),
            ("cluster", ResourceType::Cluster, None, Pattern::Literal),
        ] {
            let read = parse_resource(text).unwrap();
            assert_eq!(
                (read.type_, read.name.as_deref(), read.pattern),
                (type_, name, pattern),
                "{text}"
            );
            assert_eq!(resource_text(&read), text.replace('/', ":"));
        }
        for text in ["topic", "topic:", "broker:1", "cluster:other"] {
            assert!(parse_resource(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_core_suggests_is_understood() {
        use sdm_core::access::{Question, suggestion};
        for (principal, subject) in [
            ("User:team/user/app", "user:app"),
            ("User:other/user/app/2", "user:other/app"),
            ("User:team/app", "serviceAccount:app"),
            ("User:legacy", "principal:User:legacy"),
        ] {
            for (resource, name, on) in [
                (ResourceType::Topic, "orders", "topic:orders"),
                (ResourceType::TransactionalId, "t", "transactionalId:t"),
                (ResourceType::Cluster, "kafka-cluster", "cluster"),
            ] {
                let question = Question {
                    principal,
                    host: "*",
                    operation: sdm_api::Operation::Describe,
                    resource,
                    name,
                };
                let cluster = ObjectKey::new("streaming", "events");
                let command = suggestion(&question, "team", &cluster).unwrap();
                let words: Vec<&str> = command.split(' ').collect();
                let value = |flag: &str| words[words.iter().position(|w| *w == flag).unwrap() + 1];
                assert_eq!((value("--to"), value("--on")), (subject, on));
                assert!(
                    parse_subject(value("--to")).is_ok() && parse_resource(value("--on")).is_ok()
                );
                use clap::Parser;
                let cli = crate::cli::Cli::try_parse_from(&words[1..]);
                assert!(cli.is_ok(), "{command}: {cli:?}");
            }
        }
    }
}
