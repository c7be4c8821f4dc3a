//! `config`: what Kafka can be told, from the catalog that validation uses; asks no server.
//!
//! Owns how a key is shown. What there is, and what may stand there, is `sdm_core::config_catalog`'s to say.

mod docs;
mod explain;
mod key;
mod list;

use clap::Subcommand;
use sdm_core::config_catalog::{Line, Scope};

use crate::exit::Result;
use crate::output::Output;

/// What can be asked about configuration.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Show what keys mean, what may stand there, and whether a change of them takes a restart
    Explain(explain::Args),
    /// List the keys there are
    #[command(visible_alias = "ls")]
    List(list::Args),
}

impl Verb {
    /// Runs it.
    ///
    /// # Errors
    /// See each verb.
    pub fn run(&self, output: &Output) -> Result<()> {
        match self {
            Self::Explain(args) => explain::run(output, args),
            Self::List(args) => list::run(output, args),
        }
    }
}

/// Whose keys, of which Kafka.
#[derive(clap::Args, Debug)]
struct Of {
    /// The version of Kafka, as 4.3.1 or 4.3; the newest if not given
    #[arg(long, value_name = "VERSION", value_parser = line)]
    kafka_version: Option<Line>,
    /// Only keys of topics
    #[arg(long)]
    topic: bool,
    /// Only keys of brokers
    #[arg(long, conflicts_with = "topic")]
    broker: bool,
}

impl Of {
    fn line(&self) -> Line {
        self.kafka_version.unwrap_or(Line::NEWEST)
    }
    fn scopes(&self) -> &'static [Scope] {
        match (self.broker, self.topic) {
            (true, _) => &[Scope::Broker],
            (_, true) => &[Scope::Topic],
            _ => &[Scope::Broker, Scope::Topic],
        }
    }
}

/// Names of the lines there are.
pub fn lines() -> impl Iterator<Item = &'static str> {
    Line::ALL.into_iter().map(Line::name)
}

/// Names of all keys, each once.
pub fn names() -> Vec<&'static str> {
    let scopes = [Scope::Broker, Scope::Topic];
    let keys = scopes.map(|scope| Line::NEWEST.keys(scope).filter(|key| !key.internal));
    let mut names: Vec<_> = keys.into_iter().flatten().map(|key| key.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn line(text: &str) -> Result<Line, String> {
    let known = || lines().collect::<Vec<_>>().join(" and ");
    Line::of(text).ok_or_else(|| format!("Kafka {text:?} is not known here: {} are", known()))
}
