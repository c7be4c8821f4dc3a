//! `user rotate`: asks for another credential and waits until it is delivered; the one before stays valid for a while.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_api::{Authentication, KafkaUser, KafkaUserStatus};
use tokio::time::Instant;

use super::bare;
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, duration};
use crate::objects::{self, Ended, Standing, annotate, ours, watch};
use crate::output::actions::Actions;
use crate::session::Session;

/// Arguments of `user rotate`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "The Secret gets the new credential. With tls the certificate before stays valid to its end; with a password the login before stays valid for password.overlap (24h if not given), so clients that still use it go on. --finish ends that overlap now, once every client has the new one.\nExamples:\n  kubectl kafka user rotate app -n team\n  kubectl kafka user rotate app -n team --finish"
)]
pub struct Args {
    /// Name of the KafkaUser
    #[arg(value_name = "NAME")]
    name: String,
    /// End the overlap of a rotation: the login before is revoked
    #[arg(long)]
    finish: bool,
    /// Wait until it is done
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "30s", value_name = "DURATION")]
    timeout: Duration,
}

/// Rotates.
///
/// # Errors
/// When there is nothing to rotate, or it is not done in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let user = ours::<KafkaUser>(session, &target, bare(&args.name)).await?;
    let flags = target.flags_from(&session.namespace);
    check(&user, &args, &flags).map_err(|f| f.at(target.place()))?;
    let before = user.status.clone().unwrap_or_default();
    let annotation = if args.finish {
        ANNOTATION_ROTATE_FINISH
    } else {
        ANNOTATION_ROTATE
    };
    let (name, api) = (user.name_any(), session.namespaced::<KafkaUser>());
    let deadline = Instant::now() + args.timeout;
    annotate(
        session,
        &api,
        &name,
        annotation,
        &Timestamp::now().to_string(),
    )
    .await?;
    let verb = if args.finish { "finished" } else { "rotated" };
    let done = Actions::new("UserRotation", DryRun::None).with("kafkauser", &name, verb);
    if !args.wait {
        return session.output.report(&done);
    }
    let ended = watch(session, &api, &name, deadline, |seen: &KafkaUser| {
        let standing = Standing::of(seen);
        let now = seen.status.clone().unwrap_or_default();
        match standing.ready {
            Some(true) if is_done(&before, &now, args.finish) => Some(Ok(now)),
            Some(false) if standing.stalled => Some(Err(standing)),
            _ => None,
        }
    });
    let label = format!("kafkauser/{name}");
    let failure = match ended.await? {
        Ended::With(Ok(now)) => {
            session.output.report(&done)?;
            for line in explanation(&user, &before, &now, args.finish, &flags) {
                session.output.progress(line);
            }
            return Ok(());
        }
        Ended::With(Err(standing)) => Failure::new(
            Code::Denied,
            format!("{label}: {} ({})", standing.message, standing.reason),
        ),
        Ended::Gone => Failure::new(Code::NotFound, format!("{label} was deleted meanwhile")),
        Ended::TimedOut(last) => {
            let why = last
                .as_ref()
                .map(Standing::of)
                .map(|s| s.message)
                .unwrap_or_default();
            Failure::new(
                Code::TimedOut,
                format!(
                    "{label} has no other credential in time{}{why}",
                    if why.is_empty() { "" } else { ": " }
                ),
            )
        }
    };
    Err(failure
        .at(target.place())
        .hint(format!("kubectl kafka user describe {name} {flags}")))
}

/// Whether there is something to do.
fn check(user: &KafkaUser, args: &Args, flags: &str) -> Result<()> {
    let name = user.name_any();
    let previous = user.status.as_ref().and_then(|s| s.previous.as_ref());
    match (user.spec.authentication, args.finish, previous) {
        (Authentication::External, _, _) => Err(Failure::usage(format!(
            "kafkauser/{name} has a credential that somebody else provides: rotate it there"
        ))),
        (_, true, None) => Err(Failure::usage(format!(
            "kafkauser/{name} has no login before: there is nothing to finish"
        ))
        .hint(format!("kubectl kafka user rotate {name} {flags}"))),
        (authentication, false, Some(previous)) if authentication.is_scram() => Err(Failure::new(
            Code::Conflict,
            format!(
                "kafkauser/{name} is in a rotation already: {} stays valid until {}",
                previous.username, previous.until
            ),
        )
        .hint(format!(
            "kubectl kafka user rotate {name} {flags} --finish    # once no client uses it any more"
        ))),
        _ => Ok(()),
    }
}

/// Whether the status shows what was asked for.
fn is_done(before: &KafkaUserStatus, now: &KafkaUserStatus, finish: bool) -> bool {
    if finish {
        return now.previous.is_none();
    }
    let new_login = now.previous.is_some() && now.previous != before.previous;
    let new_certificate = now.certificate_not_after.is_some()
        && now.certificate_not_after != before.certificate_not_after;
    new_login || new_certificate
}

/// What the user should know now.
fn explanation(
    user: &KafkaUser,
    before: &KafkaUserStatus,
    now: &KafkaUserStatus,
    finish: bool,
    flags: &str,
) -> Vec<String> {
    let name = user.name_any();
    if finish {
        let login = before
            .previous
            .as_ref()
            .map_or("the login before", |p| p.username.as_str());
        return vec![format!("{login} is revoked")];
    }
    let secret = now.secret.as_deref().unwrap_or_else(|| user.secret_name());
    let mut lines = vec![format!(
        "Secret {secret} has the new credential; Pods that mount it see it within a minute, clients that read it once must read it again"
    )];
    match (&now.previous, &before.certificate_not_after) {
        (Some(previous), _) => {
            lines.push(format!(
                "the login before, {}, stays valid until {}",
                previous.username, previous.until
            ));
            lines.push(format!(
                "once no client uses it any more: kubectl kafka user rotate {name} {flags} --finish"
            ));
        }
        (None, Some(until)) => {
            lines.push(format!("the certificate before stays valid until {until}"))
        }
        (None, None) => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sdm_api::PreviousCredential;
    use serde_json::json;

    use super::super::{ready, sample};
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn status(until: Option<&str>, not_after: Option<&str>) -> KafkaUserStatus {
        KafkaUserStatus {
            previous: until.map(|until| PreviousCredential {
                username: "team/user/app".to_owned(),
                until: until.to_owned(),
            }),
            certificate_not_after: not_after.map(ToOwned::to_owned),
            secret: Some("app".to_owned()),
            ..KafkaUserStatus::default()
        }
    }

    #[test]
    fn a_rotation_is_done_when_the_status_shows_another_credential() {
        let none = status(None, None);
        assert!(!is_done(&none, &none, false));
        assert!(is_done(&none, &status(Some("t"), None), false));
        assert!(!is_done(
            &status(Some("t"), None),
            &status(Some("t"), None),
            false
        ));
        assert!(is_done(
            &status(None, Some("a")),
            &status(None, Some("b")),
            false
        ));
        assert!(is_done(&status(Some("t"), None), &none, true));
        assert!(!is_done(
            &status(Some("t"), None),
            &status(Some("t"), None),
            true
        ));
    }

    #[test]
    fn the_overlap_is_explained() {
        let user = sample("team", "app", "scram-sha-512", ready(json!({})));
        let lines = explanation(
            &user,
            &status(None, None),
            &status(Some("2026-01-02T00:00:00Z"), None),
            false,
            "-n team -c c",
        );
        assert!(
            lines[1].contains("team/user/app, stays valid until 2026-01-02T00:00:00Z"),
            "{lines:?}"
        );
        assert!(
            lines[2].ends_with("kubectl kafka user rotate app -n team -c c --finish"),
            "{lines:?}"
        );
        let tls = explanation(
            &user,
            &status(None, Some("a")),
            &status(None, Some("b")),
            false,
            "",
        );
        assert!(tls[1].ends_with("valid until a"), "{tls:?}");
        assert_eq!(
            explanation(
                &user,
                &status(Some("t"), None),
                &status(None, None),
                true,
                ""
            ),
            ["team/user/app is revoked"]
        );
    }

    #[test]
    fn what_cannot_be_rotated_says_why() {
        let args = |line: &str| Line::parse_from(line.split(' ')).args;
        let previous = json!({"previous": {"username": "team/user/app", "until": "t"}});
        let scram = sample("team", "app", "scram-sha-512", ready(previous));
        let idle = sample("team", "app", "scram-sha-512", ready(json!({})));
        let (rotate, finish) = (args("rotate app"), args("rotate app --finish"));
        assert_eq!(check(&scram, &rotate, "").unwrap_err().code, Code::Conflict);
        assert!(check(&scram, &finish, "").is_ok() && check(&idle, &rotate, "").is_ok());
        assert_eq!(check(&idle, &finish, "").unwrap_err().code, Code::Usage);
        let mut external = idle;
        external.spec.authentication = Authentication::External;
        assert_eq!(check(&external, &rotate, "").unwrap_err().code, Code::Usage);
    }
}
