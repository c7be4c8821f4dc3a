//! Awaiting conditions, with a reason when one does not come true.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Polls `probe` until it answers `Ok(Some(value))`. Its last `Err` or the name of what was waited
/// for explains a failure.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    let mut last = String::from("not yet");
    loop {
        match probe().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} for {what}: {last}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
