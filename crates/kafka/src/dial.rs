//! How a byte stream to a broker comes about.
//!
//! Kafka names its nodes by host and port; whether that name resolves here (pod network), stands for a pod's IP
//! (controller) or is reached through a tunnel (plugin) is the dialer's business. TLS happens above, and always
//! verifies the host that was asked for, so a dialer cannot weaken it.

use std::io;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connected, bidirectional byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens streams to brokers. Dropping the future must abandon the attempt.
pub trait Dialer: Send + Sync {
    /// Opens a stream to `host:port` as Kafka advertises it. The caller bounds the time.
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>>;
}

/// Plain TCP, with the system's name resolution.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            // Requests are small and latency is what an administrator waits for.
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
