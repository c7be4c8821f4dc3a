//! Reading a request's body: bounded for one request and for all of them together.
//!
//! A body counts against the common budget as it arrives, so that a sender who promises much and sends slowly holds
//! nothing. Whoever waits for room waits until its deadline.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An update carries the object twice, and an API server takes objects of up to 3 MiB.
pub const LIMIT: usize = 8 * 1024 * 1024;
/// What all bodies being read or judged may take together.
const BUDGET: usize = 32 * 1024 * 1024;

/// A body that counts against the budget until dropped.
pub struct Counted {
    pub bytes: Vec<u8>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The common budget. Clones share it.
#[derive(Clone)]
pub struct Budget(Arc<Semaphore>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BUDGET)))
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
        let mut counted = Counted {
            bytes: Vec::new(),
            _permit: None,
        };
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

    async fn take(&self, counted: &mut Counted, data: &Bytes) {
        // A piece is smaller than LIMIT, so the number fits; the semaphore is never closed.
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.0).acquire_many_owned(size).await {
            match &mut counted._permit {
                Some(held) => held.merge(permit),
                none => *none = Some(permit),
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
