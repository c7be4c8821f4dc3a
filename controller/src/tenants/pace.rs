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

    /// While many come, waits for those that belong together. `hear` takes in what came and tells of how many changes
    /// were heard in all.
    pub async fn gather(&self, mut hear: impl FnMut() -> u64) {
        let Some(mut gathering) = self.gathering(Instant::now()) else {
            return;
        };
        while let Some(pause) = gathering.next(hear(), Instant::now()) {
            sleep(pause).await;
        }
    }

    /// How to gather what belongs together, if many are coming.
    fn gathering(&self, now: Instant) -> Option<Gathering> {
        self.burst_until
            .is_some_and(|until| now < until)
            .then(|| Gathering {
                until: now + LONGEST,
                heard: None,
            })
    }
}

/// Waiting for the rest of a burst.
#[derive(Debug)]
struct Gathering {
    until: Instant,
    heard: Option<u64>,
}

impl Gathering {
    /// How long to wait before listening again, after so many were heard of in all; `None`: look now.
    fn next(&mut self, heard: u64, now: Instant) -> Option<Duration> {
        let goes_on = self.heard.replace(heard) != Some(heard);
        (goes_on && now < self.until).then_some(QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_change_waits_for_nobody() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for heard in 1..20 {
            pace.look(heard, now);
            assert!(pace.gathering(now).is_none(), "after {heard} single ones");
        }
    }

    #[test]
    fn a_burst_is_gathered_until_it_pauses() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.look(MANY, now);
        let mut gathering = pace.gathering(now).expect("many came");
        assert_eq!(gathering.next(8, now), Some(QUIET));
        assert_eq!(gathering.next(12, now + QUIET), Some(QUIET));
        assert_eq!(gathering.next(12, now + 2 * QUIET), None, "nothing came");
    }

    #[test]
    fn nobody_waits_long_for_those_that_keep_coming() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.look(100, now);
        let mut gathering = pace.gathering(now).expect("many came");
        let waits = (0..1000)
            .take_while(|&n| {
                gathering
                    .next(100 + u64::from(n), now + n * QUIET)
                    .is_some()
            })
            .count();
        assert_eq!(
            u128::try_from(waits),
            Ok(LONGEST.as_millis() / QUIET.as_millis())
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
            pace.gather(heard).await;
            // What a look takes.
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(looks, [8, 109, 210, 300]);
    }

    #[test]
    fn a_burst_is_forgotten() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.look(100, now);
        pace.look(101, now + LASTS);
        assert!(pace.gathering(now + LASTS).is_none());
    }
}
