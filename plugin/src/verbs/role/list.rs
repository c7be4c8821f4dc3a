//! `role list`: built-in roles, and the KafkaRoles of a namespace.

use std::io;

use kube::api::ListParams;
use sdm_api::KafkaRole;
use serde::Serialize;

use super::{Role, label};
use crate::access::resource_word;
use crate::exit::{Code, Result};
use crate::objects::Standing;
use crate::output::table::Table;
use crate::output::{API_VERSION, Output, Report, Text};
use crate::session::Session;

/// Arguments of `role list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only roles that are built in; asks no server
    #[arg(long)]
    pub built_in: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Roles {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Role>,
}

impl Report for Roles {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["ROLE", "NAMESPACE", "READY", "GIVES"]);
        for role in &self.items {
            let rules = role
                .rules
                .iter()
                .map(|rule| format!("{}: {}", resource_word(rule.resource), rule.operations()));
            table.row(vec![
                role.name.as_str().into(),
                role.namespace.as_deref().unwrap_or("(built in)").into(),
                role.standing
                    .as_ref()
                    .map_or_else(|| "-".into(), Standing::cell),
                rules.collect::<Vec<_>>().join("; ").into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(label).collect()
    }
}

/// Lists the roles.
///
/// # Errors
/// When KafkaRoles cannot be listed.
pub async fn run(session: &Session) -> Result<()> {
    let roles = match session.list::<KafkaRole>(&ListParams::default()).await {
        Ok(roles) => roles,
        Err(failure) if failure.code == Code::Denied => {
            session
                .output
                .note(format!("only built-in roles are shown: {failure}"));
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    print(&session.output, &roles)
}

/// Prints the built-in roles and these.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(output: &Output, roles: &[KafkaRole]) -> Result<()> {
    output.report(&Roles {
        api_version: API_VERSION,
        kind: "RoleList",
        items: Role::all_built_in()
            .chain(roles.iter().map(Role::of))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;

    #[test]
    fn built_in_roles_say_what_they_give() {
        let role: KafkaRole = serde_json::from_value(serde_json::json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaRole", "metadata": {"name": "truncator", "namespace": "team"},
            "spec": {"rules": [{"resource": "topic", "operations": ["Delete"]}]},
        }))
        .unwrap();
        let report = Roles {
            api_version: API_VERSION,
            kind: "RoleList",
            items: Role::built_in("producer")
                .into_iter()
                .chain([Role::of(&role)])
                .collect(),
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "ROLE        NAMESPACE    READY     GIVES\n\
             producer    (built in)   -         topic: Write, Describe; transactionalId: Write, Describe\n\
             truncator   team         Unknown   topic: Delete\n"
        );
        assert_eq!(
            Output::render(Format::Name, &report),
            "role/producer\nkafkarole/truncator\n"
        );
        assert_eq!(Role::all_built_in().count(), 6);
    }
}
