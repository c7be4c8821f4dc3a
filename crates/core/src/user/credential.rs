//! What is remembered of a credential, beside it in its Secret: never the credential itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sdm_api::{KafkaUser, SecretFormat};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{formats, reason};
use crate::drift::hash;
use crate::outcome::Refusal;

/// Annotation of delivered Secrets: what [`Credential`] says, as JSON.
pub const ANNOTATION_CREDENTIAL: &str = "kafka.sdm.dev/credential";

/// More than any client needs.
const PASSWORD_AT_MOST: usize = 1024;

/// What a delivered Secret says of itself.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// How the user logs in with it, as `spec.authentication` has it.
    pub authentication: String,
    /// With a password: whether it belongs to the second SCRAM user name.
    #[serde(default)]
    pub second: bool,
    /// With a password: its salted hash, `base64(salt)$base64(sha256(salt || password))`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// With a password: PBKDF2 iterations it was written to Kafka with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iterations: Option<i32>,
    /// With a certificate: what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFacts>,
    /// The last request for a rotation that was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<String>,
    /// The last request to end an overlap that was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// The login before, while it stays valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// What the Secret looks like, apart from the credential.
    #[serde(default)]
    pub shape: String,
}

/// What a certificate says.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFacts {
    /// Begin of validity, in seconds.
    pub not_before: i64,
    /// End of validity, in seconds.
    pub not_after: i64,
    /// What stands for the authority that signed it; compared with what stands for the cluster's now.
    pub authority: String,
}

/// A login that stays valid for a while.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Whether it is the second SCRAM user name.
    pub second: bool,
    /// When it is revoked, in seconds.
    pub until: i64,
}

impl Credential {
    /// Reads the annotation; none if it is not there or makes no sense.
    #[must_use]
    pub fn parse(annotation: Option<&str>) -> Option<Self> {
        serde_json::from_str(annotation?).ok()
    }

    /// The annotation's text.
    #[must_use]
    pub fn to_annotation(&self) -> String {
        // Structs of strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What stands for an authority in [`CertificateFacts::authority`].
#[must_use]
pub fn authority_hash(certificate_pem: &str) -> String {
    hash([certificate_pem.trim().as_bytes()])
}

/// The salted hash of a password.
#[must_use]
pub fn password_hash(salt: &[u8], password: &[u8]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password);
    format!(
        "{}${}",
        STANDARD.encode(salt),
        STANDARD.encode(digest.finalize())
    )
}

/// Whether `hash` is that of `password`.
#[must_use]
pub fn password_matches(hash: &str, password: &[u8]) -> bool {
    let salt = hash.split_once('$').map(|(salt, _)| STANDARD.decode(salt));
    matches!(salt, Some(Ok(salt)) if password_hash(&salt, password) == hash)
}

/// A password from 32 random bytes: hexadecimal digits, which nothing has to quote.
#[must_use]
pub fn random_password(random: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    random
        .iter()
        .fold(String::with_capacity(64), |mut text, b| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{b:02x}");
            text
        })
}

/// A password that somebody chose, if every client can send it.
///
/// # Errors
/// What is wrong with it; the password itself is not told.
pub fn check_password<'a>(user: &KafkaUser, password: &'a [u8]) -> Result<&'a str, Refusal> {
    let wrong = |why: &str| {
        let given = user
            .spec
            .password
            .as_ref()
            .and_then(|p| p.secret_ref.as_ref());
        let place = given.map(|s| format!(" in key {} of Secret {}", s.key, s.name));
        let message = format!("the password{} {why}", place.unwrap_or_default());
        Refusal::stands(reason::PASSWORD_UNUSABLE, message)
    };
    let text = std::str::from_utf8(password).unwrap_or("\0");
    if text.is_empty() {
        Err(wrong("is empty"))
    } else if text.ends_with('\n') {
        Err(wrong(
            "ends with a line break: write it without one, as `kubectl create secret generic --from-literal` does",
        ))
    } else if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) || text.trim() != text {
        Err(wrong(
            "has characters that not every client can send: use printable ASCII, and no space at either end",
        ))
    } else if text.len() > PASSWORD_AT_MOST {
        Err(wrong("is too long: use at most 1024 characters"))
    } else if text.contains("${") && formats::wanted(user).contains(&SecretFormat::Spring) {
        Err(wrong(
            "contains `${`, which Spring takes for the beginning of a placeholder: choose another, or leave out the format `spring`",
        ))
    } else {
        Ok(text)
    }
}
