use super::*;
use crate::flags::Format;

pub fn read(yaml: &str) -> Vec<(Value, String)> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    let settled = objects.into_iter().map(|mut object| {
        settle(&mut object, "pay");
        (object, "f.yaml".to_owned())
    });
    settled.collect()
}

pub fn at(text: &str) -> Time {
    Time(text.parse().unwrap())
}

const POLICY: &str = r"
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaPolicy
metadata: {name: base}
spec:
  match: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: pay}}}
  topics: {replicas: {min: 3}, perNamespace: {topics: 1}}
  defaults: {topics: {partitions: 6}}
  exceptions: [{names: [old], until: '2026-06-01T00:00:00Z', reason: r}]
  cel: [{name: six, rule: 'object.spec.partitions == 6'}]
";
const TOPIC: &str = r"
---
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaTopic
metadata: {name: NAME}
spec: {clusterRef: {name: c}, replicas: 1}
";

#[test]
fn policies_in_files_hold_for_objects_in_files() {
    let both = format!(
        "{POLICY}{}{}",
        TOPIC.replace("NAME", "old"),
        TOPIC.replace("NAME", "new").replace(", replicas: 1", "")
    );
    let objects = read(&both);
    let found = |time: &str| {
        let lint = judge(&objects, &at(time), Look::Policies);
        let items = lint.items.iter();
        let lines: Vec<String> = items
            .map(|i| format!("{} {}", i.label(), i.rule.as_deref().unwrap_or_default()))
            .collect();
        lines
    };
    let new = "kafkatopic/pay/new topics.perNamespace";
    assert_eq!(found("2026-05-31T00:00:00Z"), [new]);
    assert_eq!(
        found("2026-06-01T00:00:00Z"),
        [
            "kafkatopic/pay/old topics.perNamespace",
            "kafkatopic/pay/old topics.replicas",
            new
        ]
    );
}

#[test]
fn rules_see_what_the_definition_fills_in() {
    let rule = r"
apiVersion: kafka.sdm.dev/v1beta1
kind: KafkaPolicy
metadata: {name: p}
spec: {cel: [{name: d, rule: 'object.spec.deletionPolicy == \'Delete\''}]}
"
    .replace("\\'", "''");
    let objects = read(&format!("{rule}{}", TOPIC.replace("NAME", "a")));
    let lint = judge(&objects, &at("2026-06-01T00:00:00Z"), Look::Policies);
    assert_eq!(lint.items, []);
}

#[test]
fn validators_speak_unless_only_policies_are_tested() {
    let objects = read(&format!("{POLICY}{}", TOPIC.replace("NAME", "__x")));
    let refused = |how| judge(&objects, &at("2026-06-01T00:00:00Z"), how);
    let all = refused(Look::Everything);
    assert!(
        all.items
            .iter()
            .any(|i| i.path == "metadata.name" && i.policy.is_none())
    );
    let policies = refused(Look::Policies);
    assert!(policies.items.iter().all(|i| i.policy.is_some()));
}

#[test]
fn the_report_says_what_where_and_by_whom() {
    let objects = read(&format!("{POLICY}{}", TOPIC.replace("NAME", "a")));
    let lint = judge(&objects, &at("2026-06-01T00:00:00Z"), Look::Policies);
    assert_eq!(
        anstream::adapter::strip_str(&Output::render(Format::Table, &lint)).to_string(),
        "OBJECT             VERDICT   FIELD           WHAT\n\
         kafkatopic/pay/a   refused   spec.replicas   1 is too low: use at least 3 (policy base, topics.replicas)\n\
         1 objects, 1 policies: 1 would be refused\n"
    );
    assert_eq!(Output::render(Format::Name, &lint), "kafkatopic/pay/a\n");
    let json: Value = serde_json::from_str(&Output::render(Format::Json, &lint)).unwrap();
    assert_eq!(json["items"][0]["severity"], "refused");
    assert_eq!(json["items"][0]["rule"], "topics.replicas");
}
