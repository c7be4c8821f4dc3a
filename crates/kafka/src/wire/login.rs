//! Logging in on a new connection, between ApiVersions and the first call (KIP-43, KIP-152).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use crate::error::{ItemError, KafkaError, Result, code};
use crate::sasl::{self, Login, SaslConfig};
use crate::wire::conn::Connection;
use crate::wire::rpc::Rpc;

impl Connection {
    /// Logs in. Returns when the connection should be replaced by one that has logged in anew, if the broker limits it
    /// (`connections.max.reauth.ms`, KIP-368).
    pub(super) async fn log_in(
        &self,
        config: &SaslConfig,
        deadline: Instant,
    ) -> Result<Option<Instant>> {
        let request = SaslHandshakeRequest::default()
            .with_mechanism(StrBytes::from_static_str(config.mechanism.name()));
        let answer = self.call(&request, deadline).await?;
        match answer.error_code {
            code::UNSUPPORTED_SASL_MECHANISM => {
                let offered: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
                return Err(self.refused(format!(
                    "it takes {} here, not {}",
                    offered.join(", "),
                    config.mechanism
                )));
            }
            code::ILLEGAL_SASL_STATE => {
                return Err(self.refused("no login is taken on this listener".to_owned()));
            }
            other => ItemError::check(other, None)
                .map_err(|e| e.into_error(SaslHandshakeRequest::NAME))?,
        }

        let lifetime = match Login::new(config) {
            Login::Plain(config) => {
                let said = Bytes::from_owner(sasl::plain(config));
                self.say(said, deadline).await?.1
            }
            Login::Scram(scram) => {
                let (challenge, _) = self.say(scram.first().into(), deadline).await?;
                let (last, proof) = scram.last(&challenge).map_err(|e| self.refused(e))?;
                let (told, lifetime) = self.say(last.into(), deadline).await?;
                proof.verify(&told).map_err(|e| self.refused(e))?;
                lifetime
            }
        };
        Ok(lifetime.map(|lifetime| Instant::now() + lifetime.mul_f64(0.8)))
    }

    /// One message of the login; what the broker says to it, and for how long the login is good.
    async fn say(&self, message: Bytes, deadline: Instant) -> Result<(Bytes, Option<Duration>)> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message);
        let answer = self.call(&request, deadline).await?;
        let told = answer.error_message.as_ref().map(|m| m.as_str().to_owned());
        match ItemError::check(answer.error_code, told) {
            Err(e) if e.code == code::SASL_AUTHENTICATION_FAILED => {
                return Err(self.refused(e.message.unwrap_or_else(|| e.name.to_owned())));
            }
            verdict => verdict.map_err(|e| e.into_error(SaslAuthenticateRequest::NAME))?,
        }
        let lifetime = u64::try_from(answer.session_lifetime_ms).unwrap_or_default();
        let lifetime = (lifetime > 0).then(|| Duration::from_millis(lifetime));
        Ok((answer.auth_bytes, lifetime))
    }

    fn refused(&self, detail: String) -> KafkaError {
        KafkaError::Auth {
            peer: self.peer().to_owned(),
            detail,
        }
    }
}
