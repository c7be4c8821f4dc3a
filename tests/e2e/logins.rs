//! Clients of other makers, Kafka's own in Java and kcat on librdkafka, with nothing but the Secret that was delivered:
//! denied before the ACL, allowed right after it, and never interrupted by a new credential.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_tests::console::{Console, MOUNT};
use sdm_tests::login::write;
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::{PATIENCE, TENANTS, kafka_image, tenants};

/// From the apply of a `KafkaACL` until a client does what it allows.
const EFFECTIVE: Duration = Duration::from_secs(2);

/// A namespace with the topic `<namespace>.orders` and the user `app`, and a Pod with that user's Secret.
struct Client {
    space: Space,
    console: Console,
    topic: String,
}

impl Client {
    async fn new(spec: Value) -> Result<Self> {
        let (node, kafka) = tenants().await?;
        let space = Space::create(&node, TENANTS, "login").await?;
        let topic = format!("{}.orders", space.name);
        space
            .make(
                Kind::Topic,
                "orders",
                json!({"topicName": topic, "partitions": 2}),
            )
            .await?;
        space.make(Kind::User, "app", spec).await?;
        space.ready(Kind::Topic, "orders").await?;
        space.ready(Kind::User, "app").await?;
        // Something to read.
        write(&kafka, &topic, "the first").await?;
        let image = kafka_image(&node).await?;
        let console = Console::start(&node, &space.name, "app", &image).await?;
        Ok(Self {
            space,
            console,
            topic,
        })
    }

    async fn allow(&self) -> Result<()> {
        let spec = json!({
            "subjects": [{"name": "app"}],
            "roles": ["producer", "consumer"],
            "resources": [
                {"type": "topic", "name": self.topic},
                {"type": "group", "name": format!("{}.", self.space.name), "pattern": "prefixed"}
            ]
        });
        self.space.make(Kind::Acl, "app", spec).await
    }

    /// A command line of Kafka's Java tools.
    fn java(&self, tool: &str, arguments: &str) -> String {
        format!(
            "{tool}.sh --bootstrap-server $(sed -n 's/^bootstrap.servers=//p' {MOUNT}/client.properties) \
             --command-config {MOUNT}/client.properties --topic {} {arguments}",
            self.topic
        )
    }

    /// A command line of kcat.
    fn kcat(&self, arguments: &str) -> String {
        format!(
            "kcat -q -F {MOUNT}/librdkafka.properties -t {} {arguments}",
            self.topic
        )
    }

    async fn end(self) -> Result<()> {
        self.space.close().await
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// JSON that one of Kafka's verifiable clients printed, a value a line.
fn events(output: &str) -> Vec<Value> {
    let lines = output.lines().filter(|l| l.starts_with('{'));
    lines.filter_map(|l| serde_json::from_str(l).ok()).collect()
}

fn named<'a>(events: &'a [Value], name: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |e| e["name"] == name)
}

/// Denied before the ACL, allowed at most two seconds after its apply, and denied again without it: each by both clients.
async fn logs_in(authentication: &str) -> Result<()> {
    let client = Client::new(json!({"authentication": authentication})).await?;
    let console = &client.console;

    let said = console.run(&client.kcat("-C -o beginning -c 1")).await?;
    ensure!(said.is_denied(), "kcat was not denied: {said:?}");
    let said = console
        .run(&format!(
            "echo early | {}",
            client.java("kafka-console-producer", "")
        ))
        .await?;
    ensure!(
        said.is_denied(),
        "the console producer was not denied: {said:?}"
    );

    // Both ask again and again, and note when.
    let kcat = client.kcat("-C -o beginning -c 1");
    let probe = format!(
        "while :; do if {kcat} >/dev/null 2>&1; then echo ok $(date +%s%3N); else echo denied; fi; done"
    );
    console.begin("kcat", &probe).await?;
    let producer = client.java("kafka-verifiable-producer", "--throughput 20");
    let often = format!(
        "(cat {MOUNT}/client.properties; echo retry.backoff.max.ms=100) >/tmp/client.properties"
    );
    let producer = producer.replace(&format!("config {MOUNT}"), "config /tmp");
    console
        .begin("java", &format!("{often}; exec {producer}"))
        .await?;
    let asked = |text: &str| text.matches("TopicAuthorizationException").count() > 2;
    console
        .until("java", "the Java producer to be denied", asked)
        .await?;
    console
        .until("kcat", "kcat to be denied", |text| text.contains("denied"))
        .await?;

    let applied = now();
    client.allow().await?;
    let success = |text: &str| text.contains("producer_send_success");
    let java = console
        .until("java", "the Java producer to be allowed", success)
        .await?;
    let kcat = console
        .until("kcat", "kcat to be allowed", |text| text.contains("ok "))
        .await?;
    console.end("kcat").await?;
    console.end("java").await?;
    let first = |ms: Option<u64>| {
        let at = Duration::from_millis(ms.context("a moment")?);
        anyhow::Ok(at.saturating_sub(applied))
    };
    let java = events(&java);
    let java = first(
        named(&java, "producer_send_success")
            .next()
            .and_then(|e| e["timestamp"].as_u64()),
    )?;
    let kcat = first(
        kcat.lines()
            .find_map(|l| l.strip_prefix("ok ")?.parse().ok()),
    )?;
    println!(
        "{authentication}: allowed after the apply: Kafka's Java client {java:?}, kcat {kcat:?}"
    );
    ensure!(java < EFFECTIVE && kcat < EFFECTIVE, "{java:?} {kcat:?}");

    // Each reads what the other has written.
    let read = console
        .run(&client.kcat("-C -o beginning -e"))
        .await?
        .done()?;
    ensure!(
        read.lines().filter(|l| l.parse::<u64>().is_ok()).count() > 0,
        "{read}"
    );
    let written = console
        .run(&format!("echo from-kcat | {}", client.kcat("-P -p 0")))
        .await?;
    written.done()?;
    let last = console
        .run(&client.kcat("-C -p 0 -o -1 -c 1 -f %o"))
        .await?
        .done()?;
    let arguments = format!("--partition 0 --offset {last} --max-messages 1");
    let read = console
        .run(&client.java("kafka-console-consumer", &arguments))
        .await?
        .done()?;
    ensure!(read.trim() == "from-kcat", "{read}");

    client.space.remove(Kind::Acl, "app").await?;
    until("kcat to be denied again", EFFECTIVE, || async {
        let said = console.run(&client.kcat("-C -o beginning -c 1")).await?;
        Ok(said.is_denied().then_some(()))
    })
    .await?;
    client.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_logs_in_and_its_acl_is_in_effect_within_two_seconds() -> Result<()> {
    logs_in("tls").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scram_sha_512_password_logs_in_and_its_acl_is_in_effect_within_two_seconds() -> Result<()>
{
    logs_in("scram-sha-512").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scram_sha_256_password_logs_in_and_its_acl_is_in_effect_within_two_seconds() -> Result<()>
{
    logs_in("scram-sha-256").await
}

/// Clients that go on: Java's producer and a group of Java's consumers, kcat reading, all on connections that last; and
/// kcat, which logs in anew for each record with the Secret as it is mounted at that moment.
struct Traffic<'a> {
    client: &'a Client,
}

impl<'a> Traffic<'a> {
    async fn begin(client: &'a Client) -> Result<Self> {
        let console = &client.console;
        let group = format!("--group-id {}.app", client.space.name);
        for (name, command) in [
            ("consumer", client.java("kafka-verifiable-consumer", &group)),
            (
                "producer",
                client.java("kafka-verifiable-producer", "--throughput 20"),
            ),
            ("reader", client.kcat("-C -u -o beginning")),
        ] {
            console.begin(name, &format!("exec {command}")).await?;
        }
        // What is mounted is exchanged as a whole; who reads several files has to take care to read them together.
        let anew = format!(
            "n=0; while [ ! -e /tmp/enough ]; do \
               d=$(readlink {MOUNT}/..data); rm -rf /tmp/copy; cp -rL {MOUNT}/..data/ /tmp/copy 2>/dev/null; \
               [ \"$d\" = \"$(readlink {MOUNT}/..data)\" ] || continue; \
               sed 's#{MOUNT}/#/tmp/copy/#' /tmp/copy/librdkafka.properties >/tmp/copy/kcat.conf; n=$((n+1)); \
               if echo anew-$n | kcat -q -F /tmp/copy/kcat.conf -P -t {} 2>/tmp/anew.err; then echo ok $d; \
               else echo failed $d $(tr '\\n' ' ' </tmp/anew.err); fi; done",
            client.topic
        );
        console.begin("anew", &anew).await?;
        let traffic = Self { client };
        traffic.flows().await?;
        Ok(traffic)
    }

    /// Waits until every client has got further.
    async fn flows(&self) -> Result<()> {
        let console = &self.client.console;
        for (name, word) in [
            ("producer", "producer_send_success"),
            ("consumer", "records_consumed"),
            ("reader", "\n"),
            ("anew", "ok "),
        ] {
            let before = console.output(name).await?.matches(word).count();
            let further = |text: &str| text.matches(word).count() > before + 2;
            console
                .until(name, &format!("{name} to get further"), further)
                .await?;
        }
        Ok(())
    }

    /// Ends it: nobody was ever refused anything, and everything that was written was read by everybody.
    async fn conclude(self) -> Result<()> {
        let console = &self.client.console;
        let producer = events(&console.end("producer").await?);
        console.run("touch /tmp/enough").await?.done()?;
        let anew = console.until("anew", "kcat to end", |_| true).await?;
        let data = named(&producer, "tool_data")
            .next()
            .context("the producer's own account")?;
        let (sent, acked) = (data["sent"].as_u64(), data["acked"].as_u64());
        ensure!(
            sent == acked && acked > Some(0),
            "sent {sent:?}, acknowledged {acked:?}"
        );
        let errors: Vec<_> = named(&producer, "producer_send_error").collect();
        ensure!(errors.is_empty(), "{errors:?}");
        let failed: Vec<_> = anew.lines().filter(|l| l.starts_with("failed")).collect();
        ensure!(failed.is_empty(), "{failed:?}");

        let mut secrets: BTreeMap<&str, usize> = BTreeMap::new();
        let logins = anew.lines().filter_map(|l| l.strip_prefix("ok "));
        logins.for_each(|l| *secrets.entry(l).or_default() += 1);
        ensure!(
            secrets.len() == 2,
            "logins with each of the two Secrets: {secrets:?}"
        );
        let written = acked.unwrap_or_default();
        let read = until("the group to read everything", PATIENCE, || async {
            let consumer = events(&console.output("consumer").await?);
            let counts = named(&consumer, "records_consumed").filter_map(|e| e["count"].as_u64());
            let count: u64 = counts.sum();
            ensure!(count >= written, "{count} of {written}");
            Ok(Some(count))
        })
        .await?;
        let consumer = console.end("consumer").await?;
        ensure!(
            !consumer.contains("\"success\":false") && !consumer.contains("Exception"),
            "{consumer}"
        );
        let reader = console.end("reader").await?;
        ensure!(
            !reader.contains("ERROR") && !reader.contains('%'),
            "{reader}"
        );
        println!(
            "{written} records by Java's producer, {} by kcat with {} Secrets; {read} read by the group, {} by kcat: none failed",
            anew.lines().count(),
            secrets.len(),
            reader.lines().count()
        );
        Ok(())
    }
}

/// Asks for a new credential, waits until it is mounted, and returns the Secret before.
async fn rotate(client: &Client, key: &str) -> Result<Secret> {
    let secrets = client.space.secrets();
    let before = secrets.get("app").await?;
    client
        .console
        .run(&format!("cp -rL {MOUNT}/..data/ /tmp/old"))
        .await?
        .done()?;
    let was = client.space.delivered("app", key).await?;
    let nonce = rand::random::<u32>().to_string();
    client
        .space
        .annotate(Kind::User, "app", ANNOTATION_ROTATE, &nonce)
        .await?;
    let is = until("another credential", PATIENCE, || async {
        let is = client.space.delivered("app", key).await?;
        Ok((is != was).then_some(is))
    })
    .await?;
    client.space.ready(Kind::User, "app").await?;
    client.console.sees(key, &is).await?;
    Ok(before)
}

/// What kcat says that logs in with the Secret as it was before.
async fn as_before(client: &Client) -> Result<sdm_tests::console::Said> {
    let copy = format!("sed 's#{MOUNT}/#/tmp/old/#' /tmp/old/librdkafka.properties >/tmp/old.conf");
    let kcat = format!(
        "kcat -F /tmp/old.conf -C -t {} -o beginning -c 1",
        client.topic
    );
    client.console.run(&format!("{copy}; {kcat}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_interrupted_by_the_renewal_of_a_certificate() -> Result<()> {
    let client = Client::new(json!({"authentication": "tls"})).await?;
    client.allow().await?;
    client.space.ready(Kind::Acl, "app").await?;
    let traffic = Traffic::begin(&client).await?;
    let before = rotate(&client, "tls.crt").await?;
    traffic.flows().await?;
    traffic.conclude().await?;
    // The one before is good until it ends.
    as_before(&client).await?.done()?;
    let old = client.space.login_with(&before)?;
    ensure!(!write(&old, &client.topic, "as before").await?.is_denied());
    client.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_interrupted_by_the_rotation_of_a_password() -> Result<()> {
    rotation("scram-sha-512").await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "as SCRAM-SHA-512 does"]
async fn nobody_is_interrupted_by_the_rotation_of_a_sha_256_password() -> Result<()> {
    rotation("scram-sha-256").await
}

async fn rotation(authentication: &str) -> Result<()> {
    let client = Client::new(json!({"authentication": authentication})).await?;
    client.allow().await?;
    client.space.ready(Kind::Acl, "app").await?;
    let traffic = Traffic::begin(&client).await?;
    let before = rotate(&client, "username").await?;
    traffic.flows().await?;
    traffic.conclude().await?;

    // Everybody has moved. Until it is said, the one before is good.
    let old = client.space.login_with(&before)?;
    as_before(&client).await?.done()?;
    ensure!(!write(&old, &client.topic, "as before").await?.is_denied());
    let previous = client.space.status(Kind::User, "app", "previous").await?;
    println!("{authentication}: previous {previous}");
    ensure!(
        previous["username"].is_string() && previous["until"].is_string(),
        "{previous}"
    );

    client
        .space
        .annotate(Kind::User, "app", ANNOTATION_ROTATE_FINISH, "now")
        .await?;
    until("the credential before to be revoked", PATIENCE, || async {
        let previous = client.space.status(Kind::User, "app", "previous").await?;
        Ok(previous.is_null().then_some(()))
    })
    .await?;
    let old = client.space.login_with(&before)?;
    let attempt = write(&old, &client.topic, "too late").await?;
    ensure!(attempt.is_denied(), "{attempt:?}");
    let said = as_before(&client).await?;
    ensure!(
        !said.ok && said.err.contains("Authentication failed"),
        "{said:?}"
    );
    client
        .console
        .run(&client.kcat("-C -o beginning -c 1"))
        .await?
        .done()?;
    client.end().await
}

/// Nobody asks for anything: the certificate is due.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "four minutes"]
async fn a_certificate_is_renewed_before_it_ends_and_nobody_is_interrupted() -> Result<()> {
    let spec = json!({"authentication": "tls", "certificate": {"validity": "5m"}});
    let client = Client::new(spec).await?;
    client.allow().await?;
    client.space.ready(Kind::Acl, "app").await?;
    let traffic = Traffic::begin(&client).await?;
    let was = client.space.delivered("app", "tls.crt").await?;
    let began = std::time::Instant::now();
    let is = until(
        "the certificate to be renewed",
        Duration::from_secs(240),
        || async {
            let is = client.space.delivered("app", "tls.crt").await?;
            Ok((is != was).then_some(is))
        },
    )
    .await?;
    println!("renewed after {:?}", began.elapsed());
    client.console.sees("tls.crt", &is).await?;
    traffic.flows().await?;
    traffic.conclude().await?;
    client.end().await
}
