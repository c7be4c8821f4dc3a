//! `acl grant`: writes a KafkaACL and waits until Kafka knows, or until it is clear that it will not.

use kube::api::ObjectMeta;
use sdm_api::{
    AclResource, AclSubject, KafkaACL, KafkaACLSpec, Permission, ResourceType, SubjectKind,
};
use serde_json::Value;

use super::select::{Resources, Subject, bare, parse_subject, resource_text, subject_word};
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, Format};
use crate::objects::{self, Done, Target, Writing, fnv, object_name};
use crate::output::warn;
use crate::session::Session;

/// Arguments of `acl grant`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Writes a KafkaACL into the namespace. Roles are KafkaRoles of that namespace or built in: kubectl kafka role list\nExamples:\n  kubectl kafka acl grant producer --user app --topic orders\n  kubectl kafka acl grant consumer --service-account billing --topic-prefix orders. --group billing\n  kubectl kafka acl grant consumer --to user:a --to user:b --on 'topic:orders.*' --on group:audit --name audit"
)]
pub struct Args {
    /// Roles: of KafkaRole objects of the namespace, or built in
    #[arg(value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    what: Grant,
    /// The KafkaACL's name; made of what it says if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    writing: Writing,
}

/// What is granted, to whom.
#[derive(clap::Args, Debug)]
pub struct Grant {
    /// A role; may be repeated
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    #[command(flatten)]
    subject: Subject,
    /// A subject, as user:NAME, serviceAccount:NAME or principal:User:NAME; may be repeated
    #[arg(long = "to", value_name = "SUBJECT", value_parser = parse_subject, help_heading = "Subject")]
    to: Vec<AclSubject>,
    #[command(flatten)]
    resources: Resources,
    /// Only from this IP address; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    host: Vec<String>,
    /// Deny instead of allow; a denial wins over everything allowed
    #[arg(long)]
    deny: bool,
}

impl Grant {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.role.is_empty()
            && self.subject.named().is_empty()
            && self.to.is_empty()
            && self.resources.named().is_empty()
            && self.host.is_empty()
            && !self.deny
    }

    /// The object's spec, as far as it was said.
    pub fn spec(&self, roles: &[String], target: &Target, namespace: &str) -> KafkaACLSpec {
        let mut subjects = self.subject.named();
        subjects.extend(self.to.iter().cloned());
        for subject in &mut subjects {
            // As written by hand: the own namespace goes without saying.
            if subject.namespace.as_deref() == Some(namespace) {
                subject.namespace = None;
            }
        }
        KafkaACLSpec {
            cluster_ref: target.reference_from(namespace),
            subjects,
            roles: roles.iter().chain(&self.role).cloned().collect(),
            resources: self.resources.named(),
            hosts: self.host.clone(),
            permission: if self.deny {
                Permission::Deny
            } else {
                Permission::Allow
            },
        }
    }
}

/// Grants.
///
/// # Errors
/// When it is refused, or not done in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let spec = args.what.spec(&args.roles, &target, &session.namespace);
    check(&spec)?;
    let name = match &args.name {
        Some(name) => bare(name).to_owned(),
        None => name_of(&spec),
    };
    let wanted = KafkaACL {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(session.namespace.clone()),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    };
    let review = sdm_core::access::validate_acl(&wanted, None);
    if let Some(violation) = review.violations.first() {
        return Err(Failure::usage(format!("kafkaacl/{name}: {violation}")));
    }
    let manifest = manifest(&wanted)?;
    if args.writing.dry_run == DryRun::Client {
        return match session.output.format {
            Format::Json | Format::Yaml => objects::documents(&session.output, &[manifest]),
            _ => {
                let written =
                    objects::Written::new([(&manifest, "created")].into_iter(), DryRun::Client)?;
                session.output.report(&written)
            }
        };
    }
    target.check(session).await?;
    let api = session.namespaced::<KafkaACL>();
    let hint = format!(
        "kubectl kafka acl describe {name} {}",
        target.flags_from(&session.namespace)
    );
    let mut done = objects::create_all(session, &api, &[manifest], &args.writing, true, |_| {
        hint.clone()
    })
    .await;
    if let Some(item) = done.first_mut() {
        judge(item, &wanted, &hint);
    }
    objects::finish(session, done, &args.writing)
}

/// What is there already must say the same; what is refused is told in full.
fn judge(done: &mut Done<KafkaACL>, wanted: &KafkaACL, hint: &str) {
    let Some(stored) = &done.stored else { return };
    if done.verb == "unchanged" && stored.spec != wanted.spec {
        let what = format!(
            "kafkaacl/{} exists already and says something else",
            wanted.metadata.name.as_deref().unwrap_or_default()
        );
        done.failure = Some(
            Failure::new(Code::Conflict, what).hint(format!("{hint}    # or give another --name")),
        );
        done.stored = None;
        return;
    }
    if done.failure.is_some() {
        for refused in stored.status.iter().flat_map(|s| &s.refused) {
            warn(format!("refused: {refused}"));
        }
    }
}

fn check(spec: &KafkaACLSpec) -> Result<()> {
    let missing = |what: &str, hint: &str| Err(Failure::usage(what).hint(hint));
    if spec.subjects.is_empty() {
        return missing(
            "to whom? say --user, --service-account, --principal or --to",
            "kubectl kafka acl grant --help",
        );
    }
    if spec.roles.is_empty() {
        return missing(
            "which role? name one, such as producer",
            "kubectl kafka role list",
        );
    }
    if spec.resources.is_empty() {
        return missing(
            "on what? say --topic, --group, --on or another resource",
            "kubectl kafka acl grant --help",
        );
    }
    Ok(())
}

/// A name that says what the object says: the same for the same.
fn name_of(spec: &KafkaACLSpec) -> String {
    let subject = spec
        .subjects
        .first()
        .map(|s| s.name.trim_start_matches("User:"))
        .unwrap_or_default();
    let resource = spec.resources.first();
    let resource = resource.map_or("cluster", |r| r.name.as_deref().unwrap_or("cluster"));
    let mut name = format!("{subject}-{}-{resource}", spec.roles.join("-"));
    name.truncate(name.floor_char_boundary(120));
    let plain = spec.subjects.len() == 1
        && spec.resources.len() == 1
        && spec.hosts.is_empty()
        && spec.permission == Permission::Allow
        && spec
            .resources
            .iter()
            .all(|r| r.type_ == ResourceType::Topic && r.pattern == sdm_api::Pattern::Literal)
        && spec
            .subjects
            .iter()
            .all(|s| s.kind == SubjectKind::KafkaUser && s.namespace.is_none());
    if !plain {
        let mut words: Vec<String> = spec.subjects.iter().map(subject_word).collect();
        words.extend(spec.resources.iter().map(resource_text));
        words.extend(spec.hosts.iter().cloned());
        words.push(format!("{:?}", spec.permission));
        name = format!("{name}-{:08x}", fnv(&words.join(" ")));
    }
    object_name(&name)
}

/// The object to write: what is as by default goes without saying.
pub fn manifest(acl: &KafkaACL) -> Result<Value> {
    let mut value = objects::sparse(acl, &KafkaACLSpec::default())?;
    let each = |value: &mut Value, list: &str, key: &str, default: &str| {
        let items = value.pointer_mut(list).and_then(Value::as_array_mut);
        for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
            if item.get(key).and_then(Value::as_str) == Some(default) {
                item.remove(key);
            }
        }
    };
    each(&mut value, "/spec/resources", "pattern", "literal");
    Ok(value)
}

/// For revoking: whether an object says exactly what is asked for, and whether it says at least that.
pub fn compare(object: &KafkaACLSpec, asked: &KafkaACLSpec) -> (bool, bool) {
    fn all_in<T: PartialEq>(some: &[T], all: &[T]) -> bool {
        some.iter().all(|one| all.contains(one))
    }
    let includes = all_in(&asked.subjects, &object.subjects)
        && all_in(&asked.roles, &object.roles)
        && all_in(&asked.resources, &object.resources)
        && all_in(&asked.hosts, &object.hosts)
        && object.permission == asked.permission;
    let exactly = includes
        && all_in(&object.subjects, &asked.subjects)
        && all_in(&object.roles, &asked.roles)
        && all_in(&object.resources, &asked.resources)
        && all_in(&object.hosts, &asked.hosts);
    (exactly, includes)
}

/// Resources of an object, for people.
pub fn resources_text(resources: &[AclResource]) -> String {
    resources
        .iter()
        .map(resource_text)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::output::yaml;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn spec(line: &str) -> KafkaACLSpec {
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        let args = Line::parse_from(line.split(' ')).args;
        args.what.spec(&args.roles, &target, "team")
    }

    #[test]
    fn both_ways_of_saying_it_mean_the_same() {
        let flags = spec("grant --role consumer --user app --topic orders --group-prefix app.");
        let words = spec("grant consumer --to user:team/app --on topic:orders --on group:app.*");
        assert_eq!(compare(&flags, &words), (true, true));
        let more =
            spec("grant consumer --to user:app --on topic:orders --on group:app.* --host 10.0.0.1");
        assert_eq!(compare(&more, &words), (false, true));
        assert_eq!(compare(&words, &more), (false, false));
    }

    #[test]
    fn nothing_is_granted_to_nobody() {
        for line in [
            "grant producer --topic a",
            "grant --user app --topic a",
            "grant producer --user app",
        ] {
            assert!(check(&spec(line)).is_err(), "{line}");
        }
        assert!(check(&spec("grant producer --user app --cluster")).is_ok());
    }

    #[test]
    fn a_name_says_what_the_object_says() {
        assert_eq!(
            name_of(&spec("grant producer --user app --topic orders")),
            "app-producer-orders"
        );
        let prefix = name_of(&spec("grant producer --user app --topic-prefix orders"));
        assert!(prefix.starts_with("app-producer-orders-"), "{prefix}");
        let denied = name_of(&spec("grant producer --user app --topic orders --deny"));
        assert!(
            denied != prefix && denied != "app-producer-orders",
            "{denied}"
        );
        assert_eq!(
            prefix,
            name_of(&spec("grant producer --user app --on topic:orders*"))
        );
    }

    #[test]
    fn the_object_is_as_somebody_would_write_it() {
        let spec = spec("grant producer --service-account other/app --topic orders --cluster");
        let acl = KafkaACL {
            metadata: ObjectMeta {
                name: Some("a".to_owned()),
                ..ObjectMeta::default()
            },
            spec,
            status: None,
        };
        assert_eq!(
            yaml(&manifest(&acl).unwrap()).unwrap(),
            "apiVersion: kafka.sdm.dev/v1beta1\nkind: KafkaACL\nmetadata:\n  name: a\nspec:\n  clusterRef:\n    \
             name: events\n    namespace: streaming\n  resources:\n  - name: orders\n    type: topic\n  \
             - type: cluster\n  roles:\n  - producer\n  subjects:\n  - kind: ServiceAccount\n    name: app\n    \
             namespace: other\n"
        );
    }
}
