//! The accept loop under the TLS server and the health server: bounded, with time limits, and drained at the end.
//!
//! Owns connections; knows neither certificates nor routes.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use crate::brisk::Brisk;
use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Limits of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for the head of each HTTP/1 request from its first byte on.
    pub header_timeout: Duration,
    /// How long an HTTP/1 connection may be idle, between two requests or before the first: Go's clients make some in
    /// reserve. Longer than any client keeps one: of two that let go at the same moment the client finds its request on a
    /// connection that is gone, and API servers do not repeat it.
    pub idle_timeout: Duration,
    /// Connections served at once; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Time for open requests to finish after shutdown was asked for.
    pub drain: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(5),
            // Go's clients, API servers among them, let go after 90 s.
            idle_timeout: Duration::from_secs(120),
            max_connections: 512,
            drain: Duration::from_secs(10),
        }
    }
}

/// Which HTTP a connection speaks. Settled before the first byte, by ALPN or because there is no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1
    H1,
    /// HTTP/2
    H2,
}

/// Serves until `shutdown`, then closes the listener, lets open requests finish for at most `options.drain` and cuts
/// off the rest. `accept` turns a TCP connection into one to speak HTTP over.
pub(crate) async fn serve<A, F, S>(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
    accept: A,
) where
    A: Fn(TcpStream) -> F + Clone + Send + 'static,
    F: Future<Output = io::Result<(S, Protocol)>> + Send,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let next = async {
            // The semaphore is never closed, so acquiring it cannot fail.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            next = next => next,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (accept, router, options) = (accept.clone(), router.clone(), options.clone());
        let (shutdown, cut) = (shutdown.clone(), cut.clone());
        tasks.spawn(async move {
            let _slot = slot;
            tokio::select! {
                () = cut.cancelled() => {}
                result = connection(stream, accept, router, options, shutdown) => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "connection ended");
                    }
                }
            }
        });
    }
    drop(listener);
    tasks.close();
    if timeout(options.drain, tasks.wait()).await.is_err() {
        tracing::warn!(
            connections = tasks.len(),
            "cutting off connections that did not finish in time"
        );
        cut.cancel();
        tasks.wait().await;
    }
}

async fn connection<A, F, S>(
    stream: TcpStream,
    accept: A,
    router: Router,
    options: ServerOptions,
    shutdown: CancellationToken,
) -> io::Result<()>
where
    A: Fn(TcpStream) -> F,
    F: Future<Output = io::Result<(S, Protocol)>>,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let (stream, protocol) = timeout(options.handshake_timeout, accept(stream)).await??;
    let mut stream = BufReader::with_capacity(4096, stream);
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        first = timeout(options.idle_timeout, stream.fill_buf()) => if first??.is_empty() { return Ok(()) },
    }
    let service = TowerToHyperService::new(router);
    // Two arms of the same shape: hyper's two connection types share no trait.
    match protocol {
        Protocol::H1 => {
            let (stream, serving) = Brisk::new(stream, options.header_timeout);
            let io = TokioIo::new(stream);
            let service = service_fn(move |request| {
                let (serving, answer) = (Arc::clone(&serving), service.call(request));
                serving.store(true, Ordering::Relaxed);
                async move {
                    let answer = answer.await;
                    serving.store(false, Ordering::Relaxed);
                    answer
                }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            // It begins to count when the answer before is out.
            http.timer(TokioTimer::new())
                .header_read_timeout(options.idle_timeout);
            let mut connection = std::pin::pin!(http.serve_connection(io, service));
            tokio::select! {
                result = connection.as_mut() => result,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
        Protocol::H2 => {
            let io = TokioIo::new(stream);
            let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // A peer that vanished without a word is noticed by unanswered pings.
            http.timer(TokioTimer::new())
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10))
                .max_concurrent_streams(250);
            let mut connection = std::pin::pin!(http.serve_connection(io, service));
            tokio::select! {
                result = connection.as_mut() => result,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    }
    .map_err(io::Error::other)
}
