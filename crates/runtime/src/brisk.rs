//! A stream on which whoever begins a request has to finish its head in time.
//!
//! Between requests it may be idle for as long as the server allows: that is counted elsewhere.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The stream.
pub(crate) struct Brisk<S> {
    inner: S,
    /// Whether a request is being served: then what arrives is its body.
    serving: Arc<AtomicBool>,
    limit: Duration,
    /// Runs from the first byte of a head on.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Brisk<S> {
    /// The flag is the server's to raise while it serves a request.
    pub(crate) fn new(inner: S, limit: Duration) -> (Self, Arc<AtomicBool>) {
        let serving = Arc::new(AtomicBool::new(false));
        let stream = Self {
            inner,
            serving: Arc::clone(&serving),
            limit,
            deadline: None,
        };
        (stream, serving)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Brisk<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.serving.load(Ordering::Relaxed) {
            self.deadline = None;
            return read;
        }
        if read.is_ready() {
            if buffer.filled().len() > before && self.deadline.is_none() {
                self.deadline = Some(Box::pin(sleep(self.limit)));
            }
            return read;
        }
        let late = match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(context).is_ready(),
            None => false,
        };
        if late {
            let error = io::Error::new(io::ErrorKind::TimedOut, "the head of a request is slow");
            return Poll::Ready(Err(error));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Brisk<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
