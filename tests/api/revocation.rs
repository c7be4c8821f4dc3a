//! A Kafka that refuses ACLs of some: who is allowed something keeps it, nobody else's revocation waits, and it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use sdm_api::{KafkaACL, KafkaTopic, KafkaUser};
use sdm_tests::fake_acls::{INVALID_REQUEST, REQUEST_TIMED_OUT};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::convergence::start_controller;
use crate::simulated::{NAMESPACE, Simulated, ready, told, topic};

const PATIENCE: Duration = Duration::from_secs(60);

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

/// Somebody, and an ACL object of the same name that lets them read `orders`.
fn reader(name: &str) -> Result<(KafkaUser, KafkaACL)> {
    let cluster = json!({"name": "case"});
    let user = json!({"clusterRef": cluster, "authentication": "external", "principal": name});
    let acl = json!({
        "clusterRef": cluster, "roles": ["consumer"],
        "subjects": [{"kind": "KafkaUser", "name": name}],
        "resources": [{"type": "topic", "name": "orders"}],
    });
    Ok((
        serde_json::from_value(object("KafkaUser", name, &user))?,
        serde_json::from_value(object("KafkaACL", name, &acl))?,
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_kafka_refuses_keeps_what_is_theirs_and_holds_up_nobody() -> Result<()> {
    let simulated = Simulated::start("revocation").await?;
    let (client, world) = (&simulated.plane.client, &simulated.world);
    let topics: Api<KafkaTopic> = Api::namespaced(client.clone(), NAMESPACE);
    let users: Api<KafkaUser> = Api::namespaced(client.clone(), NAMESPACE);
    let acls: Api<KafkaACL> = Api::namespaced(client.clone(), NAMESPACE);
    let mut controller = start_controller(&simulated.plane)?;
    let log = controller.log.clone();
    let tail = || std::fs::read_to_string(&log).unwrap_or_default();
    let make = PostParams::default();
    topics.create(&make, &topic("orders", "Correct")?).await?;
    let create = |name: &'static str| {
        let (users, acls, make) = (&users, &acls, &make);
        async move {
            let (user, acl) = reader(name)?;
            users.create(make, &user).await?;
            acls.create(make, &acl).await?;
            anyhow::Ok(())
        }
    };
    let is = |name: &'static str, wanted: &'static str| {
        let acls = &acls;
        until(
            "what is said of an ACL object",
            PATIENCE,
            move || async move {
                let (ready, version) = ready(acls, name).await?;
                ensure!(
                    ready.reason == wanted,
                    "{}: {}",
                    ready.reason,
                    ready.message
                );
                Ok(Some(version))
            },
        )
    };
    let of = |name: &str| {
        let world = world.lock();
        let acls = world.acls.there.iter();
        acls.filter(|a| a.principal == format!("User:{name}"))
            .count()
    };
    let gone = |name: &'static str| {
        let of = &of;
        until("somebody's ACLs to be gone", PATIENCE, move || async move {
            Ok((of(name) == 0).then_some(()))
        })
    };
    for name in ["alice", "bob"] {
        create(name).await?;
        is(name, "Granted").await.with_context(tail)?;
        ensure!(of(name) > 0, "{name} has ACLs");
    }

    // Somebody Kafka takes nothing of; somebody else's are taken away all the same.
    let carol = "User:carol".to_owned();
    world.lock().acls.unwelcome = BTreeMap::from([(carol.clone(), INVALID_REQUEST)]);
    create("carol").await?;
    is("carol", "InvalidRequest").await.with_context(tail)?;
    acls.delete("bob", &DeleteParams::default()).await?;
    gone("bob").await.with_context(tail)?;

    // What Kafka keeps is told of, and taken away when it may be.
    {
        let mut world = world.lock();
        world.acls.unwelcome.clear();
        world.acls.kept = BTreeSet::from(["User:alice".to_owned()]);
    }
    acls.delete("alice", &DeleteParams::default()).await?;
    told(client, "AclsLeftBehind", &["INVALID_REQUEST"])
        .await
        .with_context(tail)?;
    ensure!(of("alice") > 0, "they are kept");
    world.lock().acls.kept.clear();
    gone("alice").await.with_context(tail)?;

    // With the next look at anybody's, what is refused is tried again.
    let version = is("carol", "Granted").await.with_context(tail)?;
    let each = of("carol");

    // Somebody takes them away, and for now they cannot be given back: a moment's trouble is not told.
    controller.kill();
    {
        let mut world = world.lock();
        world.acls.there.clear();
        world.acls.refused = 0;
        world.acls.unwelcome = BTreeMap::from([(carol, REQUEST_TIMED_OUT)]);
    }
    let mut controller = start_controller(&simulated.plane)?;
    until("three attempts", PATIENCE, || async {
        Ok((world.lock().acls.refused >= 3 * each).then_some(()))
    })
    .await
    .with_context(tail)?;
    let (said, now) = ready(&acls, "carol").await?;
    ensure!(
        now == version,
        "{version:?} became {now:?}: {}",
        said.reason
    );
    world.lock().acls.unwelcome.clear();
    until("the ACLs to be there", PATIENCE, || async {
        Ok((of("carol") > 0).then_some(()))
    })
    .await
    .with_context(tail)?;
    let (_, now) = ready(&acls, "carol").await?;
    ensure!(now == version, "{version:?} became {now:?}");
    controller.kill();
    simulated.is_sound()
}
