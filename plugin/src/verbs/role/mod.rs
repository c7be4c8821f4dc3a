//! `role`: operations under one name, built-in ones and KafkaRoles.

mod describe;
mod list;

use clap::Subcommand;
use kube::ResourceExt;
use sdm_api::{KafkaRole, Operation, ResourceType};
use sdm_core::access::{BUILT_IN_ROLES, ObjectKey, built_in};
use serde::Serialize;

use crate::exit::Result;
use crate::objects::Standing;
use crate::output::Output;
use crate::session::Session;

/// What can be done with roles.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List roles, built-in ones first
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show what roles may do, and which KafkaACLs give them
    #[command(visible_alias = "get")]
    Describe(describe::Args),
}

/// Prints the built-in roles alone, for which no server is needed, if that is what was asked for.
pub fn built_in_only(verb: &Verb, output: &Output) -> Option<Result<()>> {
    match verb {
        Verb::List(args) if args.built_in => Some(list::print(output, &[])),
        _ => None,
    }
}

impl Verb {
    /// Runs it.
    ///
    /// # Errors
    /// See each verb.
    pub async fn run(self, session: &Session) -> Result<()> {
        match self {
            Self::List(_) => list::run(session).await,
            Self::Describe(args) => describe::run(session, args).await,
        }
    }
}

/// A role.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Role {
    name: String,
    /// None for one that is built in.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    rules: Vec<Rule>,
    #[serde(flatten)]
    standing: Option<Standing>,
}

/// Operations on one type of resource.
#[derive(Serialize, Clone, Debug)]
struct Rule {
    resource: ResourceType,
    operations: Vec<Operation>,
}

impl Role {
    fn built_in(name: &str) -> Option<Self> {
        let rule = |(resource, operations): &(ResourceType, &'static [Operation])| Rule {
            resource: *resource,
            operations: operations.to_vec(),
        };
        Some(Self {
            name: name.to_owned(),
            namespace: None,
            rules: built_in(name)?.iter().map(rule).collect(),
            standing: None,
        })
    }

    fn all_built_in() -> impl Iterator<Item = Self> {
        BUILT_IN_ROLES.into_iter().filter_map(Self::built_in)
    }

    fn of(role: &KafkaRole) -> Self {
        let rule = |rule: &sdm_api::RoleRule| Rule {
            resource: rule.resource,
            operations: rule.operations.clone(),
        };
        Self {
            name: role.name_any(),
            namespace: role.namespace(),
            rules: role.spec.rules.iter().map(rule).collect(),
            standing: Some(Standing::of(role)),
        }
    }

    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace.clone().unwrap_or_default(), &self.name)
    }
}

impl Rule {
    fn operations(&self) -> String {
        self.operations
            .iter()
            .map(|o| format!("{o:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// `kafkarole/x`, as `-o name` prints it, and `x` both mean the role `x`.
fn bare(name: &str) -> &str {
    let name = name.strip_prefix("kafkarole/").unwrap_or(name);
    name.strip_prefix("role/").unwrap_or(name)
}

/// `kafkarole/x` or, built in, `role/x`.
fn label(role: &Role) -> String {
    match role.namespace {
        Some(_) => format!("kafkarole/{}", role.name),
        None => format!("role/{}", role.name),
    }
}
