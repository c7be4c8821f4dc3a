//! The calls of one connection that are under way, and the two tasks that move them.
//!
//! Owns the moment a request counts as sent: the writer claims it before the first byte leaves, its caller can take it
//! back until then. Owns why a connection ended, told to everybody who waits. Knows nothing of what the bytes mean.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};

use crate::tls;
use crate::wire::{frame, rpc};

/// What callers and the two tasks share.
#[derive(Default)]
pub(super) struct State {
    pub(super) pending: Mutex<Pending>,
    /// No new calls: broken, or suspected of hanging.
    pub(super) retired: AtomicBool,
}

#[derive(Default)]
pub(super) struct Pending {
    pub(super) waiting: HashMap<i32, oneshot::Sender<Answer>>,
    /// Why the connection ended.
    pub(super) ended: Option<Broken>,
}

pub(super) type Answer = std::result::Result<Bytes, Broken>;

/// Why a connection ended, kept for everybody who still waits on it.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) detail: String,
    pub(super) kind: BrokenKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BrokenKind {
    Closed,
    Tls,
    Protocol,
}

impl Broken {
    pub(super) fn of(error: &io::Error) -> Self {
        if let Some(detail) = tls::describe(error) {
            return Self {
                detail,
                kind: BrokenKind::Tls,
            };
        }
        let kind = match error.kind() {
            io::ErrorKind::InvalidData => BrokenKind::Protocol,
            _ => BrokenKind::Closed,
        };
        Self {
            detail: error.to_string(),
            kind,
        }
    }
}

/// A request on its way to the socket.
pub(super) struct Outgoing {
    pub(super) id: i32,
    pub(super) frame: Bytes,
    pub(super) claim: Arc<Claim>,
}

/// Decides the race between the writer taking a request and its caller giving up on it.
#[derive(Default)]
pub(super) struct Claim(AtomicU8);

impl Claim {
    pub(super) const QUEUED: u8 = 0;
    pub(super) const SENT: u8 = 1;
    pub(super) const CANCELLED: u8 = 2;

    pub(super) fn take(&self, as_what: u8) -> bool {
        self.0
            .compare_exchange(Self::QUEUED, as_what, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    pub(super) fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::SENT
    }
}

/// Forgets a call whose caller went away, and keeps an unsent one from being sent.
pub(super) struct Ticket<'a> {
    pub(super) state: &'a State,
    pub(super) id: i32,
    pub(super) claim: Arc<Claim>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.claim.take(Claim::CANCELLED);
        self.state.pending().waiting.remove(&self.id);
    }
}

impl State {
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        // Nothing panics while holding it; a poisoned map is still a map.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection for everybody; the first cause stays.
    pub(super) fn end(&self, cause: Broken) {
        self.retired.store(true, Ordering::Release);
        let mut pending = self.pending();
        let cause = pending.ended.get_or_insert(cause).clone();
        for (_, waiter) in pending.waiting.drain() {
            let _ = waiter.send(Err(cause.clone()));
        }
    }
}

pub(super) async fn write_loop<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut outgoing: mpsc::Receiver<Outgoing>,
    state: Arc<State>,
) {
    while let Some(Outgoing { id, frame, claim }) = outgoing.recv().await {
        if !claim.take(Claim::SENT) {
            continue;
        }
        tracing::trace!(id, bytes = frame.len(), "request");
        let written = async {
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        if let Err(e) = written.await {
            // Prefer the reader's cause (a TLS alert explains a broken pipe): give it a moment to find it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            state.end(Broken::of(&e));
            break;
        }
    }
}

pub(super) async fn read_loop<R: AsyncRead + Unpin>(
    mut reader: R,
    max_frame: usize,
    state: Arc<State>,
) {
    let cause = loop {
        match frame::read(&mut reader, max_frame).await {
            Ok(Some(answer)) => {
                let Some(id) = rpc::correlation_id(&answer) else {
                    continue;
                };
                // An id nobody waits for belongs to a caller that gave up.
                if let Some(waiter) = state.pending().waiting.remove(&id) {
                    let _ = waiter.send(Ok(answer));
                }
            }
            Ok(None) => {
                break Broken {
                    detail: "the peer closed the connection".to_owned(),
                    kind: BrokenKind::Closed,
                };
            }
            Err(e) => break Broken::of(&e),
        }
    };
    state.end(cause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_claimed_once() {
        let claim = Claim::default();
        assert!(claim.take(Claim::SENT) && claim.is_sent());
        assert!(!claim.take(Claim::CANCELLED) && claim.is_sent());

        let claim = Claim::default();
        assert!(claim.take(Claim::CANCELLED));
        assert!(!claim.take(Claim::SENT) && !claim.is_sent());
    }
}
