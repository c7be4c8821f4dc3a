//! What a plan for a credential is made from, and what it comes to.

use k8s_openapi::api::core::v1::Secret;
use sdm_api::{KafkaUser, names};

use super::secret::is_labelled;
use super::{
    ANNOTATION_CREDENTIAL, CertificateFacts, Credential, Previous, fingerprint, is_owned,
    secret_type,
};
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
    /// Its name, if it is there.
    pub name: Option<String>,
    /// Whether it is there.
    pub exists: bool,
    /// Whether it is this user's.
    pub owned: bool,
    /// What it says of itself.
    pub credential: Option<Credential>,
    /// Whether its content is what was written.
    pub intact: bool,
    /// Whether it looks as it should, apart from the credential.
    pub shape_is_current: bool,
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
    /// What a Secret says. `authority` stands for the cluster's authority, as in [`CertificateFacts::authority`], `shape`
    /// for what the Secret [should look like](super::shape_hash).
    #[must_use]
    pub fn of(user: &KafkaUser, secret: Option<&Secret>, authority: &str, shape: &str) -> Self {
        let Some(secret) = secret else {
            return Self::default();
        };
        let annotations = secret.metadata.annotations.as_ref();
        let annotation = |key: &str| annotations.and_then(|a| a.get(key)).map(String::as_str);
        let credential = Credential::parse(annotation(ANNOTATION_CREDENTIAL));
        let certificate = credential.as_ref().and_then(|c| c.certificate.clone());
        Self {
            name: secret.metadata.name.clone(),
            exists: true,
            owned: is_owned(user, secret),
            intact: annotation(names::ANNOTATION_APPLIED) == Some(fingerprint(secret).as_str()),
            shape_is_current: credential.as_ref().is_some_and(|c| c.shape == shape)
                && is_labelled(user, secret)
                && secret.type_.as_deref() == Some(secret_type(user)),
            not_before: certificate.as_ref().map(|c| c.not_before),
            not_after: certificate.as_ref().map(|c| c.not_after),
            issued_by_current_ca: certificate.is_some_and(|c| c.authority == authority),
            credential,
            given_is_delivered: None,
            logins: None,
        }
    }
}

/// What to do about a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialAction {
    /// Nothing.
    Keep,
    /// Nothing can be done, or not yet.
    Refuse(Refusal),
    /// Deliver the same credential in another form: read the Secret and render it again. Where its type has changed it is
    /// deleted first.
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
    /// Remove a SCRAM login from Kafka, with all mechanisms, and then from the Secret's annotation.
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
