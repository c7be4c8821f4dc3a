//! The command line as a type: every verb with its arguments lives in its own module, this one lists them.

use clap::{CommandFactory, Parser, Subcommand};

use crate::flags::Global;
use crate::verbs;

/// Kafka on Kubernetes from the command line
///
/// Flags work anywhere after `kubectl kafka`; kubectl refuses them before it.
#[derive(Parser, Debug)]
#[command(
    name = "kubectl-kafka",
    bin_name = "kubectl kafka",
    version,
    propagate_version = false,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit codes: kubectl kafka help exit-codes"
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What can be done.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Install the operator, and prove that it works
    Install(verbs::install::Args),
    /// Remove the operator; volumes are never touched
    Uninstall(verbs::uninstall::Args),
    /// Show a Kafka cluster: problems first, then every node and what is waited for
    Status(verbs::status::Args),
    /// Topics: declare, list, describe, alter, compare, adopt and delete them
    #[command(subcommand)]
    Topic(verbs::topic::Verb),
    /// Users: declare, list, describe, rotate, adopt and delete them
    #[command(subcommand)]
    User(verbs::user::Verb),
    /// Access: list, grant, revoke and explain it
    #[command(subcommand)]
    Acl(Box<verbs::acl::Verb>),
    /// Roles: list and describe what they give
    #[command(subcommand)]
    Role(verbs::role::Verb),
    /// Consumer groups: list, describe, lag, reset and delete
    #[command(subcommand)]
    Group(verbs::group::Verb),
    /// Quotas: list, describe, set and unset
    #[command(subcommand)]
    Quota(verbs::quota::Verb),
    /// Kafka's configuration: explain its keys, and list them
    #[command(subcommand)]
    Config(verbs::config::Verb),
    /// Check manifests in files with everything the webhook checks; asks no server
    Lint(verbs::lint::Args),
    /// Policies: say what they decide
    #[command(subcommand)]
    Policy(verbs::policy::Verb),
    /// Write records, one per line of standard input
    Produce(verbs::produce::Args),
    /// Read records
    Consume(verbs::consume::Args),
    /// Print or write a client configuration for Kafka's own tools
    ClientConfig(verbs::client_config::Args),
    /// Show the versions of plugin, operator, resource types and Kafka
    Version(verbs::version::Args),
    /// Print a shell completion script
    Completion(verbs::completion::Args),
    /// Help on a command, or on exit-codes
    Help(verbs::help::Args),
    /// What kubectl's completion asks for.
    #[command(name = "__complete", hide = true)]
    Complete(verbs::complete::Args),
}

/// The command line as clap knows it, for help, completion and the reference.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn global_flags_work_at_any_depth() {
        for line in [
            "kubectl-kafka -n a -c b topic list -o json",
            "kubectl-kafka topic -n a list -c b -o json",
            "kubectl-kafka topic list -n a -c b -o json",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(cli.global.namespace.as_deref(), Some("a"), "{line}");
            assert_eq!(cli.global.kafka_cluster.as_deref(), Some("b"), "{line}");
            assert_eq!(
                cli.global.output,
                Some(crate::flags::Format::Json),
                "{line}"
            );
        }
    }

    #[test]
    fn no_argument_of_a_verb_shadows_a_global_flag() {
        fn check(command: &clap::Command, globals: &[String]) {
            for own in command.get_arguments().filter(|a| !a.is_global_set()) {
                // Where `--user` is a KafkaUser and `--cluster` a resource, `verbs::run` says so.
                let ours = ["user", "cluster"].contains(&own.get_id().as_str())
                    && [
                        "list", "grant", "revoke", "explain", "describe", "set", "unset",
                    ]
                    .contains(&command.get_name());
                assert!(
                    ours || !globals.contains(&own.get_id().to_string()),
                    "{}: {}",
                    command.get_name(),
                    own.get_id()
                );
            }
            command.get_subcommands().for_each(|c| check(c, globals));
        }
        let command = command();
        let globals: Vec<String> = command
            .get_arguments()
            .filter(|a| a.is_global_set())
            .map(|a| a.get_id().to_string())
            .collect();
        command.get_subcommands().for_each(|c| check(c, &globals));
    }

    #[test]
    fn verbosity_has_levels_and_a_short_form() {
        for (line, want) in [
            ("kubectl-kafka version", 0),
            ("kubectl-kafka version -v", 1),
            ("kubectl-kafka -v=6 version", 6),
        ] {
            assert_eq!(
                Cli::try_parse_from(line.split(' ')).unwrap().global.verbose,
                want,
                "{line}"
            );
        }
    }
}
