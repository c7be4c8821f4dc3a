//! How a command ends: the exit codes, and the error that carries one.
//!
//! Every failure of a verb is a [`Failure`]: a sentence, where it happened, and the command to try next. What the
//! API server or Kafka answered is turned into one here and nowhere else. Printing is `main`'s business.

use std::fmt;
use std::io;

use sdm_kafka::KafkaError;

/// The process' exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// Done.
    Ok = 0,
    /// Anything without a code of its own.
    General = 1,
    /// The command line is wrong; nothing was done.
    Usage = 2,
    /// Nothing had to change, and `--error-unchanged` asked to be told.
    Unchanged = 3,
    /// A check found problems.
    Unhealthy = 4,
    /// What was named does not exist.
    NotFound = 5,
    /// It exists already, or somebody else changed it meanwhile.
    Conflict = 6,
    /// Refused by admission, RBAC or Kafka's authorizer.
    Denied = 7,
    /// The time was up.
    TimedOut = 124,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// The codes and their meaning, as `help exit-codes` prints them.
pub const TABLE: [(Code, &str); 11] = [
    (
        Code::Ok,
        "done (also when the reader of our output went away)",
    ),
    (
        Code::General,
        "any other error; topic diff found a difference, acl explain a denial",
    ),
    (Code::Usage, "the command line is wrong; nothing was done"),
    (
        Code::Unchanged,
        "nothing had to change, and --error-unchanged was given",
    ),
    (
        Code::Unhealthy,
        "a check found problems (status --exit-code, lint, policy test)",
    ),
    (Code::NotFound, "what was named does not exist"),
    (
        Code::Conflict,
        "it exists already, or was changed by somebody else meanwhile",
    ),
    (
        Code::Denied,
        "refused by admission, the operator, RBAC or Kafka's authorizer",
    ),
    (Code::TimedOut, "the time was up before it was done"),
    (Code::Interrupted, "ended by SIGINT (Ctrl-C)"),
    (Code::Terminated, "ended by SIGTERM"),
];

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub code: Code,
    /// What failed, a sentence without a full stop; empty where everything was said already.
    pub what: String,
    /// Where: the context, the namespace, the cluster.
    pub place: Option<String>,
    /// A command that helps.
    pub hint: Option<String>,
    /// The causes, outermost first; shown with `-v`.
    pub chain: Vec<String>,
}

/// What verbs return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with a code of its own.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
            place: None,
            hint: None,
            chain: Vec::new(),
        }
    }
    /// A failure without a code of its own.
    pub fn general(what: impl Into<String>) -> Self {
        Self::new(Code::General, what)
    }
    /// The command line is wrong.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Code::Usage, what)
    }
    /// Ends with `code`, with nothing more to say.
    pub fn silent(code: Code) -> Self {
        Self::new(code, "")
    }
    /// Adds where it happened, unless that is known.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place.get_or_insert_with(|| place.into());
        self
    }
    /// Adds what to run next, unless that is known.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }
    /// Says what was being done, in front.
    #[must_use]
    pub fn doing(mut self, doing: impl fmt::Display) -> Self {
        if !self.what.is_empty() {
            self.what = format!("{doing}: {}", self.what);
        }
        self
    }
    fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.chain.push(cause.to_string());
            next = cause.source();
        }
        self
    }
}

/// The outcome of several things that were tried: prints all failures but the last one, which is the command's own.
///
/// # Errors
/// The last failure.
pub fn all(mut failures: Vec<Failure>) -> Result<()> {
    let last = failures.pop();
    for failure in &failures {
        crate::output::failure(failure, false);
    }
    last.map_or(Ok(()), Err)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read our output has seen enough: that is no failure.
        let code = if error.kind() == io::ErrorKind::BrokenPipe {
            Code::Ok
        } else {
            Code::General
        };
        let what = if code == Code::Ok {
            String::new()
        } else {
            error.to_string()
        };
        Self::new(code, what).caused_by(&error)
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        let (code, what) = match &error {
            kube::Error::Api(status) => (code_of_status(status), message_of_status(status)),
            kube::Error::Service(cause) if is_timeout(cause.as_ref()) => (
                Code::TimedOut,
                "the API server did not answer in time".to_owned(),
            ),
            kube::Error::Service(cause) => (
                Code::General,
                format!("cannot reach the API server: {}", innermost(cause.as_ref())),
            ),
            kube::Error::Auth(cause) => (Code::Denied, format!("cannot get credentials: {cause}")),
            kube::Error::SerdeError(cause) => (
                Code::General,
                format!("the API server's answer has a shape this version does not know: {cause}"),
            ),
            other => (Code::General, other.to_string()),
        };
        let failure = Self::new(code, what).caused_by(&error);
        match &error {
            kube::Error::Service(_) => failure.hint("kubectl cluster-info"),
            kube::Error::Api(status) if is_unknown_type(status) => failure
                .hint("kubectl kafka install    # the operator's resource types are not installed"),
            _ => failure,
        }
    }
}

fn code_of_status(status: &kube::core::Status) -> Code {
    if status.is_not_found() || status.code == 404 {
        Code::NotFound
    } else if status.is_already_exists() || status.is_conflict() {
        Code::Conflict
    } else if status.is_forbidden()
        || status.is_invalid()
        || status.code == 401
        || is_admission(&status.message)
    {
        Code::Denied
    } else if status.code == 504 || status.reason == "Timeout" {
        Code::TimedOut
    } else {
        Code::General
    }
}

/// Admission webhooks may answer with any code; their words are fixed.
pub fn is_admission(message: &str) -> bool {
    message.contains("admission webhook") && message.contains("denied the request")
}

/// The API server does not serve the resource type at all; it may say so in plain text.
fn is_unknown_type(status: &kube::core::Status) -> bool {
    status
        .message
        .contains("could not find the requested resource")
        || (status.code == 404 && !status.is_not_found())
}

fn message_of_status(status: &kube::core::Status) -> String {
    if is_unknown_type(status) {
        return "the API server does not know this resource type".to_owned();
    }
    if !status.message.is_empty() {
        return status.message.trim_end().to_owned();
    }
    match status.code {
        401 => "the API server does not accept the credentials".to_owned(),
        code => format!("the API server answered {code} {}", status.reason),
    }
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<tower::timeout::error::Elapsed>() {
            return true;
        }
        if cause
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::TimedOut)
        {
            return true;
        }
        next = cause.source();
    }
    false
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// Kafka's codes that have an exit status of their own.
fn code_of_kafka(code: i16) -> Code {
    match code {
        // UNKNOWN_TOPIC_OR_PARTITION, GROUP_ID_NOT_FOUND
        3 | 69 => Code::NotFound,
        // TOPIC_ALREADY_EXISTS; UNKNOWN_MEMBER_ID and NON_EMPTY_GROUP: somebody has joined the group meanwhile
        36 | 25 | 68 => Code::Conflict,
        // TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID authorization, POLICY_VIOLATION
        29 | 30 | 31 | 53 | 44 => Code::Denied,
        // REQUEST_TIMED_OUT
        7 => Code::TimedOut,
        _ => Code::General,
    }
}

impl From<KafkaError> for Failure {
    fn from(error: KafkaError) -> Self {
        let code = match &error {
            KafkaError::Broker { code, .. } => code_of_kafka(*code),
            KafkaError::Timeout { .. } => Code::TimedOut,
            _ => Code::General,
        };
        Self::new(code, error.to_string()).caused_by(&error)
    }
}

impl From<sdm_kafka::ItemError> for Failure {
    fn from(error: sdm_kafka::ItemError) -> Self {
        let words = match error.message.as_deref() {
            Some(text) if !text.is_empty() => {
                format!("{} ({})", text.trim_end_matches('.'), error.name)
            }
            _ => error.name.to_owned(),
        };
        Self::new(code_of_kafka(error.code), words)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.place {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(code: u16, reason: &str, message: &str) -> Failure {
        let status = serde_json::json!({"kind": "Status", "code": code, "reason": reason, "message": message});
        kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())).into()
    }

    #[test]
    fn what_the_api_server_answers_has_a_code() {
        for (code, reason, message, want) in [
            (404, "NotFound", "secrets \"x\" not found", Code::NotFound),
            (409, "AlreadyExists", "exists", Code::Conflict),
            (409, "Conflict", "modified", Code::Conflict),
            (403, "Forbidden", "no", Code::Denied),
            (401, "Unauthorized", "", Code::Denied),
            (422, "Invalid", "spec.pools: Required value", Code::Denied),
            (
                400,
                "",
                "admission webhook \"x\" denied the request: no",
                Code::Denied,
            ),
            (504, "Timeout", "slow", Code::TimedOut),
            (500, "InternalError", "oops", Code::General),
        ] {
            assert_eq!(api(code, reason, message).code, want, "{code} {reason}");
        }
    }

    #[test]
    fn a_missing_resource_type_points_to_install() {
        for (reason, message) in [
            (
                "NotFound",
                "the server could not find the requested resource",
            ),
            ("Failed to parse error data", "404 page not found"),
        ] {
            let failure = api(404, reason, message);
            assert_eq!(
                (failure.code, failure.what.as_str()),
                (
                    Code::NotFound,
                    "the API server does not know this resource type"
                )
            );
            assert!(failure.hint.unwrap().starts_with("kubectl kafka install"));
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).doing("writing");
        assert_eq!((failure.code, failure.what.as_str()), (Code::Ok, ""));
    }

    #[test]
    fn place_and_activity_frame_the_sentence() {
        let failure = Failure::general("refused")
            .doing("create topic a")
            .at("cluster events")
            .at("elsewhere");
        assert_eq!(
            failure.to_string(),
            "create topic a: refused (cluster events)"
        );
    }
}
