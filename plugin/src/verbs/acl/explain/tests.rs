use std::collections::BTreeMap;

use sdm_api::Permission;

use super::*;
use crate::flags::Format;
use crate::output::Output;

fn acl(name: &str, operation: Operation, permission: Permission) -> Acl {
    Acl {
        resource: ResourceType::Topic,
        pattern: Pattern::Literal,
        name: name.to_owned(),
        principal: "User:team/user/app".to_owned(),
        host: "*".to_owned(),
        operation,
        permission,
    }
}

fn sentences(operation: Operation, live: &[Acl], wanted: &[Acl]) -> String {
    let target = Target {
        namespace: "streaming".to_owned(),
        name: "events".to_owned(),
        read: None,
    };
    let expansion = Expansion {
        wanted: wanted
            .iter()
            .map(|acl| (acl.clone(), vec![ObjectKey::new("team", "rules")]))
            .collect::<BTreeMap<_, _>>(),
        ..Expansion::default()
    };
    let question = Question {
        principal: "User:team/user/app",
        host: "*",
        operation,
        resource: ResourceType::Topic,
        name: "orders",
    };
    let report = Explanations {
        api_version: API_VERSION,
        kind: "AccessExplanationList",
        items: vec![answer(&question, live, &expansion, None, &target, "team")],
    };
    anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string()
}

#[test]
fn an_allowance_names_the_acl_and_its_object() {
    let write = acl("orders", Operation::Write, Permission::Allow);
    assert_eq!(
        sentences(
            Operation::Describe,
            std::slice::from_ref(&write),
            std::slice::from_ref(&write)
        ),
        "yes: User:team/user/app may Describe topic \"orders\"\n\
         because of: Allow Write on topic \"orders\" to User:team/user/app\n\
         which brings Describe along\n\
         which comes from KafkaACL team/rules\n"
    );
}

#[test]
fn what_is_missing_comes_with_the_command_that_adds_it() {
    let read = acl("orders", Operation::Read, Permission::Allow);
    assert_eq!(
        sentences(Operation::Write, std::slice::from_ref(&read), &[]),
        "no: User:team/user/app may not Write topic \"orders\"\n\
         because no ACL allows it\n\
         nearly:\n  Allow Read on topic \"orders\" to User:team/user/app: it is for Read, not Write; it comes from no KafkaACL: somebody else made it\n\
         to allow it: kubectl kafka acl grant producer --to user:team/app --on topic:orders -n streaming -c events\n"
    );
}

#[test]
fn a_denial_and_what_waits_are_told() {
    let deny = acl("orders", Operation::Write, Permission::Deny);
    let denied = sentences(
        Operation::Write,
        std::slice::from_ref(&deny),
        std::slice::from_ref(&deny),
    );
    assert!(
        denied.ends_with(
            "to take the denial away: kubectl kafka acl revoke rules -n team -c streaming/events\n"
        ),
        "{denied}"
    );
    let write = acl("orders", Operation::Write, Permission::Allow);
    let waits = sentences(Operation::Write, &[], &[write]);
    assert!(
        waits.contains("waiting: KafkaACL team/rules asks for it"),
        "{waits}"
    );
}
