//! `install`: applies the embedded manifests, waits until they run, and proves that admission works.
//!
//! Server-side apply under the plugin's own field manager, so a second run changes nothing and says so.

mod apply;
mod proof;
mod rollout;

pub use apply::api as api_of;
pub use proof::REGISTRATION;
pub use rollout::trouble;

use std::io;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, Format, duration};
use crate::manifests;
use crate::output::{API_VERSION, Report, Text, yaml};
use crate::session::Session;

/// Field manager of everything that `install` applies.
pub const MANAGER: &str = "kubectl-kafka";

/// Arguments of `install`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Needs the rights of a cluster administrator: it creates resource types and cluster roles.\nExamples:\n  kubectl kafka install\n  kubectl kafka install --registry registry.example.com/kafka\n  kubectl kafka install --dry-run=client > operator.yaml"
)]
pub struct Args {
    /// The operator's image
    #[arg(long, value_name = "IMAGE", conflicts_with = "registry")]
    image: Option<String>,
    /// The registry and path that hold the image `operator`
    #[arg(
        long,
        value_name = "PREFIX",
        env = "IMAGE_REGISTRY",
        hide_env_values = true
    )]
    registry: Option<String>,
    /// client: print the manifests; server: have the API server check them
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    /// Wait until the operator works
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "DURATION")]
    timeout: Duration,
    /// Exit with 3 when nothing had to change
    #[arg(long)]
    error_unchanged: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Installation {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<&'static str>,
    items: Vec<apply::Applied>,
}

impl Report for Installation {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = self
            .dry_run
            .map(|mode| format!(" (dry run, {mode})"))
            .unwrap_or_default();
        for item in &self.items {
            out.line(format!(
                "{}/{} {}{suffix}",
                item.kind.to_lowercase(),
                item.name,
                item.result
            ))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|item| format!("{}/{}", item.kind.to_lowercase(), item.name))
            .collect()
    }
}

/// The image asked for, if any was.
fn image(args: &Args) -> Result<Option<String>> {
    match (
        &args.image,
        args.registry.as_deref().filter(|r| !r.is_empty()),
    ) {
        (Some(image), _) => Ok(Some(image.clone())),
        (None, Some(registry)) => manifests::image_in(registry).map(Some),
        (None, None) => Ok(None),
    }
}

/// Prints the manifests, for which no cluster is needed.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(output: &crate::output::Output, args: &Args) -> Result<()> {
    let all = manifests::all(image(args)?.as_deref())?;
    if output.format == Format::Json {
        let items: Vec<_> = all.iter().map(|m| &m.object).collect();
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": items });
        return output.line(&serde_json::to_string_pretty(&list).map_err(io::Error::from)?);
    }
    let documents: Result<Vec<String>> = all.iter().map(|m| yaml(&m.object)).collect();
    output.line(documents?.join("---\n").trim_end())
}

/// Whether the arguments ask for the manifests alone.
pub fn prints_only(args: &Args) -> bool {
    args.dry_run == DryRun::Client
}

/// Installs the operator.
///
/// # Errors
/// When something cannot be applied, or does not work in time.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let began = Instant::now();
    let deadline = began + args.timeout;
    let manifests = manifests::all(image(&args)?.as_deref())?;
    let dry = args.dry_run == DryRun::Server;
    session.output.progress(format!(
        "applying {} objects ({})",
        manifests.len(),
        session.place
    ));
    let items = apply::all(session, &manifests, dry, deadline).await?;
    let changed = items.iter().any(|item| item.result != "unchanged");
    session.output.report(&Installation {
        api_version: API_VERSION,
        kind: "Installation",
        dry_run: dry.then_some("server"),
        items,
    })?;
    if args.wait && !dry {
        rollout::wait(session, &manifests, deadline).await?;
        proof::wait(session, deadline).await?;
        session.output.progress(format!(
            "the operator works ({:.1} s)",
            began.elapsed().as_secs_f64()
        ));
    }
    if args.error_unchanged && !changed {
        return Err(Failure::silent(Code::Unchanged));
    }
    Ok(())
}
