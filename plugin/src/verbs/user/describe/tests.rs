use sdm_kafka::{AclOperation, AclPatternType, AclPermission, AclResourceType, ScramMechanism};
use serde_json::json;

use super::super::{ready, sample};
use super::*;
use crate::flags::Format;
use crate::output::Output;

fn binding(principal: &str) -> AclBinding {
    AclBinding {
        resource_type: AclResourceType::Topic,
        resource_name: "orders".to_owned(),
        pattern_type: AclPatternType::Literal,
        principal: principal.to_owned(),
        host: "*".to_owned(),
        operation: AclOperation::Read,
        permission: AclPermission::Allow,
    }
}

fn told() -> Told {
    let live = vec![binding("User:team/user/app"), binding("User:legacy")];
    let acl = acl_of(&live[0]).unwrap();
    Told {
        known: Some(Known {
            scram: BTreeMap::from([
                ("legacy".to_owned(), vec![(ScramMechanism::Sha256, 4096)]),
                (
                    "team/user/app".to_owned(),
                    vec![(ScramMechanism::Sha512, 8192)],
                ),
                (
                    "team/user/app/2".to_owned(),
                    vec![(ScramMechanism::Sha512, 8192)],
                ),
            ]),
            quotas: BTreeMap::from([(
                "team/user/app".to_owned(),
                Quotas::from([
                    ("producer_byte_rate".to_owned(), 5.0),
                    ("request_percentage".to_owned(), 12.5),
                ]),
            )]),
        }),
        live,
        expansion: Expansion {
            wanted: BTreeMap::from([(acl, vec![ObjectKey::new("team", "readers")])]),
            ..Expansion::default()
        },
    }
}

fn shown(mut item: Description) -> String {
    item.now = "2026-01-01T00:00:00Z".parse().unwrap();
    let report = Descriptions {
        api_version: API_VERSION,
        kind: "UserDescriptionList",
        items: vec![item],
    };
    anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string()
}

#[test]
fn a_declared_user_shows_both_logins_and_both_sides_of_its_quotas() {
    let more = json!({"secret": "app", "previous": {"username": "team/user/app", "until": "2026-01-01T01:00:00Z"}});
    let mut user = sample("team", "app", "scram-sha-512", ready(more));
    user.spec.quotas = serde_json::from_value(json!({"producerByteRate": 10})).unwrap();
    assert_eq!(
        shown(describe("app", Some(&user), &told(), Vec::new())),
        "Name:            team/app\n\
         Ready:           True\n\
         Principal:       User:team/user/app\n                 User:team/user/app/2\n\
         Authentication:  scram-sha-512\n\
         Secret:          app\n\
         Login before:    team/user/app, valid until 2026-01-01T01:00:00Z (in 60m)\n\
         \n\
         QUOTA                DECLARED   IN-KAFKA\n\
         producer_byte_rate   10         5\n\
         request_percentage   -          12.5\n\
         \n\
         Access:\n\
         PRINCIPAL            PERMISSION   OPERATION   RESOURCE       PATTERN   HOST   FROM\n\
         User:team/user/app   Allow        Read        topic/orders   literal   *      team/readers\n"
    );
}

#[test]
fn a_name_that_only_kafka_knows_is_described_too() {
    assert_eq!(
        shown(describe("User:legacy", None, &told(), Vec::new())),
        "Declared:        no\n\
         Principal:       User:legacy\n\
         Authentication:  scram-sha-256 (4096 iterations)\n\
         Quotas:          none\n\
         \n\
         Access:\n\
         PRINCIPAL     PERMISSION   OPERATION   RESOURCE       PATTERN   HOST   FROM\n\
         User:legacy   Allow        Read        topic/orders   literal   *      -\n"
    );
    assert!(is_known(&told(), "legacy") && !is_known(&told(), "nobody"));
}

#[test]
fn a_user_is_found_by_name_and_by_principal() {
    let users = [sample("team", "app", "tls", ready(json!({})))];
    for (namespace, name, found) in [
        ("team", "app", true),
        ("other", "app", false),
        ("other", "User:team/user/app", true),
        ("other", "team/user/app", true),
    ] {
        assert_eq!(
            find(&users, namespace, name).is_some(),
            found,
            "{namespace} {name}"
        );
    }
}
