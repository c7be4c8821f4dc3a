//! `config list`: the keys there are.

use std::io;

use serde::Serialize;

use super::Of;
use super::key::Shown;
use crate::exit::{Code, Failure, Result};
use crate::output::table::Table;
use crate::output::{API_VERSION, Output, Report, Text};

/// Arguments of `config list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only keys that contain this
    #[arg(value_name = "WORD")]
    word: Option<String>,
    /// Only keys that change without a restart
    #[arg(long)]
    dynamic: bool,
    #[command(flatten)]
    of: Of,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Keys {
    api_version: &'static str,
    kind: &'static str,
    kafka: &'static str,
    items: Vec<Shown>,
}

impl Report for Keys {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["KEY", "OF", "UPDATE", "DEFAULT", "+IMPORTANCE", "+VALUE"]);
        for key in &self.items {
            table.row(vec![
                key.name.as_str().into(),
                key.scope.into(),
                key.update.into(),
                key.default.unwrap_or_default().into(),
                key.importance.into(),
                key.values().into(),
            ]);
        }
        out.table(&table)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|key| format!("config/{}", key.name))
            .collect()
    }
}

/// Lists the keys; what Kafka does not document is left out.
///
/// # Errors
/// When there is no such key.
pub fn run(output: &Output, args: &Args) -> Result<()> {
    let items = keys(args);
    if let (true, Some(word)) = (items.is_empty(), &args.word) {
        return Err(
            Failure::new(Code::NotFound, format!("no key contains {word:?}"))
                .hint("kubectl kafka config list"),
        );
    }
    output.report(&Keys {
        api_version: API_VERSION,
        kind: "ConfigKeyList",
        kafka: args.of.line().name(),
        items,
    })
}

fn keys(args: &Args) -> Vec<Shown> {
    let line = args.of.line();
    let scopes = args.of.scopes().iter();
    let all = scopes.flat_map(|scope| line.keys(*scope).map(|key| (*scope, key)));
    all.filter(|(_, key)| !key.internal)
        .filter(|(_, key)| !args.dynamic || key.update.is_live())
        .filter(|(_, key)| {
            args.word
                .as_ref()
                .is_none_or(|word| key.name.contains(word.as_str()))
        })
        .map(|(scope, key)| Shown::new(line, scope, key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn listed(line: &str) -> Vec<String> {
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        let args = Line::parse_from(["list"].into_iter().chain(line.split_whitespace())).args;
        keys(&args)
            .into_iter()
            .map(|key| format!("{}/{}", key.scope, key.name))
            .collect()
    }

    #[test]
    fn keys_are_chosen_by_scope_word_and_update() {
        assert_eq!(
            listed("gzip"),
            [
                "broker/compression.gzip.level",
                "topic/compression.gzip.level"
            ]
        );
        assert_eq!(listed("gzip --topic"), ["topic/compression.gzip.level"]);
        assert_eq!(listed("io.threads --broker"), ["broker/num.io.threads"]);
        assert!(listed("num.partitions --dynamic").is_empty());
        assert_eq!(listed("num.partitions --broker").len(), 4);
        assert_eq!(listed("unstable"), [""; 0]);
        assert_eq!(
            listed("max.decompressed --broker --kafka-version 4.2"),
            ["broker/max.decompressed.message.bytes"]
        );
        assert!(listed("").len() > 350 && listed("--dynamic --broker").len() < 120);
    }
}
