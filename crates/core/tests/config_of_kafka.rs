//! The tables and the judgement of values, against the versions of Kafka they are of. Needs a JVM, and Maven for the jars:
//!
//!     cargo test -p sdm-core --test config_of_kafka -- --ignored

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sdm_core::config_catalog::{Default, Kind, Line, Scope, Update, conflicts, problem};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn dump() -> Command {
    Command::new(repository().join("deploy/config-catalog/dump"))
}

#[test]
#[ignore = "asks Kafka itself"]
fn the_committed_tables_are_current() {
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("config-catalog");
    let _ = fs::remove_dir_all(&fresh);
    let written = dump().arg("write").arg(&fresh).status().unwrap();
    assert!(written.success());
    for dir in [
        "crates/core/src/config_catalog/data",
        "plugin/src/verbs/config/data",
    ] {
        let names = |root: &Path| {
            let entries = fs::read_dir(root.join(dir)).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let committed = names(&repository());
        assert_eq!(
            committed,
            names(&fresh),
            "{dir} is stale: run `make generate`"
        );
        for name in committed {
            let file = Path::new(dir).join(name);
            let read = |root: &Path| fs::read_to_string(root.join(&file)).unwrap();
            let same = read(&repository()) == read(&fresh);
            assert!(same, "{} is stale: run `make generate`", file.display());
        }
    }
}

/// Asks the script `what` of a version, a question a line, and returns its answers.
fn ask(what: &str, version: &str, questions: String) -> Vec<String> {
    let mut kafka = dump()
        .args([what, version])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_kafka = kafka.stdin.take().unwrap();
    let asking = std::thread::spawn(move || to_kafka.write_all(questions.as_bytes()));
    let answers = String::from_utf8(kafka.wait_with_output().unwrap().stdout).unwrap();
    asking.join().unwrap().unwrap();
    answers.lines().map(ToOwned::to_owned).collect()
}

/// Every number of brokers at its bounds, with every other one that has to do with it, and many of those at once: a broker
/// that would not start is refused, and one that would is not.
#[test]
#[ignore = "asks Kafka itself"]
fn a_broker_that_would_not_start_is_refused() {
    for version in sdm_api::SUPPORTED_VERSIONS {
        let line = Line::of(version).unwrap();
        let mut random: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut draw = move |n: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % n as u64).unwrap()
        };
        // Values from the bounds, the default and its neighbours.
        let numbers: Vec<(&str, Vec<i64>)> = line
            .keys(Scope::Broker)
            .filter(|key| matches!(key.kind, Kind::Int | Kind::Long | Kind::Short))
            .filter(|key| {
                key.update != Update::LiveOnly && !["broker.id", "node.id"].contains(&key.name)
            })
            .map(|key| {
                let default: i64 = match key.default {
                    Default::Value(value) => value.parse().unwrap(),
                    _ => 1,
                };
                let near = [
                    default,
                    default / 2,
                    default.saturating_mul(2),
                    default - 1,
                    0,
                    1,
                    -1,
                    5,
                    1_000,
                    2_147_483_647,
                ];
                let valid = |n: &i64| problem(&key, &n.to_string()).is_none();
                (key.name, near.into_iter().filter(valid).collect())
            })
            .collect();
        let mut files: Vec<BTreeMap<String, String>> = Vec::new();
        for (name, values) in &numbers {
            files.extend(
                values
                    .iter()
                    .map(|n| BTreeMap::from([((*name).to_owned(), n.to_string())])),
            );
        }
        let groups = [
            "group.consumer.",
            "group.share.",
            "group.streams.",
            "log.",
            "replica.",
            "connection",
            "",
        ];
        let texts = [
            ("log.cleaner.threads", "1|127|128|129"),
            (
                "group.coordinator.rebalance.protocols",
                "classic|consumer|consumer, classic|share,streams",
            ),
            (
                "max.connections.per.ip.overrides",
                "a:1|a|a:b|a:1,127.0.0.1:5|:1|a:-1||a:1,|[::1]:3",
            ),
        ];
        for (name, values) in texts {
            files.extend(values.split('|').flat_map(|value| {
                let file = BTreeMap::from([(name.to_owned(), value.to_owned())]);
                let mut nobody = file.clone();
                nobody.insert("max.connections.per.ip".to_owned(), "0".to_owned());
                [file, nobody]
            }));
        }
        for i in 0..20_000 {
            let group = groups[i % groups.len()];
            let some: Vec<_> = numbers
                .iter()
                .filter(|(name, _)| name.starts_with(group))
                .collect();
            let mut file = BTreeMap::new();
            for _ in 0..2 + draw(3) {
                let (name, values) = some[draw(some.len())];
                file.insert((*name).to_owned(), values[draw(values.len())].to_string());
            }
            files.push(file);
        }
        let line_of = |file: &BTreeMap<String, String>| {
            let pairs: Vec<_> = file.iter().map(|(k, v)| format!("{k}={v}")).collect();
            pairs.join("\t") + "\n"
        };
        let answers = ask("start", version, files.iter().map(line_of).collect());
        assert_eq!(answers.len(), files.len(), "{version}");
        let mut wrong = Vec::new();
        let mut refused = 0;
        for (file, answer) in files.iter().zip(&answers) {
            let ours = conflicts(line, file);
            refused += usize::from(!ours.is_empty());
            // Refused here alone, on purpose: it has no effect where another key says the same, and would when that goes.
            let stricter = ours.iter().all(|c| c.key.starts_with("log.retention."));
            let starts = answer == "yes";
            if starts != ours.is_empty() && !(starts && stricter) {
                wrong.push(format!("{file:?}: {answer} and here {ours:?}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "Kafka {version}, {} of {}:\n{}",
            wrong.len(),
            files.len(),
            wrong[..wrong.len().min(30)].join("\n")
        );
        assert!(refused > 2_000 && refused < 15_000, "{refused}");
    }
}

/// What is taken here is taken there, and what is refused there is refused here, for every key and what people write.
#[test]
#[ignore = "asks Kafka itself"]
fn kafka_takes_the_same_values() {
    const VALUES: &str = "| |true|TRUE|True |false|yes|-131073|-131072|-3|-2|-1|0|1|+1| 7 |9|10|17|18|22|23|25|26|99|100|101|500|501\
        |1000|1024|3600|3601|10000|32767|32768|-32769|65536|86400|86401|524287|524288|1048576|8388608|2147483639|2147483647\
        |2147483648|-2147483649|9223372036854775807|9223372036854775808|0.5|.5|1.0|1.01|-0.1|1e3|1_000|0x10|1L|7d|1Gi|NaN\
        |abc|a b|a,b|a, b|a,,b|,|a,|,a|a,a|gzip| gzip|gzip |GZIP|producer|zstd|compact|Compact|compact,delete|delete ,compact\
        |delete,delete|required|none|requested|upgrade|UPGRADE|Bidirectional|classic|consumer,share|consumer,new\
        |broker,controller|CreateTime|logappendtime|PLAINTEXT|SASL_SSL|ES256|rs256|INFO";
    let values: Vec<&str> = VALUES.split('|').collect();
    for version in sdm_api::SUPPORTED_VERSIONS {
        let line = Line::of(version).unwrap();
        let (mut questions, mut ours) = (String::new(), Vec::new());
        for (word, scope) in [("broker", Scope::Broker), ("topic", Scope::Topic)] {
            for key in line.keys(scope) {
                // Whether a class can be loaded is not to be known here; of what is the operator's own the shape is not.
                let set_by_us = key.name.starts_with("controller.quorum.")
                    || key.name.ends_with(".replication.throttled.replicas");
                if key.kind == Kind::Class || set_by_us {
                    continue;
                }
                for value in &values {
                    writeln!(questions, "{word}\t{}\t{value}", key.name).unwrap();
                    ours.push((key, *value, problem(&key, value)));
                }
            }
        }
        let answers = ask("judge", version, questions);
        assert_eq!(answers.len(), ours.len(), "{version}");
        let mut wrong = Vec::new();
        for ((key, value, problem), answer) in ours.iter().zip(&answers) {
            // Refused here alone, on purpose: it compares with nothing, and Java's mark of a double is taken for days.
            let stricter = key.kind == Kind::Double && ["NaN", "7d"].contains(value);
            if (answer == "yes") != problem.is_none() && !stricter {
                wrong.push(format!(
                    "{}={value:?}: {answer} and here {problem:?}",
                    key.name
                ));
            }
        }
        assert!(
            wrong.is_empty(),
            "Kafka {version}, {} of {}:\n{}",
            wrong.len(),
            ours.len(),
            wrong[..wrong.len().min(40)].join("\n")
        );
        assert!(ours.len() > 30_000, "{}", ours.len());
    }
}
