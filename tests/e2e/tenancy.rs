//! Two namespaces that try to take each other's topics never succeed, and each attempt says which rule it broke.

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use sdm_tests::login::{Attempt, read, write};
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::View;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::{KEPT_OUT, PATIENCE, TENANTS, tenants};

/// The owner with a topic and a user of its own that uses it, and a stranger with a user.
async fn two() -> Result<(sdm_kafka::Client, Space, Space, String)> {
    let (node, kafka) = tenants().await?;
    let owner = Space::create(&node, TENANTS, "owner").await?;
    let stranger = Space::create(&node, TENANTS, "stranger").await?;
    let topic = owner.topic("secret", json!({"partitions": 1})).await?;
    write(&kafka, &topic, "for the owner's eyes").await?;
    for space in [&owner, &stranger] {
        space.make(Kind::User, "app", json!({})).await?;
        space.ready(Kind::User, "app").await?;
    }
    Ok((kafka, owner, stranger, topic))
}

fn acl(roles: &[&str], subject: Value, resources: Value) -> Value {
    json!({"subjects": [subject], "roles": roles, "resources": resources})
}

fn app() -> Value {
    json!({"name": "app"})
}

/// Kafka knows no ACL of the stranger's, and what was delivered to it opens nothing.
async fn shut_out(kafka: &sdm_kafka::Client, stranger: &Space, topic: &str) -> Result<()> {
    let acls = View::of(kafka).await?.acls;
    let mine = format!("User:{}/", stranger.name);
    let found: Vec<_> = acls
        .iter()
        .filter(|a| a.contains(&mine) && a.contains(topic))
        .collect();
    ensure!(found.is_empty(), "{found:?}");
    let client = stranger.login("app").await?;
    ensure!(
        read(&client, topic).await?.is_denied(),
        "the stranger reads {topic}"
    );
    ensure!(
        write(&client, topic, "x").await?.is_denied(),
        "the stranger writes to {topic}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acl_reaches_anothers_topic() -> Result<()> {
    let (kafka, owner, stranger, topic) = two().await?;
    let on =
        |name: &str, pattern: &str| json!([{"type": "topic", "name": name, "pattern": pattern}]);
    let attempts = [
        (
            "by-name",
            acl(&["consumer", "producer"], app(), on(&topic, "literal")),
            "TopicNotOwned",
            "KafkaAccessGrant",
        ),
        (
            "by-principal",
            acl(
                &["consumer"],
                json!({"kind": "Principal", "name": "User:*"}),
                on(&topic, "literal"),
            ),
            "TopicNotOwned",
            "User:* is everybody",
        ),
        (
            "by-admin",
            acl(&["admin"], app(), json!([{"type": "cluster"}])),
            "ClusterRightsNotAllowed",
            "cluster",
        ),
        (
            "by-other-principal",
            acl(
                &["consumer"],
                json!({"kind": "Principal", "name": format!("User:{}/user/app", stranger.name)}),
                on(&topic, "literal"),
            ),
            "TopicNotOwned",
            "KafkaAccessGrant",
        ),
    ];
    for (name, spec, reason, remedy) in attempts {
        stranger
            .kept_out(Kind::Acl, name, spec, reason, remedy)
            .await?;
    }
    // A role with cluster rights of its own making is no other than the built-in one.
    stranger
        .make(Kind::Role, "root", json!({"rules": [{"resource": "cluster", "operations": ["All"]}, {"resource": "topic", "operations": ["All"]}]}))
        .await?;
    let resources = json!([{"type": "cluster"}, {"type": "topic", "name": topic}]);
    stranger
        .kept_out(
            Kind::Acl,
            "by-role",
            acl(&["root"], app(), resources),
            "ClusterRightsNotAllowed",
            "cluster",
        )
        .await?;
    // Prefixes and `*` stand for what the namespace has: nothing here, and nothing that the owner makes tomorrow.
    let prefix = format!("{}.", owner.name);
    stranger
        .make(
            Kind::Acl,
            "by-prefix",
            acl(&["consumer"], app(), on(&prefix, "prefixed")),
        )
        .await?;
    stranger
        .make(
            Kind::Acl,
            "by-star",
            acl(&["consumer"], app(), on("*", "literal")),
        )
        .await?;
    for name in ["by-prefix", "by-star"] {
        until("a verdict", PATIENCE, || async {
            stranger.says(Kind::Acl, name).await
        })
        .await?;
    }
    let tomorrow = owner.topic("tomorrow", json!({"partitions": 1})).await?;
    shut_out(&kafka, &stranger, &topic).await?;
    shut_out(&kafka, &stranger, &tomorrow).await?;
    stranger.close().await?;
    owner.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_object_takes_anothers_topic_or_name() -> Result<()> {
    let (kafka, owner, stranger, topic) = two().await?;
    stranger
        .make(
            Kind::Topic,
            "by-name",
            json!({"topicName": topic, "adoption": "Always"}),
        )
        .await?;
    stranger
        .refused(
            Kind::Topic,
            "by-name",
            "TopicNameConflict",
            "choose another topicName",
        )
        .await?;
    // Somebody else's identity, as an external user.
    let principal = format!("{}/user/app", owner.name);
    let spec = json!({"authentication": "external", "principal": principal});
    stranger
        .kept_out(Kind::User, "thief", spec, "InvalidSpec", "principal")
        .await?;
    // A grant of what is not one's own.
    stranger
        .make(
            Kind::Grant,
            "gift",
            json!({"namespaces": [stranger.name], "topics": [{"name": topic}]}),
        )
        .await?;
    let gifted = acl(
        &["consumer"],
        app(),
        json!([{"type": "topic", "name": topic}]),
    );
    stranger
        .kept_out(
            Kind::Acl,
            "gifted",
            gifted,
            "TopicNotOwned",
            "KafkaAccessGrant",
        )
        .await?;
    // The other's groups: by its name, and by who came first.
    let own = format!("{}.group", owner.name);
    let shared = format!("group-{:08x}", rand::random::<u32>());
    owner
        .make(
            Kind::Acl,
            "first",
            acl(
                &["consumer"],
                app(),
                json!([{"type": "group", "name": shared}]),
            ),
        )
        .await?;
    owner.ready(Kind::Acl, "first").await?;
    for (name, group) in [
        ("by-group-name", own.as_str()),
        ("by-group-claim", shared.as_str()),
    ] {
        let spec = acl(
            &["consumer"],
            app(),
            json!([{"type": "group", "name": group}]),
        );
        let remedy = format!("{}.", stranger.name);
        stranger
            .kept_out(Kind::Acl, name, spec, "GroupNotOwned", &remedy)
            .await?;
    }
    shut_out(&kafka, &stranger, &topic).await?;
    // Deleted by its owner and declared by the stranger in the same moment: a new topic, without the old records.
    owner.remove(Kind::Topic, "secret").await?;
    stranger.ready(Kind::Topic, "by-name").await?;
    ensure!(
        read(&kafka, &topic).await? == Attempt::Done(Vec::new()),
        "the owner's records are the stranger's now"
    );
    stranger.close().await?;
    owner.close().await
}

/// Many names, both namespaces at once: each name has one owner, who alone is let in.
#[tokio::test(flavor = "multi_thread")]
async fn a_race_for_names_has_one_winner_each() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let spaces = [
        Space::create(&node, TENANTS, "race-a").await?,
        Space::create(&node, TENANTS, "race-b").await?,
    ];
    let names: Vec<String> = (0..20)
        .map(|n| format!("race-{:08x}-{n}", rand::random::<u32>()))
        .collect();
    let make = |space: &'_ Space, name: &'_ str| {
        let (space, name) = (space.clone(), name.to_owned());
        async move {
            space
                .make(Kind::Topic, &name, json!({"partitions": 1}))
                .await
        }
    };
    try_join_all(
        names
            .iter()
            .flat_map(|name| spaces.iter().map(move |space| make(space, name))),
    )
    .await?;
    for name in &names {
        let winners = until("one winner and one loser", PATIENCE, || async {
            let mut ready = Vec::new();
            for space in &spaces {
                match space.says(Kind::Topic, name).await? {
                    Some(said) if said.ready => ready.push(space.name.clone()),
                    Some(said) if said.reason == "TopicNameConflict" => {}
                    other => anyhow::bail!("{other:?}"),
                }
            }
            Ok(Some(ready))
        })
        .await?;
        ensure!(winners.len() == 1, "{name}: {winners:?}");
    }
    ensure!(
        View::of(&kafka)
            .await?
            .topics
            .iter()
            .filter(|t| names.contains(t))
            .count()
            == names.len()
    );
    for space in spaces {
        space.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_opens_exactly_what_it_says_and_its_end_closes_it() -> Result<()> {
    let (kafka, owner, guest, topic) = two().await?;
    let wants = |roles: &[&str]| acl(roles, app(), json!([{"type": "topic", "name": topic}]));
    let (reason, remedy) = ("TopicNotOwned", "KafkaAccessGrant");
    guest
        .kept_out(Kind::Acl, "early", wants(&["consumer"]), reason, remedy)
        .await?;
    let grant = json!({"namespaces": [guest.name], "topics": [{"name": topic}], "operations": ["Read", "Describe"]});
    owner.make(Kind::Grant, "readers", grant.clone()).await?;
    // What goes beyond the grant is refused, and said.
    let beyond = wants(&["consumer", "producer"]);
    guest
        .kept_out(Kind::Acl, "beyond", beyond, "OperationNotGranted", "Write")
        .await?;
    guest.make(Kind::Acl, "guest", wants(&["consumer"])).await?;
    let client = guest.login("app").await?;
    let expected = Attempt::Done(vec!["for the owner's eyes".to_owned()]);
    until("the guest to read", PATIENCE, || async {
        Ok((read(&client, &topic).await? == expected).then_some(()))
    })
    .await?;
    ensure!(
        write(&client, &topic, "x").await?.is_denied(),
        "a reader writes"
    );
    owner.remove(Kind::Grant, "readers").await?;
    until("the guest to be shut out again", PATIENCE, || async {
        Ok(read(&client, &topic).await?.is_denied().then_some(()))
    })
    .await?;
    shut_out(&kafka, &guest, &topic).await?;
    // What was let in stays declared: it is told what became of it, and comes back with the grant.
    guest
        .refused(Kind::Acl, "guest", "TopicNotOwned", "KafkaAccessGrant")
        .await?;
    owner.make(Kind::Grant, "readers", grant).await?;
    until("the guest to read again", PATIENCE, || async {
        Ok((read(&client, &topic).await? == expected).then_some(()))
    })
    .await?;
    guest.close().await?;
    owner.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_not_let_in_gets_nothing() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let out = Space::create(&node, TENANTS, "out").await?;
    out.label(KEPT_OUT).await?;
    let topic = out.topic_name("t");
    let topic_spec = json!({"topicName": topic});
    let acl_spec = acl(
        &["consumer"],
        json!({"name": "u"}),
        json!([{"type": "topic", "name": topic}]),
    );
    for (kind, name, spec) in [
        (Kind::Topic, "t", topic_spec),
        (Kind::User, "u", json!({})),
        (Kind::Acl, "a", acl_spec),
    ] {
        out.kept_out(kind, name, spec, "NamespaceNotAllowed", "allowedNamespaces")
            .await?;
    }
    ensure!(View::of(&kafka).await?.about(&out.name).is_empty());
    ensure!(
        out.secrets().get_opt("u").await?.is_none(),
        "a credential was delivered"
    );
    out.close().await
}
