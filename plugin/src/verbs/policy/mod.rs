//! `policy`: what policies decide, before anybody else has to live with it.

use clap::Subcommand;
use jiff::Timestamp;

use super::lint::{Look, look};
use crate::exit::Result;
use crate::flags::Global;

/// What can be done with policies.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Say what KafkaPolicies in files decide about objects in files; asks no server
    Test(TestArgs),
}

/// Arguments of `policy test`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "The decision is the webhook's own. Namespaces and KafkaClusters in the files are what policies go by; objects without a namespace are taken to be in -n, or default, and to be created by nobody. Exits with 4 if a policy is invalid, or an object would be refused.\nExamples:\n  kubectl kafka policy test -f policy.yaml -f objects/\n  kubectl kafka policy test -f policy.yaml -f objects/ --at 2027-01-01T00:00:00Z -o json"
)]
pub struct TestArgs {
    /// Files or directories with KafkaPolicies and objects, - for standard input; may be repeated
    #[arg(short, long, value_name = "FILE", required = true)]
    filename: Vec<String>,
    /// The time to judge at, for exceptions that end; now if not given
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
}

/// Runs it.
///
/// # Errors
/// See each verb.
pub fn run(global: &Global, verb: &Verb) -> Result<()> {
    match verb {
        Verb::Test(args) => look(global, &args.filename, args.at, Look::Policies),
    }
}
