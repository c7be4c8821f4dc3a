//! `kubectl kafka`: what people talk to.
//!
//! Parses the command line, runs one verb, turns its outcome into an exit code. Nothing is set up before parsing, so
//! that help and completion answer at once; everything a verb does is in its own module under `verbs`.

mod access;
mod cli;
mod dial;
mod exit;
mod files;
mod flags;
mod http;
mod interrupt;
mod kafka;
mod manifests;
mod objects;
mod output;
mod prompt;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod scripted;
mod session;
mod verbs;

use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use exit::{Code, Failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, on standard output; the rest is usage, on standard error.
            let code = if error.use_stderr() {
                Code::Usage
            } else {
                Code::Ok
            };
            let _ = error.print();
            return ExitCode::from(code as u8);
        }
    };
    let verbose = cli.global.verbose > 0;
    let code = match run(cli) {
        Ok(()) => Code::Ok,
        Err(failure) => {
            output::failure(&failure, verbose);
            failure.code
        }
    };
    ExitCode::from(code as u8)
}

fn run(cli: Cli) -> Result<(), Failure> {
    if cli.global.verbose >= 8 {
        log();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(verbs::run(cli));
    // A thread may still wait for a line of standard input; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// The libraries' own log, for bug reports. No deeper than this: below it, libraries log what they send.
fn log() {
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::DEBUG)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time();
    let _ = subscriber.try_init();
}
