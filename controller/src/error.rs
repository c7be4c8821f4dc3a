//! What can go wrong while acting, and whether repeating it helps.

use sdm_core::Failure;
use sdm_kafka::KafkaError;
use sdm_runtime::pki::PkiError;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or could not be asked.
    #[error("{}", sentence(.0))]
    Api(#[from] kube::Error),
    /// A certificate could not be made or read.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Kafka could not be asked.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// An object of that name exists and is not ours.
    #[error("{kind} {name} exists and does not belong to this cluster; delete or rename it")]
    NameTaken {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// Something that was there is not there any more: look again.
    #[error("{0} is missing")]
    Lost(String),
    /// What is asked for cannot be done.
    #[error("{1}")]
    Refused(&'static str, String),
    /// The record of what was created cannot be read. Going on could delete what is not ours.
    #[error("ConfigMap {0}: {1}; restore it, or delete it to give up what it has on record")]
    Ledger(String, String),
    /// Another process leads by now.
    #[error("this process does not lead any more")]
    NotLeader,
}

impl Error {
    /// A stable CamelCase word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api(kube::Error::Api(status)) => match status.code {
                409 => "Conflict",
                400 | 403 | 422 => "Refused",
                404 => "NotFound",
                _ => "ApiError",
            },
            Self::Api(_) => "ApiUnreachable",
            Self::Pki(_) => "CertificateFailed",
            Self::Kafka(error) => error.reason(),
            Self::NameTaken { .. } => "NameTaken",
            Self::Lost(_) => "Lost",
            Self::Refused(reason, _) => reason,
            Self::Ledger(..) => "LedgerUnreadable",
            Self::NotLeader => "NotLeader",
        }
    }

    /// Whether somebody has to change something before it can work.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Refused(..))
            || matches!(
                self.reason(),
                "Refused" | "CertificateFailed" | "NameTaken" | "LedgerUnreadable"
            )
    }

    /// Whether the world merely moved on between looking and acting: look again at once.
    pub fn is_race(&self) -> bool {
        matches!(self.reason(), "Conflict" | "NotFound")
    }

    /// As it is reported.
    pub fn failure(&self, step: &str) -> Failure {
        Failure {
            step: step.to_owned(),
            reason: self.reason().to_owned(),
            message: self.to_string(),
            permanent: self.is_permanent(),
        }
    }
}

/// The API server's own sentence, without the client's wrapping.
fn sentence(error: &kube::Error) -> String {
    match error {
        // What follows in further lines is a dump of the objects.
        kube::Error::Api(status) => status.message.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}
