//! `group describe`: a group's state and its members, with what each of them reads.

use std::io;

use sdm_kafka::GroupDescription;
use serde::Serialize;

use super::bare;
use crate::exit::{self, Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::objects;
use crate::output::table::Table;
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `group describe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of the groups
    #[arg(required = true, value_name = "GROUP")]
    names: Vec<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Groups {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<GroupDescription>,
}

impl Report for Groups {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        for (i, group) in self.items.iter().enumerate() {
            if i > 0 {
                out.line("")?;
            }
            out.line(format!("Name:         {}", style::plain(&group.id)))?;
            out.line(format!("State:        {}", group.state))?;
            let protocol = if group.protocol.is_empty() {
                String::new()
            } else {
                format!(" ({})", group.protocol)
            };
            out.line(format!("Type:         {}{protocol}", group.group_type))?;
            out.line(format!("Coordinator:  broker {}", group.coordinator))?;
            out.line(format!("Members:      {}", group.members.len()))?;
            let mut table = Table::new(&["CLIENT", "HOST", "PARTITIONS", "READS", "+MEMBER"]);
            for member in &group.members {
                let count: usize = member
                    .assignment
                    .iter()
                    .map(|(_, partitions)| partitions.len())
                    .sum();
                let reads: Vec<String> = member
                    .assignment
                    .iter()
                    .map(|(topic, partitions)| format!("{topic}:{}", ranges(partitions)))
                    .collect();
                table.row(vec![
                    member
                        .instance_id
                        .as_deref()
                        .unwrap_or(&member.client_id)
                        .into(),
                    member.host.as_str().into(),
                    count.to_string().into(),
                    reads.join(" ").into(),
                    member.member_id.as_str().into(),
                ]);
            }
            out.table(&table)?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|group| format!("group/{}", group.id))
            .collect()
    }
}

/// `0-3,7`
pub fn ranges(numbers: &[i32]) -> String {
    let mut parts: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => parts.push((*number, *number)),
        }
    }
    let text = |(first, last): &(i32, i32)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    };
    parts.iter().map(text).collect::<Vec<_>>().join(",")
}

/// The failure of a question about a group.
pub fn failed(kafka: &Kafka, name: &str, error: sdm_kafka::KafkaError) -> Failure {
    let failure = kafka.failed(&format!("describe group {name}"), error);
    failure.hint(format!("kubectl kafka group list {}", kafka.flags()))
}

/// Describes the groups.
///
/// # Errors
/// When one of them does not exist; the others are shown.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let names: Vec<&str> = args.names.iter().map(|name| bare(name)).collect();
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for (name, group) in kafka.client.describe_groups(&names).await {
        match group {
            Ok(group) => items.push(group),
            Err(error) => failures.push(failed(&kafka, &name, error)),
        }
    }
    if !items.is_empty() {
        session.output.report(&Groups {
            api_version: API_VERSION,
            kind: "GroupDescriptionList",
            items,
        })?;
    }
    exit::all(failures)
}

#[cfg(test)]
mod tests {
    use sdm_kafka::GroupType;

    use super::super::member;
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn members_are_shown_with_what_they_read() {
        let report = Groups {
            api_version: API_VERSION,
            kind: "GroupDescriptionList",
            items: vec![GroupDescription {
                id: "app".to_owned(),
                group_type: GroupType::Classic,
                state: "Stable".to_owned(),
                protocol: "range".to_owned(),
                coordinator: 2,
                members: vec![
                    member("one", "10.0.0.1", &[("a", &[0, 1, 2, 5]), ("b", &[0])]),
                    member("two", "10.0.0.2", &[]),
                ],
            }],
        };
        assert_eq!(
            Output::render(Format::Table, &report),
            "Name:         app\nState:        Stable\nType:         classic (range)\nCoordinator:  broker 2\nMembers:      2\n\
             CLIENT   HOST       PARTITIONS   READS\n\
             one      10.0.0.1   5            a:0-2,5 b:0\n\
             two      10.0.0.2   0            <none>\n"
        );
    }
}
