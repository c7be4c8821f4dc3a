//! `/livez`, `/readyz?verbose` and `/metrics` over plain HTTP, for kubelet and Prometheus.
//!
//! Owns the named readiness checks and the metric registry of a process. What a check means is its holder's business.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::server::{self, Protocol, ServerOptions};

/// Where the programs listen unless told otherwise: kubelet and Prometheus come from outside the pod.
pub const DEFAULT_ADDRESS: &str = "0.0.0.0:8080";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Readiness and metrics of this process. Cheap to clone; clones share.
#[derive(Clone, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    checks: Mutex<Vec<Check>>,
    registry: Mutex<Registry>,
    draining: AtomicBool,
}

struct Check {
    name: &'static str,
    ready: bool,
    why: String,
}

/// Sets one check of a [`Health`].
#[derive(Clone)]
pub struct CheckHandle {
    inner: Arc<Inner>,
    index: usize,
}

impl CheckHandle {
    /// Says whether the check passes and, when it does not, why (one short sentence, shown by `/readyz?verbose`).
    pub fn set_ready(&self, ready: bool, why: impl Into<String>) {
        if let Some(check) = lock(&self.inner.checks).get_mut(self.index) {
            check.ready = ready;
            check.why = why.into();
        }
    }
}

impl Health {
    /// No checks yet: ready as soon as it is served, until a check is registered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, which fails until it is set.
    #[must_use]
    pub fn register(&self, name: &'static str) -> CheckHandle {
        let mut checks = lock(&self.inner.checks);
        checks.push(Check {
            name,
            ready: false,
            why: "not checked yet".to_owned(),
        });
        CheckHandle {
            inner: Arc::clone(&self.inner),
            index: checks.len() - 1,
        }
    }

    /// Gives access to the registry behind `/metrics`, to register metrics once at start.
    pub fn metrics<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut lock(&self.inner.registry))
    }

    /// The process is about to stop: not ready from now on, whatever the checks say.
    pub fn set_draining(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Whether every check passes and the process is not draining.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.inner.draining.load(Ordering::Relaxed)
            && lock(&self.inner.checks).iter().all(|check| check.ready)
    }

    /// The routes, for programs that serve them in their own way.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }

    /// Serves until `shutdown`. Give it a token that is cancelled last, so that `/readyz` answers 503 while the rest
    /// drains.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve(
        &self,
        address: SocketAddr,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        self.serve_on(TcpListener::bind(address).await?, shutdown)
            .await;
        Ok(())
    }

    /// As [`Health::serve`], on a listener that is bound already.
    pub async fn serve_on(&self, listener: TcpListener, shutdown: CancellationToken) {
        let options = ServerOptions {
            max_connections: 64,
            drain: std::time::Duration::from_secs(1),
            ..ServerOptions::default()
        };
        let plain = |tcp| async move { Ok((tcp, Protocol::H1)) };
        server::serve(listener, self.router(), options, shutdown, plain).await;
    }

    fn report(&self, verbose: bool) -> (StatusCode, String) {
        let mut lines = String::new();
        let draining = self.inner.draining.load(Ordering::Relaxed);
        let mut ready = !draining;
        if draining {
            lines.push_str("[-] shutting down\n");
        }
        for Check {
            name,
            ready: passed,
            why,
        } in lock(&self.inner.checks).iter()
        {
            ready &= passed;
            match (passed, why.as_str()) {
                (true, _) if !verbose => {}
                (true, _) => lines.push_str(&format!("[+] {name}: ok\n")),
                (false, why) => lines.push_str(&format!("[-] {name}: {why}\n")),
            }
        }
        let (code, verdict) = if ready {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
        };
        (code, lines + verdict)
    }
}

async fn readyz(State(health): State<Health>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let verbose = query.is_some_and(|q| {
        q.split('&')
            .any(|pair| pair.split('=').next() == Some("verbose"))
    });
    health.report(verbose)
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    let mut body = String::new();
    match encode(&mut body, &lock(&health.inner.registry)) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPEN_METRICS)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What is behind these locks stays whole whatever a panicking holder did, so a poisoned lock is used on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::Service;

    use super::*;

    async fn get(health: &Health, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = health.router().call(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn ready_means_every_check_passes_and_the_rest_is_named() {
        let health = Health::new();
        let (tls, store) = (health.register("tls"), health.register("store"));
        tls.set_ready(true, "");
        let (code, body) = get(&health, "/readyz").await;
        assert_eq!(
            (code, body.as_str()),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "[-] store: not checked yet\nnot ready\n"
            )
        );
        store.set_ready(true, "");
        assert_eq!(
            get(&health, "/readyz").await,
            (StatusCode::OK, "ok\n".into())
        );
        assert_eq!(
            get(&health, "/readyz?verbose").await.1,
            "[+] tls: ok\n[+] store: ok\nok\n"
        );
        health.set_draining();
        assert_eq!(
            get(&health, "/readyz").await.0,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(get(&health, "/livez").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn metrics_are_served_over_a_socket() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let health = Health::new();
        health.metrics(crate::apply::register_metrics);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn({
            let (health, stop) = (health.clone(), stop.clone());
            async move { health.serve_on(listener, stop).await }
        });
        let mut tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        tcp.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(
            answer.contains(OPEN_METRICS) && answer.contains("# TYPE sdm_api_writes counter"),
            "{answer}"
        );
        stop.cancel();
        server.await.unwrap();
    }
}
