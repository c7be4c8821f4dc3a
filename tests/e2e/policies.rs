//! What the administrator says holds at apply, for what is new; what exists is listed.

use anyhow::{Result, bail, ensure};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use sdm_api::KafkaPolicy;
use sdm_tests::node::Node;
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::{PATIENCE, TENANTS, tenants};

fn policy(name: &str, spec: Value) -> Result<KafkaPolicy> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": name}, "spec": spec,
    }))?)
}

fn policies(node: &Node) -> Api<KafkaPolicy> {
    Api::all(node.client.clone())
}

/// Why an object was refused; nothing if it was not.
fn refusal(made: Result<()>) -> Result<Option<(u16, String)>> {
    let Err(error) = made else {
        return Ok(None);
    };
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Ok(Some((status.code, status.message.clone()))),
        _ => Err(error),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_forbids_is_refused_and_what_exists_is_listed() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "policy").await?;
    space.topic("wide", json!({"partitions": 5})).await?;
    let all = policies(&node);
    let name = format!("test-{}", space.name);
    // Kubernetes keeps whole seconds.
    let until_then = Timestamp::from_second(Timestamp::now().as_second() + 20)?;
    let spec = json!({
        "match": {"kinds": ["KafkaTopic"], "namespaces": [space.name]},
        "topics": {"partitions": {"max": 3}},
        "defaults": {"topics": {"partitions": 2}},
        "cel": [{
            "name": "lower", "rule": "!object.metadata.name.startsWith('tmp')",
            "messageExpression": "'no ' + object.metadata.name + ' in ' + object.metadata.namespace",
        }],
        "exceptions": [{"names": ["for-now-*"], "rules": ["topics.partitions"], "until": until_then, "reason": "a test"}],
    });
    all.create(&PostParams::default(), &policy(&name, spec)?)
        .await?;
    // API servers and webhooks learn of it in their own time.
    let mut tried = 0;
    let (code, message) = until("the policy to hold", PATIENCE, || {
        tried += 1;
        let (space, object) = (space.clone(), format!("many-{tried}"));
        async move {
            let made = space.make(Kind::Topic, &object, json!({"partitions": 4}));
            refusal(made.await)
        }
    })
    .await?;
    println!("{code}: {message}");
    ensure!(code == 403, "{code}");
    ensure!(
        message.contains(&name) && message.contains("partitions") && message.contains('3'),
        "{message}"
    );
    let said = refusal(
        space
            .make(Kind::Topic, "tmp", json!({"partitions": 1}))
            .await,
    )?;
    let (code, message) = said.unwrap_or_default();
    ensure!(
        code == 403 && message.contains(&format!("no tmp in {}", space.name)),
        "{code}: {message}"
    );
    // What nobody says is filled in, once the policy is Ready.
    until("the policy to be Ready", PATIENCE, || async {
        let policy = all.get(&name).await?;
        let status = policy.status.unwrap_or_default();
        let is_ready = status.observed_generation == policy.metadata.generation
            && status
                .conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True");
        match is_ready {
            true => Ok(Some(())),
            false => bail!("{status:?}"),
        }
    })
    .await?;
    space.make(Kind::Topic, "silent", json!({})).await?;
    let silent = space.api(Kind::Topic).get("silent").await?;
    ensure!(silent.data["spec"]["partitions"] == 2, "{:?}", silent.data);
    // What was there may be changed in other respects, and is listed.
    space
        .change(
            Kind::Topic,
            "wide",
            json!({"config": {"retention.ms": "3600000"}}),
        )
        .await?;
    let listed = until("the topic to be listed", PATIENCE, || async {
        let status = all.get(&name).await?.status.unwrap_or_default();
        match status.violations.iter().find(|v| v.name == "wide") {
            Some(found) => Ok(Some(found.clone())),
            None => bail!("{status:?}"),
        }
    })
    .await?;
    ensure!(
        listed.rule == "topics.partitions" && listed.namespace == space.name,
        "{listed:?}"
    );
    // An exception ends by itself.
    if Timestamp::now() < until_then {
        space
            .make(Kind::Topic, "for-now-1", json!({"partitions": 4}))
            .await?;
    }
    let mut tried = 1;
    let (code, message) = until("the exception to end", PATIENCE, || {
        tried += 1;
        let (space, object) = (space.clone(), format!("for-now-{tried}"));
        async move {
            let made = space.make(Kind::Topic, &object, json!({"partitions": 4}));
            refusal(made.await)
        }
    })
    .await?;
    ensure!(
        code == 403 && Timestamp::now() >= until_then,
        "before {until_then}: {code}: {message}"
    );
    // A warning refuses nobody.
    let warn = Patch::Merge(json!({"spec": {"enforcement": "Warn", "exceptions": []}}));
    all.patch(&name, &PatchParams::default(), &warn).await?;
    let mut tried = 0;
    until("the policy to warn only", PATIENCE, || {
        tried += 1;
        let (space, object) = (space.clone(), format!("warned-{tried}"));
        async move {
            let made = space.make(Kind::Topic, &object, json!({"partitions": 4}));
            Ok(refusal(made.await)?.is_none().then_some(()))
        }
    })
    .await?;
    all.delete(&name, &DeleteParams::default()).await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_compile_is_refused_with_its_place() -> Result<()> {
    let (node, _) = tenants().await?;
    let spec =
        json!({"cel": [{"name": "broken", "rule": "object.kind ==\n  'KafkaTopic' &&& true"}]});
    let made = policies(&node)
        .create(&PostParams::default(), &policy("test-broken", spec)?)
        .await;
    let Err(kube::Error::Api(status)) = made else {
        bail!("it was accepted");
    };
    println!("{}", status.message);
    ensure!(status.code == 422, "{status:?}");
    ensure!(
        status.message.contains("spec.cel[broken].rule") && status.message.contains("line 2"),
        "{}",
        status.message
    );
    Ok(())
}
