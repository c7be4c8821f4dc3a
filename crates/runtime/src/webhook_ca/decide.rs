//! What to do next about the shared authority, as a function of what was read. No I/O, no clock.
//!
//! Two-phase rotation: the next authority is trusted everywhere (bundle, then registration) before anything is signed
//! by it, and the old one stays trusted until it has expired.

use jiff::{SignedDuration, Timestamp};

use crate::pki::{BACKDATE, CertInfo};

/// How old the next authority is before anything is signed by it: API servers hear of a changed registration by watch,
/// a moment after we can read it back.
pub const SETTLE: SignedDuration = SignedDuration::from_mins(2);

/// The Secret, as far as it was usable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The authority that signs; `None` when missing or broken.
    pub active: Option<CertInfo>,
    /// The authority that will sign next.
    pub next: Option<CertInfo>,
    /// The authorities to trust.
    pub bundle: Vec<CertInfo>,
    /// Somebody asked for a new authority.
    pub asked: bool,
}

/// The next thing to do. Each is one write; decide again on fresh observation after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// There is no Secret: create it with a first authority.
    Create,
    /// The signing authority is broken or expired and nothing can take its place: start over, keeping what is still
    /// valid in the bundle.
    Replace,
    /// The signing authority is due, or another one was asked for: add the next one, to the bundle only.
    Prepare,
    /// The next authority is trusted by the registration: sign with it from now on.
    Promote,
    /// The bundle lacks an authority in use or carries an expired one: write it anew.
    Mend,
    /// The registration does not trust all of the bundle: write the bundle into it.
    Publish,
    /// All is well.
    Nothing,
}

/// Decides. `secret` is `None` when there is no such object; `registered` is what every registration object trusts,
/// `None` when there is none to be seen.
#[must_use]
pub fn decide(now: Timestamp, secret: Option<&Stored>, registered: Option<&[CertInfo]>) -> Action {
    let Some(secret) = secret else {
        return Action::Create;
    };
    let trusted = |ca: &CertInfo| registered.is_some_and(|bundle| bundle.contains(ca));
    let active = secret.active.as_ref().filter(|ca| now < ca.not_after);
    let next = secret.next.as_ref().filter(|ca| now < ca.not_after);
    match (active, next) {
        (None, None) => return Action::Replace,
        // Nothing to lose: what the old one signed is refused already.
        (None, Some(_)) => return Action::Promote,
        (Some(_), Some(next)) if trusted(next) && now >= next.not_before + BACKDATE + SETTLE => {
            return Action::Promote;
        }
        (Some(active), None) if active.is_due(now) || secret.asked => return Action::Prepare,
        (Some(_), _) => {}
    }
    let lacks = [active, next]
        .into_iter()
        .flatten()
        .any(|ca| !secret.bundle.contains(ca));
    if lacks || secret.bundle.iter().any(|ca| ca.not_after <= now) {
        return Action::Mend;
    }
    if secret.bundle.iter().all(trusted) {
        Action::Nothing
    } else {
        Action::Publish
    }
}

/// Whether a process needs a new leaf: none yet, due, or signed by another authority than the one that signs now.
#[must_use]
pub fn leaf_due(now: Timestamp, leaf: Option<&CertInfo>, active: &CertInfo) -> bool {
    leaf.is_none_or(|leaf| leaf.is_due(now) || !leaf.issuer_matches(active))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{CertificateAuthority, LeafRequest, Usage};

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn day(day: i32) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + DAY * day
    }

    /// An authority made on `from`, valid for 300 days: due from day 200 on.
    fn ca(from: i32) -> CertificateAuthority {
        CertificateAuthority::generate("ca", day(from), DAY * 300).unwrap()
    }

    fn stored(active: Option<&CertInfo>, next: Option<&CertInfo>, bundle: &[&CertInfo]) -> Stored {
        let bundle = bundle.iter().map(|&ca| ca.clone()).collect();
        Stored {
            active: active.cloned(),
            next: next.cloned(),
            bundle,
            asked: false,
        }
    }

    #[test]
    fn the_table() {
        let (a, b) = (ca(0), ca(200));
        let (a, b) = (a.info(), b.info());
        let first = stored(Some(a), None, &[a]);
        let both = stored(Some(a), Some(b), &[a, b]);
        let promoted = stored(Some(b), None, &[a, b]);
        let asked = |stored: &Stored| Stored {
            asked: true,
            ..stored.clone()
        };
        let none: Option<&[&CertInfo]> = None;
        let soon = day(200) + SignedDuration::from_mins(1);
        for (name, now, secret, registered, want) in [
            ("nothing yet", day(0), None, none, Action::Create),
            (
                "not registered",
                day(0),
                Some(&first),
                none,
                Action::Publish,
            ),
            (
                "registered without a bundle",
                day(0),
                Some(&first),
                Some(&[][..]),
                Action::Publish,
            ),
            (
                "registered with a stranger",
                day(0),
                Some(&first),
                Some(&[b][..]),
                Action::Publish,
            ),
            (
                "steady",
                day(199),
                Some(&first),
                Some(&[a][..]),
                Action::Nothing,
            ),
            (
                "a stranger beside ours is none of our business",
                day(9),
                Some(&first),
                Some(&[a, b][..]),
                Action::Nothing,
            ),
            (
                "due",
                day(200),
                Some(&first),
                Some(&[a][..]),
                Action::Prepare,
            ),
            (
                "asked for",
                day(1),
                Some(&asked(&first)),
                Some(&[a][..]),
                Action::Prepare,
            ),
            (
                "asked for during a rotation: that one goes first",
                soon,
                Some(&asked(&both)),
                Some(&[a, b][..]),
                Action::Nothing,
            ),
            (
                "prepared, not trusted yet",
                day(201),
                Some(&both),
                Some(&[a][..]),
                Action::Publish,
            ),
            (
                "prepared, registration not readable",
                day(201),
                Some(&both),
                none,
                Action::Publish,
            ),
            (
                "trusted a moment ago",
                soon,
                Some(&both),
                Some(&[a, b][..]),
                Action::Nothing,
            ),
            (
                "trusted",
                day(201),
                Some(&both),
                Some(&[a, b][..]),
                Action::Promote,
            ),
            (
                "promoted: the old one stays trusted",
                day(202),
                Some(&promoted),
                Some(&[a, b][..]),
                Action::Nothing,
            ),
            (
                "the old one has expired",
                day(300),
                Some(&promoted),
                Some(&[a, b][..]),
                Action::Mend,
            ),
            (
                "expired while waiting for trust",
                day(300),
                Some(&both),
                Some(&[a][..]),
                Action::Promote,
            ),
            (
                "expired, all pods were down",
                day(300),
                Some(&first),
                Some(&[a][..]),
                Action::Replace,
            ),
            (
                "broken",
                day(1),
                Some(&stored(None, None, &[a])),
                Some(&[a][..]),
                Action::Replace,
            ),
            (
                "broken, but the next one is there",
                day(201),
                Some(&stored(None, Some(b), &[a, b])),
                none,
                Action::Promote,
            ),
            (
                "bundle edited by hand",
                day(1),
                Some(&stored(Some(a), None, &[])),
                Some(&[a][..]),
                Action::Mend,
            ),
        ] {
            let registered: Option<Vec<CertInfo>> =
                registered.map(|bundle| bundle.iter().map(|&ca| ca.clone()).collect());
            assert_eq!(decide(now, secret, registered.as_deref()), want, "{name}");
        }
    }

    #[test]
    fn a_leaf_is_renewed_with_time_and_with_the_authority() {
        let (a, b) = (ca(0), ca(0));
        let request = LeafRequest::valid_for("sdm-webhook", Usage::Server, day(0), DAY * 7);
        let leaf = crate::pki::inspect(&a.issue(&request).unwrap().chain_pem).unwrap();
        assert!(leaf_due(day(0), None, a.info()));
        assert!(!leaf_due(day(4), Some(&leaf), a.info()));
        assert!(leaf_due(day(5), Some(&leaf), a.info()));
        assert!(leaf_due(day(1), Some(&leaf), b.info()));
    }
}
