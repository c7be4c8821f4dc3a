//! The verbs, one module each: arguments, what they do, what they report.

pub mod acl;
pub mod client_config;
pub mod complete;
pub mod completion;
pub mod config;
pub mod consume;
pub mod group;
pub mod help;
pub mod install;
pub mod lint;
pub mod policy;
pub mod produce;
pub mod quota;
mod record;
pub mod role;
pub mod status;
pub mod topic;
pub mod uninstall;
pub mod user;
pub mod version;

use crate::cli::{Cli, Verb};
use crate::exit::{Failure, Result};
use crate::flags::Format;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::session::Session;

/// Runs the verb. Ctrl-C ends it where it stands, unless it ends itself in order.
///
/// # Errors
/// See each verb.
pub async fn run(mut cli: Cli) -> Result<()> {
    let takes_config = matches!(&cli.verb, Verb::User(verb) if user::takes_config(verb));
    if cli.global.output.is_some_and(Format::is_config) && !takes_config {
        return Err(Failure::usage(
            "a client configuration is what user create and user config print",
        )
        .hint("kubectl kafka user config NAME -o properties"));
    }
    // What needs no server must not ask for a kubeconfig.
    match &cli.verb {
        Verb::Role(verb) => {
            if let Some(done) = role::built_in_only(verb, &Output::new(&cli.global)) {
                return done;
            }
        }
        Verb::Config(verb) => return verb.run(&Output::new(&cli.global)),
        Verb::Help(args) => return help::run(&Output::new(&cli.global), args),
        Verb::Completion(args) => return completion::run(args),
        Verb::Complete(args) => return complete::run(&cli.global, args).await,
        Verb::Lint(args) => return lint::run(&cli.global, args),
        Verb::Policy(verb) => return policy::run(&cli.global, verb),
        Verb::Version(args) if args.client => {
            return Output::new(&cli.global).report(&version::Version::client());
        }
        Verb::Install(args) if install::prints_only(args) => {
            return install::print(&Output::new(&cli.global), args);
        }
        _ => {}
    }
    // There, --user is a KafkaUser and --cluster the Kafka cluster as a resource, as `kubectl create rolebinding` has a
    // --user of its own; kubeconfig's are chosen with --context.
    if matches!(cli.verb, Verb::Acl(_) | Verb::Quota(_)) {
        (cli.global.user, cli.global.cluster) = (None, None);
    }
    let interrupt = Interrupt::install();
    let session = Session::open(&cli.global).await?;
    let one = || refuse_all_namespaces(&session);
    match cli.verb {
        Verb::Status(args) => status::run(&session, args, interrupt).await,
        Verb::Produce(args) => {
            one()?;
            produce::run(&session, args, interrupt).await
        }
        Verb::Consume(args) => {
            one()?;
            consume::run(&session, args, interrupt).await
        }
        Verb::Install(args) => until(interrupt, install::run(&session, args)).await,
        Verb::Uninstall(args) => until(interrupt, uninstall::run(&session, args)).await,
        Verb::Topic(verb) => {
            one()?;
            until(interrupt, verb.run(&session)).await
        }
        Verb::User(verb) => {
            one()?;
            until(interrupt, verb.run(&session)).await
        }
        Verb::Acl(verb) => {
            one()?;
            until(interrupt, verb.run(&session)).await
        }
        Verb::Role(verb) => until(interrupt, verb.run(&session)).await,
        Verb::Group(verb) => {
            one()?;
            until(interrupt, verb.run(&session)).await
        }
        Verb::Quota(verb) => {
            one()?;
            until(interrupt, verb.run(&session)).await
        }
        Verb::ClientConfig(args) => {
            one()?;
            until(interrupt, client_config::run(&session, args)).await
        }
        Verb::Version(_) => until(interrupt, version::run(&session)).await,
        // Answered above.
        Verb::Config(_)
        | Verb::Help(_)
        | Verb::Completion(_)
        | Verb::Complete(_)
        | Verb::Lint(_)
        | Verb::Policy(_) => Ok(()),
    }
}

async fn until(mut interrupt: Interrupt, work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        ended = work => ended,
        stopped = interrupt.wait() => Err(stopped),
    }
}

/// A topic belongs to one cluster, and a cluster to one namespace.
fn refuse_all_namespaces(session: &Session) -> Result<()> {
    if session.all_namespaces {
        return Err(Failure::usage(
            "this command is about one Kafka cluster, so -A means nothing here; use -n and -c",
        ));
    }
    Ok(())
}
