//! Signals: the first one asks the process to stop, the second one ends it.
//!
//! Owns the handlers of SIGTERM and SIGINT and nothing else; the order in which things stop is the program's
//! business (readiness off, drain, last reconcile, lease).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit status after a second SIGINT (128 + 2).
pub const EXIT_SIGINT: i32 = 130;
/// Exit status after a second SIGTERM (128 + 15).
pub const EXIT_SIGTERM: i32 = 143;

/// Returns a token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at once with
/// 143 or 130. Install it before any slow start-up work, inside a tokio runtime.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let first = next(&mut term, &mut int).await;
        tracing::info!(signal = name(first), "stopping");
        cancelled.cancel();
        let second = next(&mut term, &mut int).await;
        tracing::warn!(signal = name(second), "second signal, ending now");
        std::process::exit(second);
    });
    Ok(token)
}

async fn next(term: &mut Signal, int: &mut Signal) -> i32 {
    tokio::select! {
        _ = term.recv() => EXIT_SIGTERM,
        _ = int.recv() => EXIT_SIGINT,
    }
}

fn name(status: i32) -> &'static str {
    if status == EXIT_SIGINT {
        "SIGINT"
    } else {
        "SIGTERM"
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Lines},
        process::{ChildStdout, Command, Stdio},
    };

    use super::*;

    const CHILD: &str = "SDM_TEST_SHUTDOWN_CHILD";

    /// Not a test of its own: the process that the test below sends signals to.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let runtime = crate::telemetry::runtime().unwrap();
        runtime.block_on(async {
            let token = on_signal().unwrap();
            println!("\nready");
            token.cancelled().await;
            println!("\nstopping");
            std::future::pending::<()>().await;
        });
    }

    fn wait_for(lines: &mut Lines<BufReader<ChildStdout>>, word: &str) {
        assert!(
            lines.any(|line| line.unwrap() == word),
            "the child never said {word}"
        );
    }

    #[test]
    fn the_first_signal_asks_and_the_second_ends_the_process() {
        for (first, second, status) in [
            ("TERM", "TERM", 143),
            ("INT", "INT", 130),
            ("TERM", "INT", 130),
        ] {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "shutdown::tests::child", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let pid = child.id().to_string();
            let send = |signal: &str| {
                assert!(
                    Command::new("kill")
                        .args(["-s", signal, &pid])
                        .status()
                        .unwrap()
                        .success()
                );
            };
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            wait_for(&mut lines, "ready");
            send(first);
            wait_for(&mut lines, "stopping");
            assert!(
                child.try_wait().unwrap().is_none(),
                "the first signal only asks"
            );
            send(second);
            assert_eq!(child.wait().unwrap().code(), Some(status));
        }
    }
}
