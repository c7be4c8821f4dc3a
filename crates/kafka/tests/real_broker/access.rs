//! ACLs, and whether they bite; credentials; quotas.

use std::collections::{BTreeMap, BTreeSet};

use sdm_kafka::{
    AclBinding, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType, Client,
    Producer, ProducerConfig, QuotaChange, QuotaEntity, QuotaFilter, Record, ScramDeletion,
    ScramMechanism, ScramUpsertion,
};

use crate::node::{Kafka, eventually};

/// Allows `principal` to do `operation` on the topic of exactly this name.
fn allow(principal: &str, operation: AclOperation, topic: &str) -> AclBinding {
    AclBinding {
        resource_type: AclResourceType::Topic,
        resource_name: topic.into(),
        pattern_type: AclPatternType::Literal,
        principal: principal.into(),
        host: "*".into(),
        operation,
        permission: AclPermission::Allow,
    }
}

fn every_kind() -> Vec<AclBinding> {
    let app = "User:team/app";
    let distinguished = "User:CN=a b,OU=c/d,O=\"e, f\"";
    let on = |resource_type, name: &str, operation| AclBinding {
        resource_type,
        resource_name: name.into(),
        ..allow(app, operation, "")
    };
    vec![
        allow(app, AclOperation::Read, "orders"),
        allow(distinguished, AclOperation::All, "orders"),
        AclBinding {
            pattern_type: AclPatternType::Prefixed,
            ..allow(distinguished, AclOperation::Write, "team.")
        },
        AclBinding {
            permission: AclPermission::Deny,
            host: "10.1.2.3".into(),
            ..allow("User:*", AclOperation::Delete, "*")
        },
        on(AclResourceType::Group, "readers", AclOperation::Read),
        on(
            AclResourceType::Cluster,
            "kafka-cluster",
            AclOperation::AlterConfigs,
        ),
        on(
            AclResourceType::TransactionalId,
            "tx",
            AclOperation::TwoPhaseCommit,
        ),
        on(
            AclResourceType::DelegationToken,
            "token",
            AclOperation::Describe,
        ),
        on(
            AclResourceType::User,
            "User:somebody",
            AclOperation::CreateTokens,
        ),
    ]
}

pub async fn acls_come_and_go(client: &Client) {
    assert_eq!(client.describe_acls(&AclFilter::any()).await.unwrap(), []);
    let wanted = every_kind();
    let mut asked = wanted.clone();
    // Refused here, never sent: a number nobody knows could mean "any" tomorrow.
    asked.insert(1, allow("User:x", AclOperation::Unknown(1), "orders"));
    // Refused there.
    asked.insert(0, allow("no colon", AclOperation::Read, "orders"));
    asked.insert(1, allow("User:x", AclOperation::Read, ""));
    // The second time around they exist already.
    for _ in 0..2 {
        let verdicts = client.create_acls(&asked).await.unwrap();
        assert_eq!(verdicts.len(), asked.len());
        for (acl, verdict) in asked.iter().zip(&verdicts) {
            assert_eq!(verdict.is_ok(), wanted.contains(acl), "{acl:?} {verdict:?}");
            if let Err(e) = verdict {
                println!("{} {:?}: {e}", acl.principal, acl.resource_name);
            }
        }
    }
    let wanted: BTreeSet<AclBinding> = wanted.into_iter().collect();
    let told = async |filter: &AclFilter| -> BTreeSet<AclBinding> {
        let told = client.describe_acls(filter).await.unwrap();
        assert!(told.is_sorted());
        told.into_iter().collect()
    };
    eventually(async || (told(&AclFilter::any()).await == wanted).then_some(())).await;

    let those = |which: fn(&AclBinding) -> bool| -> BTreeSet<AclBinding> {
        wanted.iter().filter(|acl| which(acl)).cloned().collect()
    };
    let of_app = those(|acl| acl.principal == "User:team/app");
    assert_eq!(told(&AclFilter::principal("User:team/app")).await, of_app);
    let on_orders = those(|acl| acl.resource_name == "orders");
    let orders = AclFilter::resource(AclResourceType::Topic, "orders");
    assert_eq!(told(&orders).await, on_orders);
    let affecting = AclFilter::affecting(AclResourceType::Topic, "team.x");
    let reach = those(|acl| ["team.", "*"].contains(&&*acl.resource_name));
    assert_eq!(told(&affecting).await, reach);
    let unknown = AclFilter {
        operation: Some(AclOperation::Unknown(77)),
        ..AclFilter::any()
    };
    assert_eq!(
        client.describe_acls(&unknown).await.unwrap_err().reason(),
        "InvalidClientConfig"
    );

    // Exactly those that are named go.
    let prefixed = wanted
        .iter()
        .find(|acl| acl.pattern_type == AclPatternType::Prefixed)
        .unwrap();
    let literal = AclBinding {
        pattern_type: AclPatternType::Literal,
        ..prefixed.clone()
    };
    let unknown = AclBinding {
        operation: AclOperation::Unknown(1),
        ..prefixed.clone()
    };
    let verdicts = client
        .delete_acls(&[literal, unknown, prefixed.clone()])
        .await
        .unwrap();
    assert_eq!((&verdicts[0], &verdicts[2]), (&Ok(0), &Ok(1)));
    assert_eq!(verdicts[1].as_ref().unwrap_err().name, "INVALID_REQUEST");
    let rest: Vec<AclBinding> = wanted
        .iter()
        .filter(|acl| *acl != prefixed)
        .cloned()
        .collect();
    eventually(async || {
        (client.describe_acls(&AclFilter::any()).await.unwrap() == rest).then_some(())
    })
    .await;
    let verdicts = client.delete_acls(&rest).await.unwrap();
    assert!(verdicts.iter().all(|v| *v == Ok(1)), "{verdicts:?}");
    eventually(async || told(&AclFilter::any()).await.is_empty().then_some(())).await;
}

pub async fn many_acls_go_in_one_call(client: &Client) {
    // More than one request takes.
    let mut many: Vec<AclBinding> = (0..1200)
        .map(|n| allow("User:many", AclOperation::Read, &format!("many-{n}")))
        .collect();
    many[700].operation = AclOperation::Unknown(0);
    let created = client.create_acls(&many).await.unwrap();
    let refused = |verdicts: Vec<bool>| -> Vec<usize> {
        (0..verdicts.len()).filter(|at| !verdicts[*at]).collect()
    };
    assert_eq!(refused(created.iter().map(Result::is_ok).collect()), [700]);
    let of_many = AclFilter::principal("User:many");
    eventually(async || {
        (client.describe_acls(&of_many).await.unwrap().len() == 1199).then_some(())
    })
    .await;
    let deleted = client.delete_acls(&many).await.unwrap();
    assert_eq!(
        refused(deleted.iter().map(|d| *d == Ok(1)).collect()),
        [700]
    );
}

pub async fn the_authorizer_denies_and_allows(kafka: &Kafka, client: &Client) {
    let name = "team/app, of the second floor";
    // A principal made of a certificate's subject keeps the escapes of a distinguished name (RFC 2253).
    let principal = "User:team/app\\, of the second floor";
    let app = Producer::new(
        kafka.client(&kafka.ca.issue(name)),
        ProducerConfig::default(),
    );
    let outcome = async || match app.send("orders", Record::default()).await {
        Ok(_) => "written",
        Err(e) => e.reason(),
    };
    let becomes =
        async |wanted: &str| eventually(async || (outcome().await == wanted).then_some(())).await;
    assert_eq!(outcome().await, "TopicAuthorizationFailed");

    let create = async |acl: AclBinding| {
        client.create_acls(&[acl]).await.unwrap()[0]
            .as_ref()
            .unwrap();
    };
    let allowed = AclBinding {
        pattern_type: AclPatternType::Prefixed,
        ..allow(principal, AclOperation::Write, "ord")
    };
    create(allowed.clone()).await;
    becomes("written").await;
    let denied = AclBinding {
        permission: AclPermission::Deny,
        ..allow(principal, AclOperation::Write, "orders")
    };
    create(denied.clone()).await;
    becomes("TopicAuthorizationFailed").await;
    assert_eq!(client.delete_acls(&[denied]).await.unwrap(), [Ok(1)]);
    becomes("written").await;
    assert_eq!(client.delete_acls(&[allowed]).await.unwrap(), [Ok(1)]);
    becomes("TopicAuthorizationFailed").await;
}

pub async fn credentials_come_and_go(client: &Client) {
    use ScramMechanism::{Sha256, Sha512};
    let derive = |user: &str, mechanism, iterations| {
        ScramUpsertion::derive(user, mechanism, iterations, *b"0123456789abcdef", "pencil").unwrap()
    };
    let of = async |users: Option<&[&str]>| -> BTreeMap<String, Vec<(ScramMechanism, i32)>> {
        let told = client.describe_scram(users).await.unwrap();
        told.into_iter().map(|(u, c)| (u, c.unwrap())).collect()
    };
    assert_eq!(of(None).await, BTreeMap::new());

    let verdicts = client
        .alter_scram(
            &[ScramDeletion {
                user: "nobody".into(),
                mechanism: Sha256,
            }],
            &[
                derive("team/app, too", Sha512, 4096),
                derive("weak", Sha512, 100),
                derive("two", Sha256, 4096),
            ],
        )
        .await
        .unwrap();
    let verdicts: BTreeMap<_, _> = verdicts.into_iter().collect();
    assert_eq!(verdicts.len(), 4);
    assert_eq!(
        (&verdicts["team/app, too"], &verdicts["two"]),
        (&Ok(()), &Ok(()))
    );
    let error = |user: &str| {
        let error = verdicts[user].as_ref().unwrap_err();
        println!("{user}: {error}");
        error.name
    };
    assert_eq!(error("nobody"), "RESOURCE_NOT_FOUND");
    assert_eq!(error("weak"), "UNACCEPTABLE_CREDENTIAL");

    // One credential of a user in each call.
    let twice = [derive("two", Sha256, 8192), derive("two", Sha512, 4096)];
    let both = client.alter_scram(&[], &twice).await.unwrap();
    assert_eq!(both[0].1.as_ref().unwrap_err().name, "DUPLICATE_RESOURCE");
    let other = client.alter_scram(&[], &twice[1..]).await.unwrap();
    assert_eq!(other, [("two".to_owned(), Ok(()))]);
    eventually(async || {
        let credentials = of(Some(&["two"])).await.remove("two")?;
        (credentials == [(Sha256, 4096), (Sha512, 4096)]).then_some(())
    })
    .await;
    eventually(async || (of(None).await.len() == 2).then_some(())).await;
    let named = of(Some(&["team/app, too", "nobody"])).await;
    assert_eq!(named["team/app, too"], [(Sha512, 4096)]);
    assert_eq!(named["nobody"], []);
    assert_eq!(client.describe_scram(Some(&[])).await.unwrap(), []);

    let deletions: Vec<ScramDeletion> = of(None)
        .await
        .into_iter()
        .flat_map(|(user, credentials)| {
            credentials
                .into_iter()
                .map(move |(mechanism, _)| (user.clone(), mechanism))
        })
        .map(|(user, mechanism)| ScramDeletion { user, mechanism })
        .collect();
    for deletion in deletions {
        let verdicts = client.alter_scram(&[deletion], &[]).await.unwrap();
        assert_eq!(verdicts[0].1, Ok(()));
    }
    eventually(async || of(None).await.is_empty().then_some(())).await;
}

pub async fn quotas_come_and_go(client: &Client) {
    const WRITE: &str = "producer_byte_rate";
    const TIME: &str = "request_percentage";
    let app = QuotaEntity::user(Some("team/app, too"));
    let everyone = QuotaEntity::user(None);
    let narrowed = QuotaEntity::user_with_client_id(None, Some("batch"));
    let anybody = QuotaEntity::client_id(None);
    let address = QuotaEntity::ip(Some("127.0.0.9"));
    let change = |entity: &QuotaEntity, ops: &[(&str, Option<f64>)]| QuotaChange {
        entity: entity.clone(),
        ops: ops.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect(),
    };
    let wanted = [
        change(&app, &[(WRITE, Some(1_048_576.0)), (TIME, Some(12.5))]),
        change(&everyone, &[(WRITE, Some(1e12))]),
        change(&narrowed, &[(TIME, Some(50.0))]),
        change(&anybody, &[("consumer_byte_rate", Some(1e12))]),
        change(&address, &[("connection_creation_rate", Some(5.0))]),
    ];
    let odd = [
        change(&QuotaEntity::user(Some("x")), &[("no_such_key", Some(1.0))]),
        change(
            &QuotaEntity::new([("planet".to_owned(), Some("mars".to_owned()))]),
            &[(WRITE, Some(1.0))],
        ),
    ];
    for validate_only in [true, false] {
        let asked = [&wanted[..], &odd].concat();
        let verdicts: BTreeMap<_, _> = client
            .alter_client_quotas(&asked, validate_only)
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(verdicts.len(), asked.len());
        for change in &asked {
            let verdict = &verdicts[&change.entity];
            assert_eq!(verdict.is_ok(), wanted.contains(change), "{verdict:?}");
            if let Err(e) = verdict {
                println!("{:?}: {e}", change.entity);
                assert_eq!(e.name, "INVALID_REQUEST");
            }
        }
        if validate_only {
            let told = client.describe_client_quotas(&QuotaFilter::All).await;
            assert_eq!(told.unwrap(), []);
        }
    }
    let told = async |filter: QuotaFilter| -> BTreeMap<QuotaEntity, BTreeMap<String, f64>> {
        let told = client.describe_client_quotas(&filter).await.unwrap();
        told.into_iter().collect()
    };
    let all: BTreeMap<_, BTreeMap<_, _>> = wanted
        .iter()
        .map(|c| {
            let values = c.ops.iter().map(|(k, v)| (k.clone(), v.unwrap()));
            (c.entity.clone(), values.collect())
        })
        .collect();
    eventually(async || (told(QuotaFilter::All).await == all).then_some(())).await;
    let users = told(QuotaFilter::Users).await;
    assert_eq!(users.keys().collect::<Vec<_>>(), [&everyone, &app]);
    assert_eq!(
        users.keys().map(QuotaEntity::as_user).collect::<Vec<_>>(),
        [Some(None), Some(Some("team/app, too"))]
    );
    for entity in all.keys() {
        let one = told(QuotaFilter::Exactly(entity.clone())).await;
        assert_eq!(one.keys().collect::<Vec<_>>(), [entity]);
    }

    // One key goes, the others stay; an entity without keys is gone.
    let verdicts = client
        .alter_client_quotas(&[change(&app, &[(TIME, None)])], false)
        .await
        .unwrap();
    assert_eq!(verdicts[0].1, Ok(()));
    eventually(async || {
        let left = &told(QuotaFilter::Exactly(app.clone())).await[&app];
        left.keys().eq([WRITE]).then_some(())
    })
    .await;
    let gone: Vec<QuotaChange> = wanted
        .iter()
        .map(|c| QuotaChange {
            entity: c.entity.clone(),
            ops: c.ops.iter().map(|(k, _)| (k.clone(), None)).collect(),
        })
        .collect();
    let verdicts = client.alter_client_quotas(&gone, false).await.unwrap();
    assert!(verdicts.iter().all(|(_, v)| v.is_ok()), "{verdicts:?}");
    eventually(async || told(QuotaFilter::All).await.is_empty().then_some(())).await;
}
