//! Who gets in, and who may do something there.

use std::time::Duration;

use sdm_kafka::{KafkaError, Producer, ProducerConfig, Record, TlsConfig};
use tokio::time::Instant;

use crate::common::{Authority, Leaf};
use crate::node::{Kafka, new_topic};

pub async fn strangers_may_do_nothing(kafka: &Kafka) {
    let stranger = kafka.client(&kafka.ca.issue("team/app"));
    let created = stranger
        .create_topics(&[new_topic("mine", 1)], false)
        .await
        .unwrap();
    assert_eq!(
        created[0].1.as_ref().unwrap_err().name,
        "TOPIC_AUTHORIZATION_FAILED"
    );
    assert!(stranger.list_topics().await.unwrap().is_empty());
    assert_eq!(
        stranger.describe_quorum().await.unwrap_err().reason(),
        "ClusterAuthorizationFailed"
    );
    let producer = Producer::new(stranger, ProducerConfig::default());
    assert_eq!(
        producer
            .send("orders", Record::default())
            .await
            .unwrap_err()
            .reason(),
        "TopicAuthorizationFailed"
    );
}

pub async fn nobody_gets_past_the_handshake(kafka: &Kafka, operator: &Leaf) {
    let other = Authority::new("other-ca");
    let foreign = other.issue("sdm:operator");
    let mut showing_foreign = kafka.ca.client(None);
    showing_foreign.cert_chain_pem = Some(foreign.cert_pem.clone().into());
    showing_foreign.key_pem = Some(foreign.key_pem.clone().into());

    for port in kafka.ports {
        let ask = async |tls: Option<TlsConfig>| {
            let begun = Instant::now();
            let client = kafka.client_on(port, tls, Duration::from_secs(5));
            let error = client.connect_to("localhost", port).await.unwrap_err();
            println!("{port}: {error} ({:?})", begun.elapsed());
            error
        };
        let tls = |material| Some(TlsConfig::new(material).unwrap());
        let refused = |e: &KafkaError| matches!(e, KafkaError::Tls { detail, .. } if detail.contains("the broker refused our certificate"));
        let error = ask(tls(kafka.ca.client(None))).await;
        assert!(refused(&error), "no certificate: {error}");
        let error = ask(tls(showing_foreign.clone())).await;
        assert!(refused(&error), "another authority's certificate: {error}");
        let error = ask(tls(other.client(Some(operator)))).await;
        assert!(
            matches!(&error, KafkaError::Tls { detail, .. } if detail.contains("certificate is not acceptable")),
            "{error}"
        );
        let error = ask(None).await;
        assert!(
            !error.was_sent() || matches!(error, KafkaError::Protocol { .. }),
            "plaintext: {error}"
        );
        // The same doors open for the right one.
        let right = kafka.client_on(
            port,
            tls(kafka.ca.client(Some(operator))),
            Duration::from_secs(5),
        );
        right.connect_to("localhost", port).await.unwrap();
    }
}

pub async fn reloaded_material_is_used(kafka: &Kafka, operator: &Leaf) {
    let tls = TlsConfig::new(kafka.ca.client(None)).unwrap();
    let client = kafka.client_on(kafka.ports[2], Some(tls.clone()), Duration::from_secs(5));
    assert_eq!(
        client.describe_cluster(false).await.unwrap_err().reason(),
        "TlsFailed"
    );
    tls.reload(kafka.ca.client(Some(operator))).unwrap();
    client.describe_cluster(false).await.unwrap();
    let mut broken = kafka.ca.client(Some(operator));
    broken.key_pem = Some(b"not a key".to_vec());
    assert_eq!(
        tls.reload(broken).unwrap_err().reason(),
        "InvalidClientConfig"
    );
    client.close_connections();
    client.describe_cluster(false).await.unwrap();
}
