//! An HTTPS server for an axum `Router`, with a certificate that may change while it runs.
//!
//! Owns the rustls server configuration (ALPN h2 and http/1.1, TLS 1.2 and 1.3). Where certificates come from is
//! `webhook_ca`'s business; connections are `server`'s.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, Version, header},
    middleware::{Next, from_fn},
};
use rustls::{ServerConfig, server::ResolvesServerCert};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

pub use crate::server::ServerOptions;
use crate::server::{self, Protocol};

const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";
/// Connections that wait in the kernel's queue (at most `net.core.somaxconn`). The 128 that are usual overflow when API
/// servers come back all at once, and then some are told that they are connected and never get further.
const BACKLOG: u32 = 1024;

/// A listener for [`serve`], with room for everybody who comes at once.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `router` on `listener` until `shutdown`; then stops accepting, lets open requests finish for at most
/// `options.drain`, and returns. `resolver` is asked for the certificate at every handshake.
///
/// # Errors
/// When the TLS configuration cannot be made (no provider).
pub async fn serve(
    listener: TcpListener,
    router: Router,
    resolver: Arc<dyn ResolvesServerCert>,
    options: ServerOptions,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let accept = move |tcp| {
        let acceptor = acceptor.clone();
        async move {
            let stream = acceptor.accept(tcp).await?;
            let protocol = if stream.get_ref().1.alpn_protocol() == Some(H2) {
                Protocol::H2
            } else {
                Protocol::H1
            };
            Ok((stream, protocol))
        }
    };
    server::serve(listener, router, options, shutdown, accept).await;
    Ok(())
}

/// Once `leaving`, lets clients go with their next answer: API servers speak HTTP/1.1 to webhooks and keep connections,
/// and a request that meets one being closed is not repeated. HTTP/2 has a farewell of its own.
pub fn parting(router: Router, leaving: CancellationToken) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| {
        let leaving = leaving.clone();
        async move {
            let version = request.version();
            let mut answer = next.run(request).await;
            if leaving.is_cancelled() && version < Version::HTTP_2 {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            answer
        }
    }))
}

#[cfg(test)]
mod tests;
