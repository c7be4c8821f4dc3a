//! Replicas come and go, certificates and authorities change, and no review notices.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_api::{KafkaACL, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser};
use sdm_tests::applies::{Applies, Case, Want};
use sdm_tests::node::Node;
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use super::{failed_calls, replicas, settled};
use crate::{PATIENCE, operator_only};

/// Applies a second.
const PACE: u32 = 50;
/// The Secret of the webhook's authority.
const SECRET: &str = "sdm-webhook-ca";
/// No cluster is needed: what goes by one waits for it.
const NOWHERE: (&str, &str) = ("nowhere", "none");
/// What a policy fills in; nobody would think of it.
const PARTITIONS: i32 = 7;

fn case<K: Resource<DynamicType = ()>>(
    space: &Space,
    name: &str,
    mut spec: Value,
    want: Want,
) -> Case {
    let resource = ApiResource::erase::<K>(&());
    if resource.kind != "KafkaRole" {
        spec["clusterRef"] = json!({"name": NOWHERE.1, "namespace": NOWHERE.0});
    }
    let object = DynamicObject::new(name, &resource).within(&space.name);
    Case {
        object: object.data(json!({ "spec": spec })),
        resource,
        want,
    }
}

/// Good ones of several kinds, ones that a default is missing from, and ones that nobody but the webhook refuses.
fn cases(space: &Space) -> Vec<Case> {
    let refused = |sentence: &str| Want::Refused("validate.kafka.sdm.dev", sentence.to_owned());
    let filled = || Want::Filled("/spec/partitions", json!(PARTITIONS));
    let misspelt = json!({"partitions": 1, "config": {"retention.m": "1"}});
    let no_such = || refused("did you mean retention.ms?");
    let rules = json!({"rules": [{"resource": "topic", "operations": ["Read"]}]});
    let acl = json!({
        "subjects": [{"kind": "ServiceAccount", "name": "app"}], "roles": ["producer"],
        "resources": [{"type": "topic", "name": format!("{}.orders", space.name)}]
    });
    let posing = json!({"authentication": "external", "principal": "sdm:operator"});
    vec![
        case::<KafkaTopic>(space, "silent", json!({}), filled()),
        case::<KafkaTopic>(space, "misspelt", misspelt.clone(), no_such()),
        case::<KafkaUser>(
            space,
            "good",
            json!({"authentication": "tls"}),
            Want::Accepted,
        ),
        case::<KafkaUser>(
            space,
            "posing",
            posing,
            refused("are the operator's and the brokers'"),
        ),
        case::<KafkaTopic>(space, "kept", json!({"partitions": 2}), Want::Accepted),
        case::<KafkaTopic>(space, "kept", misspelt, no_such()),
        case::<KafkaACL>(space, "good", acl, Want::Accepted),
        case::<KafkaTopic>(
            space,
            "wide",
            json!({"partitions": 99}),
            refused(&space.name),
        ),
        case::<KafkaTopic>(space, "quiet", json!({}), filled()),
        case::<KafkaRole>(space, "producer", rules, refused("is a built-in role")),
    ]
}

/// A namespace with a policy, and one topic that is there.
async fn prepare(node: &Node) -> Result<(Space, Api<KafkaPolicy>)> {
    let space = Space::create(node, NOWHERE, "rolling").await?;
    let policies: Api<KafkaPolicy> = Api::all(node.client.clone());
    let policy = serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": space.name},
        "spec": {
            "match": {"namespaces": [space.name]},
            "topics": {"partitions": {"max": 20}},
            "defaults": {"topics": {"partitions": PARTITIONS}}
        }
    }))?;
    policies.create(&PostParams::default(), &policy).await?;
    space
        .make(Kind::Topic, "kept", json!({"partitions": 1}))
        .await?;
    // Replicas learn of it in their own time, each for itself.
    for case in cases(&space) {
        until("the policy to hold", PATIENCE, || async {
            let came = case.tried(node.client.clone()).await;
            came.map(Some).map_err(anyhow::Error::msg)
        })
        .await?;
    }
    Ok((space, policies))
}

/// Deletes the youngest replica, and waits for the one in its place.
async fn delete_one(node: &Node) -> Result<()> {
    let pod = replicas(node).await?.pop().context("no replica")?;
    node.pods(OPERATOR_NAMESPACE)
        .delete(&pod.name_any(), &DeleteParams::default())
        .await?;
    settled(node).await
}

async fn roll(node: &Node) -> Result<()> {
    let deployment = format!("deployment/{}", super::NAME);
    let (done, _, err) = node
        .kubectl_says(&["rollout", "restart", "-n", OPERATOR_NAMESPACE, &deployment])
        .await?;
    ensure!(done, "{err}");
    settled(node).await
}

/// What the Secret holds under a key.
async fn held(node: &Node, key: &str) -> Result<Option<Vec<u8>>> {
    let secrets: Api<Secret> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let data = secrets.get(SECRET).await?.data.unwrap_or_default();
    Ok(data.get(key).map(|bytes| bytes.0.clone()))
}

/// Asks for another authority, and waits until it is there to be trusted; it comes back. One that is on its way already is
/// as good.
pub(super) async fn ask_for_authority(node: &Node) -> Result<Vec<u8>> {
    if let Some(next) = held(node, "next.crt").await? {
        return Ok(next);
    }
    let secrets: Api<Secret> = Api::namespaced(node.client.clone(), OPERATOR_NAMESPACE);
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"kafka.sdm.dev/rotate": "now"}}}));
    secrets
        .patch(SECRET, &PatchParams::default(), &patch)
        .await?;
    // Replicas look when they start, and once a minute.
    delete_one(node).await?;
    until("another authority", PATIENCE, || async {
        let secret = secrets.get(SECRET).await?;
        if secret.annotations().contains_key("kafka.sdm.dev/rotate") {
            bail!("the request is still there");
        }
        held(node, "next.crt").await
    })
    .await
}

/// Runs `disturb` under load. Whatever it says, the load has the last word: not one review failed or was skipped.
async fn under_load(node: &Node, disturb: impl AsyncFnOnce(&Applies) -> Result<()>) -> Result<()> {
    let (space, policies) = prepare(node).await?;
    let before = failed_calls(node).await?;
    let load = Applies::start(node.asking_once().await?, cases(&space), PACE);
    let disturbed = async {
        load.progress(100, PATIENCE).await?;
        disturb(&load).await?;
        until("replicas that end to be gone", PATIENCE, || async {
            Ok((replicas(node).await?.len() == 2).then_some(()))
        })
        .await?;
        load.progress(100, PATIENCE).await
    };
    let disturbed = disturbed.await;
    load.conclude(PACE).await?;
    disturbed?;
    let after = failed_calls(node).await?;
    ensure!(before == after, "calls failed: {before:?}, then {after:?}");
    policies
        .delete(&space.name, &DeleteParams::default())
        .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_review_fails_while_replicas_are_replaced_and_an_authority_is_added() -> Result<()> {
    let node = operator_only().await?;
    under_load(&node, async |load| {
        for _ in 0..3 {
            delete_one(&node).await?;
            println!("{:.1?}: one replica replaced", load.elapsed());
            ask_for_authority(&node).await?;
            println!("{:.1?}: another authority is trusted", load.elapsed());
            roll(&node).await?;
            println!("{:.1?}: all replicas replaced", load.elapsed());
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "five minutes and more"]
async fn no_review_fails_in_five_minutes_of_rotations_restarts_and_updates() -> Result<()> {
    let node = operator_only().await?;
    under_load(&node, async |load| {
        let mut rounds = 0;
        while rounds < 2 || load.elapsed() < Duration::from_secs(300) {
            roll(&node).await?;
            let next = ask_for_authority(&node).await?;
            // The older replica lives to see it through, and the other one comes and goes.
            let mut replaced = 0;
            while held(&node, "tls.crt").await?.as_ref() != Some(&next) {
                delete_one(&node).await?;
                load.progress(5 * PACE as usize, PATIENCE).await?;
                replaced += 1;
                ensure!(replaced < 60, "the new authority never signs");
            }
            rounds += 1;
            let took = load.elapsed();
            println!("{took:.1?}: rotation {rounds} is done, {replaced} replicas replaced");
        }
        Ok(())
    })
    .await
}
