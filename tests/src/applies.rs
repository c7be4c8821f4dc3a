//! Server-side applies at a fixed pace, whatever becomes of them, and whether each came out as it must.
//!
//! Owns the pace and the ledger. All are dry runs: they go through admission like any other, and neither etcd nor a
//! controller is what is measured.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use crate::wait::until;

/// What must come of an apply.
#[derive(Clone, Debug)]
pub enum Want {
    /// It is let in.
    Accepted,
    /// It is let in, with this at that JSON pointer.
    Filled(&'static str, Value),
    /// It is refused by this webhook with this sentence.
    Refused(&'static str, String),
}

/// An object to apply, and what must come of it.
#[derive(Clone)]
pub struct Case {
    /// The object.
    pub object: DynamicObject,
    /// Its kind.
    pub resource: ApiResource,
    /// What must come of it.
    pub want: Want,
}

impl Case {
    async fn apply(&self, client: Client) -> Result<DynamicObject, kube::Error> {
        let namespace = self.object.metadata.namespace.clone().unwrap_or_default();
        let name = self.object.metadata.name.clone().unwrap_or_default();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &self.resource);
        let params = PatchParams::apply("sdm-tests").force().dry_run();
        api.patch(&name, &params, &Patch::Apply(&self.object)).await
    }

    /// Applies it once; what is wrong with what came of it.
    pub async fn tried(&self, client: Client) -> Result<(), String> {
        judge(&self.want, self.apply(client).await)
    }
}

fn judge(want: &Want, got: Result<DynamicObject, kube::Error>) -> Result<(), String> {
    match (want, got) {
        (Want::Accepted, Ok(_)) => Ok(()),
        (Want::Filled(pointer, value), Ok(object)) => {
            let found = serde_json::to_value(&object).unwrap_or_default();
            match found.pointer(pointer) {
                Some(found) if found == value => Ok(()),
                found => Err(format!("{pointer} is {found:?}, not {value}: skipped")),
            }
        }
        (Want::Refused(webhook, sentence), Err(kube::Error::Api(status)))
            if status.message.contains("denied the request")
                && status.message.contains(webhook)
                && status.message.contains(sentence) =>
        {
            Ok(())
        }
        (Want::Refused(..), Ok(_)) => Err("let in: skipped".to_owned()),
        (_, Err(error)) => Err(error.to_string()),
    }
}

/// What came of all.
#[derive(Clone, Debug, Default)]
struct Ledger {
    answered: usize,
    slowest: Duration,
    /// When, which, and what came of it.
    wrong: Vec<(Duration, String, String)>,
}

/// Applies under way.
pub struct Applies {
    began: Instant,
    ledger: Arc<Mutex<Ledger>>,
    stop: oneshot::Sender<()>,
    sending: JoinHandle<usize>,
}

impl Applies {
    /// Begins: each of `cases` in turn, `pace` a second. `client` must not repeat by itself what failed.
    pub fn start(client: Client, cases: Vec<Case>, pace: u32) -> Self {
        let (ledger, began) = (Arc::<Mutex<Ledger>>::default(), Instant::now());
        let (stop, mut stopped) = oneshot::channel();
        let sending = {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let mut ticks = interval(Duration::from_secs(1) / pace);
                // What is late is made up for: the pace does not yield to slow answers.
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut open = JoinSet::new();
                let mut sent = 0;
                for case in cases.iter().cycle() {
                    tokio::select! {
                        _ = &mut stopped => break,
                        _ = ticks.tick() => {}
                    }
                    sent += 1;
                    let (case, client) = (case.clone(), client.clone());
                    let ledger = Arc::clone(&ledger);
                    open.spawn(async move {
                        let asked = Instant::now();
                        let came = case.tried(client).await;
                        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                        ledger.answered += 1;
                        ledger.slowest = ledger.slowest.max(asked.elapsed());
                        if let Err(wrong) = came {
                            let name = case.object.metadata.name.unwrap_or_default();
                            let which = format!("{} {name}", case.resource.kind);
                            ledger.wrong.push((began.elapsed(), which, wrong));
                        }
                    });
                    while open.try_join_next().is_some() {}
                }
                open.join_all().await;
                sent
            })
        };
        Self {
            began,
            ledger,
            stop,
            sending,
        }
    }

    fn ledger(&self) -> Ledger {
        self.ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How long they have been under way.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until `count` more were answered.
    pub async fn progress(&self, count: usize, limit: Duration) -> Result<()> {
        let goal = self.ledger().answered + count;
        until("applies to be answered", limit, || async {
            Ok((self.ledger().answered >= goal).then_some(()))
        })
        .await
    }

    /// Ends them. All must have come out right, and at the pace.
    pub async fn conclude(self, pace: u32) -> Result<()> {
        let took = self.began.elapsed();
        // Whether it is there to be told makes no difference.
        let _ = self.stop.send(());
        let sent = self.sending.await?;
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        println!(
            "{sent} applies in {took:.1?}, the slowest answered after {:?}, {} wrong",
            ledger.slowest,
            ledger.wrong.len()
        );
        let mut wrong = String::new();
        for (when, which, what) in ledger.wrong.iter().take(20) {
            // Writing to a String cannot fail.
            let _ = write!(wrong, "\nafter {when:.2?}, {which}: {what}");
        }
        ensure!(
            ledger.wrong.is_empty(),
            "{} of {sent}:{wrong}",
            ledger.wrong.len()
        );
        ensure!(
            ledger.answered == sent,
            "{} of {sent} answered",
            ledger.answered
        );
        let least = (took.as_secs() - 1) * u64::from(pace);
        ensure!(sent as u64 >= least, "{sent} are less than {pace} a second");
        Ok(())
    }
}
