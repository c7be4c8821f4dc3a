//! A Kafka that refuses ACLs of some: who is allowed something keeps it, nobody else's revocation waits, and it is told.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use sdm_api::{KafkaACL, KafkaUser};
use sdm_tests::fake_acls::{INVALID_REQUEST, REQUEST_TIMED_OUT};
use serde_json::json;

use crate::simulated::{Simulated, object, ready, topic};

/// Somebody, and an ACL object of the same name that lets them read `orders`.
fn reader(name: &str) -> Result<(KafkaUser, KafkaACL)> {
    let cluster = json!({"name": "case"});
    let user = json!({"clusterRef": cluster, "authentication": "external", "principal": name});
    let acl = json!({
        "clusterRef": cluster, "roles": ["consumer"],
        "subjects": [{"kind": "KafkaUser", "name": name}],
        "resources": [{"type": "topic", "name": "orders"}],
    });
    Ok((object(name, &user)?, object(name, &acl)?))
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_kafka_refuses_keeps_what_is_theirs_and_holds_up_nobody() -> Result<()> {
    let simulated = Simulated::start("revocation").await?;
    let world = &simulated.world;
    let users: Api<KafkaUser> = simulated.api();
    let acls: Api<KafkaACL> = simulated.api();
    let make = PostParams::default();
    simulated.create(vec![topic("orders", "Correct")?]).await?;
    let create = |name: &'static str| {
        let (users, acls, make) = (&users, &acls, &make);
        async move {
            let (user, acl) = reader(name)?;
            users.create(make, &user).await?;
            acls.create(make, &acl).await?;
            anyhow::Ok(())
        }
    };
    let is = |name: &'static str, wanted: &'static str| simulated.until_says(&acls, name, wanted);
    let of = |name: &str| {
        let world = world.lock();
        let acls = world.acls.there.iter();
        acls.filter(|a| a.principal == format!("User:{name}"))
            .count()
    };
    let gone = |name: &'static str| {
        let of = &of;
        simulated.until("somebody's ACLs to be gone", move || async move {
            Ok((of(name) == 0).then_some(()))
        })
    };
    for name in ["alice", "bob"] {
        create(name).await?;
        is(name, "Granted").await?;
        ensure!(of(name) > 0, "{name} has ACLs");
    }

    // Somebody Kafka takes nothing of; somebody else's are taken away all the same.
    let carol = "User:carol".to_owned();
    world.lock().acls.unwelcome = BTreeMap::from([(carol.clone(), INVALID_REQUEST)]);
    create("carol").await?;
    is("carol", "InvalidRequest").await?;
    acls.delete("bob", &DeleteParams::default()).await?;
    gone("bob").await?;

    // What Kafka keeps is told of, and taken away when it may be.
    {
        let mut world = world.lock();
        world.acls.unwelcome.clear();
        world.acls.kept = BTreeSet::from(["User:alice".to_owned()]);
    }
    acls.delete("alice", &DeleteParams::default()).await?;
    simulated
        .until_told("AclsLeftBehind", &["INVALID_REQUEST"])
        .await?;
    ensure!(of("alice") > 0, "they are kept");
    world.lock().acls.kept.clear();
    gone("alice").await?;

    // With the next look at anybody's, what is refused is tried again.
    let version = is("carol", "Granted").await?;
    let each = of("carol");

    // Somebody takes them away, and for now they cannot be given back: a moment's trouble is not told.
    simulated.restart(|world| {
        world.acls.there.clear();
        world.acls.refused = 0;
        world.acls.unwelcome = BTreeMap::from([(carol, REQUEST_TIMED_OUT)]);
    })?;
    simulated
        .until("three attempts", || async {
            Ok((world.lock().acls.refused >= 3 * each).then_some(()))
        })
        .await?;
    let (said, now) = ready(&acls, "carol").await?;
    ensure!(
        now == version,
        "{version:?} became {now:?}: {}",
        said.reason
    );
    world.lock().acls.unwelcome.clear();
    simulated
        .until("the ACLs to be there", || async {
            Ok((of("carol") > 0).then_some(()))
        })
        .await?;
    let (_, now) = ready(&acls, "carol").await?;
    ensure!(now == version, "{version:?} became {now:?}");
    simulated.finish()
}
