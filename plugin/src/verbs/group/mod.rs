//! `group`: who consumes, how far behind, and where to go on from.

mod delete;
mod describe;
mod lag;
mod list;
mod progress;
mod reset;
mod target;

use clap::Subcommand;
use sdm_kafka::GroupMember;

use crate::exit::Result;
use crate::session::Session;

/// What can be done with groups.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List groups with their state
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show groups: members, and what each of them reads
    #[command(visible_alias = "get")]
    Describe(describe::Args),
    /// Show how far a group is behind, by partition
    Lag(lag::Args),
    /// Move the offsets of a group; shows what would change unless --execute is given
    Reset(reset::Args),
    /// Delete groups with their offsets
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

impl Verb {
    /// Runs it.
    ///
    /// # Errors
    /// See each verb.
    pub async fn run(self, session: &Session) -> Result<()> {
        match self {
            Self::List(args) => list::run(session, args).await,
            Self::Describe(args) => describe::run(session, args).await,
            Self::Lag(args) => lag::run(session, args).await,
            Self::Reset(args) => reset::run(session, args).await,
            Self::Delete(args) => delete::run(session, args).await,
        }
    }
}

/// `group/app`, as `-o name` prints it, and `app` both mean the group `app`.
fn bare(name: &str) -> &str {
    name.strip_prefix("group/").unwrap_or(name)
}

/// `app (10.0.0.7)`: who a member is, for people.
fn who(member: &GroupMember) -> String {
    let name = member.instance_id.as_deref().unwrap_or(&member.client_id);
    format!("{name} ({})", member.host)
}

/// A member as tests describe it.
#[cfg(test)]
fn member(client: &str, host: &str, assignment: &[(&str, &[i32])]) -> GroupMember {
    GroupMember {
        member_id: format!("{client}-1"),
        instance_id: None,
        client_id: client.to_owned(),
        host: host.to_owned(),
        assignment: assignment
            .iter()
            .map(|(topic, p)| ((*topic).to_owned(), p.to_vec()))
            .collect(),
    }
}
