//! Reading a request's body: bounded for one request and for all of them together.
//!
//! What is small, as nearly every review is, never waits for what is large. Small bodies count as they arrive, so that a
//! sender who promises much and sends slowly holds nothing. A large one waits until it may become as large as any: two
//! that have half of what they need would wait for each other. Whoever waits for room waits until its deadline.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An update carries the object twice, and an API server takes objects of up to 3 MiB.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// Up to here a body is small.
const SMALL: usize = 64 * 1024;
/// What all small bodies being read or judged may take together.
const SMALL_BUDGET: usize = 8 * 1024 * 1024;
/// How many large ones are read or judged at once.
const LARGE_AT_ONCE: usize = 2;

/// A body that counts against the budget until dropped.
#[derive(Default)]
pub struct Counted {
    pub bytes: Vec<u8>,
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

impl Counted {
    /// Whether to judge it may take long enough to hold up others.
    pub fn is_large(&self) -> bool {
        self.bytes.len() > SMALL
    }
}

/// The common budget. Clones share it.
#[derive(Clone)]
pub struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            small: Arc::new(Semaphore::new(SMALL_BUDGET)),
            large: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        }
    }
}

impl Budget {
    /// Reads `body` whole.
    pub async fn read(
        &self,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<Counted, (StatusCode, &'static str)> {
        const TOO_LARGE: (StatusCode, &str) =
            (StatusCode::PAYLOAD_TOO_LARGE, "a review may have 8 MiB\n");
        if announced(headers).is_some_and(|length| length > LIMIT) {
            return Err(TOO_LARGE);
        }
        let mut counted = Counted::default();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| (StatusCode::BAD_REQUEST, "the body broke off\n"))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if counted.bytes.len() + data.len() > LIMIT {
                return Err(TOO_LARGE);
            }
            self.take(&mut counted, &data).await;
        }
        Ok(counted)
    }

    /// The semaphores are never closed, so there is always a permit in the end.
    async fn take(&self, counted: &mut Counted, data: &Bytes) {
        if counted.large.is_none() {
            let total = counted.bytes.len() + data.len();
            if total <= SMALL {
                let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let more = Arc::clone(&self.small).acquire_many_owned(size).await;
                match (&mut counted.small, more) {
                    (Some(held), Ok(more)) => held.merge(more),
                    (none, more) => *none = more.ok(),
                }
            } else {
                // While it waits it keeps the little it has: what is read is there.
                counted.large = Arc::clone(&self.large).acquire_owned().await.ok();
                counted.small = None;
                // At once, and not doubled and copied again and again; pages that are never written to are none.
                counted.bytes.reserve_exact(LIMIT - counted.bytes.len());
            }
        }
        counted.bytes.extend_from_slice(data);
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
