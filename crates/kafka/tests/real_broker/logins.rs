//! Logging in with a user name and a password.

use std::time::Duration;

use sdm_kafka::{
    AclBinding, AclOperation, AclPatternType, AclPermission, AclResourceType, Client, ClientConfig,
    KafkaError, SaslConfig, SaslMechanism, ScramDeletion, ScramMechanism, ScramUpsertion,
    TcpDialer, TlsConfig,
};
use tokio::time::Instant;

use crate::common::Leaf;
use crate::node::{Kafka, REAUTH_MS, eventually};

const USER: &str = "team/app, =too";
const PASSWORD: &str = "it's 5,5=ü";

fn as_user(mechanism: SaslMechanism, username: &str, password: &str) -> SaslConfig {
    SaslConfig {
        mechanism,
        username: username.into(),
        password: password.to_owned().into(),
    }
}

/// Why a fresh client cannot call, if it cannot.
async fn refusal(kafka: &Kafka, sasl: SaslConfig) -> Option<KafkaError> {
    let client = kafka.client_with_password(sasl);
    client.list_topics().await.err()
}

pub async fn a_credential_lets_in_while_it_is_there(kafka: &Kafka, operator: &Client) {
    for mechanism in [ScramMechanism::Sha256, ScramMechanism::Sha512] {
        let right = as_user(mechanism.into(), USER, PASSWORD);
        let begun = Instant::now();
        let error = refusal(kafka, right.clone()).await.unwrap();
        println!("{mechanism}: {error} ({:?})", begun.elapsed());
        assert_eq!((error.reason(), error.was_sent()), ("LoginFailed", false));

        let credential =
            ScramUpsertion::derive(USER, mechanism, 4096, *b"some salt", PASSWORD).unwrap();
        let verdicts = operator.alter_scram(&[], &[credential]).await.unwrap();
        assert_eq!(verdicts, [(USER.to_owned(), Ok(()))]);
        eventually(async || refusal(kafka, right.clone()).await.is_none().then_some(())).await;
        let wrong = as_user(mechanism.into(), USER, "it's 5,5=u");
        assert_eq!(refusal(kafka, wrong).await.unwrap().reason(), "LoginFailed");

        // Who logged in is whom ACLs speak of.
        let client = kafka.client_with_password(right.clone());
        assert!(client.list_topics().await.unwrap().is_empty());
        let acl = AclBinding {
            resource_type: AclResourceType::Topic,
            resource_name: "orders".into(),
            pattern_type: AclPatternType::Literal,
            principal: format!("User:{USER}"),
            host: "*".into(),
            operation: AclOperation::Describe,
            permission: AclPermission::Allow,
        };
        let acl = std::slice::from_ref(&acl);
        assert_eq!(operator.create_acls(acl).await.unwrap(), [Ok(())]);
        let seen = eventually(async || client.list_topics().await.unwrap().pop()).await;
        assert_eq!(seen.name, "orders");
        assert_eq!(operator.delete_acls(acl).await.unwrap(), [Ok(1)]);
        let none = async || client.list_topics().await.unwrap().is_empty().then_some(());
        eventually(none).await;

        let deletion = ScramDeletion {
            user: USER.into(),
            mechanism,
        };
        let verdicts = operator.alter_scram(&[deletion], &[]).await.unwrap();
        assert_eq!(verdicts, [(USER.to_owned(), Ok(()))]);
        eventually(async || refusal(kafka, right.clone()).await).await;
        // Who is in stays in.
        client.list_topics().await.unwrap();
    }
}

pub async fn a_login_is_renewed_before_it_ends(kafka: &Kafka) {
    let bob = as_user(SaslMechanism::Plain, "bob", "open sesame");
    let client = kafka.client_with_password(bob);
    // A broker hangs up on who calls after the end of a login.
    let until = Instant::now() + Duration::from_millis(REAUTH_MS * 3);
    while Instant::now() < until {
        let connection = client
            .connect_to("localhost", kafka.passwords)
            .await
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        connection.metadata(None, patience).await.unwrap();
        tokio::time::sleep(Duration::from_millis(REAUTH_MS / 20)).await;
    }
}

pub async fn where_no_password_is_taken(kafka: &Kafka, operator: &Leaf) {
    let bob = as_user(SaslMechanism::Plain, "bob", "wrong");
    let error = refusal(kafka, bob.clone()).await.unwrap();
    println!("PLAIN: {error}");
    assert!(matches!(error, KafkaError::Auth { .. }), "{error}");

    let client = |port: u16, tls: Option<TlsConfig>| {
        Client::new(ClientConfig {
            bootstrap: vec![("localhost".to_owned(), port)],
            tls,
            sasl: Some(bob.clone()),
            dialer: std::sync::Arc::new(TcpDialer),
            client_id: "test".into(),
            timeout: Duration::from_secs(20),
        })
    };
    let tls = TlsConfig::new(kafka.ca.client(Some(operator))).unwrap();
    for port in kafka.ports {
        let client = client(port, Some(tls.clone()));
        let error = client.connect_to("localhost", port).await.unwrap_err();
        println!("{port}: {error}");
        assert!(error.to_string().contains("no login is taken"), "{error}");
    }
    let readable = client(kafka.passwords, None);
    let error = readable.list_topics().await.unwrap_err();
    assert_eq!(error.reason(), "InvalidClientConfig");
}
