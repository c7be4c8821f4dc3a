//! `produce`: lines of standard input become records, each acknowledged by every in-sync replica.
//!
//! Lines are sent as they come, so it also works by hand; whatever has piled up while a batch was on its way goes out
//! with the next one. The exit status is zero only if every record was acknowledged.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use sdm_kafka::{Compression, Header, Producer, ProducerConfig, Record};
use tokio::sync::mpsc;

use super::record::JsonRecord;
use crate::exit::{Code, Failure, Result};
use crate::flags::{duration, pair};
use crate::interrupt::Interrupt;
use crate::kafka::{Access, Kafka};
use crate::session::Session;

/// Arguments of `produce`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  seq 1000 | kubectl kafka produce hello\n  echo 'order-7:{\"total\": 12}' | kubectl kafka produce orders --key-separator : --header source=shop\n  kubectl kafka consume a -o json --until-end | kubectl kafka produce b --json"
)]
pub struct Args {
    /// The topic
    topic: String,
    /// What stands between key and value; without it records have no key
    #[arg(short, long, value_name = "TEXT", conflicts_with = "json")]
    key_separator: Option<String>,
    /// A header for every record, as key=value; may be repeated
    #[arg(short = 'H', long, value_name = "KEY=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// Lines are JSON objects as `consume -o json` writes them
    #[arg(long)]
    json: bool,
    /// A value of exactly this text is written as null (a tombstone)
    #[arg(long, value_name = "TEXT")]
    null: Option<String>,
    /// Read this file instead of standard input
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write to this partition; otherwise the key decides, as with Kafka's own clients
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Compression of batches
    #[arg(long, value_enum, default_value = "none", value_name = "CODEC")]
    compression: Codec,
    /// When a record counts as written; only all in-sync replicas will do
    #[arg(long, value_enum, default_value = "all", value_name = "ACKS")]
    acks: Acks,
    /// How long to try before a record is given up
    #[arg(long, value_parser = duration, default_value = "60s", value_name = "DURATION")]
    timeout: Duration,
    #[command(flatten)]
    access: Access,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Acks {
    All,
}

impl From<Codec> for Compression {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::None => Self::None,
            Codec::Gzip => Self::Gzip,
            Codec::Snappy => Self::Snappy,
            Codec::Lz4 => Self::Lz4,
            Codec::Zstd => Self::Zstd,
        }
    }
}

/// Complete lines that one read brought.
type Lines = io::Result<Vec<Vec<u8>>>;

/// Bytes handed to the producer at once, at most by one line.
const CHUNK: usize = 8 * 1024 * 1024;
/// What is read at once.
const READ: usize = 256 * 1024;

/// Writes the records.
///
/// # Errors
/// When any record was not acknowledged.
pub async fn run(session: &Session, args: Args, mut interrupt: Interrupt) -> Result<()> {
    let Acks::All = args.acks;
    let input: Box<dyn Read + Send> = match &args.file {
        Some(path) => Box::new(
            File::open(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?,
        ),
        None => Box::new(io::stdin()),
    };
    let kafka = tokio::select! {
        kafka = Kafka::open(session, &args.access) => kafka?,
        stopped = interrupt.wait() => return Err(stopped),
    };
    #[expect(
        clippy::field_reassign_with_default,
        reason = "the structure may grow, so it cannot be written out"
    )]
    let config = {
        let mut config = ProducerConfig::default();
        config.compression = args.compression.into();
        config.delivery_timeout = args.timeout;
        config
    };
    let producer = Producer::new(kafka.client.clone(), config);
    let (sender, mut lines) = mpsc::channel(16);
    std::thread::spawn(move || read_lines(input, &sender));

    let began = Instant::now();
    let mut tally = Tally::default();
    let ended = loop {
        let chunk = tokio::select! {
            chunk = next(&mut lines) => chunk,
            stopped = interrupt.wait() => break Some(stopped),
        };
        let (lines, unreadable) = chunk;
        if lines.is_empty() && unreadable.is_none() {
            break None;
        }
        let mut wrong = unreadable.map(|e| Failure::from(e).doing("read the records"));
        let mut records = Vec::with_capacity(lines.len());
        for line in lines {
            match record(&args, line) {
                Ok(record) => records.push(record),
                Err(why) => {
                    let number = tally.seen + records.len() + 1;
                    wrong = Some(Failure::general(format!("line {number}: {why}")));
                    break;
                }
            }
        }
        tally.seen += records.len();
        if !records.is_empty() {
            // Not interruptible: what is on its way is waited for, so that the count is true.
            match producer.send_all(&args.topic, records).await {
                Ok(verdicts) => verdicts
                    .into_iter()
                    .for_each(|verdict| tally.count(verdict.map(|d| d.partition))),
                Err(e) => break Some(kafka.failed(&format!("produce to topic {}", args.topic), e)),
            }
        }
        if wrong.is_some() || tally.first.is_some() {
            break wrong;
        }
    };
    tally.report(session, &kafka, &args.topic, began.elapsed(), ended)
}

/// What became of the records.
#[derive(Default)]
struct Tally {
    seen: usize,
    acknowledged: usize,
    partitions: std::collections::BTreeSet<i32>,
    first: Option<sdm_kafka::KafkaError>,
}

impl Tally {
    fn count(&mut self, verdict: Result<i32, sdm_kafka::KafkaError>) {
        match verdict {
            Ok(partition) => {
                self.acknowledged += 1;
                self.partitions.insert(partition);
            }
            Err(error) => {
                self.first.get_or_insert(error);
            }
        }
    }

    fn report(
        self,
        session: &Session,
        kafka: &Kafka,
        topic: &str,
        took: Duration,
        ended: Option<Failure>,
    ) -> Result<()> {
        let records = |n: usize| {
            if n == 1 {
                "1 record".to_owned()
            } else {
                format!("{n} records")
            }
        };
        let lost = self.seen - self.acknowledged;
        if self.acknowledged > 0 || lost == 0 {
            session.output.progress(format!(
            "{} acknowledged by all in-sync replicas of topic {topic} ({} of its partitions) in {:.2} s",
            records(self.acknowledged),
            self.partitions.len(),
            took.as_secs_f64()
        ));
        }
        if lost == 0 {
            return ended.map_or(Ok(()), Err);
        }
        let why = match (ended, self.first) {
            (_, Some(first)) => kafka.failed(
                &format!(
                    "{lost} of {} not acknowledged; the first",
                    records(self.seen)
                ),
                first,
            ),
            (Some(ended), None) => {
                ended.doing(format!("{lost} of {} not acknowledged", records(self.seen)))
            }
            (None, None) => Failure::new(
                Code::General,
                format!("{lost} of {} not acknowledged", records(self.seen)),
            ),
        };
        Err(match why.code {
            Code::NotFound => why.hint(format!("kubectl kafka topic create {topic}")),
            _ => why.hint(format!("kubectl kafka status {}", kafka.cluster)),
        })
    }
}

/// Waits for lines, then takes along what is there already. Nothing at all means the end.
async fn next(lines: &mut mpsc::Receiver<Lines>) -> (Vec<Vec<u8>>, Option<io::Error>) {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut more = lines.recv().await;
    loop {
        match more {
            Some(Ok(chunk)) => {
                bytes += chunk.iter().map(Vec::len).sum::<usize>();
                found.extend(chunk);
            }
            Some(Err(error)) => return (found, Some(error)),
            None => return (found, None),
        }
        if bytes >= CHUNK {
            return (found, None);
        }
        match lines.try_recv() {
            Ok(chunk) => more = Some(chunk),
            Err(_) => return (found, None),
        }
    }
}

/// Cuts the input into lines without their line feeds, and hands over all complete ones after every read.
fn read_lines(mut input: impl Read, sender: &mpsc::Sender<Lines>) {
    let (mut buffer, mut rest) = (vec![0; READ], Vec::new());
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => {
                let _ = sender.blocking_send(Err(e));
                return;
            }
        };
        let mut lines = Vec::new();
        for piece in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(piece);
            if rest.last() == Some(&b'\n') {
                rest.pop();
                lines.push(std::mem::take(&mut rest));
            }
        }
        if !lines.is_empty() && sender.blocking_send(Ok(lines)).is_err() {
            return;
        }
    }
    if !rest.is_empty() {
        let _ = sender.blocking_send(Ok(vec![rest]));
    }
}

fn record(args: &Args, line: Vec<u8>) -> Result<Record, String> {
    let mut record = if args.json {
        let json: JsonRecord =
            serde_json::from_slice(&line).map_err(|e| format!("not a record: {e}"))?;
        Record::try_from(json)?
    } else {
        let (key, value) = match args.key_separator.as_deref() {
            Some(separator) => {
                let at = find(&line, separator.as_bytes()).ok_or_else(|| {
                    format!("no key: it does not contain the separator {separator:?}")
                })?;
                (
                    Some(line[..at].to_vec()),
                    line[at + separator.len()..].to_vec(),
                )
            }
            None => (None, line),
        };
        let null = args
            .null
            .as_deref()
            .is_some_and(|null| null.as_bytes() == value);
        Record {
            key: key.map(Into::into),
            value: (!null).then(|| value.into()),
            ..Record::default()
        }
    };
    let headers = args.header.iter().map(|(key, value)| Header {
        key: key.clone(),
        value: Some(value.clone().into()),
    });
    record.headers.extend(headers);
    record.partition = args.partition;
    Ok(record)
}

fn find(line: &[u8], separator: &[u8]) -> Option<usize> {
    if separator.is_empty() {
        return None;
    }
    line.windows(separator.len())
        .position(|window| window == separator)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(format!("produce {line}").split(' '))
            .unwrap()
            .args
    }

    fn parsed(flags: &str, line: &str) -> Result<(Option<String>, Option<String>), String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let record = record(&args(flags), line.as_bytes().to_vec())?;
        Ok((
            record.key.as_deref().map(text),
            record.value.as_deref().map(text),
        ))
    }

    #[test]
    fn lines_become_records() {
        let s = |t: &str| Some(t.to_owned());
        assert_eq!(parsed("t", "a:b").unwrap(), (None, s("a:b")));
        assert_eq!(parsed("t -k :", "a:b:c").unwrap(), (s("a"), s("b:c")));
        assert_eq!(parsed("t -k ::", "a::").unwrap(), (s("a"), s("")));
        assert_eq!(
            parsed("t -k : --null NULL", "a:NULL").unwrap(),
            (s("a"), None)
        );
        assert_eq!(
            parsed("t --json", r#"{"key":"a","value":"b"}"#).unwrap(),
            (s("a"), s("b"))
        );
        assert!(parsed("t -k :", "a").unwrap_err().contains("separator"));
        assert!(parsed("t --json", "a").is_err());
    }

    #[test]
    fn every_byte_of_the_input_arrives() {
        let long = "x".repeat(READ + 10);
        let input = format!("one\n\n{long}\nlast");
        let (sender, mut receiver) = mpsc::channel(16);
        read_lines(input.as_bytes(), &sender);
        drop(sender);
        let mut seen = Vec::new();
        while let Some(lines) = receiver.blocking_recv() {
            seen.extend(lines.unwrap());
        }
        assert_eq!(
            seen,
            [
                b"one".to_vec(),
                Vec::new(),
                long.into_bytes(),
                b"last".to_vec()
            ]
        );
    }
}
