//! Users declared as objects: what is delivered for them works, is kept intact, and goes with them.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_kafka::{ScramMechanism, ScramUpsertion};
use sdm_tests::console::{Console, MOUNT};
use sdm_tests::login::{Attempt, write};
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::View;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::{PATIENCE, TENANTS, kafka_image, tenants};

/// May write to a topic.
fn producer(users: &[&str], topic: &str) -> Value {
    let subjects: Vec<Value> = users.iter().map(|u| json!({"name": u})).collect();
    json!({"subjects": subjects, "roles": ["producer"], "resources": [{"type": "topic", "name": topic}]})
}

/// A user called as it logs in, that may write to a topic.
async fn make_producer(space: &Space, name: &str, topic: &str) -> Result<()> {
    let user = json!({"authentication": name});
    space.make(Kind::User, name, user).await?;
    space.ready(Kind::User, name).await?;
    space
        .make(Kind::Acl, name, producer(&[name], topic))
        .await?;
    space.ready(Kind::Acl, name).await?;
    Ok(())
}

fn given(name: &str, key: &str, value: &str) -> Secret {
    let text = [(key.to_owned(), value.to_owned())];
    Secret {
        metadata: kube::core::ObjectMeta {
            name: Some(name.to_owned()),
            ..kube::core::ObjectMeta::default()
        },
        string_data: Some(text.into()),
        ..Secret::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_delivered_in_every_form() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "formats").await?;
    let formats = [
        "pem",
        "pkcs12",
        "java",
        "librdkafka",
        "spring",
        "env",
        "servicebinding",
    ];
    let secret = json!({"formats": formats, "labels": {"team": "a"}, "annotations": {"note": "b"}});
    for authentication in ["tls", "scram-sha-512"] {
        let spec = json!({"authentication": authentication, "secret": secret});
        space.make(Kind::User, authentication, spec).await?;
    }
    let of = async |name: &str, wanted: &[&str]| {
        space.ready(Kind::User, name).await?;
        let secret = space.secrets().get(name).await?;
        let data = secret.data.unwrap_or_default();
        let missing: Vec<_> = wanted.iter().filter(|k| !data.contains_key(**k)).collect();
        ensure!(missing.is_empty(), "{name} lacks {missing:?}");
        ensure!(secret.type_.as_deref() == Some("servicebinding.io/kafka"));
        let (labels, annotations) = (secret.metadata.labels, secret.metadata.annotations);
        ensure!(
            labels.is_some_and(|l| l["team"] == "a")
                && annotations.is_some_and(|a| a["note"] == "b")
        );
        Ok(())
    };
    let everywhere = [
        "ca.crt",
        "ca.p12",
        "p12.password",
        "client.properties",
        "librdkafka.properties",
        "application.properties",
        "client.env",
        "type",
        "provider",
        "bootstrap-servers",
    ];
    of(
        "tls",
        &[&everywhere[..], &["tls.crt", "tls.key", "user.p12"]].concat(),
    )
    .await?;
    of(
        "scram-sha-512",
        &[&everywhere[..], &["username", "password"]].concat(),
    )
    .await?;

    // Java takes the stores for what they are, and logs in with them; a shell takes the variables.
    let image = kafka_image(&node).await?;
    let console = Console::start(&node, &space.name, "tls", &image).await?;
    let script = format!(
        "set -e; cd {MOUNT}; . ./client.env; p=$(cat p12.password); \
         keytool -list -keystore user.p12 -storepass $p | grep PrivateKeyEntry; \
         printf '%s\\n' security.protocol=$KAFKA_SECURITY_PROTOCOL ssl.keystore.type=PKCS12 ssl.truststore.type=PKCS12 \
           ssl.keystore.location=$PWD/user.p12 ssl.truststore.location=$PWD/ca.p12 \
           ssl.keystore.password=$p ssl.key.password=$p ssl.truststore.password=$p >/tmp/p12; \
         kafka-topics.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --command-config /tmp/p12 --list; \
         ls $KAFKA_SSL_CA_LOCATION $KAFKA_SSL_CERTIFICATE_LOCATION $KAFKA_SSL_KEY_LOCATION; \
         kcat -q -L -b $KAFKA_BOOTSTRAP_SERVERS -X security.protocol=ssl -X ssl.ca.location=$KAFKA_SSL_CA_LOCATION \
           -X ssl.certificate.location=$KAFKA_SSL_CERTIFICATE_LOCATION -X ssl.key.location=$KAFKA_SSL_KEY_LOCATION"
    );
    console.run(&script).await?.done()?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_leaves_nothing_behind() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "leaver").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    let users = ["tls", "scram-sha-512", "scram-sha-256"];
    for name in users {
        let spec = json!({"authentication": name, "quotas": {"producerByteRate": 1_000_000, "requestPercentage": 12.5}});
        space.make(Kind::User, name, spec).await?;
        space.ready(Kind::User, name).await?;
    }
    space
        .make(Kind::Acl, "all", producer(&users, &topic))
        .await?;
    space.ready(Kind::Acl, "all").await?;
    let mut clients = Vec::new();
    for name in users {
        let client = space.login(name).await?;
        ensure!(
            write(&client, &topic, name).await? == Attempt::Done(()),
            "{name}"
        );
        clients.push((name, space.secrets().get(name).await?));
    }
    let there = View::of(&kafka).await?.about(&format!("{}/", space.name));
    ensure!(
        there.acls.len() == 6 && there.scram.len() == 2 && there.quotas.len() == 3,
        "{there:#?}"
    );
    // Less is wanted, and less is there.
    space
        .change(
            Kind::User,
            "tls",
            json!({"quotas": {"requestPercentage": null}}),
        )
        .await?;
    let principal = format!("{}/user/tls", space.name);
    until("the quota to go", PATIENCE, || async {
        let quotas = View::of(&kafka).await?.about(&principal).quotas;
        let rest =
            format!("[(\"user\", Some(\"{principal}\"))] {{\"producer_byte_rate\": 1000000.0}}");
        Ok(quotas.iter().eq([&rest]).then_some(()))
    })
    .await?;

    for name in users {
        space.remove(Kind::User, name).await?;
    }
    until("Kafka to have nothing of them", PATIENCE, || async {
        let left = View::of(&kafka).await?.about(&format!("{}/", space.name));
        ensure!(left.is_empty(), "{left:#?}");
        Ok(Some(()))
    })
    .await?;
    for (name, secret) in clients {
        until("the Secret to go", PATIENCE, || async {
            Ok(space.secrets().get_opt(name).await?.is_none().then_some(()))
        })
        .await?;
        let attempt = write(&space.login_with(&secret)?, &topic, "too late").await?;
        ensure!(attempt.is_denied(), "{name}: {attempt:?}");
    }
    space
        .refused(Kind::Acl, "all", "SubjectNotFound", "does not exist")
        .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_tampered_with_or_deleted_is_delivered_anew() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "tamper").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    for (name, key) in [("tls", "tls.key"), ("scram-sha-512", "password")] {
        make_producer(&space, name, &topic).await?;
        let first = space.secrets().get(name).await?;
        let works = async |before: &Secret| {
            let uid = &before.metadata.uid;
            until(
                &format!("{name} to be delivered anew"),
                PATIENCE,
                || async {
                    let secret = space.secrets().get(name).await?;
                    let intact = secret
                        .data
                        .as_ref()
                        .is_some_and(|d| d.get(key).is_some_and(|v| v.0 != b"tampered"));
                    ensure!(
                        intact
                            && secret.metadata.resource_version != before.metadata.resource_version
                    );
                    let attempt = write(&space.login_with(&secret)?, &topic, "again").await?;
                    ensure!(attempt == Attempt::Done(()), "{attempt:?}");
                    Ok(Some(secret.metadata.uid != *uid))
                },
            )
            .await
        };
        let patch = Patch::Merge(json!({"stringData": {key: "tampered"}}));
        let tampered = space
            .secrets()
            .patch(name, &PatchParams::default(), &patch)
            .await?;
        ensure!(!works(&tampered).await?, "it is another Secret");
        space
            .secrets()
            .delete(name, &DeleteParams::default())
            .await?;
        ensure!(works(&tampered).await?, "it is the same Secret");
        space.ready(Kind::User, name).await?;
        // Who had read it before is not cut off.
        let attempt = write(&space.login_with(&first)?, &topic, "as before").await?;
        println!("{name}: with the first Secret, after two others: {attempt:?}");
        ensure!(name != "tls" || attempt == Attempt::Done(()), "{attempt:?}");
    }
    // One that is somebody else's is left alone.
    space
        .secrets()
        .create(&PostParams::default(), &given("taken", "key", "value"))
        .await?;
    space.make(Kind::User, "taken", json!({})).await?;
    space
        .refused(
            Kind::User,
            "taken",
            "SecretTaken",
            "give another name in spec.secret.name",
        )
        .await?;
    ensure!(space.delivered("taken", "key").await? == "value");
    space
        .change(Kind::User, "taken", json!({"secret": {"name": "free"}}))
        .await?;
    space.ready(Kind::User, "taken").await?;
    space.login("free").await?.describe_cluster(false).await?;
    space.close().await
}

/// In the middle of a rotation too, with a login before that is still to be valid.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_moves_to_another_secret_as_it_is() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "moves").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    for (name, key) in [("tls", "tls.key"), ("scram-sha-512", "password")] {
        make_producer(&space, name, &topic).await?;
        let first = space.login_with(&space.secrets().get(name).await?)?;
        let before = space.delivered(name, key).await?;
        space
            .annotate(Kind::User, name, ANNOTATION_ROTATE, "now")
            .await?;
        let rotated = until("another credential", PATIENCE, || async {
            let rotated = space.delivered(name, key).await?;
            Ok((rotated != before).then_some(rotated))
        })
        .await?;
        space.ready(Kind::User, name).await?;
        let moved = format!("moved-{name}");
        space
            .change(Kind::User, name, json!({"secret": {"name": moved}}))
            .await?;
        until("the Secret to be the other one", PATIENCE, || async {
            let gone = space.secrets().get_opt(name).await?.is_none();
            Ok((gone && space.delivered(&moved, key).await? == rotated).then_some(()))
        })
        .await?;
        space.ready(Kind::User, name).await?;
        for login in [first, space.login(&moved).await?] {
            let attempt = write(&login, &topic, "after the move").await?;
            ensure!(attempt == Attempt::Done(()), "{name}: {attempt:?}");
        }
    }
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_of_ones_own_is_used_and_its_change_followed() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "given").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    let spec = json!({"authentication": "scram-sha-512", "password": {"secretRef": {"name": "mine", "key": "word"}}});
    space.make(Kind::User, "app", spec).await?;
    space
        .refused(
            Kind::User,
            "app",
            "PasswordNotFound",
            "Secret mine with a key \"word\"",
        )
        .await?;
    space
        .secrets()
        .create(
            &PostParams::default(),
            &given("mine", "word", "with a line break\n"),
        )
        .await?;
    space
        .refused(Kind::User, "app", "PasswordUnusable", "without one")
        .await?;
    space
        .make(Kind::Acl, "app", producer(&["app"], &topic))
        .await?;
    for word in ["correct horse \"battery\" staple", "another, and\\more"] {
        let patch = Patch::Merge(json!({"stringData": {"word": word}}));
        space
            .secrets()
            .patch("mine", &PatchParams::default(), &patch)
            .await?;
        // What is given is looked at when its user is, and by every sweep.
        space
            .annotate(Kind::User, "app", "tests/look", &word.len().to_string())
            .await?;
        until("the password to be delivered", PATIENCE, || async {
            Ok((space.delivered("app", "password").await? == word).then_some(()))
        })
        .await?;
        space.ready(Kind::User, "app").await?;
        let client = space.login("app").await?;
        until("the client to be allowed", PATIENCE, || async {
            Ok((write(&client, &topic, word).await? == Attempt::Done(())).then_some(()))
        })
        .await?;
    }
    space.close().await
}

/// Another way to log in replaces the one before, which stays valid until its overlap ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_logs_in_differently_is_not_cut_off() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "change").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    space
        .make(
            Kind::User,
            "app",
            json!({"authentication": "scram-sha-512"}),
        )
        .await?;
    space
        .make(Kind::Acl, "app", producer(&["app"], &topic))
        .await?;
    space.ready(Kind::User, "app").await?;
    space.ready(Kind::Acl, "app").await?;
    let before = space.secrets().get("app").await?;
    space
        .change(Kind::User, "app", json!({"authentication": "tls"}))
        .await?;
    let client = until("a certificate", PATIENCE, || async {
        space.delivered("app", "tls.crt").await?;
        Ok(Some(space.login("app").await?))
    })
    .await?;
    space.ready(Kind::User, "app").await?;
    for client in [&client, &space.login_with(&before)?] {
        let attempt = write(client, &topic, "x").await?;
        ensure!(attempt == Attempt::Done(()), "{attempt:?}");
    }
    let previous = space.status(Kind::User, "app", "previous").await?;
    ensure!(
        previous["username"] == format!("{}/user/app", space.name),
        "{previous}"
    );
    space
        .annotate(Kind::User, "app", ANNOTATION_ROTATE_FINISH, "now")
        .await?;
    until("the password to be revoked", PATIENCE, || async {
        Ok(View::of(&kafka)
            .await?
            .about(&space.name)
            .scram
            .is_empty()
            .then_some(()))
    })
    .await?;
    ensure!(
        write(&space.login_with(&before)?, &topic, "x")
            .await?
            .is_denied()
    );
    let attempt = write(&client, &topic, "x").await?;
    ensure!(attempt == Attempt::Done(()), "{attempt:?}");
    space.close().await
}

/// A credential that somebody else provides: only rights and quotas are ours.
#[tokio::test(flavor = "multi_thread")]
async fn an_external_user_gets_rights_and_no_credential() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "external").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    let principal = format!("legacy.{}", space.name);
    let salt = vec![7; 24];
    let made = ScramUpsertion::derive(
        principal.clone(),
        ScramMechanism::Sha512,
        8192,
        salt,
        "secret",
    )?;
    for (user, verdict) in kafka.alter_scram(&[], &[made]).await? {
        verdict.map_err(|e| anyhow::anyhow!("{user}: {e}"))?;
    }
    let spec = json!({"authentication": "external", "principal": principal, "quotas": {"producerByteRate": 1_000_000}});
    space.make(Kind::User, "legacy", spec).await?;
    space
        .make(Kind::Acl, "legacy", producer(&["legacy"], &topic))
        .await?;
    space.ready(Kind::User, "legacy").await?;
    space.ready(Kind::Acl, "legacy").await?;
    ensure!(
        space.secrets().get_opt("legacy").await?.is_none(),
        "a Secret was delivered"
    );
    let ca = node_ca(&space).await?;
    let mut secret = given("legacy", "username", &principal);
    let bytes = |text: &str| k8s_openapi::ByteString(text.as_bytes().to_vec());
    let data = [
        ("username", principal.as_str()),
        ("password", "secret"),
        ("ca.crt", ca.as_str()),
    ];
    secret.data = Some(data.map(|(k, v)| (k.to_owned(), bytes(v))).into());
    let client = space.login_with(&secret)?;
    ensure!(write(&client, &topic, "x").await? == Attempt::Done(()));
    space.remove(Kind::User, "legacy").await?;
    until("its rights to go", PATIENCE, || async {
        let left = View::of(&kafka).await?.about(&principal);
        ensure!(left.acls.is_empty() && left.quotas.is_empty(), "{left:#?}");
        Ok(Some(()))
    })
    .await?;
    ensure!(
        View::of(&kafka).await?.about(&principal).scram.len() == 1,
        "the credential is not ours to take"
    );
    space.close().await
}

async fn node_ca(space: &Space) -> Result<String> {
    let cluster = Space::of(&space.node, TENANTS, TENANTS.0);
    cluster
        .delivered("tenants-admin", "ca.crt")
        .await
        .context("the authority")
}
