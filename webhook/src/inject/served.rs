//! Whether the Kubernetes serves pod certificates, looked up again and again. What is known of clusters and namespaces is
//! in `policies`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::Client;
use sdm_runtime::pod_certificates::{LOOK_AGAIN, served};
use tokio::sync::watch as flag;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Whether they are served. Clones share it.
#[derive(Clone)]
pub struct Served {
    now: Arc<AtomicBool>,
    looked: flag::Receiver<bool>,
}

impl Served {
    /// Starts looking; it ends with `tasks`.
    pub fn start(client: &Client, tasks: &mut JoinSet<()>) -> Self {
        let (tell, looked) = flag::channel(false);
        let now = Arc::new(AtomicBool::new(false));
        tasks.spawn(look(client.clone(), Arc::clone(&now), tell));
        Self { now, looked }
    }

    /// So it is, for good: for tests.
    #[must_use]
    pub fn fixed(served: bool) -> Self {
        Self {
            now: Arc::new(AtomicBool::new(served)),
            looked: flag::channel(true).1,
        }
    }

    /// Resolves once it was looked.
    pub async fn ready(&self) {
        let mut looked = self.looked.clone();
        // A dropped sender means that the process is ending.
        let _ = looked.wait_for(|looked| *looked).await;
    }

    /// Whether they are, by the last look.
    pub(super) fn now(&self) -> bool {
        self.now.load(Ordering::Relaxed)
    }
}

async fn look(client: Client, is_served: Arc<AtomicBool>, tell: flag::Sender<bool>) {
    loop {
        match served(&client).await {
            Ok(now) => {
                is_served.store(now, Ordering::Relaxed);
                tell.send_replace(true);
            }
            Err(error) => tracing::warn!(%error, "cannot tell whether pod certificates are served"),
        }
        let pause = match *tell.borrow() {
            true => LOOK_AGAIN,
            false => Duration::from_secs(2),
        };
        sleep(pause).await;
    }
}
