//! The sweep: everything is compared with Kafka again and again, a part at a time, so that what was changed by hand is
//! seen within minutes and nobody notices the reading.

use std::time::Duration;

use tokio::time::Instant;

use super::access::Known;
use super::state::State;
use super::worker::BATCH;

/// Everything is looked at once in this time.
const ROUND: Duration = Duration::from_secs(120);
/// Parts follow each other at least so closely.
const PACE: Duration = Duration::from_millis(200);

/// Where the sweep is.
#[derive(Default)]
pub struct Sweep {
    round: Option<Instant>,
    part: Option<Instant>,
    first_done: bool,
}

impl Sweep {
    /// Begins a round when it is time.
    pub fn begin(&mut self, state: &mut State, known: &mut Known) {
        let now = Instant::now();
        if self.round.is_some_and(|at| now < at + ROUND) {
            return;
        }
        self.first_done = self.round.is_some();
        self.round = Some(now);
        known.expire();
        state.access = true;
        state.sweep();
    }

    /// Whether a part may be looked at now; the first round does not dawdle.
    pub fn may(&mut self, state: &State) -> bool {
        let waiting = state.sweep_topics.len() + state.sweep_users.len();
        if waiting == 0 {
            return false;
        }
        let now = Instant::now();
        if self.part.is_some_and(|at| now < at) {
            return false;
        }
        self.part = Some(now + self.pause(waiting));
        true
    }

    fn pause(&self, waiting: usize) -> Duration {
        if !self.first_done {
            return PACE;
        }
        // Half a round for all that waits, so that a round is always finished before the next begins.
        let parts = u32::try_from(waiting / BATCH + 1).unwrap_or(u32::MAX);
        (ROUND / 2 / parts).max(PACE)
    }

    /// When there is something to do for the sweep.
    pub fn next(&self, state: &State) -> Option<Instant> {
        let round = self.round.map(|at| at + ROUND);
        let waiting = !state.sweep_topics.is_empty() || !state.sweep_users.is_empty();
        match (waiting, self.part) {
            (true, Some(part)) => Some(round.map_or(part, |r| r.min(part))),
            (true, None) => Some(Instant::now()),
            (false, _) => round,
        }
    }
}
