//! Groups: offsets that stand alone, and groups of Kafka's own consumers by both protocols.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};

use sdm_kafka::{Client, GroupDescription, GroupType, OffsetSpec};

use crate::common::Leaf;
use crate::node::{Kafka, NODE, eventually};

/// 1,500 records in three partitions.
const TOPIC: &str = "codec-gzip";

fn at(partition: i32) -> (String, i32) {
    (TOPIC.to_owned(), partition)
}

/// Offsets of a group by partition of [`TOPIC`].
async fn committed(client: &Client, group: &str) -> BTreeMap<i32, i64> {
    let offsets = client.group_offsets(group).await.unwrap();
    offsets
        .into_iter()
        .map(|((topic, partition), committed)| {
            assert_eq!(topic, TOPIC);
            (partition, committed.unwrap().offset)
        })
        .collect()
}

/// How many records a group has not read.
async fn lag(client: &Client, group: &str) -> i64 {
    let ends = client
        .list_offsets(TOPIC, &[0, 1, 2], OffsetSpec::Latest)
        .await
        .unwrap();
    let committed = committed(client, group).await;
    ends.into_iter()
        .map(|(p, end)| end.unwrap().unwrap() - committed.get(&p).copied().unwrap_or_default())
        .sum()
}

async fn one(client: &Client, group: &str) -> Result<GroupDescription, &'static str> {
    let mut told = client.describe_groups(&[group]).await;
    assert_eq!(told.len(), 1);
    let (id, described) = told.remove(0);
    assert_eq!(id, group);
    described.map_err(|e| e.reason())
}

pub async fn offsets_without_members(client: &Client) {
    assert_eq!(client.list_groups().await.unwrap().groups, []);
    assert_eq!(one(client, "alone").await, Err("GroupIdNotFound"));
    assert_eq!(client.group_offsets("alone").await.unwrap().len(), 0);

    // Offsets from outside make a group.
    let offsets = [
        (TOPIC.to_owned(), 0, 3),
        (TOPIC.to_owned(), 1, 5),
        (TOPIC.to_owned(), 77, 1),
        ("nowhere".to_owned(), 0, 1),
    ];
    let verdicts: BTreeMap<_, _> = client
        .commit_group_offsets("alone", &offsets)
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!((&verdicts[&at(0)], &verdicts[&at(1)]), (&Ok(()), &Ok(())));
    for absent in [at(77), ("nowhere".to_owned(), 0)] {
        let error = verdicts[&absent].as_ref().unwrap_err();
        assert_eq!(error.name, "UNKNOWN_TOPIC_OR_PARTITION");
    }
    assert_eq!(committed(client, "alone").await, [(0, 3), (1, 5)].into());
    assert_eq!(lag(client, "alone").await, 1500 - 8);

    let listing = client.list_groups().await.unwrap();
    assert_eq!(listing.unanswered, []);
    let listed = &listing.groups[0];
    println!("{listed:?}");
    assert_eq!(
        (listed.id.as_str(), &listed.group_type, listed.coordinator),
        ("alone", &GroupType::Classic, NODE)
    );
    assert_eq!((&*listed.state, &*listed.protocol_type), ("Empty", ""));
    let described = one(client, "alone").await.unwrap();
    assert_eq!((&*described.state, &*described.members), ("Empty", &[][..]));

    let forgotten = client
        .delete_group_offsets("alone", &[at(0), at(77)])
        .await
        .unwrap();
    let forgotten: BTreeMap<_, _> = forgotten.into_iter().collect();
    println!("forgotten: {forgotten:?}");
    assert_eq!(forgotten[&at(0)], Ok(()));
    assert_eq!(committed(client, "alone").await, [(1, 5)].into());
    let absent = client.delete_group_offsets("nobody", &[at(0)]).await;
    assert_eq!(absent.unwrap_err().reason(), "GroupIdNotFound");

    let deleted = client.delete_groups(&["nobody", "alone"]).await;
    assert_eq!(deleted[0].0, "nobody");
    let absent = deleted[0].1.as_ref().unwrap_err();
    assert_eq!(absent.reason(), "GroupIdNotFound");
    assert_eq!(deleted[1], ("alone".to_owned(), Ok(())));
    assert_eq!(one(client, "alone").await, Err("GroupIdNotFound"));
}

/// Kafka's console consumer. Killed when dropped.
struct Member(Child);

impl Member {
    fn start(kafka: &Kafka, leaf: &Leaf, protocol: &str) -> Self {
        let path = |name: &str| kafka.dir.join(format!("{protocol}-{name}"));
        let keystore = path("keystore.pem");
        fs::write(&keystore, format!("{}{}", leaf.key_pem, leaf.cert_pem)).unwrap();
        let properties = format!(
            "security.protocol=SSL\nssl.keystore.type=PEM\nssl.keystore.location={}\n\
             ssl.truststore.type=PEM\nssl.truststore.location={}\n\
             group.protocol={protocol}\nclient.id=member-of-{protocol}\nauto.commit.interval.ms=50\n",
            keystore.display(),
            kafka.dir.join("truststore.pem").display(),
        );
        let config = path("client.properties");
        fs::write(&config, properties).unwrap();
        Self(kafka.java(&[
            "org.apache.kafka.tools.consumer.ConsoleConsumer",
            "--bootstrap-server",
            &format!("localhost:{}", kafka.ports[2]),
            "--topic",
            TOPIC,
            "--group",
            protocol,
            "--from-beginning",
            "--command-config",
            &config.display().to_string(),
        ]))
    }

    /// As Ctrl-C does: it leaves the group.
    fn leave(mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status();
        assert!(asked.unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn groups_with_members(kafka: &Kafka, client: &Client, operator: &Leaf) {
    let members = ["classic", "consumer"].map(|protocol| {
        let member = Member::start(kafka, operator, protocol);
        (protocol, member)
    });
    for (group, protocol) in [("classic", "range"), ("consumer", "uniform")] {
        let described = eventually(async || {
            let described = one(client, group).await.ok()?;
            let assigned = described.members.first()?.assignment.first()?;
            (described.state == "Stable" && assigned.1.len() == 3).then_some(described)
        })
        .await;
        println!("{described:?}");
        assert_eq!(described.group_type.to_string(), group);
        assert_eq!(
            (&*described.protocol, described.coordinator),
            (protocol, NODE)
        );
        assert_eq!(described.members.len(), 1);
        let member = &described.members[0];
        assert_eq!(member.client_id, format!("member-of-{group}"));
        assert_eq!(member.host, "127.0.0.1");
        assert_eq!(member.assignment, [(TOPIC.to_owned(), vec![0, 1, 2])]);
        eventually(async || (lag(client, group).await == 0).then_some(())).await;

        // Members hold on to what they read.
        let reset = [(TOPIC.to_owned(), 0, 0)];
        let verdicts = client.commit_group_offsets(group, &reset).await.unwrap();
        let refused = verdicts[0].1.as_ref().unwrap_err();
        assert_eq!(refused.name, "UNKNOWN_MEMBER_ID");
        let verdicts = client.delete_group_offsets(group, &[at(0)]).await.unwrap();
        let refused = verdicts[0].1.as_ref().unwrap_err();
        assert_eq!(refused.name, "GROUP_SUBSCRIBED_TO_TOPIC");
        let verdicts = client.delete_groups(&[group]).await;
        let refused = verdicts[0].1.as_ref().unwrap_err();
        assert_eq!(refused.reason(), "NonEmptyGroup");
    }
    let listing = client.list_groups().await.unwrap();
    let listed: Vec<_> = listing
        .groups
        .iter()
        .map(|g| {
            (
                &*g.id,
                g.group_type.to_string(),
                &*g.state,
                &*g.protocol_type,
            )
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("classic", "classic".to_owned(), "Stable", "consumer"),
            ("consumer", "consumer".to_owned(), "Stable", "consumer"),
        ]
    );
    // All at once, of either type, in the order asked.
    let told = client
        .describe_groups(&["nobody", "consumer", "classic", "nobody"])
        .await;
    let told: Vec<_> = told
        .iter()
        .map(|(id, group)| (&**id, group.as_ref().map(|g| &g.group_type).ok()))
        .collect();
    assert_eq!(
        told,
        [
            ("nobody", None),
            ("consumer", Some(&GroupType::Consumer)),
            ("classic", Some(&GroupType::Classic)),
            ("nobody", None),
        ]
    );

    for (group, member) in members {
        member.leave();
        eventually(async || {
            let described = one(client, group).await.unwrap();
            (described.state == "Empty").then_some(())
        })
        .await;
        // Back to the beginning.
        let reset: Vec<_> = (0..3).map(|p| (TOPIC.to_owned(), p, 0)).collect();
        let verdicts = client.commit_group_offsets(group, &reset).await.unwrap();
        assert!(verdicts.iter().all(|(_, v)| v.is_ok()), "{verdicts:?}");
        assert_eq!(lag(client, group).await, 1500);
        let deleted = client.delete_groups(&[group]).await;
        assert_eq!(deleted, [(group.to_owned(), Ok(()))]);
    }
    assert_eq!(client.list_groups().await.unwrap().groups, []);
}
