//! Waiting for an object: it is watched, not polled, until it says what was waited for or the time is up.

use std::time::Duration;

use futures::TryStreamExt;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Standing, Tenant};
use crate::exit::{Code, Failure, Result};
use crate::session::Session;

/// What is over sooner needs no line of progress.
const SOON: Duration = Duration::from_secs(2);

/// Before a watch that has ended is begun anew.
const PAUSE: Duration = Duration::from_millis(50);

/// How a wait ended.
#[derive(Debug)]
pub enum Ended<K, T> {
    /// With what was waited for.
    With(T),
    /// The object is gone.
    Gone,
    /// The time was up; the object as last seen.
    TimedOut(Option<K>),
}

/// Follows an object until `judge` has an answer.
///
/// # Errors
/// What the API server answers.
pub async fn watch<K: Tenant, T>(
    session: &Session,
    api: &Api<K>,
    name: &str,
    deadline: Instant,
    mut judge: impl FnMut(&K) -> Option<T>,
) -> Result<Ended<K, T>> {
    let kind = K::kind(&()).to_lowercase();
    let failed = |e: kube::Error| session.failed(&format!("watch {kind} {name}"), e);
    let field = format!("metadata.name={name}");
    let (mut last, mut told) = (None::<K>, None::<Standing>);
    let mut tell = Instant::now() + SOON;
    'list: loop {
        let listed = api.list(&ListParams::default().fields(&field)).await;
        let listed = listed.map_err(failed)?;
        let version = listed.metadata.resource_version.unwrap_or_default();
        let Some(object) = listed.items.into_iter().next() else {
            return Ok(Ended::Gone);
        };
        if let Some(answer) = judge(&object) {
            return Ok(Ended::With(answer));
        }
        last.replace(object);
        if Instant::now() >= deadline {
            return Ok(Ended::TimedOut(last));
        }
        let params = WatchParams::default().fields(&field);
        let events = api.watch(&params, &version).await.map_err(failed)?;
        let mut events = std::pin::pin!(events);
        loop {
            let event = match timeout_at(deadline.min(tell), events.try_next()).await {
                Ok(event) => event.map_err(failed)?,
                Err(_) if Instant::now() >= deadline => return Ok(Ended::TimedOut(last)),
                Err(_) => {
                    let standing = last.as_ref().map(Standing::of);
                    if let Some(now) = standing.filter(|now| told.as_ref() != Some(now)) {
                        let line = format!("{kind}/{name}: {}", now.sentence());
                        session.output.progress(line);
                        told = Some(now);
                    }
                    tell = Instant::now() + SOON;
                    continue;
                }
            };
            match event {
                Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    if let Some(answer) = judge(&object) {
                        return Ok(Ended::With(answer));
                    }
                    last.replace(object);
                }
                Some(WatchEvent::Deleted(_)) => return Ok(Ended::Gone),
                Some(WatchEvent::Bookmark(_)) => {}
                // The watch ended or is too old: look again.
                Some(WatchEvent::Error(_)) | None => {
                    sleep(PAUSE).await;
                    continue 'list;
                }
            }
        }
    }
}

/// Waits until an object is ready as it is now, at least of this generation.
///
/// # Errors
/// When it is refused, goes away, or is not ready in time, with the reason it gives.
pub async fn ready<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    object: &K,
    deadline: Instant,
    describe: &str,
) -> Result<K> {
    let name = object.meta().name.clone().unwrap_or_default();
    let generation = object.meta().generation;
    let ended = watch(session, api, &name, deadline, |seen: &K| {
        let standing = Standing::of(seen);
        let current = seen.meta().generation >= generation;
        match (current, standing.ready, standing.stalled) {
            (true, Some(true), _) => Some(Ok(seen.clone())),
            (true, Some(false), true) => Some(Err(standing)),
            _ => None,
        }
    });
    let label = format!("{}/{name}", K::kind(&()).to_lowercase());
    let failure = match ended.await? {
        Ended::With(Ok(object)) => return Ok(object),
        Ended::With(Err(standing)) => refused(&label, &standing),
        Ended::Gone => Failure::new(Code::NotFound, format!("{label} was deleted meanwhile")),
        Ended::TimedOut(last) => late(&label, last.as_ref().map(Standing::of).as_ref()),
    };
    Err(failure.at(&session.place).hint(describe))
}

fn refused(label: &str, standing: &Standing) -> Failure {
    Failure::new(
        Code::Denied,
        format!(
            "{label} is refused: {} ({})",
            standing.message, standing.reason
        ),
    )
}

fn late(label: &str, last: Option<&Standing>) -> Failure {
    let failure = |why: String| {
        Failure::new(
            Code::TimedOut,
            format!("{label} is not ready in time: {why}"),
        )
    };
    match last {
        Some(standing) if standing.ready.is_some() => {
            failure(format!("{} ({})", standing.message, standing.reason))
        }
        _ => failure("the operator has not looked at it".to_owned())
            .hint("kubectl get pods -n sdm-system    # does the operator run?"),
    }
}
