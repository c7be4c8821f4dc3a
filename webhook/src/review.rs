//! An `AdmissionReview` (`admission.k8s.io/v1`) as it comes in and goes out.
//!
//! Reading is lenient: the objects stay raw text, so that an old object that no longer parses can never make a new one
//! unacceptable. What is in them is `decide`'s business.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::extent;

/// The only version of the review there is.
pub const API_VERSION: &str = "admission.k8s.io/v1";
/// The review's kind.
pub const KIND: &str = "AdmissionReview";

/// What is asked, borrowed from the request's body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    /// Identifies the question; the answer repeats it.
    pub uid: String,
    /// The kind the object was converted to for us.
    pub kind: Kind,
    /// Empty for the object itself.
    #[serde(default)]
    pub sub_resource: Option<String>,
    /// Empty when the API server has yet to generate it.
    #[serde(default)]
    pub name: Option<String>,
    /// The object's namespace.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// Who asks.
    #[serde(default)]
    pub user_info: UserInfo,
    /// The object as it will be stored; none on `DELETE`.
    #[serde(default, borrow)]
    pub object: Option<&'a RawValue>,
    /// The object as it is stored; none on `CREATE`.
    #[serde(default, borrow)]
    pub old_object: Option<&'a RawValue>,
    /// Nothing will be stored.
    #[serde(default)]
    pub dry_run: Option<bool>,
}

/// A kind of object.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Kind {
    /// API group.
    #[serde(default)]
    pub group: String,
    /// The kind proper.
    #[serde(default)]
    pub kind: String,
}

/// Who asks.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct UserInfo {
    /// The authenticated name.
    #[serde(default)]
    pub username: String,
    /// The groups it is in.
    #[serde(default, deserialize_with = "extent::few")]
    pub groups: Vec<String>,
}

/// What came in, as far as it was understood.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A question.
    Request(Box<Request<'a>>),
    /// Something with a uid, so it can be answered, that is no question we can read.
    Unreadable {
        /// The uid.
        uid: String,
        /// What is wrong with the rest.
        why: String,
    },
    /// Not even a uid.
    Garbage {
        /// What is wrong.
        why: String,
    },
}

#[derive(Deserialize)]
struct Envelope<T> {
    request: T,
}

#[derive(Deserialize)]
struct Uid {
    uid: String,
}

/// Reads the body of a request.
#[must_use]
pub fn read(body: &[u8]) -> Incoming<'_> {
    let why = match serde_json::from_slice::<Envelope<Request>>(body) {
        Ok(Envelope { request }) if request.uid.is_empty() => "request.uid is empty".to_owned(),
        Ok(Envelope { request }) => return Incoming::Request(Box::new(request)),
        Err(error) => error.to_string(),
    };
    match serde_json::from_slice::<Envelope<Uid>>(body) {
        Ok(Envelope {
            request: Uid { uid },
        }) if !uid.is_empty() => Incoming::Unreadable { uid, why },
        _ => Incoming::Garbage { why },
    }
}

/// The answer to one question.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The question's uid.
    pub uid: String,
    /// Whether the operation goes on.
    pub allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// `JSONPatch`, if there is a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    /// A JSON patch of the object, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Shown to the user either way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An answer in its envelope.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    api_version: &'static str,
    kind: &'static str,
    /// The answer.
    pub response: Response,
}

impl From<Response> for Outgoing {
    fn from(response: Response) -> Self {
        Self {
            api_version: API_VERSION,
            kind: KIND,
            response,
        }
    }
}
