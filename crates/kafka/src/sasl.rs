//! Logging in with a user name and a password: PLAIN (RFC 4616) and SCRAM (RFC 5802, RFC 7677).
//!
//! Owns what is said and what must be heard; the connection carries it (`wire/login.rs`). With SCRAM the password never
//! travels, and the broker proves that it knows it, too. Nothing here prints a secret.

use std::fmt;
use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use rand::distr::Alphanumeric;
use zeroize::Zeroizing;

use crate::model::ScramMechanism;

/// What a broker may ask us to compute: RFC 7677 demands the least, Kafka takes no more than 16,384.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=65_536;
/// No channel binding, no other identity.
const HEADER: &str = "n,,";

/// How to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaslMechanism {
    /// The password as it is; over TLS only.
    Plain,
    /// `SCRAM-SHA-256`
    ScramSha256,
    /// `SCRAM-SHA-512`
    ScramSha512,
}

impl SaslMechanism {
    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self.scram() {
            None => "PLAIN",
            Some(scram) => scram.name(),
        }
    }

    fn scram(self) -> Option<ScramMechanism> {
        match self {
            Self::Plain => None,
            Self::ScramSha256 => Some(ScramMechanism::Sha256),
            Self::ScramSha512 => Some(ScramMechanism::Sha512),
        }
    }
}

impl From<ScramMechanism> for SaslMechanism {
    fn from(mechanism: ScramMechanism) -> Self {
        match mechanism {
            ScramMechanism::Sha256 => Self::ScramSha256,
            ScramMechanism::Sha512 => Self::ScramSha512,
        }
    }
}

impl fmt::Display for SaslMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom to log in as.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslConfig {
    /// How.
    pub mechanism: SaslMechanism,
    /// User name, without `User:`.
    pub username: String,
    /// Erased when dropped.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for SaslConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SaslConfig")
            .field("mechanism", &self.mechanism)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A login under way: what to say next.
pub(crate) enum Login<'a> {
    /// PLAIN says it all at once.
    Plain(&'a SaslConfig),
    /// SCRAM begins.
    Scram(Scram<'a>),
}

impl<'a> Login<'a> {
    pub(crate) fn new(config: &'a SaslConfig) -> Self {
        match config.mechanism.scram() {
            None => Self::Plain(config),
            Some(mechanism) => {
                let nonce = rand::rng().sample_iter(Alphanumeric).take(24);
                let nonce = nonce.map(char::from).collect();
                Self::Scram(Scram {
                    config,
                    mechanism,
                    nonce,
                })
            }
        }
    }
}

/// PLAIN's only message.
pub(crate) fn plain(config: &SaslConfig) -> Zeroizing<Vec<u8>> {
    let parts = ["", &config.username, config.password.as_str()];
    Zeroizing::new(parts.join("\0").into_bytes())
}

/// A SCRAM login that has not been answered yet.
pub(crate) struct Scram<'a> {
    config: &'a SaslConfig,
    mechanism: ScramMechanism,
    nonce: String,
}

impl Scram<'_> {
    pub(crate) fn first(&self) -> Vec<u8> {
        format!("{HEADER}{}", self.first_bare()).into_bytes()
    }

    fn first_bare(&self) -> String {
        // A comma ends a name and an equals sign begins an escape. Kafka prepares strings (SASLprep) on neither side.
        let name = self.config.username.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", self.nonce)
    }

    /// Answers the broker's first message; its last must then hold the proof.
    pub(crate) fn last(&self, server_first: &[u8]) -> Result<(Vec<u8>, Proof), String> {
        let (nonce, salt, iterations) = challenge(server_first)
            .ok_or_else(|| "the broker's challenge is malformed".to_owned())?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the broker's challenge does not belong to this login".to_owned());
        }
        if !ITERATIONS.contains(&iterations.get()) {
            return Err(format!("the broker asks for {iterations} iterations"));
        }
        let (hash, algorithm) = match self.mechanism {
            ScramMechanism::Sha256 => (hmac::HMAC_SHA256, &digest::SHA256),
            ScramMechanism::Sha512 => (hmac::HMAC_SHA512, &digest::SHA512),
        };
        let salted =
            self.mechanism
                .salted_password(iterations, &salt, self.config.password.as_bytes());
        let salted = hmac::Key::new(hash, &salted);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = digest::digest(algorithm, client_key.as_ref());
        let server_key = hmac::sign(&salted, b"Server Key");

        let without_proof = format!("c={},r={nonce}", STANDARD.encode(HEADER));
        let mut said = self.first_bare().into_bytes();
        for part in [server_first, without_proof.as_bytes()] {
            said.push(b',');
            said.extend_from_slice(part);
        }
        let signature = hmac::sign(&hmac::Key::new(hash, stored_key.as_ref()), &said);
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signed)| key ^ signed)
            .collect();
        let message = format!("{without_proof},p={}", STANDARD.encode(proof));
        let expected = Proof {
            key: hmac::Key::new(hash, server_key.as_ref()),
            said,
        };
        Ok((message.into_bytes(), expected))
    }
}

/// The broker's nonce, salt and iterations. Extensions may follow them.
fn challenge(message: &[u8]) -> Option<(&str, Vec<u8>, NonZeroU32)> {
    let mut parts = std::str::from_utf8(message).ok()?.split(',');
    let nonce = parts.next()?.strip_prefix("r=")?;
    let salt = STANDARD.decode(parts.next()?.strip_prefix("s=")?).ok()?;
    let iterations = parts.next()?.strip_prefix("i=")?.parse().ok()?;
    Some((nonce, salt, iterations))
}

/// What the broker must prove with its last message: that it knows what was made of the password.
pub(crate) struct Proof {
    key: hmac::Key,
    said: Vec<u8>,
}

impl Proof {
    pub(crate) fn verify(&self, server_last: &[u8]) -> Result<(), String> {
        let signature = std::str::from_utf8(server_last)
            .ok()
            .and_then(|text| text.split(',').next()?.strip_prefix("v="))
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| "the broker's proof is malformed".to_owned())?;
        hmac::verify(&self.key, &self.said, &signature).map_err(|_| {
            "the broker does not know the password itself: not the one meant".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn config(username: &str) -> SaslConfig {
        SaslConfig {
            mechanism: SaslMechanism::ScramSha256,
            username: username.into(),
            password: "pencil".to_owned().into(),
        }
    }

    fn scram<'a>(config: &'a SaslConfig, nonce: &str) -> Scram<'a> {
        Scram {
            config,
            mechanism: ScramMechanism::Sha256,
            nonce: nonce.into(),
        }
    }

    /// RFC 7677, section 3.
    #[test]
    fn a_login_is_the_one_in_the_standard() {
        let config = config("user");
        let login = scram(&config, "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(login.first(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, proof) = login.last(challenge).unwrap();
        assert_eq!(
            String::from_utf8(last).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        proof
            .verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
            .unwrap();
        for wrong in [
            &b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="[..],
            b"v=",
            b"",
            b"e=other-error",
        ] {
            assert!(proof.verify(wrong).is_err());
        }
    }

    #[test]
    fn names_are_escaped_and_bad_challenges_refused() {
        let odd = config("a=b,c");
        assert_eq!(scram(&odd, "N").first(), b"n,,n=a=3Db=2Cc,r=N");
        for (challenge, why) in [
            ("r=Nx,s=AAAA,i=4095", "4095 iterations"),
            ("r=Nx,s=AAAA,i=4294967295", "iterations"),
            ("r=N,s=AAAA,i=4096", "does not belong"),
            ("r=xN,s=AAAA,i=4096", "does not belong"),
            ("r=Nx,s=!,i=4096", "malformed"),
            ("r=Nx,s=AAAA,i=0", "malformed"),
            ("m=ext,r=Nx,s=AAAA,i=4096", "malformed"),
        ] {
            let error = scram(&odd, "N").last(challenge.as_bytes()).err().unwrap();
            assert!(error.contains(why), "{challenge}: {error}");
        }
    }

    #[test]
    fn nothing_printed_tells_the_password() {
        let config = config("me");
        assert!(!format!("{config:?}").contains("pencil"));
        assert_eq!(plain(&config).as_slice(), b"\0me\0pencil");
        let Login::Scram(one) = Login::new(&config) else {
            panic!()
        };
        let Login::Scram(two) = Login::new(&config) else {
            panic!()
        };
        assert_ne!(one.nonce, two.nonce);
    }

    proptest! {
        #[test]
        fn any_challenge_ends_in_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let config = config("me");
            let login = scram(&config, "N");
            let _ = login.last(&bytes);
            let (_, proof) = login.last(b"r=Nx,s=AAAA,i=4096").unwrap();
            prop_assert!(proof.verify(&bytes).is_err());
        }
    }
}
