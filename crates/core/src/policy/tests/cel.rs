//! Rules: what they see, what they come to, what is refused of them and where.

use serde_json::{Value, json};

use super::super::cel::{Wanted, check};
use super::{Compiled, Question, object, policy, topic};
use sdm_api::PolicyKind;

fn holds(rule: &str, question: &Question) -> Result<(), String> {
    let spec = json!({"cel": [{"name": "r", "rule": rule, "message": "broken"}]});
    let findings = question.ask(&Compiled::new([&policy("p", &spec)]));
    findings
        .0
        .into_iter()
        .next()
        .map_or(Ok(()), |f| Err(f.message))
}

#[test]
fn rules_see_the_object_and_what_is_around_it() {
    let mut question = Question::of(topic(
        "x",
        json!({"partitions": 6, "config": {"retention.ms": "5"}, "labels": {"c": 1, "a": 2, "b": 3}}),
    ));
    question.cluster = Some(object(
        "KafkaCluster",
        "events",
        json!({"version": "4.3.1", "pools": [{"name": "b", "nodeIds": [0, 1, 2]}]}),
    ));
    for rule in [
        "object.spec.partitions == 6",
        "object.spec.partitions % 3 == 0 && object.spec.partitions < 7",
        "has(object.spec.config) && !has(object.spec.replicas)",
        "object.spec.config['retention.ms'] == '5'",
        "'retention.ms' in object.spec.config",
        "int(object.spec.config['retention.ms']) <= 5",
        "object.spec.config.all(k, k.startsWith('retention'))",
        "!object.spec.config.exists(k, k == 'flush.ms')",
        "object.metadata.name.matches('^[a-z]$')",
        "matches(object.metadata.name, '^[a-z]$')",
        "object.metadata.labels.app == 'shop'",
        "object.metadata.name.upperAscii() == 'X'",
        "'a-b'.split('-') == ['a', 'b'] && object.metadata.name != ''",
        "size('é') == 1 && size(object.metadata.name) == 1",
        "oldObject == null",
        "request.userInfo.username == 'alice' && 'dev' in request.userInfo.groups",
        "request.operation == 'CREATE'",
        "namespaceObject.metadata.labels.env == 'prod'",
        "cluster != null && cluster.spec.version == '4.3.1'",
        "cluster.spec.pools.all(p, size(p.nodeIds) >= 3)",
        "cluster.spec.pools[0].nodeIds.exists_one(i, i == 2)",
        "object.spec.labels.map(k, k) == ['a', 'b', 'c']",
        "[object.spec.labels].all(l, l.map(k, k) == ['a', 'b', 'c'])",
        "cluster.spec.pools.map(p, size(p.nodeIds)) == [3]",
        "cluster.spec.pools.filter(p, p.name == 'x').size() == 0",
        "has(object.spec.replicas) ? object.spec.replicas > 2 : true",
    ] {
        assert_eq!(holds(rule, &question), Ok(()), "{rule}");
        let errors = check(rule, &[PolicyKind::KafkaTopic], Wanted::Truth);
        if !rule.contains("spec.labels") {
            assert_eq!(errors, [], "{rule}");
        }
    }
    assert_eq!(
        holds("object.spec.partitions > 6", &question),
        Err("broken".to_owned())
    );
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_broken() {
    let question = Question::of(topic("x", json!({"config": {"a": "b"}})));
    for (rule, want) in [
        (
            "object.spec.partitions > 3",
            "there is no object.spec.partitions",
        ),
        (
            "cluster.spec.version == '4.3.1'",
            "there is no cluster.spec.version",
        ),
        ("int(object.spec.config['a']) > 3", "int does not take that"),
        (
            "object.metadata.labels",
            "it comes to Map and not to true or false",
        ),
        (
            "object.spec.config.all(a, object.spec.config.all(b, object.spec.config.all(c, c.name > 1)))",
            "values are not of the type that is needed",
        ),
    ] {
        let error = holds(rule, &question).unwrap_err();
        assert!(
            error.starts_with("the rule cannot be evaluated: ") && error.contains(want),
            "{rule}: {error}"
        );
    }
}

#[test]
fn loops_end_when_the_budget_does() {
    let many: Vec<Value> = (0..200).map(Value::from).collect();
    let question = Question::of(object(
        "KafkaCluster",
        "c",
        json!({"pools": [{"name": "p", "nodeIds": many}]}),
    ));
    let ids = "object.spec.pools[0].nodeIds";
    let rule = format!("{ids}.all(a, {ids}.all(b, {ids}.all(c, a + b + c >= 0)))");
    let began = std::time::Instant::now();
    assert_eq!(
        holds(&rule, &question),
        Err("the rule cannot be evaluated: it takes too many steps for this object".to_owned())
    );
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert!(holds(&format!("{ids}.all(a, {ids}.exists(b, a == b))"), &question).is_ok());
}

#[test]
fn messages_come_from_expressions() {
    let spec = json!({"cel": [
        {"name": "a", "rule": "object.spec.partitions <= 3", "messageExpression": "'not ' + string(object.spec.partitions) + ' but 3'"},
        {"name": "b", "rule": "object.spec.partitions <= 3", "message": "plain", "messageExpression": "object.spec.config['x']"},
        {"name": "c", "rule": "object.spec.partitions <= 3"},
    ]});
    let found = super::found(&spec, topic("x", json!({"partitions": 9})));
    assert_eq!(
        found,
        [
            "cel/a : not 9 but 3",
            "cel/b : plain",
            "cel/c : the rule is broken"
        ]
    );
}

#[test]
fn what_speaks_of_changes_is_not_asked_of_what_stands() {
    let compiled = Compiled::new([&policy(
        "p",
        &json!({"cel": [
            {"name": "grow", "rule": "oldObject == null || object.spec.partitions <= 2 * oldObject.spec.partitions"},
            {"name": "who", "rule": "request.userInfo.username != 'alice'"},
        ]}),
    )]);
    let rules = |question: &Question| {
        question
            .ask(&compiled)
            .0
            .into_iter()
            .map(|f| f.rule)
            .collect::<Vec<_>>()
    };
    let mut question = Question::of(topic("x", json!({"partitions": 9})));
    assert_eq!(rules(&question), ["cel/who"]);
    question.old = Some(topic("x", json!({"partitions": 4})));
    assert_eq!(rules(&question), ["cel/grow", "cel/who"]);
    assert_eq!(
        question.ask(&compiled).review().violations.len(),
        2,
        "a change is never there before"
    );
    (question.request, question.old) = (None, None);
    assert_eq!(rules(&question), [""; 0]);
}

#[test]
fn what_does_not_compile_or_can_only_fail_is_refused_with_its_place() {
    let topic = [PolicyKind::KafkaTopic];
    let deep = format!(
        "{}object.spec.partitions == 1{}",
        "(".repeat(40),
        ")".repeat(40)
    );
    let nested = format!("object.metadata{} == 1", ".a".repeat(30));
    let long = format!("object.spec.partitions > {}", "1 + ".repeat(600) + "1");
    let sums = format!("object.spec.partitions > {}", vec!["1"; 18].join("+"));
    for (rule, want) in [
        (
            "object.spec.partitions >",
            "line 1, column 25: mismatched input '<EOF>'",
        ),
        (
            "object.spec.partitions > 1 &&\n  object.spec.replicas >= 1 )",
            "line 2, column 29: ",
        ),
        (
            "object.spec.partitons > 1",
            "line 1, column 13: no KafkaTopic has object.spec.partitons",
        ),
        (
            "has(object.spec.partitons)",
            "line 1, column 17: no KafkaTopic has object.spec.partitons",
        ),
        (
            "true &&\n object.spec.partitons > 1",
            "line 2, column 14: no KafkaTopic has",
        ),
        (
            "object.spec.partitions.max > 1",
            "line 1, column 24: no KafkaTopic has object.spec.partitions.max",
        ),
        (
            "objct.spec.partitions > 1",
            "line 1, column 1: objct is not known: there are object, oldObject",
        ),
        (
            "request.user == 'x'",
            "line 1, column 9: there is no request.user",
        ),
        (
            "cluster.spec.verson == 'x'",
            "line 1, column 14: there is no cluster.spec.verson",
        ),
        (
            "isURL(object.metadata.name)",
            "line 1, column 1: there is no function isURL",
        ),
        (
            "object.metadata.name.size(1) > 0",
            "line 1, column 22: size takes 1 arguments and not 2",
        ),
        (
            "object.metadata.name.matches('[')",
            "line 1, column 30: no regular expression: unclosed character class",
        ),
        (
            "object.metadata.name.matches(object.kind)",
            "line 1, column 22: the pattern of matches has to be a literal",
        ),
        (
            "object.spec.partitions",
            "line 1, column 1: it comes to a number: a rule has to come to true or false",
        ),
        (
            "object.spec.partitions + 1",
            "line 1, column 1: it comes to a number",
        ),
        ("'yes'", "line 1, column 1: it comes to a text"),
        (
            "object.spec.partitions == '3'",
            "line 1, column 13: a number is compared with a text, which can only go one way",
        ),
        ("true", "line 1, column 1: it names nothing of the object"),
        ("1 > 2", "line 1, column 1: it names nothing of the object"),
        (
            "[1].all(object, object > 0)",
            "line 1, column 9: object is a variable already",
        ),
        (
            "[1].all(a, [1].all(b, [1].all(c, [1].all(d, a + b + c + d > 0))))",
            "line 1, column 42: more than 3 loops",
        ),
        (
            "Foo{bar: 1} == object",
            "line 1, column 1: there is no type Foo",
        ),
        (deep.as_str(), "line 1, column 13: it goes too deep"),
        (
            nested.as_str(),
            "line 1, column 1: it goes deeper than 24 levels",
        ),
        (
            long.as_str(),
            "line 1, column 1: 2426 characters are too long: use at most 2048",
        ),
        (sums.as_str(), "more than 16 times + is too much"),
        ("", "line 1, column 1: "),
    ] {
        let errors = check(rule, &topic, Wanted::Truth);
        let first = errors.first().map(ToString::to_string).unwrap_or_default();
        assert!(first.contains(want), "{rule}\n{first}");
    }
    assert_eq!(
        check(
            "object.spec.partitions > 3",
            &PolicyKind::ALL,
            Wanted::Truth
        ),
        [],
        "one kind has it"
    );
    assert_eq!(
        check("object.spec.partitions", &topic, Wanted::Text).len(),
        1
    );
}

/// What the parser and the interpreter need of the stack must fit where reviews are judged.
#[test]
fn the_longest_chains_fit_on_a_small_stack() {
    let chain = |word: &str, with: &str| {
        let words = vec![word; 2048 / (word.len() + with.len())];
        words.join(with)
    };
    let sources = [
        chain("a", "."),
        chain("1", "+"),
        chain("1", "<"),
        chain("object", "||"),
        chain("a", "?1:"),
        "!".repeat(2048),
        "-".repeat(2048),
        "(".repeat(2048),
        "[".repeat(2048),
        "{1:".repeat(600),
        "a(".repeat(1000),
        "a[".repeat(1000),
        "a.a(".repeat(500),
        "\"".repeat(2047),
        chain("[1].all(a,", ""),
        format!("object{}", ".a".repeat(60)),
        vec!["1"; 17].join("+") + " > 0 && object.metadata.name == ''",
    ];
    let work = move || {
        for source in &sources {
            let _ = check(source, &[PolicyKind::KafkaTopic], Wanted::Truth);
            let _ = holds(source, &Question::of(topic("x", json!({}))));
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}
