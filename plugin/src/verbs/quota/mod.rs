//! `quota`: what users, client ids and addresses may use up, as Kafka has it.

mod change;
mod describe;
mod entity;
mod list;

use clap::Subcommand;

use crate::exit::Result;
use crate::session::Session;

/// What can be done with quotas.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// List quotas, and the KafkaUsers that declare them
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show which quotas bind somebody, and where each comes from
    #[command(visible_alias = "get")]
    Describe(describe::Args),
    /// Set quotas of what no KafkaUser declares
    Set(change::SetArgs),
    /// Take quotas away of what no KafkaUser declares
    Unset(change::UnsetArgs),
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
            Self::Set(args) => change::set(session, args).await,
            Self::Unset(args) => change::unset(session, args).await,
        }
    }
}
