//! `__complete`: the candidates for the word under the cursor, as kubectl's completion asks for them.
//!
//! Answers from the command line's own definition, and for cluster and namespace names from the API server, within a
//! second and silent on error. The last line `:4` tells the shell not to offer files.

use std::time::Duration;

use clap::{Arg, ArgAction, Command};
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::{KafkaACL, KafkaCluster, KafkaRole, KafkaTopic, KafkaUser};
use sdm_core::access::BUILT_IN_ROLES;

use crate::cli;
use crate::exit::Result;
use crate::flags::Global;
use crate::output::Output;
use crate::session::Session;
use crate::verbs::config;

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
    /// The name of something that is declared.
    Declared(Kind),
    /// Anything.
    Nothing,
}

/// What is declared by objects whose names are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Topics, by their names in Kafka.
    Topic,
    /// KafkaUsers.
    User,
    /// KafkaACLs.
    Acl,
    /// Roles, built-in ones too.
    Role,
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
        wanted @ (Wanted::Cluster | Wanted::Declared(_)) => {
            let mut global = global.clone();
            global.namespace = global
                .namespace
                .or_else(|| value_of(&args.words, &["-n", "--namespace"]));
            global.context = global
                .context
                .or_else(|| value_of(&args.words, &["--context"]));
            global.quiet = true;
            let found = async {
                match wanted {
                    Wanted::Declared(kind) => declared(&global, kind).await,
                    _ => clusters(&global).await,
                }
            };
            tokio::time::timeout(Duration::from_secs(1), found)
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

/// Names of the namespace's objects.
async fn declared(global: &Global, kind: Kind) -> Option<Vec<(String, String)>> {
    let session = Session::open(global).await.ok()?;
    let every = ListParams::default();
    let named = |names: Vec<String>| names.into_iter().map(|n| (n, String::new())).collect();
    Some(match kind {
        Kind::Topic => {
            let topics: Vec<KafkaTopic> = session.list(&every).await.ok()?;
            named(topics.iter().map(|t| t.topic_name().to_owned()).collect())
        }
        Kind::User => {
            let users: Vec<KafkaUser> = session.list(&every).await.ok()?;
            named(users.iter().map(ResourceExt::name_any).collect())
        }
        Kind::Acl => {
            let acls: Vec<KafkaACL> = session.list(&every).await.ok()?;
            named(acls.iter().map(ResourceExt::name_any).collect())
        }
        Kind::Role => {
            let roles: Vec<KafkaRole> = session.list(&every).await.unwrap_or_default();
            let own = roles.iter().map(|r| (r.name_any(), String::new()));
            let built_in = BUILT_IN_ROLES.map(|r| (r.to_owned(), "built in".to_owned()));
            built_in.into_iter().chain(own).collect()
        }
    })
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
    let (mut awaited, mut path): (Option<&Arg>, Vec<&str>) = (None, Vec::new());
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
            path.push(next.get_name());
        }
    }
    if let Some(arg) = awaited {
        return values(&path, arg);
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
        .map_or(Wanted::Nothing, |arg| values(&path, arg))
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

/// What is declared, and may stand as a value of this argument.
fn kind(path: &[&str], arg: &str) -> Option<Kind> {
    match (path, arg) {
        // What is to be made has no name yet, and what is adopted is not declared.
        ([_, "create" | "adopt"], _) => None,
        (_, "topic") | (["topic", _], "name" | "names") => Some(Kind::Topic),
        (["acl" | "quota", _], "user") | (["user", _], "name" | "names") => Some(Kind::User),
        (["acl", "grant"], "roles") | (["acl", _], "role") | (["role", _], "names") => {
            Some(Kind::Role)
        }
        (["acl", _], "name" | "names" | "words") => Some(Kind::Acl),
        _ => None,
    }
}

fn values(path: &[&str], arg: &Arg) -> Wanted {
    if let Some(kind) = kind(path, arg.get_id().as_str()) {
        return Wanted::Declared(kind);
    }
    let words = |words: Vec<&str>| {
        let bare = |word: &str| (word.to_owned(), String::new());
        Wanted::Words(words.into_iter().map(bare).collect())
    };
    match (path, arg.get_id().as_str()) {
        (["config", "explain"], "keys") => return words(config::names()),
        (["config", _], "kafka_version") => return words(config::lines().collect()),
        _ => {}
    }
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
        assert!(words("config explain num.").contains(&"num.io.threads".to_owned()));
        assert!(words("config explain a retention").contains(&"retention.ms".to_owned()));
        assert_eq!(words("config list --kafka-version "), ["4.2", "4.3"]);
        assert!(words("produce t --compression ").contains(&"zstd".to_owned()));
    }

    #[test]
    fn names_come_from_the_server() {
        assert_eq!(ask("topic list -c "), Wanted::Cluster);
        assert_eq!(ask("status ev"), Wanted::Cluster);
        for (line, kind) in [
            ("topic describe ", Kind::Topic),
            ("produce ", Kind::Topic),
            ("acl grant producer --topic ", Kind::Topic),
            ("acl explain --user ", Kind::User),
            ("user rotate a", Kind::User),
            ("acl grant ", Kind::Role),
            ("acl revoke ", Kind::Acl),
            ("role describe ", Kind::Role),
        ] {
            assert_eq!(ask(line), Wanted::Declared(kind), "{line}");
        }
        assert_eq!(ask("topic create "), Wanted::Nothing);
        assert_eq!(ask("topic list --user "), Wanted::Nothing);
        assert_eq!(ask("topic create --partitions "), Wanted::Nothing);
    }
}
