//! `role describe`: what a role may do, and who has it.

use std::io;

use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::{KafkaACL, KafkaRole};
use serde::Serialize;

use super::{Role, bare, label};
use crate::access::resource_word;
use crate::exit::{self, Code, Failure, Result};
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text};
use crate::session::Session;

/// Arguments of `role describe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of roles: built in, or of KafkaRoles of the namespace
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptions {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Description>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    #[serde(flatten)]
    role: Role,
    /// KafkaACLs that give it.
    given_by: Vec<String>,
}

impl Report for Descriptions {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        for (i, Description { role, given_by }) in self.items.iter().enumerate() {
            if i > 0 {
                out.line("")?;
            }
            match &role.namespace {
                Some(_) => out.line(format!("Name:      {}", role.key()))?,
                None => out.line(format!("Name:      {} (built in)", role.name))?,
            }
            if let Some(standing) = &role.standing {
                out.line(format!("Ready:     {}", standing.sentence()))?;
            }
            let given = if given_by.is_empty() {
                "no KafkaACL of this namespace".to_owned()
            } else {
                given_by.join(", ")
            };
            out.line(format!("Given by:  {given}"))?;
            let mut table = Table::new(&["RESOURCE", "OPERATIONS"]);
            for rule in &role.rules {
                table.row(vec![
                    resource_word(rule.resource).into(),
                    rule.operations().into(),
                ]);
            }
            out.table(&table)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| label(&item.role)).collect()
    }
}

/// Describes the roles.
///
/// # Errors
/// When one of them does not exist; the others are shown.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let every = ListParams::default();
    // Who has it is an extra: who may not list ACLs still sees the role.
    let acls = session
        .namespaced::<KafkaACL>()
        .list(&every)
        .await
        .map(|list| list.items)
        .unwrap_or_default();
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for name in args.names.iter().map(|name| bare(name)) {
        let role = match Role::built_in(name) {
            Some(role) => Some(role),
            None => {
                let found = session.namespaced::<KafkaRole>().get_opt(name).await;
                let found =
                    found.map_err(|e| session.failed(&format!("get kafkarole {name}"), e))?;
                found.as_ref().map(Role::of)
            }
        };
        match role {
            Some(role) => items.push(Description {
                given_by: acls
                    .iter()
                    .filter(|acl| acl.spec.roles.iter().any(|r| r == name))
                    .map(ResourceExt::name_any)
                    .collect(),
                role,
            }),
            None => failures.push(
                Failure::new(
                    Code::NotFound,
                    format!(
                        "there is no role {name}, built in or in namespace {}",
                        session.namespace
                    ),
                )
                .at(&session.place)
                .hint(format!("kubectl kafka role list -n {}", session.namespace)),
            ),
        }
    }
    if !items.is_empty() {
        session.output.report(&Descriptions {
            api_version: API_VERSION,
            kind: "RoleDescriptionList",
            items,
        })?;
    }
    exit::all(failures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn a_role_is_a_table_of_operations() {
        let report = Descriptions {
            api_version: API_VERSION,
            kind: "RoleDescriptionList",
            items: vec![Description {
                role: Role::built_in("consumer").unwrap(),
                given_by: vec!["readers".to_owned()],
            }],
        };
        assert_eq!(
            Output::render(Format::Table, &report),
            "Name:      consumer (built in)\nGiven by:  readers\n\
             RESOURCE   OPERATIONS\ntopic      Read, Describe\ngroup      Read, Describe\n"
        );
    }
}
