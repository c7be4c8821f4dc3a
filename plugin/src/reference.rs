//! `docs/cli.md`, written from the command line's own definition and never by hand.
//!
//! A test compares it with the committed file; `UPDATE_GENERATED=1` writes it anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Arg, Command};

use crate::{cli, verbs};

/// The whole reference.
fn render() -> String {
    let mut command = cli::command().term_width(100);
    command.build();
    let mut out = String::from(
        "# kubectl kafka\n\n\
         Generated from the plugin's own help; do not edit. `make generate` writes it anew.\n\n\
         Flags work anywhere after `kubectl kafka`. Data goes to standard output; progress, notes and warnings go to\n\
         standard error. `-o json` and `-o yaml` print versioned objects of `cli.kafka.sdm.dev/v1`.\n\n",
    );
    out.push_str("## Commands\n\n| command | what it does |\n|---|---|\n");
    index(&command, &mut Vec::new(), &mut out);
    out.push_str("\n## Flags of every command\n\n");
    arguments(
        command.get_arguments().filter(|a| !a.is_hide_set()),
        &mut out,
    );
    let _ = write!(
        out,
        "\n## Exit codes\n\n```\n{}\n```\n",
        verbs::help::exit_codes()
    );
    sections(&command, &mut Vec::new(), &mut out);
    out
}

fn children(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
}

fn index(command: &Command, path: &mut Vec<String>, out: &mut String) {
    for child in children(command) {
        path.push(child.get_name().to_owned());
        if children(child).next().is_none() {
            let title = path.join(" ");
            let about = child
                .get_about()
                .map(ToString::to_string)
                .unwrap_or_default();
            let _ = writeln!(
                out,
                "| [`{title}`](#kubectl-kafka-{}) | {about} |",
                title.replace(' ', "-")
            );
        }
        index(child, path, out);
        path.pop();
    }
}

fn sections(command: &Command, path: &mut Vec<String>, out: &mut String) {
    for child in children(command) {
        path.push(child.get_name().to_owned());
        if children(child).next().is_none() {
            section(child, &path.join(" "), out);
        }
        sections(child, path, out);
        path.pop();
    }
}

fn section(command: &Command, title: &str, out: &mut String) {
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let usage = command
        .clone()
        .render_usage()
        .to_string()
        .replace("Usage: ", "");
    let _ = write!(
        out,
        "\n## kubectl kafka {title}\n\n{about}.\n\n```\n{}\n```\n\n",
        usage.trim()
    );
    arguments(
        command
            .get_arguments()
            .filter(|a| !a.is_global_set() && !a.is_hide_set() && a.get_id() != "help"),
        out,
    );
    if let Some(after) = command.get_after_help() {
        let _ = write!(out, "\n```text\n{}\n```\n", after.to_string().trim());
    }
}

fn arguments<'a>(arguments: impl Iterator<Item = &'a Arg>, out: &mut String) {
    let rows: Vec<String> = arguments.map(row).collect();
    if !rows.is_empty() {
        let _ = write!(
            out,
            "| argument | meaning |\n|---|---|\n{}\n",
            rows.join("\n")
        );
    }
}

fn row(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .filter(|_| arg.get_action().takes_values())
        .map(|names| names[0].to_string());
    let name = match (arg.get_short(), arg.get_long(), value) {
        (_, None, value) => format!(
            "`{}`",
            value.unwrap_or_else(|| arg.get_id().to_string().to_uppercase())
        ),
        (short, Some(long), value) => {
            let short = short.map(|c| format!("`-{c}`, ")).unwrap_or_default();
            let equals = if arg.is_require_equals_set() {
                "="
            } else {
                " "
            };
            format!(
                "{short}`--{long}{}`",
                value.map(|v| format!("{equals}{v}")).unwrap_or_default()
            )
        }
    };
    let mut help = arg
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|");
    if !arg.is_hide_possible_values_set() && arg.get_action().takes_values() {
        let values: Vec<String> = arg
            .get_possible_values()
            .iter()
            .filter(|v| !v.is_hide_set())
            .map(|v| format!("`{}`", v.get_name()))
            .collect();
        if !values.is_empty() && values != ["`true`", "`false`"] {
            let _ = write!(help, "; one of {}", values.join(", "));
        }
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|v| v.to_string_lossy().into_owned())
        .collect();
    if !arg.is_hide_default_value_set() && !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(help, " (default `{}`)", defaults.join(","));
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(help, " [{}]", variable.to_string_lossy());
    }
    format!("| {name} | {help} |")
}

#[test]
fn the_reference_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let rendered = render();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &rendered).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/cli.md is stale: run `make generate`"
    );
}
