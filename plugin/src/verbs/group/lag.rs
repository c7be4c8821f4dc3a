//! `group lag`: by partition the end of the log, what is committed, the difference, and who reads it.

use std::io;

use sdm_kafka::OffsetSpec;
use serde::Serialize;

use super::bare;
use super::progress::{Offsets, Progress, offsets, read};
use crate::exit::Result;
use crate::flags::Format;
use crate::kafka::Access;
use crate::objects;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `group lag`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Name of the group
    #[arg(value_name = "GROUP")]
    name: String,
    /// Only this topic; may be repeated
    #[arg(long, value_name = "NAME")]
    topic: Vec<String>,
    #[command(flatten)]
    access: Access,
}

/// Kind `GroupLag` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lag {
    api_version: &'static str,
    kind: &'static str,
    group: String,
    state: String,
    /// Records to read, of the partitions where that is known.
    total: i64,
    partitions: Vec<Line>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Line {
    topic: String,
    partition: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    committed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    /// Why the end of the log is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report for Lag {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.line(format!("Group:      {}", style::plain(&self.group)))?;
        out.line(format!("State:      {}", self.state))?;
        let unknown = self.partitions.iter().filter(|p| p.lag.is_none()).count();
        let unknown = if unknown == 0 {
            String::new()
        } else {
            format!(", and {unknown} partitions without a known lag")
        };
        out.line(format!("Total lag:  {}{unknown}", self.total))?;
        let mut table = Table::new(&[
            "TOPIC",
            "PARTITION",
            "COMMITTED",
            "END",
            "LAG",
            "CLIENT",
            "HOST",
        ]);
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        for line in &self.partitions {
            table.row(vec![
                line.topic.as_str().into(),
                line.partition.to_string().into(),
                number(line.committed).into(),
                match &line.error {
                    Some(_) => Cell::painted("<unknown>", style::bad),
                    None => number(line.end).into(),
                },
                number(line.lag).into(),
                word(&line.client).into(),
                word(&line.host).into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        vec![format!("group/{}", self.group)]
    }
}

/// Shows the lag.
///
/// # Errors
/// When there is no such group, or Kafka cannot be asked.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let progress = read(&kafka, bare(&args.name)).await?;
    let mut partitions = progress.partitions();
    let topics: Vec<&str> = args
        .topic
        .iter()
        .map(|t| t.strip_prefix("topic/").unwrap_or(t))
        .collect();
    partitions.retain(|(topic, _)| topics.is_empty() || topics.contains(&topic.as_str()));
    let ends = offsets(&kafka, &partitions, OffsetSpec::Latest).await;
    let lag = compute(&progress, &ends);
    if lag.partitions.is_empty() && matches!(session.output.format, Format::Table | Format::Wide) {
        session.output.progress("the group has read nothing yet");
    }
    if let Some(error) = lag.partitions.iter().find_map(|line| line.error.as_ref()) {
        session
            .output
            .note(format!("not every end is known: {error}"));
    }
    session.output.report(&lag)
}

fn compute(progress: &Progress, ends: &Offsets) -> Lag {
    let reader = |topic: &str, partition: i32| {
        let reads =
            |assigned: &(String, Vec<i32>)| assigned.0 == topic && assigned.1.contains(&partition);
        progress
            .group
            .members
            .iter()
            .find(|m| m.assignment.iter().any(reads))
    };
    let partitions: Vec<Line> = ends
        .iter()
        .map(|((topic, partition), end)| {
            let member = reader(topic, *partition);
            let committed = progress
                .committed
                .get(&(topic.clone(), *partition))
                .copied();
            let known = end.as_ref().ok().copied().flatten();
            Line {
                topic: topic.clone(),
                partition: *partition,
                committed,
                end: known,
                // A commit may overtake the end that we were told before it.
                lag: committed
                    .zip(known)
                    .map(|(committed, end)| (end - committed).max(0)),
                client: member
                    .map(|m| m.instance_id.clone().unwrap_or_else(|| m.client_id.clone())),
                host: member.map(|m| m.host.clone()),
                error: end.as_ref().err().cloned(),
            }
        })
        .collect();
    Lag {
        api_version: API_VERSION,
        kind: "GroupLag",
        group: progress.group.id.clone(),
        state: progress.group.state.clone(),
        total: partitions.iter().filter_map(|line| line.lag).sum(),
        partitions,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdm_kafka::{GroupDescription, GroupType};

    use super::super::member;
    use super::*;
    use crate::output::Output;

    fn progress() -> Progress {
        Progress {
            group: GroupDescription {
                id: "app".to_owned(),
                group_type: GroupType::Consumer,
                state: "Stable".to_owned(),
                protocol: String::new(),
                coordinator: 1,
                members: vec![member("one", "10.0.0.1", &[("orders", &[0, 2])])],
            },
            committed: BTreeMap::from([
                (("orders".to_owned(), 0), 7),
                (("orders".to_owned(), 1), 12),
                (("x".to_owned(), 0), 1),
            ]),
        }
    }

    #[test]
    fn lag_is_what_is_left_to_read() {
        let at = |partition| ("orders".to_owned(), partition);
        let ends = Offsets::from([
            (at(0), Ok(Some(10))),
            (at(1), Ok(Some(11))),
            (at(2), Ok(Some(5))),
            (("x".to_owned(), 0), Err("gone".to_owned())),
        ]);
        let lag = compute(&progress(), &ends);
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &lag)).to_string(),
            "Group:      app\nState:      Stable\nTotal lag:  3, and 2 partitions without a known lag\n\
             TOPIC    PARTITION   COMMITTED   END         LAG   CLIENT   HOST\n\
             orders   0           7           10          3     one      10.0.0.1\n\
             orders   1           12          11          0     -        -\n\
             orders   2           -           5           -     one      10.0.0.1\n\
             x        0           1           <unknown>   -     -        -\n"
        );
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &lag)).unwrap();
        assert_eq!(
            (&value["total"], &value["partitions"][0]["lag"]),
            (&3.into(), &3.into())
        );
        assert_eq!(value["partitions"][3]["error"], "gone");
    }

    #[test]
    fn partitions_are_those_it_read_and_those_it_reads() {
        let all: Vec<_> = progress()
            .partitions()
            .into_iter()
            .map(|(t, p)| format!("{t}/{p}"))
            .collect();
        assert_eq!(all, ["orders/0", "orders/1", "orders/2", "x/0"]);
    }
}
