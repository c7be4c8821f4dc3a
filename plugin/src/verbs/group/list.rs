//! `group list`: every group that a broker coordinates.

use std::io;

use sdm_kafka::ListedGroup;
use serde::Serialize;

use crate::exit::Result;
use crate::flags::Format;
use crate::kafka::Access;
use crate::objects;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `group list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only groups in this state, such as Stable or Empty
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<ListedGroup>,
}

impl Report for Groups {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["GROUP", "STATE", "TYPE", "COORDINATOR", "+PROTOCOL"]);
        for group in &self.items {
            table.row(vec![
                group.id.as_str().into(),
                state(&group.state),
                group.group_type.to_string().into(),
                group.coordinator.to_string().into(),
                group.protocol_type.as_str().into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|group| format!("group/{}", group.id))
            .collect()
    }
}

/// A group's state: what is neither at rest nor at work is on the move.
pub fn state(state: &str) -> Cell {
    match state {
        "Stable" => Cell::painted(state, style::good),
        "Empty" | "Dead" => state.into(),
        _ => Cell::painted(state, style::warn),
    }
}

/// Lists the groups.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let listing = kafka
        .client
        .list_groups()
        .await
        .map_err(|e| kafka.failed("list groups", e))?;
    for (broker, error) in &listing.unanswered {
        session.output.note(format!(
            "groups that broker {broker} coordinates are missing here: {error}"
        ));
    }
    let mut items = listing.groups;
    if let Some(state) = &args.state {
        items.retain(|group| group.state.eq_ignore_ascii_case(state));
    }
    if items.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        session
            .output
            .progress(format!("no groups found in cluster {}", target.name));
    }
    session.output.report(&Groups {
        api_version: API_VERSION,
        kind: "GroupList",
        items,
    })
}

#[cfg(test)]
mod tests {
    use sdm_kafka::GroupType;

    use super::*;
    use crate::output::Output;

    #[test]
    fn groups_are_a_table() {
        let group = |id: &str, state: &str, group_type| ListedGroup {
            id: id.to_owned(),
            group_type,
            state: state.to_owned(),
            protocol_type: "consumer".to_owned(),
            coordinator: 1,
        };
        let report = Groups {
            api_version: API_VERSION,
            kind: "GroupList",
            items: vec![
                group("app", "Stable", GroupType::Consumer),
                group("old", "Empty", GroupType::Classic),
            ],
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "GROUP   STATE    TYPE       COORDINATOR\n\
             app     Stable   consumer   1\n\
             old     Empty    classic    1\n"
        );
        assert_eq!(
            Output::render(Format::Name, &report),
            "group/app\ngroup/old\n"
        );
    }
}
