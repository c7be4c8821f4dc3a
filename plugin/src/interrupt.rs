//! SIGINT and SIGTERM: the first one lets a command end in order, the second one ends it at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::exit::{Code, Failure};

/// Tells when the process was asked to stop. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<Option<Code>>);

impl Interrupt {
    /// Installs the handlers. Where that fails, signals end the process as they always do.
    pub fn install() -> Self {
        let (sender, receiver) = watch::channel(None);
        if let (Ok(mut int), Ok(mut term)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) {
            tokio::spawn(async move {
                loop {
                    let code = tokio::select! {
                        _ = int.recv() => Code::Interrupted,
                        _ = term.recv() => Code::Terminated,
                    };
                    if sender.borrow().is_some() {
                        std::process::exit(code as i32);
                    }
                    sender.send_replace(Some(code));
                }
            });
        }
        Self(receiver)
    }

    /// Returns once the process was asked to stop.
    pub async fn wait(&mut self) -> Failure {
        match self.0.wait_for(Option::is_some).await {
            Ok(code) => Failure::silent(code.unwrap_or(Code::Interrupted)),
            // No handlers, no interrupts.
            Err(_) => std::future::pending().await,
        }
    }
}
