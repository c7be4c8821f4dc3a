//! A Secret for each service account whose Pods cannot get pod certificates: written when a Pod needs it, renewed in place
//! while one does, and removed when none does any more.
//!
//! Owns when it is looked at which of them. `known` is who needs what and what is there, `desk` writes; what is to be done
//! is decided in `sdm_core::inject::secret`. Which Pods need one is told by a watch on the label that the webhook sets, so
//! that no other Pod costs anything.

mod desk;
mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::runtime::{WatchStreamExt, watcher as watch, watcher};
use kube::{Api, ResourceExt};
use sdm_api::inject::{BY_SECRET, LABEL, LABEL_ACCOUNT};
use sdm_core::inject::secret::Holder;
use tokio::sync::watch as flag;
use tokio::time::{Instant, sleep_until};

use super::rules::Rules;
use crate::context::Context;
use crate::store::Key;
use desk::Desk;
use known::Known;

/// Pods come in bursts, and one Secret is for all of an account.
const GATHER: Duration = Duration::from_millis(100);
/// What could not be done, or may not be, is looked at again after so many seconds.
const RETRY: i64 = 10;
/// Clocks may be set: nothing is slept for longer.
const NAP: Duration = Duration::from_secs(30);

/// Keeps the Secrets as they should be, as long as it is polled. `least` is the shortest lifetime, in seconds.
pub async fn run(
    context: &Context,
    rules: &Rules<'_>,
    mut changed: flag::Receiver<()>,
    least: i64,
) {
    let labelled = watcher::Config::default().labels(&format!("{LABEL}={BY_SECRET}"));
    let pods = watch(Api::<Pod>::all(context.client.clone()), labelled)
        .default_backoff()
        .modify(|o| o.managed_fields_mut().clear());
    let delivered = watcher::Config::default().labels(LABEL_ACCOUNT);
    let secrets = watch(Api::<Secret>::all(context.client.clone()), delivered)
        .default_backoff()
        .modify(|o| o.managed_fields_mut().clear());
    let (mut pods, mut secrets) = (std::pin::pin!(pods), std::pin::pin!(secrets));
    let mut known = Known::default();
    let mut agenda = Agenda::default();
    let mut at = Instant::now();
    loop {
        let soon = Instant::now() + GATHER;
        tokio::select! {
            event = pods.next() => match event {
                None => return,
                Some(Ok(event)) => agenda.add(known.pod(event)),
                Some(Err(error)) => tracing::warn!(%error, "watch interrupted, will be resumed"),
            },
            event = secrets.next() => match event {
                None => return,
                Some(Ok(event)) => agenda.add(known.secret(event)),
                Some(Err(error)) => tracing::warn!(%error, "watch interrupted, will be resumed"),
            },
            Ok(()) = changed.changed() => agenda.add(known.holders()),
            // Before everything was listed nothing can be said to be there, or to be needed by nobody.
            () = sleep_until(at), if known.is_listed() => {
                let due = agenda.take(Timestamp::now().as_second());
                pass(context, rules, &mut known, &mut agenda, due, least).await;
                at = agenda.next(Timestamp::now().as_second());
                continue;
            }
        }
        if agenda.is_urgent() {
            at = at.min(soon);
        }
    }
}

/// Who is looked at when.
#[derive(Default)]
struct Agenda {
    now: BTreeSet<Holder>,
    later: BTreeMap<Holder, i64>,
}

impl Agenda {
    fn add(&mut self, holders: impl IntoIterator<Item = Holder>) {
        self.now.extend(holders);
    }

    fn is_urgent(&self) -> bool {
        !self.now.is_empty()
    }

    fn at(&mut self, holder: Holder, time: i64) {
        self.later.insert(holder, time);
    }

    /// Everybody who is to be looked at.
    fn take(&mut self, now: i64) -> BTreeSet<Holder> {
        let mut due = std::mem::take(&mut self.now);
        self.later.retain(|holder, time| {
            let later = *time > now && !due.contains(holder);
            if !later {
                due.insert(holder.clone());
            }
            later
        });
        due
    }

    /// When somebody is to be looked at next.
    fn next(&self, now: i64) -> Instant {
        if self.is_urgent() {
            return Instant::now() + GATHER;
        }
        let seconds = self.later.values().min().map_or(0, |at| (at - now).max(0));
        let pause = u64::try_from(seconds).map_or(NAP, Duration::from_secs);
        Instant::now()
            + match self.later.is_empty() {
                true => NAP,
                false => pause.min(NAP),
            }
    }
}

/// Looks at `due`, cluster by cluster.
async fn pass(
    context: &Context,
    rules: &Rules<'_>,
    known: &mut Known,
    agenda: &mut Agenda,
    due: BTreeSet<Holder>,
    least: i64,
) {
    let mut batches: BTreeMap<Key, Vec<Holder>> = BTreeMap::new();
    for holder in due {
        let cluster = Key {
            namespace: holder.cluster_namespace.clone(),
            name: holder.cluster.clone(),
        };
        batches.entry(cluster).or_default().push(holder);
    }
    for (cluster, holders) in batches {
        let mut desk = Desk::open(context, rules, &cluster, least);
        for holder in holders {
            match desk.tend(known, &holder).await {
                Ok(Some(time)) => agenda.at(holder, time),
                Ok(None) => {}
                Err(error) => {
                    context.metrics.error(error.reason());
                    tracing::warn!(secret = holder.secret(), namespace = holder.namespace, %error, "not up to date");
                    agenda.at(holder, Timestamp::now().as_second() + RETRY);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(account: &str) -> Holder {
        Holder {
            namespace: "shop".to_owned(),
            account: account.to_owned(),
            cluster_namespace: "streaming".to_owned(),
            cluster: "events".to_owned(),
        }
    }

    #[test]
    fn everybody_is_looked_at_once_when_it_is_time() {
        let mut agenda = Agenda::default();
        agenda.at(holder("a"), 10);
        agenda.at(holder("b"), 20);
        agenda.add([holder("c"), holder("b")]);
        assert!(agenda.is_urgent());
        let due = agenda.take(10);
        assert_eq!(due, [holder("a"), holder("b"), holder("c")].into());
        assert!(!agenda.is_urgent() && agenda.later.is_empty());
        agenda.at(holder("a"), 30);
        assert_eq!(agenda.take(29), BTreeSet::new());
        assert_eq!(agenda.take(30), [holder("a")].into());
    }
}
