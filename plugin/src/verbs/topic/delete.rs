//! `topic delete`: records are lost, so it is confirmed by name or `--yes`.

use std::io;

use serde::Serialize;

use super::bare;
use crate::exit::{Code, Failure, Result};
use crate::flags::DryRun;
use crate::kafka::{Access, Kafka};
use crate::output::{API_VERSION, Report, Text};
use crate::prompt;
use crate::session::Session;

/// Arguments of `topic delete`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of the topics
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Delete without being asked
    #[arg(short, long)]
    yes: bool,
    /// A topic that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// client: print what would be deleted; server: also check that it exists
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<&'static str>,
    items: Vec<String>,
}

impl Report for Deleted {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = self
            .dry_run
            .map(|mode| format!(" (dry run, {mode})"))
            .unwrap_or_default();
        for name in &self.items {
            out.line(format!("topic/{name} deleted{suffix}"))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|name| format!("topic/{name}"))
            .collect()
    }
}

/// Deletes the topics.
///
/// # Errors
/// When one of them could not be deleted; the others are.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let names: Vec<&str> = args.names.iter().map(|name| bare(name)).collect();
    let report = |items, dry_run| Deleted {
        api_version: API_VERSION,
        kind: "TopicDeletion",
        dry_run,
        items,
    };
    if args.dry_run == DryRun::Client {
        return session.output.report(&report(
            names.iter().map(|n| (*n).to_owned()).collect(),
            Some("client"),
        ));
    }
    let kafka = Kafka::open(session, &args.access).await?;
    let verdicts: Vec<(String, Result<()>)> = if args.dry_run == DryRun::Server {
        let seen = kafka
            .client
            .metadata(Some(&names))
            .await
            .map_err(|e| kafka.failed("describe topics", e))?;
        seen.topics
            .into_iter()
            .map(|t| (t.name, t.error.map_or(Ok(()), |e| Err(e.into()))))
            .collect()
    } else {
        let (what, expected) = match names[..] {
            [one] => (
                format!(
                    "topic {one} of {} will be deleted with all its records",
                    kafka.place()
                ),
                one.to_owned(),
            ),
            _ => {
                let count = names.len();
                (
                    format!(
                        "{count} topics of {} will be deleted with all their records: {}",
                        kafka.place(),
                        names.join(", ")
                    ),
                    count.to_string(),
                )
            }
        };
        prompt::confirm(args.yes, &what, &expected)?;
        let verdicts = kafka
            .client
            .delete_topics(&names)
            .await
            .map_err(|e| kafka.failed("delete topics", e))?;
        verdicts
            .into_iter()
            .map(|(name, verdict)| (name, verdict.map_err(Failure::from)))
            .collect()
    };
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for (name, verdict) in verdicts {
        match verdict {
            Ok(()) => items.push(name),
            Err(e) if e.code == Code::NotFound && args.ignore_not_found => {}
            Err(e) => failures.push(e.doing(format!("delete topic {name}")).at(kafka.place())),
        }
    }
    if !items.is_empty() {
        session.output.report(&report(
            items,
            (args.dry_run == DryRun::Server).then_some("server"),
        ))?;
    }
    super::create::finish(failures)
}
