//! `acl`: who may do what, from the objects that say so and as it is in Kafka.

mod adopt;
mod adoption;
mod describe;
mod explain;
mod grant;
mod list;
mod revoke;
mod rule;
mod select;

pub use rule::{Rule, rules_table};
pub use select::{Subject, principals_of};

use clap::Subcommand;

use crate::exit::Result;
use crate::session::Session;

/// What can be done with ACLs.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List the ACLs in Kafka, and the objects they come from
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show KafkaACLs: how they stand, what is refused, which ACLs they stand for
    #[command(visible_alias = "get")]
    Describe(describe::Args),
    /// Give roles on resources, and wait until Kafka knows
    Grant(grant::Args),
    /// Take away what was granted
    Revoke(revoke::Args),
    /// Tell whether somebody may do something, which ACL says so, and what is missing
    Explain(explain::Args),
    /// Print KafkaACL and KafkaRole resources for ACLs that no object stands for
    Adopt(adopt::Args),
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
            Self::Grant(args) => grant::run(session, args).await,
            Self::Revoke(args) => revoke::run(session, args).await,
            Self::Explain(args) => explain::run(session, args).await,
            Self::Adopt(args) => adopt::run(session, args).await,
        }
    }
}
