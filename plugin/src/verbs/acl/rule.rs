//! An ACL as it is shown: in words, with the objects it comes from.

use sdm_api::{Pattern, Permission};
use sdm_core::access::{Acl, ObjectKey};
use sdm_kafka::{AclBinding, AclPatternType, AclResourceType};
use serde::Serialize;

use crate::access::resource_word;
use crate::output::style;
use crate::output::table::{Cell, Table};

/// An ACL.
#[derive(Serialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Who.
    pub principal: String,
    /// `Allow` or `Deny`.
    pub permission: String,
    /// `topic`, `group`, `cluster`, ...
    pub resource: String,
    /// The resource's name, or what it begins with.
    pub name: String,
    /// `literal` or `prefixed`.
    pub pattern: String,
    /// What.
    pub operation: String,
    /// From where.
    pub host: String,
    /// The objects that ask for it; none if somebody else made it.
    pub objects: Vec<ObjectKey>,
}

impl Rule {
    /// One that objects ask for.
    pub fn of(acl: &Acl, objects: &[ObjectKey]) -> Self {
        Self {
            principal: acl.principal.clone(),
            permission: match acl.permission {
                Permission::Allow => "Allow",
                Permission::Deny => "Deny",
            }
            .to_owned(),
            resource: resource_word(acl.resource).to_owned(),
            name: acl.name.clone(),
            pattern: match acl.pattern {
                Pattern::Literal => "literal",
                Pattern::Prefixed => "prefixed",
            }
            .to_owned(),
            operation: format!("{:?}", acl.operation),
            host: acl.host.clone(),
            objects: objects.to_vec(),
        }
    }

    /// One that only Kafka knows.
    pub fn foreign(binding: &AclBinding) -> Self {
        Self {
            principal: binding.principal.clone(),
            permission: binding.permission.to_string(),
            resource: match binding.resource_type {
                AclResourceType::Topic => "topic".to_owned(),
                AclResourceType::Group => "group".to_owned(),
                AclResourceType::Cluster => "cluster".to_owned(),
                AclResourceType::TransactionalId => "transactionalId".to_owned(),
                AclResourceType::DelegationToken => "delegationToken".to_owned(),
                AclResourceType::User => "user".to_owned(),
                other @ AclResourceType::Unknown(_) => other.to_string(),
            },
            name: binding.resource_name.clone(),
            pattern: match binding.pattern_type {
                AclPatternType::Literal => "literal".to_owned(),
                AclPatternType::Prefixed => "prefixed".to_owned(),
                other @ AclPatternType::Unknown(_) => other.to_string(),
            },
            operation: binding.operation.to_string(),
            host: binding.host.clone(),
            objects: Vec::new(),
        }
    }

    /// `topic/orders`, `cluster`
    pub fn on(&self) -> String {
        if self.resource == "cluster" {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.name)
        }
    }
}

/// Rules as a table.
pub fn rules_table<'a>(rules: impl Iterator<Item = &'a Rule>) -> Table {
    let mut table = Table::new(&[
        "PRINCIPAL",
        "PERMISSION",
        "OPERATION",
        "RESOURCE",
        "PATTERN",
        "HOST",
        "FROM",
    ]);
    for rule in rules {
        let from: Vec<String> = rule.objects.iter().map(ToString::to_string).collect();
        table.row(vec![
            rule.principal.as_str().into(),
            if rule.permission == "Deny" {
                Cell::painted("Deny", style::bad)
            } else {
                rule.permission.as_str().into()
            },
            rule.operation.as_str().into(),
            rule.on().into(),
            rule.pattern.as_str().into(),
            rule.host.as_str().into(),
            if from.is_empty() {
                "-".into()
            } else {
                from.join(",").into()
            },
        ]);
    }
    table
}
