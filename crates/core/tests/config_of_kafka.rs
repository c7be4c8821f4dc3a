//! The tables and the judgement of values, against the versions of Kafka they are of. Needs a JVM, and Maven for the jars:
//!
//!     cargo test -p sdm-core --test config_of_kafka -- --ignored

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sdm_core::config_catalog::{Kind, Line, Scope, problem};

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
        let mut kafka = dump()
            .args(["judge", version])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to_kafka = kafka.stdin.take().unwrap();
        let asking = std::thread::spawn(move || to_kafka.write_all(questions.as_bytes()));
        let answers = String::from_utf8(kafka.wait_with_output().unwrap().stdout).unwrap();
        asking.join().unwrap().unwrap();
        assert_eq!(answers.lines().count(), ours.len(), "{version}");
        let mut wrong = Vec::new();
        for ((key, value, problem), answer) in ours.iter().zip(answers.lines()) {
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
