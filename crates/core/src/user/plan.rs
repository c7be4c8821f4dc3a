//! When a user gets another credential, and when the one before is revoked.
//!
//! Certificates overlap by themselves: the one before is valid to its end. A password rotates from one SCRAM user name
//! to the other, and the one before is revoked when its overlap ends; it is never cut off early for another rotation.

use k8s_openapi::jiff::Timestamp;
use sdm_api::KafkaUser;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};

use super::{
    Credential, CredentialAction, CredentialPlan, Issued, Login, Previous, SecretView, iterations,
    login, mechanism, overlap, principal, reason, renew_at, validity,
};
use crate::outcome::Refusal;

/// What a certificate is valid before it is made, for peers whose clocks are late.
const BACKDATE: i64 = 300;

/// What to do about a user's credential at `now`, in seconds.
#[must_use]
pub fn plan_credential(user: &KafkaUser, view: &SecretView, now: i64) -> CredentialPlan {
    let case = Case { user, view, now };
    let action = case.action();
    CredentialPlan {
        next_check: case.next_check(),
        waits: match action {
            CredentialAction::Refuse(_) | CredentialAction::Withdraw => None,
            _ => case.waits(),
        },
        action,
    }
}

/// The Secret to deliver into is somebody else's.
#[must_use]
pub fn secret_taken(name: &str) -> Refusal {
    let message = format!(
        "Secret {name} exists and is not this user's: delete it, or give another name in spec.secret.name"
    );
    Refusal::stands(reason::SECRET_TAKEN, message)
}

struct Case<'a> {
    user: &'a KafkaUser,
    view: &'a SecretView,
    now: i64,
}

impl<'a> Case<'a> {
    fn action(&self) -> CredentialAction {
        let (user, view) = (self.user, self.view);
        if user.spec.authentication == sdm_api::Authentication::External {
            let ours = view.exists && view.owned;
            return match ours || self.logins().is_some_and(|logins| !logins.is_empty()) {
                true => CredentialAction::Withdraw,
                false => CredentialAction::Keep,
            };
        }
        if view.exists && !view.owned {
            return CredentialAction::Refuse(secret_taken(user.secret_name()));
        }
        if let Some(previous) = self.ended() {
            return CredentialAction::RevokePrevious {
                second: previous.second,
            };
        }
        match self.replacement() {
            Some(why) if !self.overlaps(why) => self.replace(why),
            _ => self.upkeep(),
        }
    }

    /// What the Secret says of its credential, if that can be used: its content is as written.
    fn usable(&self) -> Option<&'a Credential> {
        let there = self.view.exists && self.view.owned && self.view.intact;
        self.view.credential.as_ref().filter(|_| there)
    }

    fn logins(&self) -> Option<&'a [Login]> {
        self.view.logins.as_deref()
    }

    /// The login that is not to stay valid any longer.
    fn ended(&self) -> Option<Previous> {
        let credential = self.view.credential.as_ref()?;
        let previous = credential.previous?;
        let finish = annotation(self.user, ANNOTATION_ROTATE_FINISH);
        let finished = finish.is_some() && finish != credential.finished.as_deref();
        let gone = self
            .logins()
            .is_some_and(|logins| logins.iter().all(|l| l.second != previous.second));
        (previous.until <= self.now || finished || gone).then_some(previous)
    }

    /// Why another credential is needed, in a word.
    fn replacement(&self) -> Option<&'static str> {
        let (user, view) = (self.user, self.view);
        let Some(credential) = self.usable() else {
            let delivered = user.status.as_ref().is_some_and(|s| s.secret.is_some());
            return Some(match (view.exists, delivered) {
                (false, false) => "FirstCredential",
                (false, true) => "SecretDeleted",
                (true, _) => "SecretChanged",
            });
        };
        let rotate = annotation(user, ANNOTATION_ROTATE);
        let asked = rotate.is_some() && rotate != credential.handled.as_deref();
        if credential.authentication != user.spec.authentication.as_str() {
            Some("AuthenticationChanged")
        } else if !user.spec.authentication.is_scram() {
            let (from, to) = (view.not_before.zip(view.not_after)).unwrap_or_default();
            if !view.issued_by_current_ca {
                Some("AuthorityChanged")
            } else if self.renew_at(from, to) <= self.now {
                Some("RenewalDue")
            } else {
                asked.then_some("RotationRequested")
            }
        } else if self.is_given() {
            (view.given_is_delivered == Some(false)).then_some("PasswordChanged")
        } else {
            asked.then_some("RotationRequested")
        }
    }

    /// Whether a replacement would cut off a login that is still to stay valid.
    fn overlaps(&self, why: &str) -> bool {
        let scram = self.user.spec.authentication.is_scram();
        let changed = why == "AuthenticationChanged";
        let credential = self.usable().filter(|c| c.previous.is_some());
        credential.is_some_and(|c| is_scram(c) && (scram || changed))
    }

    fn replace(&self, why: &'static str) -> CredentialAction {
        if !self.user.spec.authentication.is_scram() {
            let before = self.view.credential.as_ref();
            return CredentialAction::IssueCertificate {
                reason: why,
                keep_previous: before.and_then(|c| match is_scram(c) {
                    true => Some(self.kept(c.second)),
                    false => c.previous,
                }),
            };
        }
        let (second, keep_previous) = match self.next_login() {
            Ok(next) => next,
            Err(refusal) => return CredentialAction::Refuse(refusal),
        };
        match self.is_given() {
            true => CredentialAction::AdoptPassword {
                second,
                keep_previous,
                reason: why,
            },
            false => CredentialAction::NewPassword {
                second,
                keep_previous,
                reason: why,
            },
        }
    }

    /// The SCRAM user name for another password, and the login that stays.
    fn next_login(&self) -> Result<(bool, Option<Previous>), Refusal> {
        if let Some(credential) = &self.view.credential {
            return Ok(match (is_scram(credential), credential.previous) {
                (true, _) => (!credential.second, Some(self.kept(credential.second))),
                (false, Some(previous)) => (!previous.second, Some(previous)),
                (false, None) => (false, None),
            });
        }
        let status = self.user.status.as_ref();
        let fading = status.and_then(|s| s.previous.as_ref());
        let fading = fading.map(|p| p.username == login(self.user, true));
        let has = |second| {
            let of_name = |l: &Login| l.second == second;
            self.logins()
                .is_some_and(|logins| logins.iter().any(of_name))
        };
        match (has(false), has(true)) {
            _ if self.logins().is_none() && status.is_some_and(|s| s.secret.is_some()) => {
                Err(Refusal::waits(
                    reason::LOGINS_UNKNOWN,
                    "the Secret is gone, and Kafka has not said yet which password is in use",
                ))
            }
            (false, false) => Ok((false, None)),
            // Nobody can tell the password any more that the Secret had: the one that fades away makes room.
            (true, true) => {
                let second = fading.unwrap_or(true);
                Ok((second, Some(self.kept(!second))))
            }
            (first, _) => Ok((first, Some(self.kept(!first)))),
        }
    }

    /// What the credential that is there needs.
    fn upkeep(&self) -> CredentialAction {
        let Some(credential) = self.usable() else {
            return CredentialAction::Keep;
        };
        if let Some(logins) = self.logins() {
            let current = is_scram(credential).then_some(credential.second);
            let kept = credential.previous.map(|p| p.second);
            let stray = |l: &&Login| Some(l.second) != current && Some(l.second) != kept;
            if let Some(stray) = logins.iter().find(stray) {
                return CredentialAction::RevokePrevious {
                    second: stray.second,
                };
            }
            if self.is_lost(credential, logins) {
                return CredentialAction::Restore;
            }
        }
        match self.view.shape_is_current {
            true => CredentialAction::Keep,
            false => CredentialAction::Redeliver,
        }
    }

    /// Whether Kafka has not the password that was delivered.
    fn is_lost(&self, credential: &Credential, logins: &[Login]) -> bool {
        let wanted = mechanism(self.user.spec.authentication);
        is_scram(credential)
            && credential.authentication == self.user.spec.authentication.as_str()
            && !logins.iter().any(|l| {
                l.second == credential.second
                    && Some(l.mechanism) == wanted
                    && l.iterations == iterations(self.user)
            })
    }

    /// What was asked for and has to wait.
    fn waits(&self) -> Option<Refusal> {
        let credential = self.usable()?;
        let why = self.replacement().filter(|why| self.overlaps(why));
        if why.is_some() && self.ended().is_none() {
            let until = credential.previous.map_or(0, |p| p.until);
            let until = Timestamp::from_second(until).unwrap_or_default();
            let message = format!(
                "another credential waits: the one before stays valid until {until}; a new value of annotation {ANNOTATION_ROTATE_FINISH} ends that now"
            );
            return Some(Refusal::waits(reason::ROTATION_IN_PROGRESS, message));
        }
        let rotate = annotation(self.user, ANNOTATION_ROTATE);
        let given = self.user.spec.password.as_ref()?.secret_ref.as_ref()?;
        (self.is_given() && rotate.is_some() && rotate != credential.handled.as_deref()).then(|| {
            let message = format!(
                "a rotation was asked for, and the password is a given one: change it in key {} of Secret {}",
                given.key, given.name
            );
            Refusal::waits(reason::PASSWORD_GIVEN, message)
        })
    }

    fn next_check(&self) -> Option<i64> {
        let credential = self.usable()?;
        let renewal = self.view.not_before.zip(self.view.not_after);
        let renewal = renewal.map(|(from, to)| self.renew_at(from, to));
        let until = credential.previous.map(|p| p.until);
        renewal.into_iter().chain(until).min()
    }

    /// When the certificate is renewed: as if it were valid no longer than wanted now.
    fn renew_at(&self, from: i64, to: i64) -> i64 {
        let wanted = validity(self.user).saturating_add(BACKDATE);
        renew_at(from, to.min(from.saturating_add(wanted)))
    }

    fn kept(&self, second: bool) -> Previous {
        Previous {
            second,
            until: self.now.saturating_add(overlap(self.user)),
        }
    }

    fn is_given(&self) -> bool {
        let password = self.user.spec.password.as_ref();
        self.user.spec.authentication.is_scram() && password.is_some_and(|p| p.secret_ref.is_some())
    }
}

/// What the Secret says of itself once `action` is done. Where the Secret is rendered for it, `shape` is what it looks
/// like then; [`CredentialAction::RevokePrevious`] and [`CredentialAction::Restore`] change nothing but this annotation.
#[must_use]
pub fn credential_after(
    user: &KafkaUser,
    view: &SecretView,
    action: &CredentialAction,
    issued: Issued,
    shape: String,
) -> Credential {
    let token = |key| annotation(user, key).map(str::to_owned);
    let before = view.credential.clone().unwrap_or_default();
    match action {
        CredentialAction::IssueCertificate { keep_previous, .. }
        | CredentialAction::NewPassword { keep_previous, .. }
        | CredentialAction::AdoptPassword { keep_previous, .. } => Credential {
            authentication: user.spec.authentication.as_str().to_owned(),
            second: is_second(action),
            hash: match &issued {
                Issued::Password(hash) => Some(hash.clone()),
                Issued::Certificate(_) | Issued::Same => None,
            },
            iterations: user
                .spec
                .authentication
                .is_scram()
                .then(|| iterations(user)),
            certificate: match issued {
                Issued::Certificate(facts) => Some(facts),
                Issued::Password(_) | Issued::Same => None,
            },
            handled: token(ANNOTATION_ROTATE),
            // What was asked before there was an overlap does not end this one.
            finished: token(ANNOTATION_ROTATE_FINISH),
            previous: *keep_previous,
            shape,
        },
        CredentialAction::RevokePrevious { second } => Credential {
            previous: before.previous.filter(|p| p.second != *second),
            finished: token(ANNOTATION_ROTATE_FINISH),
            ..before
        },
        CredentialAction::Restore => Credential {
            iterations: Some(iterations(user)),
            ..before
        },
        CredentialAction::Redeliver => Credential { shape, ..before },
        CredentialAction::Keep | CredentialAction::Refuse(_) | CredentialAction::Withdraw => before,
    }
}

/// The principals, without `User:`, that the user has while `action` is done: those of now, of then, and the one
/// before. ACLs and quotas are for all of them.
#[must_use]
pub fn logins_in_use(
    user: &KafkaUser,
    view: &SecretView,
    action: &CredentialAction,
) -> Vec<String> {
    if user.spec.authentication == sdm_api::Authentication::External {
        return vec![principal(user)];
    }
    let of = |credential: &Credential| match is_scram(credential) {
        true => login(user, credential.second),
        false => login(user, false),
    };
    let current = view.credential.as_ref();
    let mut all: Vec<String> = current.map(of).into_iter().collect();
    let previous = current.and_then(|c| c.previous);
    all.extend(previous.map(|p| login(user, p.second)));
    if let CredentialAction::IssueCertificate { keep_previous, .. }
    | CredentialAction::NewPassword { keep_previous, .. }
    | CredentialAction::AdoptPassword { keep_previous, .. } = action
    {
        all.push(login(user, is_second(action)));
        all.extend(keep_previous.map(|p| login(user, p.second)));
    }
    if all.is_empty() {
        let logins = view.logins.iter().flatten();
        all.extend(logins.map(|l| login(user, l.second)));
    }
    if all.is_empty() {
        all.push(principal(user));
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn is_second(action: &CredentialAction) -> bool {
    matches!(
        action,
        CredentialAction::NewPassword { second: true, .. }
            | CredentialAction::AdoptPassword { second: true, .. }
    )
}

fn is_scram(credential: &Credential) -> bool {
    credential.authentication.starts_with("scram-")
}

fn annotation<'a>(user: &'a KafkaUser, key: &str) -> Option<&'a str> {
    let annotations = user.metadata.annotations.as_ref()?;
    annotations
        .get(key)
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}
