//! What an ACL object reaches of the resources it names.

use std::collections::BTreeMap;

use sdm_api::{AclResource, Operation, Pattern, ResourceType};

use super::expand::Expander;
use super::reach::{Access, Reach};
use super::reason;
use super::rule::{ANY, CLUSTER, Ops, list, resource_name};
use super::world::Verdict;
use crate::outcome::Refusal;

/// A resource of Kafka's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target<'w> {
    pub(super) resource: ResourceType,
    pub(super) pattern: Pattern,
    pub(super) name: &'w str,
}

/// A resource with what is given there.
pub(super) struct Reached<'w> {
    pub(super) target: Target<'w>,
    pub(super) operations: Ops,
    /// It belongs to somebody else, who granted it.
    pub(super) guest: bool,
}

impl<'w> Expander<'w> {
    /// Adds what is given of what a resource asks for.
    pub(super) fn resource(
        &mut self,
        own: &'w str,
        resource: &'w AclResource,
        asked: Ops,
        reached: &mut Vec<Reached<'w>>,
        verdict: &mut Verdict,
    ) {
        let kind = resource.type_;
        let name = resource.name.as_deref().unwrap_or(CLUSTER);
        let tenant = own != self.world.cluster.namespace;
        let refusal = match kind {
            _ if !tenant => None,
            ResourceType::Topic => {
                return self.topics(own, resource, asked, reached, verdict);
            }
            ResourceType::Group | ResourceType::TransactionalId => {
                self.holders.check(own, resource).err()
            }
            ResourceType::Cluster | ResourceType::DelegationToken => {
                Some(cluster_rights(kind, &self.world.cluster.namespace))
            }
        };
        match refusal {
            Some(refusal) => verdict.refused.push(refusal),
            None => reached.push(Reached {
                target: Target {
                    resource: kind,
                    pattern: resource.pattern,
                    name,
                },
                operations: all_of(asked, kind),
                guest: false,
            }),
        }
    }

    /// Topics of a tenant: those it reaches, each by its name.
    fn topics(
        &mut self,
        own: &'w str,
        resource: &'w AclResource,
        asked: Ops,
        reached: &mut Vec<Reached<'w>>,
        verdict: &mut Verdict,
    ) {
        let world = self.world;
        let reach = self.reaches.entry(own).or_insert_with(|| {
            let grants = self.grants.get(own).map(Vec::as_slice).unwrap_or_default();
            Reach::new(
                own,
                &world.cluster.namespace,
                world.topics,
                &self.owned,
                grants,
            )
        });
        let name = resource.name.as_deref().unwrap_or_default();
        let prefix = match resource.pattern {
            Pattern::Prefixed => name,
            Pattern::Literal if name == ANY => "",
            Pattern::Literal => {
                match reach.topic(name, world.topics) {
                    Err(owner) => verdict.refused.push(self.not_owned(own, name, owner)),
                    Ok(access) => {
                        let beyond = give(access, own, asked, reached);
                        if !beyond.is_empty() {
                            let which = format!("topic {name:?} of namespace {:?}", access.owner);
                            verdict.refused.push(not_granted(&which, access, beyond));
                        }
                    }
                }
                return;
            }
        };
        let matches = reach.under(prefix);
        if matches.is_empty() {
            verdict.notes.push(format!(
                "namespace {own:?} reaches no topic that is meant by {}",
                described(resource)
            ));
        }
        // One refusal for all topics of an owner that are granted alike.
        let mut beyond: BTreeMap<(&str, Ops), (Access<'_>, Ops)> = BTreeMap::new();
        for access in matches {
            let missing = give(*access, own, asked, reached);
            if !missing.is_empty() {
                beyond
                    .entry((access.owner, access.operations))
                    .or_insert((*access, missing));
            }
        }
        for (access, missing) in beyond.values() {
            let which = format!(
                "topics of namespace {:?} that are meant by {}, such as {:?},",
                access.owner,
                described(resource),
                access.topic
            );
            verdict.refused.push(not_granted(&which, *access, *missing));
        }
    }

    fn not_owned(&self, own: &str, topic: &str, owner: Option<&str>) -> Refusal {
        let rule = "a namespace reaches only topics that it owns or was granted";
        let grant = format!("with namespaces: [{own}] and topics: [{{name: {topic}}}]");
        match owner {
            Some(owner) => Refusal::stands(
                reason::TOPIC_NOT_OWNED,
                format!(
                    "topic {topic:?} belongs to namespace {owner:?}, and {rule}: it takes a KafkaAccessGrant in namespace {owner:?} {grant}"
                ),
            ),
            None => Refusal::waits(
                reason::TOPIC_NOT_OWNED,
                format!(
                    "topic {topic:?} belongs to nobody, and {rule}: it takes a KafkaTopic in namespace {own:?}, or a KafkaAccessGrant in namespace {:?} {grant}",
                    self.world.cluster.namespace
                ),
            ),
        }
    }
}

/// Adds what is given of what is asked on a topic; returns what is not.
fn give<'w>(access: Access<'w>, own: &str, asked: Ops, reached: &mut Vec<Reached<'w>>) -> Ops {
    let asked = all_of(asked, ResourceType::Topic);
    let beyond = asked.without(access.operations);
    let given = if beyond.contains(Operation::All) {
        // The part of it that is granted.
        access.operations.both(Ops::of(ResourceType::Topic))
    } else {
        asked.both(access.operations)
    };
    reached.push(Reached {
        target: Target {
            resource: ResourceType::Topic,
            pattern: Pattern::Literal,
            name: access.topic,
        },
        operations: given,
        guest: access.owner != own,
    });
    beyond
}

/// The operations that are asked for; `All` stands for the others.
fn all_of(asked: Ops, resource: ResourceType) -> Ops {
    if asked.contains(Operation::All) {
        return [Operation::All].into_iter().collect();
    }
    asked.both(Ops::of(resource))
}

fn not_granted(which: &str, access: Access<'_>, beyond: Ops) -> Refusal {
    let beyond = list(beyond.iter());
    let granted = list(access.operations.both(Ops::of(ResourceType::Topic)).iter());
    Refusal::stands(
        reason::OPERATION_NOT_GRANTED,
        format!(
            "{which} may be reached for {granted} only: {beyond} must be among the operations of a KafkaAccessGrant in namespace {:?}",
            access.owner
        ),
    )
}

/// Rights on the whole cluster are its own namespace's to give.
pub(super) fn cluster_rights(kind: ResourceType, cluster_namespace: &str) -> Refusal {
    Refusal::stands(
        reason::CLUSTER_RIGHTS_NOT_ALLOWED,
        format!(
            "rights on {} are the cluster's own namespace's to give: it takes a KafkaACL in namespace {cluster_namespace:?}",
            match kind {
                ResourceType::DelegationToken => "delegation tokens",
                _ => "the cluster itself",
            }
        ),
    )
}

/// A resource in a sentence.
pub(super) fn described(resource: &AclResource) -> String {
    let kind = resource_name(resource.type_);
    let name = resource.name.as_deref().unwrap_or(CLUSTER);
    match resource.pattern {
        Pattern::Prefixed => format!("{kind} prefix {name:?}"),
        Pattern::Literal => format!("{kind} {name:?}"),
    }
}
