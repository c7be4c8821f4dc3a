//! Whether Kafka lets a principal do something, and why.
//!
//! The same answer as `org.apache.kafka.metadata.authorizer.StandardAuthorizerData` gives: super users first; a denial
//! wins over every allowance; an ACL speaks of a resource by its exact name, by `*` or by a prefix; `All` is every
//! operation; an allowance brings implied operations along and a denial does not; principals are compared as text, with
//! `User:*` for everybody, and so are addresses, with `*`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use serde::Serialize;

use super::rule::{ANY, Acl, EVERYBODY, ObjectKey, implied, kafka_host, resource_name};

/// Near misses that are reported.
const NEAR_AT_MOST: usize = 5;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// Who, `User:...`.
    pub principal: &'a str,
    /// From which address; `*` for one that no ACL names.
    pub host: &'a str,
    /// What.
    pub operation: Operation,
    /// On what type of resource.
    pub resource: ResourceType,
    /// The resource's name.
    pub name: &'a str,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether Kafka allows it.
    pub allowed: bool,
    /// What decides.
    pub because: Because,
    /// Allowances that nearly do, the nearest first, at most five; empty if it is allowed.
    pub near: Vec<Near>,
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Because {
    /// Super users may do everything.
    SuperUser,
    /// An ACL denies it.
    Denied {
        /// The ACL.
        acl: Acl,
        /// The objects it stands for; none if it was made by somebody else.
        objects: Vec<ObjectKey>,
    },
    /// An ACL allows it.
    Allowed {
        /// The ACL.
        acl: Acl,
        /// The objects it stands for; none if it was made by somebody else.
        objects: Vec<ObjectKey>,
        /// Whether it does so only by what its operation brings along.
        implied: bool,
    },
    /// No ACL says anything, so it is denied.
    NoRule,
}

/// An allowance that nearly allows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Near {
    /// The ACL.
    pub acl: Acl,
    /// The objects it stands for; none if it was made by somebody else.
    pub objects: Vec<ObjectKey>,
    /// What is missing.
    pub miss: Miss,
    /// The same in words.
    pub why: String,
}

/// Why an allowance does not help, the nearest miss first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Miss {
    /// It would, if a denial did not win over it.
    Overruled,
    /// It is for another address.
    Host,
    /// It is for another operation.
    Operation,
    /// It is for another resource of this type.
    Resource,
}

/// How an ACL's operation meets the one that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Covers {
    Directly,
    Implied,
    No,
}

/// Answers from `acls`, all that Kafka has. `reasons` are the objects behind those of ours.
#[must_use]
pub fn explain<'a>(
    question: &Question<'_>,
    acls: impl Iterator<Item = &'a Acl>,
    super_users: &[&str],
    reasons: &BTreeMap<Acl, Vec<ObjectKey>>,
) -> Explanation {
    if super_users.contains(&question.principal) {
        return Explanation {
            allowed: true,
            because: Because::SuperUser,
            near: Vec::new(),
        };
    }
    let host = kafka_host(question.host).unwrap_or_else(|| question.host.to_owned());
    let objects = |acl: &Acl| reasons.get(acl).cloned().unwrap_or_default();
    let mut denied: Option<&Acl> = None;
    let mut allowed: Option<(Covers, bool, &Acl)> = None;
    let mut near: Vec<(Miss, Reverse<usize>, &Acl)> = Vec::new();
    for acl in acls.filter(|acl| speaks_of(acl, question)) {
        let from = acl.host == ANY || acl.host == host;
        let on = names(acl, question.name);
        let does = covers(acl, question.operation);
        match (on, from, does) {
            (true, true, Covers::No) => near.push((Miss::Operation, Reverse(0), acl)),
            (true, true, _) if acl.permission == Permission::Deny => {
                denied = Some(denied.map_or(acl, |other| other.min(acl)));
            }
            (true, true, _) => {
                let found = (does, !reasons.contains_key(acl), acl);
                allowed = Some(allowed.map_or(found, |other| other.min(found)));
            }
            (_, _, Covers::No) => {}
            (true, false, _) => near.push((Miss::Host, Reverse(0), acl)),
            (false, true, _) => {
                let common = common(&acl.name, question.name);
                near.push((Miss::Resource, Reverse(common), acl));
            }
            (false, false, _) => {}
        }
    }
    let because = match (denied, allowed) {
        (Some(acl), _) => Because::Denied {
            acl: acl.clone(),
            objects: objects(acl),
        },
        (None, Some((does, _, acl))) => Because::Allowed {
            acl: acl.clone(),
            objects: objects(acl),
            implied: does == Covers::Implied,
        },
        (None, None) => Because::NoRule,
    };
    if let (Some(_), Some((_, _, acl))) = (denied, allowed) {
        near.push((Miss::Overruled, Reverse(0), acl));
    }
    near.retain(|(_, _, acl)| acl.permission == Permission::Allow);
    near.sort_unstable();
    near.truncate(NEAR_AT_MOST);
    let allowed = matches!(because, Because::Allowed { .. });
    let near = near.into_iter().filter(|_| !allowed);
    let near = near.map(|(miss, _, acl)| Near {
        acl: acl.clone(),
        objects: objects(acl),
        miss,
        why: why(miss, acl, question),
    });
    Explanation {
        allowed,
        near: near.collect(),
        because,
    }
}

fn speaks_of(acl: &Acl, question: &Question<'_>) -> bool {
    acl.resource == question.resource
        && (acl.principal == question.principal || acl.principal == EVERYBODY)
}

fn names(acl: &Acl, name: &str) -> bool {
    match acl.pattern {
        Pattern::Literal => acl.name == name || acl.name == ANY,
        Pattern::Prefixed => name.starts_with(&acl.name),
    }
}

fn covers(acl: &Acl, asked: Operation) -> Covers {
    if acl.operation == Operation::All || acl.operation == asked {
        Covers::Directly
    } else if acl.permission == Permission::Allow && implied(acl.operation) == Some(asked) {
        Covers::Implied
    } else {
        Covers::No
    }
}

/// How many bytes two names have in common at their beginning.
fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

fn why(miss: Miss, acl: &Acl, question: &Question<'_>) -> String {
    let kind = resource_name(acl.resource);
    match miss {
        Miss::Overruled => "a denial wins over it".to_owned(),
        Miss::Host if question.host == ANY => format!("it is for {} only", acl.host),
        Miss::Host => format!("it is for {}, not {}", acl.host, question.host),
        Miss::Operation => format!(
            "it is for {:?}, not {:?}",
            acl.operation, question.operation
        ),
        Miss::Resource if acl.pattern == Pattern::Prefixed => {
            format!("it is for {kind}s that begin with {:?}", acl.name)
        }
        Miss::Resource => format!("it is for {kind} {:?}", acl.name),
    }
}
