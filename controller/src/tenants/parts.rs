//! The parts of a worker's work, each with pauses of its own: what fails as a whole in one of them is tried again later and
//! later, and the others go on.

use tokio::time::Instant;

use super::lanes::Again;

/// A part, in the order in which they are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Topics,
    Users,
    Access,
}

impl Part {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Topics, Self::Users, Self::Access];

    /// Whom it is about, in a sentence.
    pub fn subject(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Users => "users",
            Self::Access => "ACLs",
        }
    }
}

/// Which parts pause.
#[derive(Debug, Default)]
pub struct Pauses([Again; Part::ALL.len()]);

impl Pauses {
    /// Whether a part is not to be tried yet.
    pub fn holds(&self, part: Part, now: Instant) -> bool {
        self.0[part as usize].next().is_some_and(|at| at > now)
    }

    /// When the first of them is to be tried again.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().filter_map(Again::next).min()
    }

    /// How a part went. `true`: it failed, and not for the first time.
    pub fn went(&mut self, part: Part, failed: bool) -> bool {
        let first = self.0[part as usize].went(failed);
        failed && !first
    }

    /// What was waited for may have come.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_part_pauses_longer_and_longer_and_no_other_does() {
        let (mut pauses, mut last) = (Pauses::default(), Duration::ZERO);
        assert_eq!(pauses.next(), None);
        for attempt in 0..5 {
            assert_eq!(pauses.went(Part::Users, true), attempt > 0);
            let now = Instant::now();
            assert!(pauses.holds(Part::Users, now));
            assert!(!pauses.holds(Part::Topics, now) && !pauses.holds(Part::Access, now));
            let due = pauses.next().unwrap();
            assert!(due - now > last, "longer than {last:?}");
            last = due - now;
            tokio::time::sleep_until(due).await;
            assert!(!pauses.holds(Part::Users, Instant::now()));
        }
        assert!(!pauses.went(Part::Users, false));
        assert_eq!(pauses.next(), None);
    }
}
