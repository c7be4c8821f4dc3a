//! `group delete`: a group's offsets are lost, so it is confirmed by name or `--yes`.

use super::describe::failed;
use super::{bare, who};
use crate::exit::{self, Code, Failure, Result};
use crate::flags::DryRun;
use crate::kafka::Access;
use crate::objects;
use crate::output::actions::Actions;
use crate::prompt;
use crate::session::Session;

/// Arguments of `group delete`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of the groups
    #[arg(required = true, value_name = "GROUP")]
    names: Vec<String>,
    /// Delete without being asked
    #[arg(short, long)]
    yes: bool,
    /// A group that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
    /// client: print what would be deleted; server: also check that it could be
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    #[command(flatten)]
    access: Access,
}

/// Deletes the groups.
///
/// # Errors
/// When one of them has members or could not be deleted; the others are.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let mut actions = Actions::new("GroupDeletion", args.dry_run);
    let names: Vec<&str> = args.names.iter().map(|name| bare(name)).collect();
    if args.dry_run == DryRun::Client {
        names
            .iter()
            .for_each(|name| actions.add("group", name, "deleted"));
        return session.output.report(&actions);
    }
    let target = objects::target(session).await?;
    let kafka = target.kafka(session, &args.access).await?;
    let (mut free, mut failures) = (Vec::new(), Vec::new());
    for (name, group) in kafka.client.describe_groups(&names).await {
        match group {
            Ok(group) if group.members.is_empty() => free.push(name),
            Ok(group) => {
                let members: Vec<String> = group.members.iter().take(10).map(who).collect();
                let what = format!(
                    "group {name} has members: {}; stop them first",
                    members.join(", ")
                );
                failures.push(
                    Failure::new(Code::Conflict, what)
                        .at(kafka.place())
                        .hint(format!(
                            "kubectl kafka group describe {name} {}",
                            kafka.flags()
                        )),
                );
            }
            Err(error) => failures.push(failed(&kafka, &name, error)),
        }
    }
    failures.retain(|f| !(args.ignore_not_found && f.code == Code::NotFound));
    let free: Vec<&str> = free.iter().map(String::as_str).collect();
    if args.dry_run == DryRun::Server {
        free.iter()
            .for_each(|name| actions.add("group", name, "deleted"));
    } else if !free.is_empty() {
        let expected = match free[..] {
            [one] => one.to_owned(),
            _ => free.len().to_string(),
        };
        let what = format!(
            "{} of {} will be deleted with all offsets: {}",
            if free.len() == 1 {
                "a group".to_owned()
            } else {
                format!("{} groups", free.len())
            },
            kafka.place(),
            free.join(", ")
        );
        prompt::confirm(args.yes, &what, &expected)?;
        for (name, verdict) in kafka.client.delete_groups(&free).await {
            match verdict {
                Ok(()) => actions.add("group", &name, "deleted"),
                Err(error) => failures.push(kafka.failed(&format!("delete group {name}"), error)),
            }
        }
    }
    if !actions.is_empty() {
        session.output.report(&actions)?;
    }
    exit::all(failures)
}
