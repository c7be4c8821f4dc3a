//! Every call against a real Apache Kafka: one combined KRaft node on loopback, mutual TLS or passwords on its listeners.
//!
//!     SDM_KAFKA_LIBS=DIR cargo test -p sdm-kafka --test real_broker -- --ignored --nocapture
//!
//! DIR holds the jars of a Kafka distribution (its `libs`). Takes about a minute; up to three JVMs at a time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod access;
mod changes;
#[path = "../common/mod.rs"]
mod common;
mod doors;
mod groups;
mod logins;
mod node;
mod records;
mod topics;

use std::time::Duration;

use common::Leaf;
use node::{Kafka, NODE};
use sdm_kafka::{Client, TlsConfig};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SDM_KAFKA_LIBS and a JVM"]
async fn every_call_against_a_real_node() {
    let mut kafka = Kafka::format();
    let operator = kafka.ca.issue("sdm:operator");
    let client = kafka.client(&operator);
    kafka.ready(&client).await;

    cluster_and_quorum(&kafka, &client, &operator).await;
    topics::topics(&client).await;
    topics::configs_and_log_dirs(&client).await;
    records::records_in_every_codec(&client).await;
    records::starts_and_ends(&client).await;
    records::refused_batches_leave_no_gap(&client).await;
    records::dropped_calls_lose_nothing_acknowledged(&client).await;
    changes::configs_change_key_by_key(&client).await;
    changes::topics_grow(&client).await;
    changes::replicas_move(&client).await;
    groups::offsets_without_members(&client).await;
    groups::groups_with_members(&kafka, &client, &operator).await;
    doors::strangers_may_do_nothing(&kafka).await;
    access::acls_come_and_go(&client).await;
    access::many_acls_go_in_one_call(&client).await;
    access::the_authorizer_denies_and_allows(&kafka, &client).await;
    access::credentials_come_and_go(&client).await;
    access::quotas_come_and_go(&client).await;
    logins::a_credential_lets_in_while_it_is_there(&kafka, &client).await;
    logins::a_login_is_renewed_before_it_ends(&kafka).await;
    logins::where_no_password_is_taken(&kafka, &operator).await;
    doors::nobody_gets_past_the_handshake(&kafka, &operator).await;
    doors::reloaded_material_is_used(&kafka, &operator).await;
    records::a_killed_broker_costs_no_record(&mut kafka, &client).await;
    topics::what_may_not_be_deleted_is_refused_one_by_one(&mut kafka, &client).await;
}
async fn cluster_and_quorum(kafka: &Kafka, client: &Client, operator: &Leaf) {
    let cluster = client.describe_cluster(true).await.unwrap();
    assert_eq!(cluster.cluster_id, kafka.cluster_id);
    let node = &cluster.nodes[0];
    assert_eq!(
        (node.id, node.host.as_str(), node.port, node.rack.as_deref()),
        (NODE, "localhost", kafka.ports[2], Some("zone-a"))
    );

    let tls = TlsConfig::new(kafka.ca.client(Some(operator))).unwrap();
    let controllers = kafka.client_on(kafka.ports[0], Some(tls), Duration::from_secs(10));
    let described = controllers.describe_controllers().await.unwrap();
    assert_eq!(
        (
            described.controller_id,
            described.nodes[0].id,
            described.nodes[0].port
        ),
        (Some(NODE), NODE, kafka.ports[0])
    );

    for side in [client, &controllers] {
        let quorum = side.describe_quorum().await.unwrap();
        assert_eq!(quorum.leader_id, Some(NODE));
        let voter = &quorum.voters[0];
        assert!(
            voter.directory_id.is_some() && voter.lag == Some(0),
            "{quorum:?}"
        );
        assert_eq!(quorum.nodes[0].listeners[0].2, kafka.ports[0]);
    }
    let conn = controllers
        .connect_to("localhost", kafka.ports[0])
        .await
        .unwrap();
    assert!(conn.api_versions().iter().any(|a| a.key == 55));
    // A controller listener does not serve Metadata: a sentence, not a hang.
    let error = conn
        .metadata(None, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not offer Metadata"),
        "{error}"
    );
}
