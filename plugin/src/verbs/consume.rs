//! `consume`: records to standard output, from the beginning or from now on, to the end or until told to stop.
//!
//! Reads partitions directly, without a consumer group, so it disturbs nobody's offsets. Ends in order on Ctrl-C and
//! when its reader goes away.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use sdm_kafka::{Consumer, ConsumerConfig, End, ReceivedRecord, Start};
use tokio::time::{Instant, sleep_until};

use super::record::JsonRecord;
use crate::exit::{Code, Failure, Result};
use crate::flags::{Format, duration};
use crate::interrupt::Interrupt;
use crate::kafka::{Access, Kafka};
use crate::session::Session;

/// Arguments of `consume`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  kubectl kafka consume hello --from-beginning --until-end\n  kubectl kafka consume orders --since 10m --print partition,offset,key,value\n  kubectl kafka consume orders -o json | jq .value\n\nFormats: values (or what --print names), one record a line; -o json, one JSON object a line."
)]
pub struct Args {
    /// The topic
    topic: String,
    /// Start with the oldest record; otherwise only what is written from now on is read
    #[arg(short = 'b', long, conflicts_with_all = ["offset", "since"])]
    from_beginning: bool,
    /// Start at this offset of the partition given with --partition
    #[arg(long, value_name = "N", requires = "partition", conflicts_with = "since", value_parser = clap::value_parser!(i64).range(0..))]
    offset: Option<i64>,
    /// Start with what is younger than this: a duration (10m) or a time (2026-11-22T10:00:00Z)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Only this partition; may be repeated
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Vec<i32>,
    /// Stop where the partitions end now
    #[arg(short = 'e', long)]
    until_end: bool,
    /// Stop after this many records
    #[arg(short, long, value_name = "N", visible_alias = "max-records", value_parser = clap::value_parser!(u64).range(1..))]
    max_messages: Option<u64>,
    /// Stop when no record came for this long; a failure (124) if --max-messages was not reached
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// What to print of each record, in this order
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "value",
        value_name = "FIELDS"
    )]
    print: Vec<Field>,
    /// What to print between fields; a tab if not given
    #[arg(
        long,
        value_name = "TEXT",
        visible_alias = "key-separator",
        default_value = "\t",
        hide_default_value = true
    )]
    separator: String,
    /// What to print for a null key or value
    #[arg(long, value_name = "TEXT", default_value = "null")]
    null: String,
    #[command(flatten)]
    access: Access,
}

/// A part of a record.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Key,
    Value,
    Headers,
    Partition,
    Offset,
    Timestamp,
    Topic,
}

/// A moment, absolute or counted back from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    At(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Since::At(at));
    }
    duration(text).map(Since::Ago).map_err(|_| {
        format!("{text:?} is neither a duration (10m) nor a time (2026-11-22T10:00:00Z)")
    })
}

impl Since {
    fn millis(self, now: Timestamp) -> i64 {
        match self {
            Self::At(at) => at.as_millisecond(),
            Self::Ago(ago) => now
                .as_millisecond()
                .saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// Reads records until told to stop.
///
/// # Errors
/// When the topic cannot be read, or the time was up before enough came.
pub async fn run(session: &Session, args: Args, mut interrupt: Interrupt) -> Result<()> {
    let json = match session.output.format {
        Format::Table => false,
        Format::Json => true,
        _ => {
            return Err(Failure::usage(
                "consume prints records, or with -o json one JSON object a line; it has no other format",
            ));
        }
    };
    let start = match (args.from_beginning, args.offset, args.since) {
        (true, ..) => Start::Earliest,
        (_, Some(offset), _) => Start::Offsets(
            args.partition
                .iter()
                .map(|p| (*p, offset))
                .collect::<BTreeMap<_, _>>(),
        ),
        (_, _, Some(since)) => Start::AtOrAfter(since.millis(Timestamp::now())),
        _ => Start::Latest,
    };
    let end = if args.until_end {
        End::Current
    } else {
        End::Follow
    };
    let only = (!args.partition.is_empty()).then_some(args.partition.as_slice());
    let opened = async {
        let kafka = Kafka::open(session, &args.access).await?;
        let consumer = Consumer::new(
            kafka.client.clone(),
            &args.topic,
            only,
            start,
            end,
            ConsumerConfig::default(),
        )
        .await;
        let consumer = consumer.map_err(|e| failed(&kafka, &args.topic, e))?;
        Ok::<_, Failure>((kafka, consumer))
    };
    let (kafka, mut consumer) = tokio::select! {
        opened = opened => opened?,
        stopped = interrupt.wait() => return Err(stopped),
    };

    let mut out = BufWriter::new(io::stdout().lock());
    let began = Instant::now();
    let mut last = began;
    let mut count: u64 = 0;
    let ended: Result<()> = loop {
        if args.max_messages.is_some_and(|max| count >= max) {
            break Ok(());
        }
        let idle = args.timeout.map(|timeout| last + timeout);
        let records = tokio::select! {
            records = consumer.next() => records.map_err(|e| failed(&kafka, &args.topic, e)),
            stopped = interrupt.wait() => break Err(stopped),
            () = sleep_until(idle.unwrap_or(began)), if idle.is_some() => break out_of_time(&args, count),
        };
        let records = match records {
            Ok(Some(records)) => records,
            Ok(None) => break Ok(()),
            Err(failure) => break Err(failure),
        };
        let room = args.max_messages.map_or(usize::MAX, |max| {
            usize::try_from(max - count).unwrap_or(usize::MAX)
        });
        let written = write_all(&mut out, records.iter().take(room), &args, json);
        count += records.len().min(room) as u64;
        if let Err(e) = written {
            break Err(e.into());
        }
        last = Instant::now();
    };
    let what = if count == 1 {
        "1 record".to_owned()
    } else {
        format!("{count} records")
    };
    session.output.progress(format!(
        "{what} read from topic {} in {:.2} s",
        args.topic,
        began.elapsed().as_secs_f64()
    ));
    ended
}

fn failed(kafka: &Kafka, topic: &str, error: sdm_kafka::KafkaError) -> Failure {
    let failure = kafka.failed(&format!("consume topic {topic}"), error);
    if failure.code == Code::NotFound {
        failure.hint(format!("kubectl kafka topic list {}", kafka.flags()))
    } else {
        failure
    }
}

fn out_of_time(args: &Args, count: u64) -> Result<()> {
    match args.max_messages {
        Some(max) => Err(Failure::new(
            Code::TimedOut,
            format!(
                "the time was up after {count} of {max} records of topic {}",
                args.topic
            ),
        )),
        None => Ok(()),
    }
}

/// Writes records and flushes, so that a reader sees them as they come.
fn write_all<'a>(
    out: &mut impl Write,
    records: impl Iterator<Item = &'a ReceivedRecord>,
    args: &Args,
    json: bool,
) -> io::Result<()> {
    for record in records {
        if json {
            serde_json::to_writer(&mut *out, &JsonRecord::from(record))?;
        } else {
            write_fields(out, record, args)?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn write_fields(out: &mut impl Write, record: &ReceivedRecord, args: &Args) -> io::Result<()> {
    let null = args.null.as_bytes();
    for (i, field) in args.print.iter().enumerate() {
        if i > 0 {
            out.write_all(args.separator.as_bytes())?;
        }
        match field {
            Field::Key => out.write_all(record.key.as_deref().unwrap_or(null))?,
            Field::Value => out.write_all(record.value.as_deref().unwrap_or(null))?,
            Field::Partition => write!(out, "{}", record.partition)?,
            Field::Offset => write!(out, "{}", record.offset)?,
            Field::Topic => out.write_all(record.topic.as_bytes())?,
            Field::Timestamp => match Timestamp::from_millisecond(record.timestamp_ms) {
                Ok(at) => write!(out, "{at:.3}")?,
                Err(_) => write!(out, "{}", record.timestamp_ms)?,
            },
            Field::Headers => {
                for (i, header) in record.headers.iter().enumerate() {
                    if i > 0 {
                        out.write_all(b",")?;
                    }
                    write!(out, "{}=", header.key)?;
                    out.write_all(header.value.as_deref().unwrap_or(null))?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sdm_kafka::Header;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn printed(flags: &str, json: bool) -> String {
        let args = Line::try_parse_from(format!("consume t {flags}").split_whitespace())
            .unwrap()
            .args;
        let record = ReceivedRecord {
            topic: "t".into(),
            partition: 3,
            offset: 42,
            timestamp_ms: 1_700_000_000_120,
            key: Some("k".into()),
            value: None,
            headers: vec![
                Header {
                    key: "a".to_owned(),
                    value: Some("1".into()),
                },
                Header {
                    key: "b".to_owned(),
                    value: None,
                },
            ],
        };
        let mut out = Vec::new();
        write_all(&mut out, [&record].into_iter(), &args, json).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_asked_for() {
        assert_eq!(printed("", false), "null\n");
        assert_eq!(
            printed("--print key,value --key-separator :", false),
            "k:null\n"
        );
        assert_eq!(
            printed(
                "--print timestamp,headers,offset,partition --null - --separator |",
                false
            ),
            "2023-11-14T22:13:20.120Z|a=1,b=-|42|3\n"
        );
    }

    #[test]
    fn json_is_one_object_a_line() {
        assert_eq!(
            printed("", true),
            "{\"topic\":\"t\",\"partition\":3,\"offset\":42,\"timestamp\":\"2023-11-14T22:13:20.12Z\",\"key\":\"k\",\"value\":null,\
             \"headers\":[{\"key\":\"a\",\"value\":\"1\"},{\"key\":\"b\",\"value\":null}]}\n"
        );
    }

    #[test]
    fn starting_points_exclude_each_other() {
        for flags in [
            "--from-beginning --since 1m",
            "--offset 1",
            "--offset 1 --partition 0 --from-beginning",
            "--since x",
            "--max-messages 0",
        ] {
            assert!(
                Line::try_parse_from(format!("consume t {flags}").split_whitespace()).is_err(),
                "{flags}"
            );
        }
        let now = Timestamp::from_millisecond(1_000_000).unwrap();
        assert_eq!(since("1m").unwrap().millis(now), 940_000);
        assert_eq!(since("1970-01-01T00:00:01Z").unwrap().millis(now), 1000);
    }
}
