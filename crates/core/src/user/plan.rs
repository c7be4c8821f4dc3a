//! When a user gets another credential, and when the one before is revoked.
//!
//! Certificates overlap by themselves: the one before is valid to its end. A password rotates from one SCRAM user name
//! to the other, and the one before is revoked when its overlap ends; it is never cut off early for another rotation.

use k8s_openapi::api::core::v1::Secret;
use sdm_api::KafkaUser;

use super::{CertificateFacts, Credential, Previous};
use crate::outcome::Refusal;

/// A SCRAM credential in Kafka, of one of the user's two names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whether it is the second name.
    pub second: bool,
    /// How it is proven.
    pub mechanism: sdm_api::SaslMechanism,
    /// PBKDF2 iterations.
    pub iterations: i32,
}

/// What was seen of a user's Secret, and of its logins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretView {
    /// Whether it is there.
    pub exists: bool,
    /// Whether it is this user's.
    pub owned: bool,
    /// What it says of itself.
    pub credential: Option<Credential>,
    /// Whether its content is what was written.
    pub intact: bool,
    /// Begin of its certificate's validity, in seconds.
    pub not_before: Option<i64>,
    /// End of its certificate's validity, in seconds.
    pub not_after: Option<i64>,
    /// Whether the cluster's authority of now signed its certificate.
    pub issued_by_current_ca: bool,
    /// With `password.secretRef`: whether the password given there is the one delivered; none if that is not known.
    pub given_is_delivered: Option<bool>,
    /// The user's SCRAM credentials in Kafka; none if they are not known now.
    pub logins: Option<Vec<Login>>,
}

impl SecretView {
    /// What a Secret says. `authority` stands for the cluster's authority, as in [`CertificateFacts::authority`].
    #[must_use]
    pub fn of(user: &KafkaUser, secret: Option<&Secret>, authority: &str) -> Self {
        let _ = (user, secret, authority);
        Self::default()
    }
}

/// What to do about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialAction {
    /// Nothing.
    Keep,
    /// Nothing can be done.
    Refuse(Refusal),
    /// Deliver the same credential in another form: read the Secret and write it again.
    Redeliver,
    /// Write the delivered password to Kafka again: somebody changed or removed it there.
    Restore,
    /// Issue a certificate and deliver it.
    IssueCertificate {
        /// Why, in a word.
        reason: &'static str,
        /// A SCRAM login that stays valid, after a change of authentication.
        keep_previous: Option<Previous>,
    },
    /// Make a password, write it to Kafka, and then deliver it.
    NewPassword {
        /// Whether under the second SCRAM user name.
        second: bool,
        /// The login that stays valid.
        keep_previous: Option<Previous>,
        /// Why, in a word.
        reason: &'static str,
    },
    /// Write the given password (`password.secretRef`) to Kafka, and then deliver it.
    AdoptPassword {
        /// Whether under the second SCRAM user name.
        second: bool,
        /// The login that stays valid.
        keep_previous: Option<Previous>,
        /// Why, in a word.
        reason: &'static str,
    },
    /// Remove a SCRAM login from Kafka, with all mechanisms, and then from the credential's record.
    RevokePrevious {
        /// Whether the second SCRAM user name.
        second: bool,
    },
    /// Remove the Secret and both SCRAM logins: somebody else provides the credential now.
    Withdraw,
}

/// What to do about a credential, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialPlan {
    /// What to do.
    pub action: CredentialAction,
    /// When to look again, in seconds.
    pub next_check: Option<i64>,
    /// What was asked for and waits, while the user can log in.
    pub waits: Option<Refusal>,
}

/// A credential that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issued {
    /// A certificate.
    Certificate(CertificateFacts),
    /// A password: its [hash](super::password_hash).
    Password(String),
    /// None: it is the one before.
    Same,
}

/// What to do about a user's credential at `now`, in seconds.
#[must_use]
pub fn plan_credential(user: &KafkaUser, view: &SecretView, now: i64) -> CredentialPlan {
    let _ = (user, view, now);
    CredentialPlan {
        action: CredentialAction::Keep,
        next_check: None,
        waits: None,
    }
}

/// What the Secret says of itself once `action` is done; to be rendered with it.
#[must_use]
pub fn credential_after(
    user: &KafkaUser,
    view: &SecretView,
    action: &CredentialAction,
    issued: Issued,
    shape: String,
) -> Credential {
    let _ = (user, view, action, issued, shape);
    Credential::default()
}

/// The principals, without `User:`, that the user has while `action` is done: those of now, of then, and the one
/// before. ACLs and quotas are for all of them.
#[must_use]
pub fn logins_in_use(
    user: &KafkaUser,
    view: &SecretView,
    action: &CredentialAction,
) -> Vec<String> {
    let _ = (view, action);
    vec![super::principal(user)]
}
