//! `completion`: scripts for shells, and the helper that kubectl's own completion calls.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use clap::ValueEnum;
use clap_complete::{Shell, generate};

use crate::cli;
use crate::exit::Result;
use crate::output;

/// The name under which kubectl looks for a plugin's completion.
const HELPER: &str = "kubectl_complete-kafka";
const SCRIPT: &str = "#!/bin/sh\nexec kubectl-kafka __complete -- \"$@\"\n";

/// Arguments of `completion`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "For `kubectl kafka <TAB>` (kubectl 1.26 and later), put the helper next to the plugin on your PATH:\n  kubectl kafka completion kubectl --install /usr/local/bin\nFor the plugin called as kubectl-kafka:\n  source <(kubectl-kafka completion bash)"
)]
pub struct Args {
    /// The shell, or kubectl
    #[arg(value_enum)]
    shell: Target,
    /// Write the helper into this directory (with kubectl)
    #[arg(long, value_name = "DIR")]
    install: Option<PathBuf>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Target {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
    /// The helper for kubectl's own completion
    Kubectl,
}

/// Prints the script, or installs the helper.
///
/// # Errors
/// When it cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let shell = match args.shell {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
        Target::Elvish => Shell::Elvish,
        Target::Powershell => Shell::PowerShell,
        Target::Kubectl => return helper(args),
    };
    // Into memory first: the generator does not survive a reader that goes away.
    let mut script = Vec::new();
    generate(
        shell,
        &mut cli::command().bin_name("kubectl-kafka"),
        "kubectl-kafka",
        &mut script,
    );
    io::stdout().write_all(&script)?;
    Ok(())
}

fn helper(args: &Args) -> Result<()> {
    let Some(directory) = &args.install else {
        io::stdout().write_all(SCRIPT.as_bytes())?;
        return Ok(());
    };
    let path = directory.join(HELPER);
    let write = || {
        std::fs::write(&path, SCRIPT)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
    };
    write().map_err(|e| crate::exit::Failure::from(e).doing(path.display()))?;
    output::warn(format!("{} written", path.display()));
    Ok(())
}
