//! SCRAM credentials as Kafka stores them (KIP-554). A password never leaves this process, only what is derived from it.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::error::{KafkaError, Result};

/// The hash a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ScramMechanism {
    /// `SCRAM-SHA-256`
    #[serde(rename = "SCRAM-SHA-256")]
    Sha256,
    /// `SCRAM-SHA-512`
    #[serde(rename = "SCRAM-SHA-512")]
    Sha512,
}

impl ScramMechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha512 => "SCRAM-SHA-512",
        }
    }

    /// `Hi()` of RFC 5802: the password as every later step knows it.
    pub(crate) fn salted_password(
        self,
        iterations: NonZeroU32,
        salt: &[u8],
        password: &[u8],
    ) -> Zeroizing<Vec<u8>> {
        let (algorithm, len) = match self {
            Self::Sha256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            Self::Sha512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
        };
        let mut out = Zeroizing::new(vec![0; len]);
        pbkdf2::derive(algorithm, iterations, salt, password, &mut out);
        out
    }
}

impl fmt::Display for ScramMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A credential to take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScramDeletion {
    /// User name, without `User:`.
    pub user: String,
    /// Which of its credentials.
    pub mechanism: ScramMechanism,
}

/// A credential to create or replace.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramUpsertion {
    /// User name, without `User:`.
    pub user: String,
    /// Which of its credentials.
    pub mechanism: ScramMechanism,
    /// Kafka takes 4,096 to 16,384.
    pub iterations: i32,
    /// At random, for this credential only.
    pub salt: Vec<u8>,
    /// As good as the password for whoever holds it; erased when dropped.
    pub salted_password: Zeroizing<Vec<u8>>,
}

impl ScramUpsertion {
    /// Derives the credential of `password`. Takes milliseconds of computation.
    pub fn derive(
        user: impl Into<String>,
        mechanism: ScramMechanism,
        iterations: i32,
        salt: impl Into<Vec<u8>>,
        password: &str,
    ) -> Result<Self> {
        let salt = salt.into();
        let rounds = u32::try_from(iterations)
            .ok()
            .and_then(NonZeroU32::new)
            .ok_or_else(|| KafkaError::config("SCRAM needs at least one iteration"))?;
        // Kafka does not normalize (SASLprep) either: its ScramFormatter takes the UTF-8 bytes as they are.
        let salted_password = mechanism.salted_password(rounds, &salt, password.as_bytes());
        Ok(Self {
            user: user.into(),
            mechanism,
            iterations,
            salt,
            salted_password,
        })
    }
}

impl fmt::Debug for ScramUpsertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramUpsertion")
            .field("user", &self.user)
            .field("mechanism", &self.mechanism)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// RFC 7677, section 3: the salted password proves itself in the client's proof.
    #[test]
    fn a_credential_is_derived_as_the_standard_says() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let derived =
            ScramUpsertion::derive("user", ScramMechanism::Sha256, 4096, salt, "pencil").unwrap();
        use aws_lc_rs::{digest, hmac};
        let key = |secret: &[u8], text: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text)
        };
        let client = key(&derived.salted_password, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client.as_ref());
        let auth = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = key(stored.as_ref(), auth.as_bytes());
        let proof: Vec<u8> = client
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(a, b)| a ^ b)
            .collect();
        assert_eq!(
            STANDARD.encode(proof),
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
    }

    #[test]
    fn nothing_printed_tells_the_secret() {
        let derived =
            ScramUpsertion::derive("u", ScramMechanism::Sha512, 1, b"salt".to_vec(), "hush")
                .unwrap();
        assert_eq!(derived.salted_password.len(), 64);
        assert_eq!(
            format!("{derived:?}"),
            r#"ScramUpsertion { user: "u", mechanism: Sha512, iterations: 1, .. }"#
        );
        assert!(ScramUpsertion::derive("u", ScramMechanism::Sha512, 0, [], "p").is_err());
    }
}
