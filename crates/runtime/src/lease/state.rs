//! The decisions of leader election, without I/O: what to do next, given what was last read of the Lease.
//!
//! Owns the notion of expiry (our own monotonic time since the holder's record last changed; remote clocks are never
//! compared) and the content of the records that are written. Sending them is `lease`'s business.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::Config;

/// What reading the Lease gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// There is no such object.
    Absent,
    /// This one.
    Present(Box<Lease>),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create this object; somebody else may be first.
    Create(Box<Lease>),
    /// Replace the object by this one; its `resourceVersion` is the one observed, so that a race has one winner.
    Replace(Box<Lease>),
    /// Somebody else holds the lease: read again after at most this long.
    Wait(Duration),
    /// Another candidate took the lease that we held: stop, for good.
    Lost,
}

/// What a candidate remembers between two looks at the Lease.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The record of the holder as last seen to change, and when (our time) that was.
    seen: Option<(Record, Instant)>,
    /// Whether a write of ours was confirmed, and no foreign record was seen since.
    holding: bool,
}

/// What makes a holder alive: it changes at each renewal.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    holder: String,
    renewed: Option<MicroTime>,
}

impl State {
    /// A write of ours was confirmed: `lease` is what the API server stored.
    pub fn written(&mut self, lease: &Lease, now: Instant) {
        self.seen = Some((Record::of(lease), now));
        self.holding = true;
    }

    /// Decides. `wall` is only ever written into the record, for people to read.
    pub fn step(
        &mut self,
        config: &Config,
        observed: &Observed,
        now: Instant,
        wall: Timestamp,
    ) -> Action {
        let lease = match observed {
            Observed::Absent => {
                // Deleted under us counts as lost: another candidate may be creating it this very moment.
                return if self.holding {
                    Action::Lost
                } else {
                    Action::Create(Box::new(config.fresh(wall)))
                };
            }
            Observed::Present(lease) => lease,
        };
        let record = Record::of(lease);
        let since = match &self.seen {
            Some((seen, since)) if *seen == record => *since,
            _ => {
                self.seen = Some((record.clone(), now));
                now
            }
        };
        if record.holder == config.candidate {
            // Ours: confirmed, or a write whose answer was lost. Either way a confirmed write makes it count.
            return Action::Replace(Box::new(config.taken(lease, wall)));
        }
        if self.holding {
            return Action::Lost;
        }
        if record.holder.is_empty() {
            return Action::Replace(Box::new(config.taken(lease, wall)));
        }
        // The holder's own duration counts too, so that a change of ours does not cut short a holder that has the old one.
        let theirs = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_duration_seconds);
        let theirs = Duration::from_secs(u64::try_from(theirs.unwrap_or(0)).unwrap_or(0));
        let left = config
            .duration
            .max(theirs)
            .saturating_sub(now.duration_since(since));
        if left.is_zero() {
            Action::Replace(Box::new(config.taken(lease, wall)))
        } else {
            Action::Wait(left)
        }
    }
}

impl Record {
    fn of(lease: &Lease) -> Self {
        let spec = lease.spec.as_ref();
        Self {
            holder: spec
                .and_then(|spec| spec.holder_identity.clone())
                .unwrap_or_default(),
            renewed: spec.and_then(|spec| spec.renew_time.clone()),
        }
    }
}

impl Config {
    fn fresh(&self, wall: Timestamp) -> Lease {
        let metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            ..ObjectMeta::default()
        };
        self.taken(
            &Lease {
                metadata,
                spec: None,
            },
            wall,
        )
    }

    /// `lease` held by us as of `wall`. Transitions count changes of holder, as client-go counts them.
    fn taken(&self, lease: &Lease, wall: Timestamp) -> Lease {
        let old = lease.spec.clone().unwrap_or_default();
        let ours = old.holder_identity.as_deref() == Some(self.candidate.as_str());
        let transitions = match (&lease.spec, ours) {
            (None, _) => 0,
            (Some(_), true) => old.lease_transitions.unwrap_or(0),
            (Some(_), false) => old.lease_transitions.unwrap_or(0).saturating_add(1),
        };
        let now = MicroTime(wall);
        let spec = LeaseSpec {
            holder_identity: Some(self.candidate.clone()),
            lease_duration_seconds: Some(
                i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX),
            ),
            acquire_time: if ours {
                old.acquire_time.clone()
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..old
        };
        Lease {
            metadata: lease.metadata.clone(),
            spec: Some(spec),
        }
    }

    /// `lease` given up: no holder, and expired a second from now even for those who look at nothing else.
    pub(super) fn released(lease: &Lease, wall: Timestamp) -> Lease {
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(wall));
        lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn config() -> Config {
        Config::new("sdm-system", "sdm-controller", "me".to_owned())
    }

    fn wall(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn held_by(holder: &str, renewed: i64, version: &str) -> Observed {
        let spec = LeaseSpec {
            holder_identity: Some(holder.into()).filter(|holder: &String| !holder.is_empty()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(wall(renewed))),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            resource_version: Some(version.into()),
            ..ObjectMeta::default()
        };
        Observed::Present(Box::new(Lease {
            metadata,
            spec: Some(spec),
        }))
    }

    fn replaced(action: &Action) -> &Lease {
        let Action::Replace(lease) = action else {
            panic!("{action:?}")
        };
        lease
    }

    #[test]
    fn an_absent_lease_is_created_in_our_name() {
        let action = State::default().step(&config(), &Observed::Absent, Instant::now(), wall(0));
        let Action::Create(lease) = action else {
            panic!("{action:?}")
        };
        let spec = lease.spec.unwrap();
        assert_eq!(
            (spec.holder_identity.as_deref(), spec.lease_duration_seconds),
            (Some("me"), Some(15))
        );
        assert_eq!(
            (spec.lease_transitions, lease.metadata.resource_version),
            (Some(0), None)
        );
    }

    #[test]
    fn expiry_is_judged_by_our_time_since_the_record_changed() {
        let (mut state, start) = (State::default(), Instant::now());
        // A record that looks years old to our wall clock, and one from the future, are equally alive at first sight.
        for renewed in [-100_000_000, 100_000_000] {
            let mut state = State::default();
            let action = state.step(&config(), &held_by("you", renewed, "5"), start, wall(0));
            assert_eq!(action, Action::Wait(15 * SECOND));
        }
        let same = held_by("you", 0, "5");
        assert_eq!(
            state.step(&config(), &same, start, wall(0)),
            Action::Wait(15 * SECOND)
        );
        assert_eq!(
            state.step(&config(), &same, start + 14 * SECOND, wall(14)),
            Action::Wait(SECOND)
        );
        // A renewal starts the count anew, even if its resource version were the only other thing to change.
        let renewed = held_by("you", 2, "6");
        assert_eq!(
            state.step(&config(), &renewed, start + 14 * SECOND, wall(14)),
            Action::Wait(15 * SECOND)
        );
        let action = state.step(&config(), &renewed, start + 29 * SECOND, wall(29));
        let lease = replaced(&action);
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("6"));
        assert_eq!(lease.spec.as_ref().unwrap().lease_transitions, Some(4));
    }

    #[test]
    fn a_holder_with_a_longer_duration_is_given_it() {
        let (mut state, start) = (State::default(), Instant::now());
        let Observed::Present(mut lease) = held_by("you", 0, "5") else {
            unreachable!()
        };
        lease.spec.as_mut().unwrap().lease_duration_seconds = Some(30);
        let observed = Observed::Present(lease);
        state.step(&config(), &observed, start, wall(0));
        assert_eq!(
            state.step(&config(), &observed, start + 15 * SECOND, wall(15)),
            Action::Wait(15 * SECOND)
        );
    }

    #[test]
    fn a_released_lease_is_taken_at_once() {
        let action =
            State::default().step(&config(), &held_by("", 0, "9"), Instant::now(), wall(1));
        let spec = replaced(&action).spec.clone().unwrap();
        assert_eq!(
            (spec.holder_identity.as_deref(), spec.lease_transitions),
            (Some("me"), Some(4))
        );
        assert_eq!(spec.acquire_time, Some(MicroTime(wall(1))));
    }

    #[test]
    fn our_own_record_is_renewed_and_not_counted_as_a_transition() {
        let action =
            State::default().step(&config(), &held_by("me", 0, "9"), Instant::now(), wall(2));
        let spec = replaced(&action).spec.clone().unwrap();
        assert_eq!(
            (spec.lease_transitions, spec.renew_time),
            (Some(3), Some(MicroTime(wall(2))))
        );
    }

    #[test]
    fn a_holder_that_sees_a_foreign_record_or_none_has_lost() {
        for observed in [
            held_by("you", 1, "9"),
            held_by("", 1, "9"),
            Observed::Absent,
        ] {
            let mut state = State::default();
            let Observed::Present(mine) = held_by("me", 0, "8") else {
                unreachable!()
            };
            state.written(&mine, Instant::now());
            assert_eq!(
                state.step(&config(), &observed, Instant::now(), wall(1)),
                Action::Lost
            );
        }
    }
}
