//! `config explain`: everything there is to know about a key.

use std::io;

use sdm_core::config_catalog::{Found, Scope, look_up};
use serde::Serialize;

use super::Of;
use super::key::Shown;
use crate::exit::{self, Code, Failure, Result};
use crate::output::{API_VERSION, Output, Report, Text};

/// Where a line of documentation is broken.
const WIDTH: usize = 100;

/// Arguments of `config explain`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl kafka config explain num.io.threads\n  kubectl kafka config explain --topic min.insync.replicas --kafka-version 4.2.2\n  kubectl kafka config explain listener.name.clients.max.connections"
)]
pub struct Args {
    /// Keys, of brokers or of topics
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    of: Of,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    api_version: &'static str,
    kind: &'static str,
    kafka: &'static str,
    items: Vec<Shown>,
}

impl Report for Explained {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.blocks(&self.items, describe)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|key| format!("config/{}", key.name))
            .collect()
    }
}

fn describe(key: &Shown, out: &mut Text<'_>) -> io::Result<()> {
    out.line(format!("Name:        {}", key.name))?;
    let of = match &key.listener {
        Some(listener) => format!("{}s, for the listener {listener} alone", key.scope),
        None => format!("{}s", key.scope),
    };
    out.line(format!("Of:          {of}"))?;
    out.line(format!("Value:       {}", key.values()))?;
    let or = key
        .broker_key
        .map(|broker| format!(", or what brokers have in {broker}"));
    out.line(format!(
        "Default:     {}{}",
        key.default_in_words(),
        or.unwrap_or_default()
    ))?;
    out.line(format!("Changes:     {}", key.change()))?;
    out.line(format!("Importance:  {}", key.importance))?;
    out.line(format!("Kafka:       {}", key.versions.join(", ")))?;
    if let Some(why) = key.reserved {
        out.line(format!("Reserved:    the operator sets it: {why}"))?;
    }
    if let Some(sentence) = key.deprecated {
        out.line(format!("Deprecated:  {sentence}"))?;
    }
    if let Some(text) = key.documentation {
        out.line("")?;
        for line in wrapped(text) {
            out.line(line)?;
        }
    }
    Ok(())
}

/// Broken between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Explains the keys.
///
/// # Errors
/// When there is no such key; the others are explained.
pub fn run(output: &Output, args: &Args) -> Result<()> {
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for name in &args.keys {
        // `config/x`, as `-o name` prints it, is `x`.
        let name = name.strip_prefix("config/").unwrap_or(name);
        let found: Vec<Shown> = args
            .of
            .scopes()
            .iter()
            .filter_map(|scope| known(&args.of, *scope, name))
            .collect();
        if found.is_empty() {
            failures.push(unknown(&args.of, name));
        }
        items.extend(found);
    }
    if !items.is_empty() {
        output.report(&Explained {
            api_version: API_VERSION,
            kind: "ConfigKeyList",
            kafka: args.of.line().name(),
            items,
        })?;
    }
    exit::all(failures)
}

fn known(of: &Of, scope: Scope, name: &str) -> Option<Shown> {
    let shown = |key| Shown::new(of.line(), scope, key);
    match look_up(of.line(), scope, name) {
        Found::Known(key) => Some(shown(key)),
        Found::OfListener { key, listener, .. } => {
            let mut shown = shown(key);
            name.clone_into(&mut shown.name);
            shown.listener = Some(listener.to_owned());
            Some(shown)
        }
        _ => None,
    }
}

/// What there is to say of a key that is in none of the tables that were asked for.
fn unknown(of: &Of, name: &str) -> Failure {
    let kafka = of.line().name();
    let whose = match of.scopes() {
        [Scope::Broker] => " of brokers",
        [Scope::Topic] => " of topics",
        _ => "",
    };
    let no_key = format!("Kafka {kafka} has no configuration {name}{whose}");
    // The plainest word wins: gone before misspelt.
    let found: Vec<_> = of
        .scopes()
        .iter()
        .map(|scope| look_up(of.line(), *scope, name))
        .collect();
    let mut meant = None;
    for found in &found {
        match found {
            Found::PassedOn => {
                return Failure::new(
                    Code::NotFound,
                    format!("Kafka passes {name} on to a plug-in, whose documentation knows it"),
                );
            }
            Found::Removed(gone) => {
                return Failure::new(Code::NotFound, format!("{name} is gone: {}", gone.instead));
            }
            Found::OfLine(other) => {
                let other = other.name();
                return Failure::new(Code::NotFound, format!("{no_key}; Kafka {other} has it"))
                    .hint(format!(
                        "kubectl kafka config explain {name} --kafka-version {other}"
                    ));
            }
            Found::OfScope { scope, here } => {
                let flag = match scope {
                    Scope::Broker => "--broker",
                    Scope::Topic => "--topic",
                };
                meant = meant.or_else(|| {
                    Some(here.map_or_else(|| format!("{name} {flag}"), ToOwned::to_owned))
                });
            }
            Found::Misspelt(key) => meant = meant.or_else(|| Some((*key).to_owned())),
            Found::Known(_) | Found::OfListener { .. } | Found::Unknown => {}
        }
    }
    let failure = |what| Failure::new(Code::NotFound, what);
    match meant {
        Some(meant) => failure(format!("{no_key}; did you mean {meant}?"))
            .hint(format!("kubectl kafka config explain {meant}")),
        None => failure(no_key).hint("kubectl kafka config list"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;
    use clap::Parser;

    fn args(line: &str) -> Args {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        Line::parse_from(["explain"].into_iter().chain(line.split(' '))).args
    }

    fn text(line: &str) -> String {
        let args = args(line);
        let items: Vec<_> = args
            .of
            .scopes()
            .iter()
            .filter_map(|scope| known(&args.of, *scope, &args.keys[0]))
            .collect();
        let report = Explained {
            api_version: API_VERSION,
            kind: "ConfigKeyList",
            kafka: args.of.line().name(),
            items,
        };
        Output::render(Format::Table, &report)
    }

    #[test]
    fn a_key_is_explained() {
        assert_eq!(
            text("num.network.threads"),
            "Name:        num.network.threads\n\
             Of:          brokers\n\
             Value:       a whole number of at least 1\n\
             Default:     3\n\
             Changes:     while brokers run, for all of them at once (cluster-wide)\n\
             Importance:  high\n\
             Kafka:       4.2, 4.3\n\
             \n\
             The number of threads that the server uses for receiving requests from the network and sending\n\
             responses to the network. Noted: each listener (except for controller listener) creates its own\n\
             thread pool.\n"
        );
    }

    #[test]
    fn what_is_particular_about_a_key_is_said() {
        for (line, said) in [
            ("min.insync.replicas", "Of:          topics"),
            ("min.insync.replicas", "Of:          brokers"),
            (
                "retention.ms",
                "Default:     604800000, or what brokers have in log.retention.ms",
            ),
            (
                "log.cleaner.enable",
                "Deprecated:  This configuration has been deprecated",
            ),
            (
                "log.dirs",
                "Reserved:    the operator sets it: log directories are the volumes of storage.volumes",
            ),
            (
                "leader.replication.throttled.replicas",
                "Reserved:    the operator sets it: it says which replicas move",
            ),
            ("process.roles", "Default:     none: it must be set"),
            ("log.roll.ms", "Default:     none\n"),
            ("ssl.cipher.suites", "Default:     empty"),
            (
                "compression.gzip.level",
                "Value:       a whole number from 1 to 9, or -1",
            ),
            (
                "cleanup.policy",
                "Value:       a list with commas between: of compact, delete, each at most once\n",
            ),
            ("group.consumer.migration.policy", ", in any case"),
            (
                "num.partitions",
                "Changes:     with a restart of each node (read-only)",
            ),
            (
                "max.decompressed.message.bytes --kafka-version 4.2.2",
                "Kafka:       4.2\n",
            ),
            (
                "listener.name.clients.max.connections",
                "Of:          brokers, for the listener clients alone",
            ),
        ] {
            assert!(text(line).contains(said), "{line}: {}", text(line));
        }
    }

    #[test]
    fn what_there_is_not_is_said_with_what_was_meant() {
        let failed = |line: &str| {
            let args = args(line);
            let failure = unknown(&args.of, &args.keys[0]);
            assert_eq!(failure.code, Code::NotFound);
            (failure.what, failure.hint.unwrap_or_default())
        };
        for (line, what, hint) in [
            // Alike to a topic's, and more so to a broker's.
            (
                "log.index.interval.byte",
                "Kafka 4.3 has no configuration log.index.interval.byte; did you mean log.index.interval.bytes?",
                "kubectl kafka config explain log.index.interval.bytes",
            ),
            (
                "log.retention.hour",
                "Kafka 4.3 has no configuration log.retention.hour; did you mean log.retention.hours?",
                "kubectl kafka config explain log.retention.hours",
            ),
            (
                "retention.mss",
                "Kafka 4.3 has no configuration retention.mss; did you mean retention.ms?",
                "kubectl kafka config explain retention.ms",
            ),
            (
                "nonsense",
                "Kafka 4.3 has no configuration nonsense",
                "kubectl kafka config list",
            ),
            (
                "zookeeper.connect",
                "zookeeper.connect is gone: the cluster runs without ZooKeeper: remove it",
                "",
            ),
            (
                "group.share.enable",
                "Kafka 4.3 has no configuration group.share.enable; Kafka 4.2 has it",
                "kubectl kafka config explain group.share.enable --kafka-version 4.2",
            ),
            (
                "retention.ms --broker",
                "Kafka 4.3 has no configuration retention.ms of brokers; did you mean log.retention.ms?",
                "kubectl kafka config explain log.retention.ms",
            ),
            (
                "num.partitions --topic",
                "Kafka 4.3 has no configuration num.partitions of topics; did you mean num.partitions --broker?",
                "kubectl kafka config explain num.partitions --broker",
            ),
            (
                "rsm.config.x",
                "Kafka passes rsm.config.x on to a plug-in, whose documentation knows it",
                "",
            ),
        ] {
            assert_eq!(failed(line), (what.to_owned(), hint.to_owned()), "{line}");
        }
    }
}
