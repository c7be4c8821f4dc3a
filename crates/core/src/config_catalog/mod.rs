//! What Kafka can be told: every key of brokers and of topics, what may stand there, and what a change of it takes.
//!
//! The tables in `data` are written by the brokers themselves (`deploy/config-catalog`) and read where they lie, a line
//! at a time: nothing is built up at the start. What a cluster's owner should better not do is `validate`'s to say, and
//! Kafka's own words on each key are in the plugin alone.

mod find;
mod judge;
mod opinion;
mod read;
mod removed;
mod together;

pub use find::{Found, Removed, look_up};
pub use judge::{problem, same};
pub use opinion::{Opinion, opinion};
pub use together::{Conflict, conflicts};

/// A line of versions that have the same keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Kafka 4.2.
    V4_2,
    /// Kafka 4.3.
    V4_3,
}

/// Whose configuration it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Brokers and controllers: what stands in `server.properties`.
    Broker,
    /// Topics.
    Topic,
}

/// A key, as its version of Kafka defines it (`ConfigDef.ConfigKey`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What sort of value it has.
    pub kind: Kind,
    /// The value it has if none is given.
    pub default: Default,
    /// Which values of that sort are taken.
    pub valid: Valid,
    /// How much it matters, as Kafka's documentation ranks it: `high`, `medium` or `low`.
    pub importance: &'static str,
    /// Kafka does not document it: it may be another one in any version.
    pub internal: bool,
    /// How it is changed.
    pub update: Update,
    /// What Kafka says of its end, if it is to come.
    pub deprecated: Option<&'static str>,
    /// Of topics: the brokers' key that gives the default, where there is one.
    pub broker_key: Option<&'static str>,
}

/// What sort of value a key has (`ConfigDef.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Boolean,
    /// A text.
    String,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 64 bits.
    Long,
    /// A number.
    Double,
    /// Words, separated by commas.
    List,
    /// The name of a Java class.
    Class,
    /// A secret.
    Password,
}

/// The value of a key that nobody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// There is none: it must be set.
    Required,
    /// None.
    Null,
    /// This one.
    Value(&'static str),
}

/// Which values are taken, of those that are of the right sort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// All.
    Any,
    /// All that are not empty.
    NotEmpty,
    /// Numbers from one to another, where there are such bounds, and one more.
    Range {
        /// The least, if there is one.
        min: Option<f64>,
        /// The greatest, if there is one.
        max: Option<f64>,
        /// Taken, too.
        also: Option<i64>,
    },
    /// One of these words, separated by commas here.
    One {
        /// The words.
        words: &'static str,
        /// Whether upper and lower case are the same.
        any_case: bool,
    },
    /// Words that all differ.
    List {
        /// Which, separated by commas; any, if empty.
        words: &'static str,
        /// Whether none of them is taken.
        empty: bool,
    },
}

/// How a key is changed, as Kafka's documentation calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// In the file of a broker: it restarts.
    ReadOnly,
    /// While it runs, broker by broker.
    PerBroker,
    /// While it runs, and for all brokers at once.
    ClusterWide,
    /// Only while it runs: in the file it has no effect.
    LiveOnly,
    /// While it runs, topic by topic.
    Topic,
}

impl Line {
    /// All of them, oldest first.
    pub const ALL: [Self; 2] = [Self::V4_2, Self::V4_3];
    /// The newest.
    pub const NEWEST: Self = Self::V4_3;

    /// The line of a version, `4.3.1` or `4.3`.
    #[must_use]
    pub fn of(version: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| {
            version
                .strip_prefix(line.name())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// As `4.3`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4_2 => "4.2",
            Self::V4_3 => "4.3",
        }
    }

    /// The key of exactly that name.
    #[must_use]
    pub fn key(self, scope: Scope, name: &str) -> Option<Key> {
        read::find(self.table(scope), name).and_then(|line| read::key(scope, line))
    }

    /// All keys, by name.
    pub fn keys(self, scope: Scope) -> impl Iterator<Item = Key> {
        self.table(scope)
            .lines()
            .filter_map(move |line| read::key(scope, line))
    }

    const fn table(self, scope: Scope) -> &'static str {
        match (self, scope) {
            (Self::V4_2, Scope::Broker) => include_str!("data/4.2-brokers.tsv"),
            (Self::V4_2, Scope::Topic) => include_str!("data/4.2-topics.tsv"),
            (Self::V4_3, Scope::Broker) => include_str!("data/4.3-brokers.tsv"),
            (Self::V4_3, Scope::Topic) => include_str!("data/4.3-topics.tsv"),
        }
    }
}

/// The key in the newest line that has it.
#[must_use]
pub fn newest(scope: Scope, name: &str) -> Option<Key> {
    let newest_first = Line::ALL.into_iter().rev();
    newest_first.filter_map(|line| line.key(scope, name)).next()
}

impl Update {
    /// Whether it takes effect without a restart.
    #[must_use]
    pub const fn is_live(self) -> bool {
        !matches!(self, Self::ReadOnly)
    }

    /// The word Kafka's documentation has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::PerBroker => "per-broker",
            Self::ClusterWide => "cluster-wide",
            Self::LiveOnly => "live-only",
            Self::Topic => "topic",
        }
    }
}

impl Kind {
    /// The word Kafka's documentation has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Short => "short",
            Self::Int => "int",
            Self::Long => "long",
            Self::Double => "double",
            Self::List => "list",
            Self::Class => "class",
            Self::Password => "password",
        }
    }
}
