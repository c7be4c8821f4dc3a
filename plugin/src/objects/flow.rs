//! From manifests to objects that are ready: written side by side, waited for side by side, each with its own outcome.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::Api;
use serde_json::Value;
use tokio::time::Instant;

use super::{Tenant, Written, ready, write};
use crate::exit::{self, Code, Failure, Result};
use crate::flags::{DryRun, duration};
use crate::session::Session;

/// Requests, or waits, under way at once.
const CONCURRENCY: usize = 16;

/// How something is written.
#[derive(clap::Args, Clone, Debug)]
pub struct Writing {
    /// client: print what would be sent; server: have it checked, change nothing
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    pub dry_run: DryRun,
    /// Wait until it is ready
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    pub timeout: Duration,
}

impl Writing {
    /// Whether to wait: nobody waits for a dry run.
    pub fn waits(&self) -> bool {
        self.wait && self.dry_run == DryRun::None
    }
}

/// What became of one object.
#[derive(Debug)]
pub struct Done<K> {
    /// As stored, if it was.
    pub stored: Option<K>,
    /// `created`, `configured`, `unchanged`.
    pub verb: &'static str,
    /// Why it is not what was asked for.
    pub failure: Option<Failure>,
}

/// Creates objects, and waits until they are ready. `hint` is the command that tells more of the object of that name.
pub async fn create_all<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    manifests: &[Value],
    writing: &Writing,
    if_not_exists: bool,
    hint: impl Fn(&str) -> String,
) -> Vec<Done<K>> {
    let deadline = Instant::now() + writing.timeout;
    let hint = &hint;
    let each = manifests.iter().map(|manifest| async move {
        let name = manifest
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let stored = match write::create::<K>(session, api, manifest, writing.dry_run).await {
            Ok(stored) => stored,
            Err(failure) if failure.code == Code::Conflict && if_not_exists => {
                return Done {
                    stored: api.get_opt(name).await.ok().flatten(),
                    verb: "unchanged",
                    failure: None,
                };
            }
            Err(failure) => {
                return Done {
                    stored: None,
                    verb: "",
                    failure: Some(failure.hint(hint(name))),
                };
            }
        };
        settle(
            session,
            api,
            stored,
            "created",
            writing,
            deadline,
            &hint(name),
        )
        .await
    });
    stream::iter(each).buffered(CONCURRENCY).collect().await
}

/// Changes fields of an object, and waits until it is ready with them.
///
/// # Errors
/// When the change is refused.
pub async fn change<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    before: &K,
    patch: &Value,
    writing: &Writing,
    hint: &str,
) -> Result<Done<K>> {
    let deadline = Instant::now() + writing.timeout;
    let name = before.meta().name.clone().unwrap_or_default();
    let stored = write::patch(session, api, &name, patch, writing.dry_run)
        .await
        .map_err(|failure| failure.hint(hint))?;
    let verb = if stored.meta().generation == before.meta().generation {
        "unchanged"
    } else {
        "configured"
    };
    Ok(settle(session, api, stored, verb, writing, deadline, hint).await)
}

async fn settle<K: Tenant>(
    session: &Session,
    api: &Api<K>,
    stored: K,
    verb: &'static str,
    writing: &Writing,
    deadline: Instant,
    hint: &str,
) -> Done<K> {
    if !writing.waits() {
        return Done {
            stored: Some(stored),
            verb,
            failure: None,
        };
    }
    match ready(session, api, &stored, deadline, hint).await {
        Ok(ready) => Done {
            stored: Some(ready),
            verb,
            failure: None,
        },
        Err(failure) => Done {
            stored: Some(stored),
            verb,
            failure: Some(failure),
        },
    }
}

/// Reports what was written, and fails if something is not as asked for.
///
/// # Errors
/// The last failure; the others are printed.
pub fn finish<K: Tenant>(session: &Session, done: Vec<Done<K>>, writing: &Writing) -> Result<()> {
    let stored = done
        .iter()
        .filter_map(|d| Some((d.stored.as_ref()?, d.verb)));
    let written = Written::new(stored, writing.dry_run)?;
    if !written.is_empty() {
        session.output.report(&written)?;
    }
    exit::all(done.into_iter().filter_map(|d| d.failure).collect())
}
