//! How long a worker gathers before it looks: a single change is served at once, what comes by the dozen is served by the
//! hundred.
//!
//! Each batch costs a record, several calls to Kafka and a look of every broker at its metadata, whether there is one topic
//! in it or two hundred; while many come, small batches only take the processors away from those that are still to come.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Changes come in groups; one look answers them all. Short: somebody waits for a single one too.
pub const GATHER: Duration = Duration::from_millis(2);
/// So many changes between two looks are a burst.
const MANY: u64 = 8;
/// A burst is believed to go on for so long after many came.
const LASTS: Duration = Duration::from_millis(500);
/// A burst in which nothing comes for so long has ended, or pauses.
const QUIET: Duration = Duration::from_millis(50);
/// Nobody waits longer than this for others.
const LONGEST: Duration = Duration::from_millis(500);

/// What came, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    seen: u64,
    burst_until: Option<Instant>,
}

impl Pace {
    /// A look begins, and so many changes were heard of in all.
    pub fn look(&mut self, heard: u64, now: Instant) {
        if heard.saturating_sub(self.seen) >= MANY {
            self.burst_until = Some(now + LASTS);
        }
        self.seen = heard;
    }

    /// While many come, waits for those that belong together, until there are enough for a `full` batch. `hear` takes in
    /// what came and tells of how many changes were heard in all.
    pub async fn gather(&self, full: usize, mut hear: impl FnMut() -> u64) {
        let began = Instant::now();
        if self.burst_until.is_none_or(|until| began >= until) {
            return;
        }
        let mut before = None;
        loop {
            let heard = hear();
            let is_full = u64::try_from(full).is_ok_and(|full| heard >= self.seen + full);
            if is_full || before.replace(heard) == Some(heard) || began.elapsed() >= LONGEST {
                return;
            }
            sleep(QUIET).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const FULL: usize = 250;

    /// How long is waited after looks that each knew of so many changes in all, if another comes each `pause`.
    async fn waited(looked: &[u64], pause: Duration) -> Duration {
        let (mut pace, now) = (Pace::default(), Instant::now());
        looked.iter().for_each(|heard| pace.look(*heard, now));
        let heard = || u64::try_from(now.elapsed().as_millis() / pause.as_millis()).unwrap_or(0);
        let ends = timeout(LONGEST * 2, pace.gather(FULL, heard)).await;
        assert!(ends.is_ok(), "it waits and waits");
        now.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_change_waits_for_nobody() {
        let single: Vec<u64> = (1..20).collect();
        assert_eq!(waited(&single, QUIET).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_gathered_until_it_pauses() {
        assert_eq!(waited(&[MANY], LONGEST * 2).await, QUIET, "nothing came");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_long_for_those_that_keep_coming() {
        assert_eq!(waited(&[100], QUIET).await, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_waits_for_nobody() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.look(MANY, began);
        // Two each millisecond.
        let heard = || MANY + u64::try_from(began.elapsed().as_millis() * 2).unwrap_or(u64::MAX);
        pace.gather(FULL, heard).await;
        assert_eq!(
            began.elapsed(),
            QUIET * 3,
            "the first pause with 250 of them"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_it_waits_is_taken_in() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        // One each five milliseconds, three hundred in all.
        let heard = || u64::try_from(began.elapsed().as_millis() / 5).map_or(300, |n| n.min(300));
        sleep(Duration::from_millis(40)).await;
        let mut looks = Vec::new();
        while looks.last() != Some(&300) {
            pace.look(heard(), Instant::now());
            looks.push(heard());
            pace.gather(FULL, heard).await;
            // What a look takes.
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(looks, [8, 109, 210, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_forgotten() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.look(100, now);
        pace.look(101, now + LASTS);
        sleep(LASTS).await;
        pace.gather(FULL, || unreachable!("it was gathered")).await;
    }
}
