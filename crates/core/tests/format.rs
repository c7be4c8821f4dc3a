//! The format script, run by the shells it meets: what holds anything is never formatted, and an
//! attempt that was cut short is repeated.
//!
//! `java` is a stand-in that writes what the storage tool would, or dies half way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{example, state_of};
use sdm_core::render;

const JAVA: &str = r#"#!/bin/sh
echo "$@" >>"$BASE/calls"
for dir in $BASE/*/data; do
    [ -f "$dir/meta.properties" ] && continue
    mkdir -p "$dir/__cluster_metadata-0"
    printf 'node.id=2\nversion=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n' >"$dir/meta.properties"
    [ -e "$BASE/die" ] && exit 1
done
exit 0
"#;

struct Node {
    base: PathBuf,
    script: PathBuf,
}

impl Node {
    /// Node 2 of the heterogeneous example: a broker with the volumes `data` and `more`.
    fn new(name: &str) -> Self {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("format-{name}"));
        let _ = fs::remove_dir_all(&base);
        fs::create_dir_all(base.join("bin")).unwrap();
        let java = base.join("bin/java");
        fs::write(&java, JAVA).unwrap();
        fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
        let resolved = example("heterogeneous");
        let text = render::format_script(&resolved, &state_of(&resolved), &resolved.nodes[&2]);
        let script = base.join("format.sh");
        fs::write(
            &script,
            text.replace("/var/lib/kafka", base.to_str().unwrap()),
        )
        .unwrap();
        for volume in ["data", "more"] {
            fs::create_dir(base.join(volume)).unwrap();
        }
        Self { base, script }
    }

    fn run(&self, shell: &[&str]) -> Output {
        let path = format!(
            "{}:{}",
            self.base.join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new(shell[0]);
        command
            .args(&shell[1..])
            .arg(&self.script)
            .env("PATH", path)
            .env("BASE", &self.base)
            .output()
            .unwrap()
    }

    fn calls(&self) -> usize {
        fs::read_to_string(self.base.join("calls"))
            .unwrap_or_default()
            .lines()
            .count()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }
}

/// `sh` is there always, the others where somebody installed them.
fn shells() -> Vec<Vec<&'static str>> {
    let all = [
        vec!["sh"],
        vec!["dash"],
        vec!["busybox", "sh"],
        vec!["bash", "--posix"],
    ];
    all.into_iter()
        .filter(|s| Command::new(s[0]).arg("--help").output().is_ok())
        .collect()
}

#[test]
fn blank_volumes_are_formatted_once() {
    for shell in shells() {
        let node = Node::new(&format!("blank-{}", shell[0]));
        for _ in 0..2 {
            let output = node.run(&shell);
            assert!(output.status.success(), "{shell:?}: {output:?}");
        }
        assert_eq!(node.calls(), 1, "{shell:?}");
        let call = fs::read_to_string(node.path("calls")).unwrap();
        assert!(
            call.contains(
                "-cp /opt/kafka/libs/* kafka.tools.StorageTool format --ignore-formatted"
            ),
            "{call}"
        );
        for volume in ["data", "more"] {
            assert!(
                !node.path(volume).join("data/.sdm-formatting").exists(),
                "{shell:?}"
            );
        }
    }
}

#[test]
fn an_attempt_that_was_cut_short_is_repeated_from_nothing() {
    for shell in shells() {
        let node = Node::new(&format!("cut-{}", shell[0]));
        fs::write(node.path("die"), "").unwrap();
        assert!(!node.run(&shell).status.success());
        let half = node.path("data/data/meta.properties");
        assert!(half.exists() && !node.path("more/data/meta.properties").exists());
        fs::write(node.path("data/data/left-over"), "").unwrap();
        fs::remove_file(node.path("die")).unwrap();
        assert!(node.run(&shell).status.success());
        assert!(!node.path("data/data/left-over").exists(), "{shell:?}");
        assert!(node.path("more/data/meta.properties").exists());
    }
}

#[test]
fn what_kafka_ran_on_is_never_taken_for_a_cut_off_attempt() {
    for shell in shells() {
        let node = Node::new(&format!("ran-{}", shell[0]));
        assert!(node.run(&shell).status.success());
        for trace in ["recovery-point-offset-checkpoint", "records"] {
            fs::write(node.path("data/data").join(trace), "").unwrap();
        }
        fs::write(node.path("data/data/.sdm-formatting"), "").unwrap();
        assert!(node.run(&shell).status.success());
        assert!(node.path("data/data/records").exists(), "{shell:?}");
        assert_eq!(node.calls(), 1, "{shell:?}");
    }
}

#[test]
fn a_new_volume_is_formatted_beside_the_old_one() {
    for shell in shells() {
        let node = Node::new(&format!("new-{}", shell[0]));
        assert!(node.run(&shell).status.success());
        fs::write(node.path("data/data/records"), "").unwrap();
        fs::remove_dir_all(node.path("more/data")).unwrap();
        assert!(node.run(&shell).status.success());
        assert!(
            node.path("data/data/records").exists()
                && node.path("more/data/meta.properties").exists()
        );
        assert_eq!(node.calls(), 2, "{shell:?}");
    }
}

#[test]
fn foreign_volumes_are_refused() {
    let cases = [
        (
            "cluster",
            "node.id=2\ncluster.id=Somebody_elses_cluster\n",
            "belongs to another cluster",
        ),
        (
            "node",
            "node.id=22\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n",
            "belongs to another node",
        ),
    ];
    for shell in shells() {
        for (name, meta, message) in cases {
            let node = Node::new(&format!("foreign-{name}-{}", shell[0]));
            fs::create_dir_all(node.path("data/data")).unwrap();
            fs::write(node.path("data/data/meta.properties"), meta).unwrap();
            let output = node.run(&shell);
            assert!(!output.status.success());
            assert!(
                String::from_utf8_lossy(&output.stderr).contains(message),
                "{output:?}"
            );
            assert_eq!(node.calls(), 0);
        }
        let node = Node::new(&format!("records-{}", shell[0]));
        fs::create_dir_all(node.path("data/data/topic-0")).unwrap();
        let output = node.run(&shell);
        assert!(!output.status.success());
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("holds files and no meta.properties"),
            "{output:?}"
        );
    }
}
