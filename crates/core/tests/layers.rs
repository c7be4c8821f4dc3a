//! The house rules that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Decisions need no I/O: neither a runtime nor a client is among what `sdm-core` is built on.
#[test]
fn decisions_are_built_on_no_io() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "sdm-core",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("sdm-api"), "cargo tree answered: {tree}");
    for banned in [
        "tokio ",
        "kube-client ",
        "kube-runtime ",
        "hyper ",
        "rustls ",
    ] {
        assert!(
            !tree.lines().any(|l| l.starts_with(banned)),
            "sdm-core depends on {banned}"
        );
    }
}

/// A file that nobody can read in one go is two files.
#[test]
fn no_source_file_is_over_600_lines() {
    let mut long = Vec::new();
    let mut dirs: Vec<PathBuf> = ["crates", "controller", "webhook", "plugin"]
        .map(|d| root().join(d))
        .to_vec();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && !path.components().any(|c| c.as_os_str() == "tests")
            {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                if lines > 600 {
                    long.push(format!("{}: {lines}", path.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "over 600 lines: {long:?}");
}
