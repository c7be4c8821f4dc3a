//! `acl adopt`: prints KafkaACL and KafkaRole resources that stand for exactly the ACLs that no object stands for.

use std::collections::BTreeSet;

use sdm_core::access::{Acl, ObjectKey, World, expand};
use sdm_kafka::AclFilter;

use super::adoption::{Adopted, adopt};
use crate::access::{self, acl_of};
use crate::exit::{Failure, Result};
use crate::kafka::Access;
use crate::objects;
use crate::session::Session;

/// Not every one is told of.
const TOLD: usize = 10;

/// Arguments of `acl adopt`.
#[derive(clap::Args, Debug)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["all", "principal"]),
    after_help = "Prints resources for the cluster's own namespace, and changes nothing. What is printed was checked to stand for exactly the ACLs there are; once applied, the operator looks after them, and removes them with the objects.\nExample:\n  kubectl kafka acl adopt --all > acls.yaml"
)]
pub struct Args {
    /// ACLs of this principal, such as User:legacy; may be repeated
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Vec<String>,
    /// All ACLs that no object asks for
    #[arg(long, conflicts_with = "principal")]
    all: bool,
    #[command(flatten)]
    access: Access,
}

/// Prints the resources.
///
/// # Errors
/// When Kafka or the objects cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let every = AclFilter::any();
    let (live, known) = tokio::join!(
        access::live(&kafka, &every),
        access::sources(session, &target, &kafka)
    );
    let (live, (known, expansion, _)) = (live?, known?);
    if known.is_none_or(|objects| objects.partial.is_some()) {
        return Err(Failure::general(
            "which ACLs belong to no object is only known to who may list all objects",
        )
        .at(target.place())
        .hint("kubectl auth can-i list kafkaacls.kafka.sdm.dev --all-namespaces"));
    }
    let wanted = |principal: &str| {
        args.principal.is_empty() || args.principal.iter().any(|p| p == principal)
    };
    let (mut foreign, mut left) = (BTreeSet::new(), Vec::new());
    for binding in live.iter().filter(|b| wanted(&b.principal)) {
        match acl_of(binding) {
            Some(acl) if expansion.wanted.contains_key(&acl) => {}
            Some(acl) => {
                foreign.insert(acl);
            }
            None => left.push(format!(
                "{} {} on {} {:?} to {}",
                binding.permission,
                binding.operation,
                binding.resource_type,
                binding.resource_name,
                binding.principal
            )),
        }
    }
    let made = adopt(&foreign, &target);
    let made_for = stands_for(&made, &target.namespace, &target.name);
    left.extend(foreign.difference(&made_for).map(ToString::to_string));
    debug_assert!(made_for.is_subset(&foreign));
    for acl in left.iter().take(TOLD) {
        session
            .output
            .note(format!("no object can stand for: {acl}"));
    }
    if left.len() > TOLD {
        session
            .output
            .note(format!("and {} more", left.len() - TOLD));
    }
    let documents = made.documents()?;
    if documents.is_empty() {
        session.output.progress(format!(
            "every ACL of {} belongs to an object",
            target.place()
        ));
        return Ok(());
    }
    objects::documents(&session.output, &documents)
}

/// What the objects stand for: the proof of the adoption.
pub(super) fn stands_for(made: &Adopted, namespace: &str, cluster: &str) -> BTreeSet<Acl> {
    let world = World {
        cluster: ObjectKey::new(namespace, cluster),
        roles: made
            .roles
            .iter()
            .map(|role| (ObjectKey::of(role), &role.spec))
            .collect(),
        acls: made.acls.iter().collect(),
        ..World::default()
    };
    expand(&world).wanted.into_keys().collect()
}
