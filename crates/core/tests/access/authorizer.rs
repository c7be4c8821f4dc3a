//! The same answers as Kafka's own authorizer: `authorizer.txt` is what `Authorizer.java` printed with Kafka 4.3.1.

use std::collections::BTreeMap;

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::{Acl, Because, Question, explain, kafka_host};

fn resource(text: &str) -> ResourceType {
    match text {
        "TOPIC" => ResourceType::Topic,
        "GROUP" => ResourceType::Group,
        other => panic!("{other}"),
    }
}

fn operation(text: &str) -> Operation {
    match text {
        "ALL" => Operation::All,
        "READ" => Operation::Read,
        "CREATE" => Operation::Create,
        "ALTER" => Operation::Alter,
        "DESCRIBE" => Operation::Describe,
        "DESCRIBE_CONFIGS" => Operation::DescribeConfigs,
        "ALTER_CONFIGS" => Operation::AlterConfigs,
        other => panic!("{other}"),
    }
}

fn acl(words: &[&str]) -> Acl {
    let [kind, pattern, name, principal, host, what, permission] = words else {
        panic!("{words:?}")
    };
    let pattern = match *pattern {
        "PREFIXED" => Pattern::Prefixed,
        _ => Pattern::Literal,
    };
    let permission = match *permission {
        "DENY" => Permission::Deny,
        _ => Permission::Allow,
    };
    Acl {
        resource: resource(kind),
        pattern,
        name: (*name).to_owned(),
        principal: (*principal).to_owned(),
        host: (*host).to_owned(),
        operation: operation(what),
        permission,
    }
}

#[test]
fn answers_are_kafkas() {
    let (mut acls, mut asked, mut seen) = (Vec::new(), 0, [0; 5]);
    for line in include_str!("authorizer.txt").lines() {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["world"] => acls.clear(),
            ["acl", rest @ ..] => acls.push(acl(rest)),
            ["ask", kind, name, principal, host, what, answer] => {
                let question = Question {
                    principal,
                    host,
                    operation: operation(what),
                    resource: resource(kind),
                    name,
                };
                let found = explain(&question, acls.iter(), &["User:root"], &BTreeMap::new());
                let context = || format!("{line}\n{found:#?}\n{acls:#?}");
                assert_eq!(found.allowed, *answer == "ALLOWED", "{}", context());
                assert_eq!(
                    found.allowed,
                    matches!(found.because, Because::SuperUser | Because::Allowed { .. })
                );
                assert!(found.near.is_empty() || !found.allowed);
                asked += 1;
                seen[match found.because {
                    Because::SuperUser => 0,
                    Because::Denied { .. } => 1,
                    Because::Allowed { implied: false, .. } => 2,
                    Because::Allowed { implied: true, .. } => 3,
                    Because::NoRule => 4,
                }] += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!(asked, 640);
    assert!(
        seen.iter().all(|n| *n >= 10),
        "the worlds show too little: {seen:?}"
    );
}

/// `InetAddress.getHostAddress` as JShell answers it.
#[test]
fn addresses_are_written_as_java_does() {
    for (text, java) in [
        ("10.0.0.1", Some("10.0.0.1")),
        ("::1", Some("0:0:0:0:0:0:0:1")),
        ("2001:DB8::00ff", Some("2001:db8:0:0:0:0:0:ff")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("*", Some("*")),
        ("10.0.0.0/8", None),
        ("010.0.0.1", None),
        ("localhost", None),
        ("", None),
    ] {
        assert_eq!(kafka_host(text).as_deref(), java, "{text}");
    }
}
