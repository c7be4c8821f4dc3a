//! Reaching a broker from outside the pods' network: a tunnel through the API server to the broker's Pod.
//!
//! The Pod is the first label of the host name that Kafka advertises. Each dial opens one port-forward of its own;
//! TLS runs inside it and still verifies the whole host name, so the API server only ever sees ciphertext.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use sdm_kafka::{Dialer, Stream};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::exit::{Code, Failure};

/// Dials through the API server.
pub struct PortForward {
    pods: Api<Pod>,
    refused: Mutex<Option<Failure>>,
}

impl PortForward {
    /// Forwards to Pods of this namespace.
    pub fn new(pods: Api<Pod>) -> Arc<Self> {
        Arc::new(Self {
            pods,
            refused: Mutex::new(None),
        })
    }

    /// The first refusal by the API server, which says more than the failed Kafka call that it caused.
    pub fn refusal(&self) -> Option<Failure> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    async fn open(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let pod = host.split('.').next().unwrap_or(host);
        let mut forward = self
            .pods
            .portforward(pod, &[port])
            .await
            .map_err(|e| self.remember(pod, e))?;
        let gone = || io::Error::other("the port-forward has no such port");
        let stream = forward.take_stream(port).ok_or_else(gone)?;
        let error = forward.take_error(port).ok_or_else(gone)?;
        let target = format!("port {port} of pod {pod}");
        Ok(Box::new(Tunnel {
            stream,
            error: Some(error.boxed()),
            target,
            heard: false,
        }))
    }

    fn remember(&self, pod: &str, error: kube::Error) -> io::Error {
        let text = format!("port-forward to pod {pod}: {error}");
        let mut failure =
            Failure::from(upgrade_status(error)).doing(format!("port-forward to pod {pod}"));
        if failure.code == Code::Denied {
            failure = failure.hint("kubectl auth can-i create pods/portforward    # needed to reach brokers from here; or run inside with --direct");
        }
        if matches!(failure.code, Code::Denied | Code::TimedOut) {
            self.refused
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert(failure);
        }
        io::Error::other(text)
    }
}

/// An upgrade that the API server refuses may come as a bare status code.
fn upgrade_status(error: kube::Error) -> kube::Error {
    use kube::client::UpgradeConnectionError::ProtocolSwitch;
    match &error {
        kube::Error::UpgradeConnection(ProtocolSwitch(code)) => {
            let status = serde_json::json!({ "code": code.as_u16(), "reason": code.canonical_reason().unwrap_or_default(), "message": "" });
            match serde_json::from_value(status) {
                Ok(status) => kube::Error::Api(Box::new(status)),
                Err(_) => error,
            }
        }
        _ => error,
    }
}

impl Dialer for PortForward {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        self.open(host, port).boxed()
    }
}

/// A forwarded stream, which on its early end tells what the kubelet said.
///
/// An end before the first byte is a failed dial, whatever the reason, and not a peer that refused us: the error's kind
/// says so, and the client may try again.
struct Tunnel {
    stream: DuplexStream,
    error: Option<BoxFuture<'static, Option<String>>>,
    target: String,
    heard: bool,
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let done = Pin::new(&mut self.stream).poll_read(cx, buf);
        if !matches!(done, Poll::Ready(Ok(()))) || buf.remaining() == 0 {
            return done;
        }
        if buf.filled().len() > before {
            self.heard = true;
            return done;
        }
        let told = match self.error.as_mut().map(|error| error.poll_unpin(cx)) {
            Some(Poll::Pending) => return Poll::Pending,
            Some(Poll::Ready(message)) => message,
            None => None,
        };
        self.error = None;
        match told {
            Some(message) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                explain(&self.target, &message),
            ))),
            None if !self.heard => {
                let text = format!(
                    "{} closed the connection before its first byte",
                    self.target
                );
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, text)))
            }
            None => done,
        }
    }
}

/// The kubelet's sentence names sandboxes and network namespaces; people need its end.
fn explain(target: &str, message: &str) -> String {
    if message.contains("connection refused") {
        return format!("nothing listens on {target} (connection refused)");
    }
    format!("{target}: {}", message.trim())
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn tunnel(said: Option<&'static str>) -> (Tunnel, DuplexStream) {
        let (stream, far) = tokio::io::duplex(64);
        let error = async move { said.map(ToOwned::to_owned) }.boxed();
        (
            Tunnel {
                stream,
                error: Some(error),
                target: "port 9092 of pod a-0".to_owned(),
                heard: false,
            },
            far,
        )
    }

    #[tokio::test]
    async fn an_early_end_tells_what_the_kubelet_said_and_may_be_tried_again() {
        for (said, want) in [
            (
                Some(
                    "error forwarding port 9092 to pod f00: dial tcp4: connect: connection refused",
                ),
                "nothing listens on port 9092 of pod a-0 (connection refused)",
            ),
            (
                Some("container not running \n"),
                "port 9092 of pod a-0: container not running",
            ),
            (
                None,
                "port 9092 of pod a-0 closed the connection before its first byte",
            ),
        ] {
            let (mut tunnel, far) = tunnel(said);
            drop(far);
            let failed = tunnel.read_u8().await.unwrap_err();
            // Neither of the kinds that stand for a peer which ended the TLS handshake.
            assert_eq!(
                (failed.kind(), failed.to_string().as_str()),
                (io::ErrorKind::ConnectionAborted, want)
            );
        }
    }

    #[tokio::test]
    async fn an_end_after_the_last_byte_is_an_end() {
        let (mut tunnel, mut far) = tunnel(None);
        far.write_all(b"x").await.unwrap();
        drop(far);
        let mut read = Vec::new();
        tunnel.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"x");
    }
}
