//! Acceptance: records go through `kubectl kafka`, and by Kafka's own console tools
//! with the configuration that the product wrote.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::{CLUSTER, NAMESPACE, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_keyed_records_go_through_the_plugin() -> Result<()> {
    let node = events().await?;
    let topic = format!("plugin-{}", rand::random::<u32>());
    let target = ["-n", NAMESPACE, "-c", CLUSTER];
    let call = |arguments: &[&str], input: Option<&str>| {
        node.plugin(&[arguments, &target].concat(), input)
    };
    call(
        &[
            "topic",
            "create",
            &topic,
            "--partitions",
            "6",
            "--replicas",
            "3",
        ],
        None,
    )?;
    let lines: BTreeSet<String> = (0..1000).map(|n| format!("key-{n}:value {n}")).collect();
    let input: String = lines.iter().map(|l| format!("{l}\n")).collect();
    call(&["produce", &topic, "--key-separator", ":"], Some(&input))?;
    let read = call(
        &[
            "consume",
            &topic,
            "--from-beginning",
            "--until-end",
            "--print",
            "key,value",
            "--separator",
            ":",
        ],
        None,
    )?;
    let read_lines: Vec<String> = read.lines().map(str::to_owned).collect();
    ensure!(read_lines.len() == 1000, "{} lines", read_lines.len());
    ensure!(
        read_lines.into_iter().collect::<BTreeSet<_>>() == lines,
        "what was read is not what was written"
    );
    let list = call(&["topic", "list", "-o", "name"], None)?;
    ensure!(
        list.lines().any(|l| l.ends_with(&topic)),
        "{topic} is not listed: {list}"
    );
    call(&["topic", "delete", &topic, "--yes"], None)?;
    let list = call(&["topic", "list", "-o", "name"], None)?;
    ensure!(
        !list.lines().any(|l| l.ends_with(&topic)),
        "{topic} is still listed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do_and_exit_with_the_documented_code() -> Result<()> {
    let node = events().await?;
    let missing = node.plugin(
        &[
            "topic",
            "describe",
            "no-such-topic",
            "-n",
            NAMESPACE,
            "-c",
            CLUSTER,
        ],
        None,
    );
    let text = format!(
        "{:#}",
        missing
            .err()
            .ok_or_else(|| anyhow::anyhow!("a missing topic was described"))?
    );
    ensure!(
        text.contains("exit status: 5") && text.contains("hint:"),
        "{text}"
    );
    Ok(())
}
