//! `__complete`: the candidates for the word under the cursor, as kubectl's completion asks for them.
//!
//! Answers from the command line's own definition, and for cluster and namespace names from the API server, within a
//! second and silent on error. The last line `:4` tells the shell not to offer files.

use std::time::Duration;

use clap::{Arg, ArgAction, Command};
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::KafkaCluster;

use crate::cli;
use crate::exit::Result;
use crate::flags::Global;
use crate::output::Output;
use crate::session::Session;

/// Arguments of `__complete`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The words after the plugin's name; the last one is being typed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// What may stand at the cursor.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// One of these.
    Words(Vec<(String, String)>),
    /// The name of a KafkaCluster.
    Cluster,
    /// Anything.
    Nothing,
}

/// Prints the candidates.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(global: &Global, args: &Args) -> Result<()> {
    let mut command = cli::command();
    command.build();
    let current = args.words.last().map_or("", String::as_str);
    let candidates = match wanted(&command, &args.words) {
        Wanted::Words(words) => words,
        Wanted::Cluster => {
            let mut global = global.clone();
            global.namespace = global
                .namespace
                .or_else(|| value_of(&args.words, &["-n", "--namespace"]));
            global.context = global
                .context
                .or_else(|| value_of(&args.words, &["--context"]));
            global.quiet = true;
            tokio::time::timeout(Duration::from_secs(1), clusters(&global))
                .await
                .ok()
                .flatten()
                .unwrap_or_default()
        }
        Wanted::Nothing => Vec::new(),
    };
    let output = Output::new(global);
    for (word, about) in candidates
        .iter()
        .filter(|(word, _)| word.starts_with(current))
    {
        output.line(&if about.is_empty() {
            word.clone()
        } else {
            format!("{word}\t{about}")
        })?;
    }
    output.line(":4")
}

async fn clusters(global: &Global) -> Option<Vec<(String, String)>> {
    let session = Session::open(global).await.ok()?;
    let found: Vec<KafkaCluster> = session.list(&ListParams::default()).await.ok()?;
    Some(
        found
            .iter()
            .map(|c| (c.name_any(), format!("Kafka {}", c.spec.version)))
            .collect(),
    )
}

fn value_of(words: &[String], flags: &[&str]) -> Option<String> {
    let at = words
        .iter()
        .position(|word| flags.contains(&word.as_str()))?;
    words.get(at + 1).cloned()
}

/// Walks the words that are complete, and tells what the last one may be.
fn wanted(root: &Command, words: &[String]) -> Wanted {
    let Some((current, before)) = words.split_last() else {
        return Wanted::Nothing;
    };
    let mut command = root;
    let mut awaited: Option<&Arg> = None;
    for word in before {
        if awaited.take().is_some() {
            continue;
        }
        if word.starts_with('-') {
            awaited = (!word.contains('='))
                .then(|| flag(command, word))
                .flatten()
                .filter(|arg| takes_value(arg));
        } else if let Some(next) = command.find_subcommand(word) {
            command = next;
        }
    }
    if let Some(arg) = awaited {
        return values(arg);
    }
    if current.starts_with('-') {
        return Wanted::Words(flags(command));
    }
    let subcommands: Vec<_> = command
        .get_subcommands()
        .filter(|c| !c.is_hide_set())
        .map(|c| {
            (
                c.get_name().to_owned(),
                c.get_about().map(ToString::to_string).unwrap_or_default(),
            )
        })
        .collect();
    if !subcommands.is_empty() {
        return Wanted::Words(subcommands);
    }
    command
        .get_positionals()
        .next()
        .map_or(Wanted::Nothing, values)
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(
        |arg| match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => arg
                .get_long_and_visible_aliases()
                .is_some_and(|all| all.contains(&long)),
            (None, Some(short)) => arg.get_short().is_some_and(|c| short.chars().eq([c])),
            _ => false,
        },
    )
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    visible
        .filter_map(|arg| {
            Some((
                format!("--{}", arg.get_long()?),
                arg.get_help().map(ToString::to_string).unwrap_or_default(),
            ))
        })
        .collect()
}

fn values(arg: &Arg) -> Wanted {
    // `-c NAME`, and `status CLUSTER`.
    if arg.get_id() == "kafka_cluster" || arg.get_id() == "cluster_name" {
        return Wanted::Cluster;
    }
    let possible = arg.get_possible_values();
    if possible.is_empty() {
        return Wanted::Nothing;
    }
    let about = |value: &clap::builder::PossibleValue| {
        value
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    Wanted::Words(
        possible
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| (value.get_name().to_owned(), about(value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Wanted {
        let mut command = cli::command();
        command.build();
        wanted(
            &command,
            &line.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>(),
        )
    }

    fn words(line: &str) -> Vec<String> {
        match ask(line) {
            Wanted::Words(words) => words.into_iter().map(|(word, _)| word).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_flags_and_values_are_offered() {
        assert!(
            words("").contains(&"topic".to_owned())
                && !words("").contains(&"__complete".to_owned())
        );
        for verb in [
            "create", "list", "describe", "alter", "diff", "adopt", "delete",
        ] {
            assert!(words("topic c").contains(&verb.to_owned()), "{verb}");
        }
        assert!(words("-n x topic create --par").contains(&"--partitions".to_owned()));
        assert!(words("topic list -o ").contains(&"json".to_owned()));
        assert!(words("produce t --compression ").contains(&"zstd".to_owned()));
    }

    #[test]
    fn names_come_from_the_server() {
        assert_eq!(ask("topic list -c "), Wanted::Cluster);
        assert_eq!(ask("status ev"), Wanted::Cluster);
        assert_eq!(ask("topic create --partitions "), Wanted::Nothing);
    }
}
