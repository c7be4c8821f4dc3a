//! A way to the API server on which the watches of some kinds tell what they tell late, as they may on a busy machine.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::control_plane::{ControlPlane, kubeconfig_text};

/// Parts on their way at once.
const PARTS: usize = 64;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Answer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Error>>;

/// How much later each part of what the watches of a kind tell comes, by the kind's plural.
#[derive(Clone, Default)]
pub struct Delays(Arc<Mutex<BTreeMap<String, Duration>>>);

impl Delays {
    /// From now on.
    pub fn set(&self, plural: &str, delay: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(plural.to_owned(), delay);
    }

    fn of(&self, plural: &str) -> Duration {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(plural).copied().unwrap_or_default()
    }
}

/// The way. It ends when it is dropped.
pub struct SlowWatches {
    /// For the kinds that are late.
    pub delays: Delays,
    _tasks: JoinSet<()>,
}

impl SlowWatches {
    /// Whoever reads the control plane's kubeconfig from now on goes this way; its own client does not.
    pub async fn before(plane: &mut ControlPlane) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        plane.kubeconfig = plane.dir.join("kubeconfig-slow");
        write(&plane.kubeconfig, &url)?;
        let (client, delays) = (plane.client.clone(), Delays::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, client, delays.clone()));
        Ok(Self {
            delays,
            _tasks: tasks,
        })
    }
}

fn write(path: &Path, url: &str) -> Result<()> {
    Ok(std::fs::write(path, kubeconfig_text(url, "none"))?)
}

async fn serve(listener: TcpListener, client: Client, delays: Delays) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (client, delays) = (client.clone(), delays.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let (client, delays) = (client.clone(), delays.clone());
                async move { Ok::<_, Infallible>(pass(request, client, delays).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            // Who asks may go at any time.
            let _ = connection
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Hands a request on, under the rights of the client.
async fn pass(request: Request<Incoming>, client: Client, delays: Delays) -> Answer {
    let (mut head, body) = request.into_parts();
    let watched = watched(&head.uri).map(str::to_owned);
    head.headers = handed_on(&head.headers);
    let body = body.collect().await.map(|all| all.to_bytes());
    let body = Body::from(body.unwrap_or_default().to_vec());
    let answer = match client.send(Request::from_parts(head, body)).await {
        Ok(answer) => answer,
        Err(error) => {
            let text = http_body_util::Full::new(Bytes::from(error.to_string()));
            let mut answer = Response::new(text.map_err(|e| match e {}).boxed_unsync());
            *answer.status_mut() = http::StatusCode::BAD_GATEWAY;
            return answer;
        }
    };
    let (head, body) = answer.into_parts();
    // Each part by itself: two that came together come late together.
    let late = body.into_data_stream().map(move |part| {
        let delay = watched.as_ref().map(|plural| delays.of(plural));
        async move {
            tokio::time::sleep(delay.unwrap_or_default()).await;
            part.map(Frame::data).map_err(Error::from)
        }
    });
    let late = late.buffered(PARTS);
    Response::from_parts(head, StreamBody::new(late).boxed_unsync())
}

/// The kind that is watched.
fn watched(uri: &http::Uri) -> Option<&str> {
    let is_watch = uri.query()?.split('&').any(|q| q == "watch=true");
    is_watch.then(|| uri.path().rsplit('/').next())?
}

fn handed_on(headers: &HeaderMap) -> HeaderMap {
    let names = [header::ACCEPT, header::CONTENT_TYPE];
    let some = names.map(|name| Some((name.clone(), headers.get(&name)?.clone())));
    some.into_iter().flatten().collect()
}
