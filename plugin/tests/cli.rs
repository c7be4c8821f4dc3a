//! The plugin as people run it: exit codes, streams, and help, on the real binary and without any cluster.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn kubectl_kafka(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kubectl-kafka"))
        .args(args)
        .env_clear()
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_are_answers_and_need_no_cluster() {
    for args in [
        &["--help"][..],
        &["-h"],
        &["--version"],
        &["help"],
        &["help", "topic", "create"],
        &["help", "exit-codes"],
        &["help", "acl", "explain"],
        &["role", "list", "--built-in"],
        &["config", "explain", "num.io.threads", "retention.ms"],
        &["config", "list", "--dynamic", "-o", "name"],
        &["version", "--client"],
        &["completion", "bash"],
    ] {
        let output = kubectl_kafka(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_wrong_command_line_is_usage_and_does_nothing() {
    for args in [
        &[][..],
        &["nonsense"],
        &["topic"],
        &["topic", "create"],
        &["topic", "create", "a", "--partitions", "0"],
        &["topic", "create", "a", "--config", "novalue"],
        &["topic", "list", "-o", "xml"],
        &["topic", "list", "-n", "a", "-A"],
        &["topic", "list", "--declared", "--undeclared"],
        &[
            "topic",
            "create",
            "a",
            "--undeclared",
            "--adoption",
            "always",
        ],
        &["topic", "list", "-o", "properties"],
        &["topic", "adopt"],
        &["topic", "alter"],
        &["user", "create"],
        &["user", "create", "a", "--authentication", "external"],
        &["user", "create", "a", "--quota", "x"],
        &["acl", "grant", "producer", "--on", "broker:1"],
        &["acl", "grant", "producer", "--cluster=kind-dev"],
        &["acl", "explain", "--user", "a", "Fly", "topic/a"],
        &["acl", "explain", "--user", "a", "Read"],
        &["acl", "adopt"],
        &["group", "reset", "a"],
        &["group", "reset", "a", "--to", "tomorrow"],
        &[
            "group",
            "reset",
            "a",
            "--to",
            "earliest",
            "--dry-run",
            "--execute",
        ],
        &["quota", "set", "--default-user"],
        &[
            "quota",
            "set",
            "--ip",
            "10.0.0.1",
            "--client-id",
            "x",
            "connection-creation-rate=1",
        ],
        &["consume", "a", "--offset", "3"],
        &["consume", "a", "--from-beginning", "--since", "1m"],
        &["config", "explain"],
        &[
            "config",
            "explain",
            "num.io.threads",
            "--kafka-version",
            "3.9",
        ],
        &["config", "list", "--topic", "--broker"],
        &["produce", "a", "--acks", "1"],
        &["produce", "a", "--json", "--key-separator", ":"],
        &["lint"],
        &["lint", "-f", "x", "--at", "noon"],
        &["policy", "test"],
        &["status", "--request-timeout", "soon"],
        &["help", "nonsense"],
    ] {
        let output = kubectl_kafka(args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            text(&output.stderr)
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{args:?}"
        );
    }
}

#[test]
fn without_a_kubeconfig_the_error_says_what_to_do() {
    let output = kubectl_kafka(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(
        err.starts_with("error: no usable kubeconfig: ") && err.contains("\nhint: set KUBECONFIG"),
        "{err}"
    );
}

#[test]
fn an_api_server_that_is_not_there_is_named() {
    let output = kubectl_kafka(&["status", "--server", "https://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    let err = text(&output.stderr);
    assert!(
        err.contains("cannot reach the API server") && err.contains("(server https://127.0.0.1:1)"),
        "{err}"
    );
}

#[test]
fn a_group_without_a_user_is_refused() {
    let output = kubectl_kafka(&[
        "status",
        "--server",
        "https://127.0.0.1:1",
        "--as-group",
        "g",
    ]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-kafka"))
        .args(["install", "--dry-run=client"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(0), String::new())
    );
}

#[test]
fn install_prints_manifests_that_can_be_applied() {
    let output = kubectl_kafka(&[
        "install",
        "--dry-run=client",
        "--image",
        "example.com/operator:9",
    ]);
    assert_eq!(output.status.code(), Some(0));
    let yaml = text(&output.stdout);
    for wanted in [
        "kind: Namespace",
        "kind: CustomResourceDefinition",
        "kind: Deployment",
        "image: example.com/operator:9",
    ] {
        assert!(yaml.contains(wanted), "{wanted} is missing");
    }
    assert!(!yaml.contains("streamingdatamanager/operator"));
    let json = kubectl_kafka(&["install", "--dry-run=client", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(list["kind"], "List");
}

#[test]
fn colour_follows_the_flag_and_the_environment() {
    let run = |args: &[&str], variable: Option<(&str, &str)>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-kafka"));
        command
            .args(args)
            .env_clear()
            .env("HOME", "/nonexistent")
            .stdin(Stdio::null());
        command.envs(variable);
        text(&command.output().unwrap().stderr).contains('\x1b')
    };
    assert!(!run(
        &["topic", "list", "--server", "https://127.0.0.1:1"],
        None
    ));
    assert!(run(
        &[
            "topic",
            "list",
            "--server",
            "https://127.0.0.1:1",
            "--color",
            "always"
        ],
        None
    ));
    assert!(run(
        &["topic", "list", "--server", "https://127.0.0.1:1"],
        Some(("CLICOLOR_FORCE", "1"))
    ));
}

#[test]
fn kubectls_completion_gets_words_and_no_files() {
    let output = kubectl_kafka(&["__complete", "--", "topic", "cr"]);
    let out = text(&output.stdout);
    assert!(
        out.starts_with("create\t") && out.ends_with("\n:4\n"),
        "{out}"
    );
    // Names come from a server; without one there are none, and no complaint.
    let output = kubectl_kafka(&["__complete", "--", "topic", "list", "-c", ""]);
    assert_eq!(
        (text(&output.stdout).as_str(), text(&output.stderr).as_str()),
        (":4\n", "")
    );
}

#[test]
fn what_can_be_said_without_a_server_is() {
    let server = "--server=https://127.0.0.1:1";
    let run = |args: &[&str]| {
        let output =
            kubectl_kafka(&[args, &[server, "-n", "team", "-c", "streaming/events"]].concat());
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    };
    let topic = run(&[
        "topic",
        "create",
        "orders",
        "-p",
        "6",
        "--dry-run=client",
        "-o",
        "yaml",
    ]);
    assert!(
        topic.contains("kind: KafkaTopic") && topic.contains("namespace: streaming"),
        "{topic}"
    );
    let user = run(&["user", "create", "app", "--dry-run=client"]);
    assert_eq!(user, "kafkauser/app created (dry run, client)\n");
    // Here --user is the KafkaUser, and no kubeconfig's: there is none by that name.
    let acl = run(&[
        "acl",
        "grant",
        "producer",
        "--user",
        "app",
        "--topic",
        "orders",
        "--dry-run=client",
        "-o",
        "json",
    ]);
    let list: serde_json::Value = serde_json::from_str(&acl).unwrap();
    assert_eq!(list["items"][0]["spec"]["subjects"][0]["name"], "app");
    assert_eq!(list["items"][0]["metadata"]["name"], "app-producer-orders");
}

#[test]
fn destruction_needs_confirmation() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kubectl-kafka"))
        .args(["topic", "delete", "a", "--dry-run=client"])
        .arg("--server=https://127.0.0.1:1")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "topic/a deleted (dry run, client)\n");
}
