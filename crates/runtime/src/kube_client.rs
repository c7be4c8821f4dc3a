//! Clients of the API server: what the long-running programs use, and the pieces the plugin builds its own from.
//!
//! Owns the user agent, the retry default and the layer that makes `Warning:` headers visible. Writing objects is
//! `apply`'s business.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::{FutureExt, Map};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use kube::{Client, Config, client::Body};
use tower::{Layer, Service};

/// `<component>/<version>`, for example `sdm-controller/0.1.0`: what audit logs and request metrics show.
#[must_use]
pub fn user_agent(component: &str) -> String {
    format!("{component}/{}", env!("CARGO_PKG_VERSION"))
}

/// Makes every request of this configuration carry `agent`. An agent that is no valid header value is left out.
pub fn set_user_agent(config: &mut Config, agent: &str) {
    config
        .headers
        .retain(|(name, _)| name != header::USER_AGENT);
    if let Ok(value) = HeaderValue::from_str(agent) {
        config.headers.push((header::USER_AGENT, value));
    }
}

/// A client for a long-running program: in-cluster or kubeconfig credentials, retries on 429, 503 and 504.
///
/// # Errors
/// When no configuration is found or its credentials cannot be loaded.
pub async fn client_for_server(component: &str) -> Result<Client, kube::Error> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.default_retry = true;
    set_user_agent(&mut config, &user_agent(component));
    Client::try_from(config)
}

/// A layer that hands the text of each `Warning:` header of a response to `on_warning`.
///
/// `ClientBuilder::try_from(config)?.with_layer(&with_warnings(|w| eprintln!("Warning: {w}"))).build()`
pub fn with_warnings(on_warning: impl Fn(&str) + Send + Sync + 'static) -> WarningLayer {
    WarningLayer {
        on_warning: Arc::new(on_warning),
    }
}

type Callback = Arc<dyn Fn(&str) + Send + Sync>;

/// Made by [`with_warnings`].
#[derive(Clone)]
pub struct WarningLayer {
    on_warning: Callback,
}

impl<S> Layer<S> for WarningLayer {
    type Service = WarningService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WarningService {
            inner,
            on_warning: Arc::clone(&self.on_warning),
        }
    }
}

/// The service of a [`WarningLayer`].
#[derive(Clone)]
pub struct WarningService<S> {
    inner: S,
    on_warning: Callback,
}

type Inspect<B, E> = Box<dyn FnOnce(Result<Response<B>, E>) -> Result<Response<B>, E> + Send>;

impl<S, B> Service<Request<Body>> for WarningService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    B: 'static,
    S::Error: 'static,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Map<S::Future, Inspect<B, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let on_warning = Arc::clone(&self.on_warning);
        self.inner.call(request).map(Box::new(move |result| {
            if let Ok(response) = &result {
                for text in warnings(response.headers()) {
                    on_warning(&text);
                }
            }
            result
        }))
    }
}

/// The texts of all `Warning` headers (RFC 9111 §5.5: `299 - "text" ["date"]`, possibly several per header line).
/// What does not parse is skipped, as client-go does.
#[must_use]
pub fn warnings(headers: &HeaderMap) -> Vec<String> {
    let mut texts = Vec::new();
    for value in headers.get_all(header::WARNING) {
        let Ok(mut rest) = std::str::from_utf8(value.as_bytes()) else {
            continue;
        };
        while let Some((text, tail)) = one_warning(rest) {
            texts.push(text);
            rest = tail;
        }
    }
    texts
}

/// Parses `code agent "text" ["date"]` and returns the text and what follows the separating comma.
fn one_warning(input: &str) -> Option<(String, &str)> {
    let (code, rest) = input.trim_start().split_once(' ')?;
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (_agent, rest) = rest.split_once(' ')?;
    let (text, mut rest) = quoted(rest.trim_start())?;
    rest = rest.trim_start();
    if rest.starts_with('"') {
        rest = quoted(rest)?.1.trim_start();
    }
    // Control characters would let a server move the cursor of the terminal that a warning ends up on.
    let text = text.chars().filter(|c| !c.is_control()).collect();
    Some((text, rest.strip_prefix(',').unwrap_or("")))
}

fn quoted(input: &str) -> Option<(String, &str)> {
    let body = input.strip_prefix('"')?;
    let mut text = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((text, &body[at + 1..])),
            '\\' => text.push(chars.next()?.1),
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn parsed(lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::WARNING, HeaderValue::from_static(line));
        }
        warnings(&headers)
    }

    #[test]
    fn reads_what_api_servers_send() {
        for (lines, want) in [
            (
                &[r#"299 - "unknown field \"spec.foo\"""#][..],
                &["unknown field \"spec.foo\""][..],
            ),
            (
                &[r#"299 - "a, b", 299 kube "c" "Mon, 01 Jan 2026""#],
                &["a, b", "c"],
            ),
            (&[r#"299 - "one""#, r#"299 - "two""#], &["one", "two"]),
            (&["nonsense"], &[]),
            (&[r#"299 - "never closed"#], &[]),
            (&["299 - \"tab\there\""], &["tabhere"]),
        ] {
            assert_eq!(parsed(lines), want, "{lines:?}");
        }
    }

    #[test]
    fn the_user_agent_replaces_an_earlier_one() {
        let mut config = Config::new(http::Uri::from_static("http://127.0.0.1:1"));
        set_user_agent(&mut config, "first/1");
        set_user_agent(&mut config, &user_agent("kubectl-kafka"));
        let agents: Vec<_> = config
            .headers
            .iter()
            .map(|(_, v)| v.to_str().unwrap())
            .collect();
        assert_eq!(
            agents,
            [concat!("kubectl-kafka/", env!("CARGO_PKG_VERSION"))]
        );
    }

    #[tokio::test]
    async fn a_client_with_the_layer_surfaces_warnings() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let service = tower::service_fn(|_: Request<Body>| async {
            let body = Body::from(br#"{"metadata":{"name":"x"}}"#.to_vec());
            let response = Response::builder()
                .header(header::WARNING, r#"299 - "spec.old is deprecated""#)
                .body(body);
            response.map_err(std::io::Error::other)
        });
        let client = kube::client::ClientBuilder::new(service, "default")
            .with_layer(&with_warnings(move |w| {
                sink.lock().unwrap().push(w.to_owned())
            }))
            .build();
        let api = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::default_namespaced(client);
        api.get("x").await.unwrap();
        assert_eq!(*seen.lock().unwrap(), ["spec.old is deprecated"]);
    }
}
