//! The client of the API server: what is wrapped around kube's own.
//!
//! A person waits, so retries are few and short, `--request-timeout` bounds each request up to its first byte (and not
//! the tunnels that a request opens), warnings of the API server are shown, and `-v=6` shows every request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Request, Response};
use kube::client::retry::RetryPolicy;
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::timeout::TimeoutLayer;
use tower::{BoxError, Layer, Service};

use crate::output::{self, style};

/// Builds the client. `timeout` zero means none.
///
/// # Errors
/// When the credentials cannot be loaded.
pub fn client(config: Config, timeout: Duration, trace: bool) -> Result<Client, kube::Error> {
    let bound = if timeout.is_zero() {
        Duration::from_secs(365 * 24 * 3600)
    } else {
        timeout
    };
    // Two more tries, half a second and a second later: enough for a restarting API server, not for a dead one.
    let policy = RetryPolicy::new(Duration::from_millis(500), Duration::from_secs(2), 2, true)
        .map_err(|e| kube::Error::Service(e.into()))?;
    let warnings = sdm_runtime::kube_client::with_warnings(|text| {
        output::warn(format!("{} {text}", style::warn("Warning:")));
    });
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&TimeoutLayer::new(bound))
        .with_layer(&TraceLayer { enabled: trace })
        .with_layer(&BufferLayer::new(64))
        .with_layer(&RetryLayer::new(policy))
        .with_layer(&warnings)
        .build())
}

/// Prints a line for each request.
struct TraceLayer {
    enabled: bool,
}

struct Trace<S> {
    inner: S,
    enabled: bool,
}

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace {
            inner,
            enabled: self.enabled,
        }
    }
}

impl<S, B> Service<Request<Body>> for Trace<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
    B: 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if !self.enabled {
            return Box::pin(self.inner.call(request));
        }
        // Neither headers nor bodies: they carry credentials and Secrets.
        let line = format!("{} {}", request.method(), request.uri());
        let began = Instant::now();
        let response = self.inner.call(request);
        Box::pin(async move {
            let result = response.await;
            let millis = began.elapsed().as_millis();
            match &result {
                Ok(answer) => output::warn(format!(
                    "{line} {} in {millis} ms",
                    answer.status().as_u16()
                )),
                Err(error) => output::warn(format!("{line} failed in {millis} ms: {error}")),
            }
            result
        })
    }
}
