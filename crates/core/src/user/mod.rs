//! A user that a namespace declares: its principal, its credential and when it is renewed, the Secret it is delivered
//! in, its quotas, and what is reported.
//!
//! Nothing here is random: keys, passwords and salts come in. Who makes them, who writes them to Kafka and to the API
//! server, and who reads clocks, is the controller.

mod credential;
mod duration;
mod formats;
mod listener;
mod pkcs12;
mod plan;
mod quota;
mod secret;
mod status;
#[cfg(test)]
mod tests;
mod validate;
mod view;

use sdm_api::{KafkaUser, names};

pub use credential::{
    ANNOTATION_CREDENTIAL, CertificateFacts, Credential, Previous, authority_hash, check_password,
    password_hash, password_matches, random_password,
};
pub use duration::{parse_duration, renew_at};
pub use listener::{ListenerChoice, Protocol, choose_listener, mechanism};
pub use pkcs12::Pkcs12;
pub use plan::{credential_after, logins_in_use, plan_credential, secret_taken};
pub use quota::{quota_changes, quota_wanted};
pub use secret::{
    Delivery, LABEL_CLUSTER_NAME, LABEL_CLUSTER_NAMESPACE, Material, fingerprint, is_owned, render,
    secret_before, secret_type, shape_hash, wants_pkcs12,
};
pub use status::{Facts, Outcome, outcome, status};
pub use validate::{review, validate};
pub use view::{CredentialAction, CredentialPlan, Issued, Login, SecretView};

/// Why a user is refused, or waits: reasons of conditions.
pub mod reason {
    /// No listener of the cluster takes this authentication.
    pub const NO_LISTENER: &str = "NoListener";
    /// The Secret to deliver into is somebody else's.
    pub const SECRET_TAKEN: &str = "SecretTaken";
    /// The Secret with the given password is not there, or lacks the key.
    pub const PASSWORD_NOT_FOUND: &str = "PasswordNotFound";
    /// The given password cannot be used.
    pub const PASSWORD_UNUSABLE: &str = "PasswordUnusable";
    /// A rotation waits for the end of the one before.
    pub const ROTATION_IN_PROGRESS: &str = "RotationInProgress";
    /// A rotation was asked for, and the password is given by somebody else.
    pub const PASSWORD_GIVEN: &str = "PasswordGiven";
    /// Kafka was not asked yet which passwords there are.
    pub const LOGINS_UNKNOWN: &str = "LoginsUnknown";
}

/// The name in the user's principal, without `User:`.
#[must_use]
pub fn principal(user: &KafkaUser) -> String {
    match &user.spec.principal {
        Some(principal) => principal.clone(),
        None => names::user_principal(namespace(user), name(user)),
    }
}

/// The SCRAM user name: the first or the second of the user's.
#[must_use]
pub fn login(user: &KafkaUser, second: bool) -> String {
    names::scram_username(namespace(user), name(user), second)
}

/// Seconds that a certificate is valid.
#[must_use]
pub fn validity(user: &KafkaUser) -> i64 {
    let given = user.spec.certificate.as_ref();
    duration::or(
        given.and_then(|c| c.validity.as_deref()),
        duration::VALIDITY,
    )
}

/// Seconds that the credential before a rotation stays valid.
#[must_use]
pub fn overlap(user: &KafkaUser) -> i64 {
    let given = user.spec.password.as_ref();
    duration::or(given.and_then(|p| p.overlap.as_deref()), duration::OVERLAP)
}

/// PBKDF2 iterations of the user's password.
#[must_use]
pub fn iterations(user: &KafkaUser) -> i32 {
    let given = user.spec.password.as_ref().and_then(|p| p.iterations);
    given.unwrap_or(8192)
}

fn namespace(user: &KafkaUser) -> &str {
    user.metadata.namespace.as_deref().unwrap_or_default()
}

fn name(user: &KafkaUser) -> &str {
    user.metadata.name.as_deref().unwrap_or_default()
}
