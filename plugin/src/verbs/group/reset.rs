//! `group reset`: moves a group's offsets. Shows what would change; `--execute` does it, of a group without members only.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use sdm_kafka::OffsetSpec;
use serde::Serialize;

use super::progress::{Offsets, Partition, Progress, offsets, read};
use super::target::{Move, To, compute, parse, parse_topic};
use super::{bare, who};
use crate::exit::{self, Code, Failure, Result};
use crate::kafka::{Access, Kafka};
use crate::objects;
use crate::output::table::{Cell, Table};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `group reset`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Without --execute nothing is changed. Offsets never go beyond what a partition holds. A group with members is left alone: stop them first.\nExamples:\n  kubectl kafka group reset app --to earliest\n  kubectl kafka group reset app --to duration=1h --topic orders:0,2-5 --execute\n  kubectl kafka group reset app --to timestamp=2026-01-31T12:00:00Z --execute"
)]
pub struct Args {
    /// Name of the group
    #[arg(value_name = "GROUP")]
    name: String,
    /// Where to: earliest, latest, offset=N, timestamp=RFC3339 or duration=AGO
    #[arg(long, value_name = "PLACE", value_parser = parse)]
    to: To,
    /// Only this topic, or these partitions of it; may be repeated; all that the group has read if not given
    #[arg(long, value_name = "TOPIC[:PARTITIONS]", value_parser = parse_topic)]
    topic: Vec<(String, Vec<i32>)>,
    /// Show what would change; the default
    #[arg(long, conflicts_with = "execute")]
    dry_run: bool,
    /// Do it
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    access: Access,
}

/// Kind `GroupReset` of `cli.kafka.sdm.dev/v1`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reset {
    api_version: &'static str,
    kind: &'static str,
    group: String,
    executed: bool,
    partitions: Vec<Move>,
}

impl Report for Reset {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["TOPIC", "PARTITION", "FROM", "TO", "READS", "NOTE"]);
        let number = |n: Option<i64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        for line in &self.partitions {
            let reads: Cell = match line.again() {
                _ if line.to.is_none() => "-".into(),
                None => "from there".into(),
                Some(0) => "unchanged".into(),
                Some(n) if n > 0 => Cell::painted(format!("{n} again"), style::warn),
                Some(n) => Cell::painted(format!("skips {}", -n), style::warn),
            };
            table.row(vec![
                line.topic.as_str().into(),
                line.partition.to_string().into(),
                number(line.from).into(),
                number(line.to).into(),
                reads,
                line.note.clone().unwrap_or_else(|| "-".to_owned()).into(),
            ]);
        }
        out.table(&table)?;
        let changed = self.partitions.iter().filter(|p| p.changes()).count();
        let verb = if self.executed {
            "reset"
        } else {
            "would be reset (dry run)"
        };
        let changes = match changed {
            1 => "1 partition changes".to_owned(),
            n => format!("{n} partitions change"),
        };
        out.line(format!("group/{} {verb}: {changes}", self.group))
    }
    fn names(&self) -> Vec<String> {
        vec![format!("group/{}", self.group)]
    }
}

/// Resets.
///
/// # Errors
/// When the group has members, a partition does not exist, or Kafka refuses.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let name = bare(&args.name);
    let progress = match read(&kafka, name).await {
        // Offsets may be set before anybody reads, of topics that were named.
        Err(failure) if failure.code == Code::NotFound && !args.topic.is_empty() => {
            session
                .output
                .note(format!("there is no group {name} yet; it comes into being"));
            Progress::none(name)
        }
        other => other?,
    };
    let flags = target.flags_from(&session.namespace);
    if args.execute {
        refuse_members(&progress, &flags).map_err(|f| f.at(kafka.place()))?;
    }
    let partitions = wanted(&kafka, &progress, &args.topic).await?;
    if partitions.is_empty() {
        let what = format!("group {name} has read nothing: say which topics with --topic");
        return Err(Failure::usage(what)
            .at(kafka.place())
            .hint(format!("kubectl kafka group lag {name} {flags}")));
    }
    let spec = args.to.millis(Timestamp::now()).map(OffsetSpec::AtOrAfter);
    let by_time = async {
        match spec {
            Some(spec) => offsets(&kafka, &partitions, spec).await,
            None => Offsets::new(),
        }
    };
    let (begins, ends, found) = tokio::join!(
        offsets(&kafka, &partitions, OffsetSpec::Earliest),
        offsets(&kafka, &partitions, OffsetSpec::Latest),
        by_time
    );
    let moves = compute(args.to, &begins, &ends, &found, &progress.committed);
    let failures = match args.execute {
        true => commit(&kafka, name, &moves).await?,
        false => Vec::new(),
    };
    session.output.report(&Reset {
        api_version: API_VERSION,
        kind: "GroupReset",
        group: name.to_owned(),
        executed: args.execute,
        partitions: moves,
    })?;
    if !args.execute {
        if let Err(failure) = refuse_members(&progress, &flags) {
            session.output.note(failure.what);
        }
        session
            .output
            .note("nothing was changed; --execute does it");
    }
    exit::all(failures)
}

/// Offsets of a group whose members commit their own would not stand.
fn refuse_members(progress: &Progress, flags: &str) -> Result<()> {
    let members = &progress.group.members;
    if members.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = members.iter().take(10).map(who).collect();
    let more = members.len().saturating_sub(names.len());
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Failure::new(
        Code::Conflict,
        format!(
            "group {} is {} and has members, which would commit their own offsets: {}{more}; stop them first",
            progress.group.id,
            progress.group.state,
            names.join(", ")
        ),
    )
    .hint(format!("kubectl kafka group describe {} {flags}", progress.group.id)))
}

/// Partitions that are meant: those that were named, or all that the group has read.
async fn wanted(
    kafka: &Kafka,
    progress: &Progress,
    topics: &[(String, Vec<i32>)],
) -> Result<BTreeSet<Partition>> {
    if topics.is_empty() {
        return Ok(progress.committed.keys().cloned().collect());
    }
    let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
    let metadata = kafka
        .client
        .metadata(Some(&names))
        .await
        .map_err(|e| kafka.failed("describe topics", e))?;
    let mut found = BTreeSet::new();
    for (name, partitions) in topics {
        let topic = metadata
            .topics
            .iter()
            .find(|t| t.name == *name && t.error.is_none());
        let Some(topic) = topic else {
            return Err(
                Failure::new(Code::NotFound, format!("there is no topic {name}"))
                    .at(kafka.place())
                    .hint(format!("kubectl kafka topic list {}", kafka.flags())),
            );
        };
        let all: BTreeSet<i32> = topic.partitions.iter().map(|p| p.index).collect();
        if let Some(missing) = partitions.iter().find(|p| !all.contains(p)) {
            return Err(Failure::new(
                Code::NotFound,
                format!(
                    "topic {name} has {} partitions, and no {missing}",
                    all.len()
                ),
            )
            .at(kafka.place())
            .hint(format!(
                "kubectl kafka topic describe {name} {}",
                kafka.flags()
            )));
        }
        let chosen: Vec<i32> = if partitions.is_empty() {
            all.into_iter().collect()
        } else {
            partitions.clone()
        };
        found.extend(chosen.into_iter().map(|p| (name.clone(), p)));
    }
    Ok(found)
}

async fn commit(kafka: &Kafka, name: &str, moves: &[Move]) -> Result<Vec<Failure>> {
    let changed = moves.iter().filter(|m| m.changes());
    let offsets: Vec<(String, i32, i64)> = changed
        .filter_map(|m| Some((m.topic.clone(), m.partition, m.to?)))
        .collect();
    if offsets.is_empty() {
        return Ok(Vec::new());
    }
    let verdicts = kafka.client.commit_group_offsets(name, &offsets).await;
    let verdicts = verdicts.map_err(|e| kafka.failed(&format!("reset group {name}"), e))?;
    let refused = verdicts
        .into_iter()
        .filter_map(|((topic, partition), verdict)| {
            let failure = Failure::from(verdict.err()?);
            Some(
                failure
                    .doing(format!("reset group {name} on {topic}/{partition}"))
                    .at(kafka.place()),
            )
        });
    Ok(refused.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;
    use sdm_kafka::{GroupDescription, GroupMember, GroupType};

    use super::super::member;
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[derive(Parser, Debug)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn progress(members: Vec<GroupMember>) -> Progress {
        Progress {
            group: GroupDescription {
                id: "app".to_owned(),
                group_type: GroupType::Classic,
                state: "Stable".to_owned(),
                protocol: String::new(),
                coordinator: 0,
                members,
            },
            committed: BTreeMap::new(),
        }
    }

    #[test]
    fn members_are_named_before_anything_is_done() {
        assert!(refuse_members(&progress(Vec::new()), "").is_ok());
        let failure = refuse_members(
            &progress(vec![member("billing", "10.0.0.7", &[])]),
            "-n s -c e",
        )
        .unwrap_err();
        assert_eq!(failure.code, Code::Conflict);
        assert!(
            failure.what.contains("billing (10.0.0.7); stop them first"),
            "{}",
            failure.what
        );
        assert_eq!(
            failure.hint.as_deref(),
            Some("kubectl kafka group describe app -n s -c e")
        );
        let many = (0..12)
            .map(|n| member(&format!("c{n}"), "h", &[]))
            .collect();
        assert!(
            refuse_members(&progress(many), "")
                .unwrap_err()
                .what
                .contains("and 2 more")
        );
    }

    #[test]
    fn a_reset_needs_a_place_and_is_a_dry_run() {
        let parse = |line: &str| Line::try_parse_from(line.split(' '));
        assert!(parse("reset app").is_err());
        assert!(parse("reset app --to earliest --dry-run --execute").is_err());
        assert!(!parse("reset app --to earliest").unwrap().args.execute);
    }

    #[test]
    fn the_report_says_what_is_read_again_and_what_is_skipped() {
        let line = |partition, from, to, note: Option<&str>| Move {
            topic: "orders".to_owned(),
            partition,
            from,
            to,
            note: note.map(ToOwned::to_owned),
        };
        let report = Reset {
            api_version: API_VERSION,
            kind: "GroupReset",
            group: "app".to_owned(),
            executed: false,
            partitions: vec![
                line(0, Some(10), Some(4), None),
                line(1, Some(1), Some(9), None),
                line(2, Some(3), Some(3), None),
                line(3, None, Some(5), None),
                line(4, Some(2), None, Some("left alone: offline")),
            ],
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "TOPIC    PARTITION   FROM   TO   READS        NOTE\n\
             orders   0           10     4    6 again      -\n\
             orders   1           1      9    skips 8      -\n\
             orders   2           3      3    unchanged    -\n\
             orders   3           -      5    from there   -\n\
             orders   4           2      -    -            left alone: offline\n\
             group/app would be reset (dry run): 3 partitions change\n"
        );
    }
}
