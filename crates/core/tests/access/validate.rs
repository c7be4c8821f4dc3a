//! What is wrong with one object, in which words.

use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole};
use sdm_core::Review;
use sdm_core::access::{validate_acl, validate_grant, validate_role};
use serde_json::{Value, json};

use super::store::{HOME, acl, check, grant, resource_of, simple, with};

/// Violations (`!` invalid, `#` forbidden), then warnings (`-`).
fn lines(review: &Review) -> Vec<String> {
    let mark = |v: &sdm_core::Violation| match v.kind {
        sdm_core::ViolationKind::Invalid => '!',
        sdm_core::ViolationKind::Forbidden => '#',
    };
    let violations = review.violations.iter().map(|v| format!("{} {v}", mark(v)));
    violations
        .chain(review.warnings.iter().map(|w| format!("- {w}")))
        .collect()
}

fn of(namespace: &str, spec: Value) -> Vec<String> {
    lines(&validate_acl(&acl(namespace, "acl", spec), None))
}

fn role(name: &str, rules: Value) -> KafkaRole {
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaRole",
        "metadata": {"namespace": "a", "name": name}, "spec": {"rules": rules},
    }))
    .unwrap()
}

#[test]
fn acls() {
    let good = || simple("admin", "topic orders");
    let subject = |subject: Value| of("a", with(good(), "subjects", json!([subject])));
    let resource = |value: Value| of("a", with(good(), "resources", json!([value])));
    let named = |text: &str| resource(resource_of(text));
    let hosts = |hosts: Value| of("a", with(good(), "hosts", hosts));
    let roles = |roles: Value| of("a", with(good(), "roles", roles));
    check(vec![
        ("good", of("a", good()), &[]),
        (
            "empty",
            of("a", json!({"subjects": [], "roles": [], "resources": []})),
            &[
                "! spec.subjects: without any the object means nothing: list one",
                "! spec.roles: without any the object means nothing: list one",
                "! spec.resources: without any the object means nothing: list one",
            ],
        ),
        (
            "user",
            subject(json!({"name": "alice", "namespace": "b"})),
            &[],
        ),
        (
            "a principal as a user",
            subject(json!({"name": "User:alice"})),
            &[
                r#"! spec.subjects[0].name: "User:alice" cannot be the name of a KafkaUser: for a principal as Kafka has it, set kind: Principal"#,
            ],
        ),
        (
            "a user with a namespace",
            subject(json!({"name": "b/alice"})),
            &[
                r#"! spec.subjects[0].name: "b/alice" cannot be the name of a KafkaUser: the namespace goes into a field of its own"#,
            ],
        ),
        (
            "a service account that looks like a user",
            subject(json!({"kind": "ServiceAccount", "name": "user/alice"})),
            &[
                r#"! spec.subjects[0].name: "user/alice" cannot be the name of a ServiceAccount: the namespace goes into a field of its own"#,
            ],
        ),
        (
            "upper case",
            subject(json!({"name": "Alice"})),
            &[r#"! spec.subjects[0].name: "Alice" cannot be the name of a KafkaUser"#],
        ),
        (
            "no namespace",
            subject(json!({"name": "alice", "namespace": "B"})),
            &[
                r#"! spec.subjects[0].namespace: "B" cannot be the name of a namespace: use lower-case letters, digits and dashes"#,
            ],
        ),
        (
            "no principal",
            subject(json!({"kind": "Principal", "name": "alice"})),
            &[
                r#"! spec.subjects[0].name: "alice" is no principal of Kafka's: it has a type and a name, such as "User:alice""#,
            ],
        ),
        (
            "a group",
            subject(json!({"kind": "Principal", "name": "Group:x"})),
            &[
                "- spec.subjects[0].name: no listener of this cluster gives anybody a principal of another type than User",
            ],
        ),
        (
            "anonymous",
            subject(json!({"kind": "Principal", "name": "User:ANONYMOUS"})),
            &["- spec.subjects[0].name: it is everybody who does not log in"],
        ),
        (
            "the operator",
            subject(json!({"kind": "Principal", "name": "User:sdm:admin"})),
            &[
                "- spec.subjects[0].name: it is the operator's own, and may do everything without an ACL",
            ],
        ),
        (
            "everybody",
            subject(json!({"kind": "Principal", "name": "User:*"})),
            &[
                r#"# spec.subjects[0].name: User:* is everybody, and only the cluster's own namespace, "streaming", may speak of everybody: name the subjects"#,
            ],
        ),
        (
            "everybody, at home",
            of(
                HOME,
                with(
                    good(),
                    "subjects",
                    json!([{"kind": "Principal", "name": "User:*"}]),
                ),
            ),
            &[],
        ),
        (
            "denying the operator",
            of(
                HOME,
                with(
                    with(
                        good(),
                        "subjects",
                        json!([{"kind": "Principal", "name": "User:sdm:node"}]),
                    ),
                    "permission",
                    json!("Deny"),
                ),
            ),
            &[
                "# spec.subjects[0].name: User:sdm:node is the operator's own: it is a super user, whom no denial reaches, so leave it out",
            ],
        ),
        (
            "the cluster, by a tenant",
            named("cluster"),
            &[
                r#"# spec.resources[0]: rights on the cluster itself are the cluster's own namespace's to give: it takes a KafkaACL in namespace "streaming""#,
            ],
        ),
        (
            "tokens, by a tenant",
            named("delegationToken *"),
            &[
                r#"# spec.resources[0]: rights on delegation tokens are the cluster's own namespace's to give: it takes a KafkaACL in namespace "streaming""#,
            ],
        ),
        (
            "the cluster, by its owner",
            of(HOME, simple("admin", "cluster kafka-cluster")),
            &[],
        ),
        (
            "another cluster",
            of(HOME, simple("admin", "cluster events")),
            &[
                r#"! spec.resources[0].name: the cluster has one name, "kafka-cluster": leave name and pattern out"#,
            ],
        ),
        (
            "clusters",
            of(
                HOME,
                with(
                    good(),
                    "resources",
                    json!([{"type": "cluster", "pattern": "prefixed"}]),
                ),
            ),
            &[
                r#"! spec.resources[0].name: the cluster has one name, "kafka-cluster": leave name and pattern out"#,
            ],
        ),
        (
            "no name",
            resource(json!({"type": "topic"})),
            &[r#"! spec.resources[0].name: name the topic, or "*" for all"#],
        ),
        ("every topic", named("topic *"), &[]),
        (
            "prefixed star",
            resource(json!({"type": "topic", "name": "*", "pattern": "prefixed"})),
            &[
                r#"! spec.resources[0].name: no topic begins with "*": for every topic, use "*" with pattern literal"#,
            ],
        ),
        (
            "a glob",
            resource(json!({"type": "topic", "name": "orders-*"})),
            &[
                r#"! spec.resources[0].name: "*" stands for nothing inside a name: for all that begin so, use "orders-" with pattern prefixed"#,
            ],
        ),
        (
            "a glob as prefix",
            resource(json!({"type": "topic", "name": "orders-*", "pattern": "prefixed"})),
            &[r#"! spec.resources[0].name: a prefix needs no "*": use "orders-""#],
        ),
        (
            "no topic",
            named("topic a/b"),
            &[
                r#"! spec.resources[0].name: "a/b" cannot be a topic: use up to 249 letters, digits, dots, dashes and underscores"#,
            ],
        ),
        (
            "a directory",
            named("topic .."),
            &[
                r#"! spec.resources[0].name: ".." cannot be a topic: use up to 249 letters, digits, dots, dashes and underscores"#,
            ],
        ),
        (
            "a dot begins topics",
            resource(json!({"type": "topic", "name": ".", "pattern": "prefixed"})),
            &[],
        ),
        (
            "prefixed star of groups",
            resource(json!({"type": "group", "name": "*", "pattern": "prefixed"})),
            &[
                r##"! spec.resources[0].name: "*" is no prefix: for every group, use "*" with pattern literal"##,
                r##"# spec.resources[0].name: group prefix "*" may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""##,
            ],
        ),
        (
            "groups of others",
            named("group app*"),
            &[
                r#"# spec.resources[0].name: group prefix "app" may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""#,
            ],
        ),
        ("groups of its own", named("group a.*"), &[]),
        ("hosts", hosts(json!(["10.0.0.1", "::1"])), &[]),
        (
            "a star",
            hosts(json!(["10.0.0.1", "*"])),
            &[r#"- spec.hosts: "*" makes the other addresses needless"#],
        ),
        (
            "a range",
            hosts(json!(["10.0.0.0/8"])),
            &[
                r#"! spec.hosts: "10.0.0.0/8" is a range: Kafka compares addresses as text and knows no ranges, so list every address, or "*""#,
            ],
        ),
        (
            "a name",
            hosts(json!(["app.example.com"])),
            &[
                r#"! spec.hosts: "app.example.com" is no IP address: Kafka compares addresses as text and looks up no names, so list addresses, or "*""#,
            ],
        ),
        (
            "the same twice",
            hosts(json!(["::1", "0:0:0:0:0:0:0:1"])),
            &[r#"! spec.hosts: "0:0:0:0:0:0:0:1" is listed twice: list it once"#],
        ),
        ("a role of one's own", roles(json!(["my-role"])), &[]),
        (
            "a role twice",
            roles(json!(["admin", "admin"])),
            &[r#"! spec.roles: "admin" is listed twice: list it once"#],
        ),
        (
            "no role",
            roles(json!(["My Role"])),
            &[r#"! spec.roles: "My Role" cannot be the name of a role"#],
        ),
        (
            "a consumer without a group",
            roles(json!(["consumer"])),
            &[
                "- spec.resources: consumer on topics needs a group resource too: without it nobody can consume in a group",
            ],
        ),
        (
            "a denied one",
            of(
                "a",
                with(
                    simple("consumer", "topic orders"),
                    "permission",
                    json!("Deny"),
                ),
            ),
            &[],
        ),
        (
            "a role that gives nothing",
            of("a", simple("producer", "group a.g")),
            &[
                r#"- spec.roles: "producer" gives nothing here: it is about resources of type topic, transactional id"#,
                r#"- spec.resources[0]: no role here says anything about group "a.g""#,
            ],
        ),
    ]);
}

#[test]
fn roles() {
    let of = |rules: Value| lines(&validate_role(&role("mine", rules), None));
    check(vec![
        (
            "good",
            of(
                json!([{"resource": "topic", "operations": ["Read", "Alter"]}, {"resource": "cluster", "operations": ["All"]}]),
            ),
            &[],
        ),
        (
            "a reserved name",
            lines(&validate_role(
                &role(
                    "consumer",
                    json!([{"resource": "topic", "operations": ["Read"]}]),
                ),
                None,
            )),
            &[
                r#"! metadata.name: "consumer" is a built-in role, which means the same everywhere: choose another name"#,
            ],
        ),
        (
            "no rule",
            of(json!([])),
            &["! spec.rules: a role without rules gives nothing: list one"],
        ),
        (
            "no operation",
            of(json!([{"resource": "topic", "operations": []}])),
            &["! spec.rules[0].operations: a rule without operations gives nothing: list one"],
        ),
        (
            "what Kafka does not know",
            of(json!([
                {"resource": "topic", "operations": ["ClusterAction"]},
                {"resource": "group", "operations": ["Write"]},
                {"resource": "transactionalId", "operations": ["Read"]},
                {"resource": "cluster", "operations": ["Delete"]},
                {"resource": "delegationToken", "operations": ["Create"]},
            ])),
            &[
                "! spec.rules[0].operations: Kafka knows no ClusterAction on a topic: use Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs or All",
                "! spec.rules[1].operations: Kafka knows no Write on a group: use Read, Delete, Describe, DescribeConfigs, AlterConfigs or All",
                "! spec.rules[2].operations: Kafka knows no Read on a transactional id: use Write, Describe or All",
                "! spec.rules[3].operations: Kafka knows no Delete on a cluster: use Create, Alter, Describe, ClusterAction, DescribeConfigs, AlterConfigs, IdempotentWrite or All",
                "! spec.rules[4].operations: Kafka knows no Create on a delegation token: use Describe or All",
            ],
        ),
        (
            "twice",
            of(
                json!([{"resource": "topic", "operations": ["Read", "Read"]}, {"resource": "topic", "operations": ["Read"]}, {"resource": "group", "operations": ["Read"]}]),
            ),
            &[
                "! spec.rules[0].operations: Read is listed twice: list it once",
                "! spec.rules[1].operations: Read is listed twice: list it once",
            ],
        ),
        (
            "more than all",
            of(json!([{"resource": "topic", "operations": ["All", "Read"]}])),
            &["- spec.rules: All on topics makes the other operations needless"],
        ),
    ]);
}

#[test]
fn grants() {
    let of =
        |namespace: &str, spec: Value| lines(&validate_grant(&grant(namespace, "g", spec), None));
    let with = |field: &str, value: Value| {
        with(
            json!({"namespaces": ["b"], "topics": [{"name": "orders"}]}),
            field,
            value,
        )
    };
    check(vec![
        (
            "good",
            of("a", with("operations", json!(["Read", "All"]))),
            &[],
        ),
        (
            "empty",
            of("a", json!({"namespaces": [], "topics": []})),
            &[
                "! spec.namespaces: it is meant for nobody: list a namespace",
                "! spec.topics: it grants nothing: list a topic",
            ],
        ),
        (
            "namespaces",
            of("a", with("namespaces", json!(["b", "b", "*", "a"]))),
            &[
                r#"! spec.namespaces: "b" is listed twice: list it once"#,
                r#"! spec.namespaces: "*" cannot be the name of a namespace: use lower-case letters, digits and dashes"#,
                "- spec.namespaces: a namespace reaches its own topics without a grant",
            ],
        ),
        (
            "everything",
            of("a", with("topics", json!([{"name": "*"}]))),
            &["- spec.topics: every topic of this namespace is granted, those of tomorrow too"],
        ),
        (
            "a glob",
            of("a", with("topics", json!([{"name": "o*"}]))),
            &[
                r#"! spec.topics[0].name: "*" stands for nothing inside a name: for all that begin so, use "o" with pattern prefixed"#,
            ],
        ),
        (
            "operations",
            of(
                "a",
                with("operations", json!(["Read", "Read", "IdempotentWrite"])),
            ),
            &[
                "! spec.operations: Read is listed twice: list it once",
                "! spec.operations: Kafka knows no IdempotentWrite on a topic: use Read, Write, Create, Delete, Alter, Describe, DescribeConfigs, AlterConfigs or All",
            ],
        ),
        (
            "adoption",
            of("a", with("adoption", json!(true))),
            &[
                r#"# spec.adoption: topics that belong to nobody are the cluster's own namespace's to give: it takes a KafkaAccessGrant in namespace "streaming""#,
            ],
        ),
        (
            "adoption, by the cluster's owner",
            of(HOME, with("adoption", json!(true))),
            &[],
        ),
    ]);
}

#[test]
fn the_cluster_never_changes() {
    let message = &[
        "! spec.clusterRef: clusterRef cannot change: create another object for the other cluster",
    ];
    let old: KafkaACL = acl("a", "acl", simple("admin", "topic orders"));
    let mut new = old.clone();
    assert_eq!(lines(&validate_acl(&new, Some(&old))), [""; 0]);
    new.spec.cluster_ref.name = "other".to_owned();
    assert_eq!(lines(&validate_acl(&new, Some(&old))), message);
    let old: KafkaAccessGrant = grant(
        "a",
        "g",
        json!({"namespaces": ["b"], "topics": [{"name": "orders"}]}),
    );
    let mut new = old.clone();
    new.spec.cluster_ref.namespace = None;
    assert_eq!(lines(&validate_grant(&new, Some(&old))), message);
}
