//! The functions that rules may call: those of the language's standard that work on what JSON has.

use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::objects::{Opaque, Value};
use cel::{Context, ExecutionError};
use regex::Regex;

/// What a function comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comes {
    Truth,
    Number,
    Text,
    Anything,
}

/// A function.
pub(super) struct Function {
    pub name: &'static str,
    /// How many arguments it takes; what it is called on is the first.
    pub takes: std::ops::RangeInclusive<usize>,
    pub comes_to: Comes,
}

const fn function(name: &'static str, takes: usize, comes_to: Comes) -> Function {
    Function {
        name,
        takes: takes..=takes,
        comes_to,
    }
}

/// All of them, and what a call of each is checked for.
pub(super) const ALL: [Function; 14] = [
    function("size", 1, Comes::Number),
    function("contains", 2, Comes::Truth),
    function("startsWith", 2, Comes::Truth),
    function("endsWith", 2, Comes::Truth),
    function(MATCHES, 2, Comes::Truth),
    function("lowerAscii", 1, Comes::Text),
    function("upperAscii", 1, Comes::Text),
    function("trim", 1, Comes::Text),
    function("split", 2, Comes::Anything),
    function("string", 1, Comes::Text),
    function("int", 1, Comes::Number),
    function("double", 1, Comes::Number),
    Function {
        name: "max",
        takes: 1..=16,
        comes_to: Comes::Anything,
    },
    Function {
        name: "min",
        takes: 1..=16,
        comes_to: Comes::Anything,
    },
];

/// The function whose second argument is a regular expression. It is compiled with the rule, so it is a literal.
pub(super) const MATCHES: &str = "matches";
/// What a call of it becomes.
pub(super) const MATCHES_COMPILED: &str = "@matches";

/// What a loop goes over, made so that it is the same each time: of a map its keys, sorted.
pub(super) const ITEMS: &str = "@items";

/// A compiled regular expression as a value.
pub(super) struct Pattern(pub Regex);

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pattern")
    }
}
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}
impl Eq for Pattern {}
impl Opaque for Pattern {
    fn runtime_type_name(&self) -> &str {
        "pattern"
    }
}

type Answer<T> = Result<T, ExecutionError>;

/// Where every evaluation begins: functions, and no variables.
pub(super) static ROOT: LazyLock<Context<'static>> = LazyLock::new(|| {
    let mut root = Context::default();
    // The library counts bytes, the language characters.
    root.add_function("size", |This(this): This<Value>| -> Answer<i64> {
        let size = match &this {
            Value::String(text) => text.chars().count(),
            Value::List(list) => list.len(),
            Value::Map(map) => map.map.len(),
            _ => return Err(ExecutionError::function_error("size", "it has no size")),
        };
        Ok(i64::try_from(size).unwrap_or(i64::MAX))
    });
    root.add_function(
        MATCHES_COMPILED,
        |text: Arc<String>, pattern: Value| -> Answer<bool> {
            let Value::Opaque(pattern) = &pattern else {
                return Err(ExecutionError::function_error(MATCHES, "no pattern"));
            };
            let pattern = pattern.downcast_ref::<Pattern>();
            Ok(pattern.is_some_and(|Pattern(regex)| regex.is_match(&text)))
        },
    );
    root.add_function(ITEMS, |range: Value| -> Answer<Value> {
        let Value::Map(map) = &range else {
            return Ok(range);
        };
        let mut keys: Vec<_> = map.map.keys().cloned().collect();
        keys.sort();
        Ok(Value::List(Arc::new(
            keys.into_iter().map(Value::from).collect(),
        )))
    });
    root.add_function("lowerAscii", |This(text): This<Arc<String>>| {
        text.to_ascii_lowercase()
    });
    root.add_function("upperAscii", |This(text): This<Arc<String>>| {
        text.to_ascii_uppercase()
    });
    root.add_function("trim", |This(text): This<Arc<String>>| {
        text.trim().to_owned()
    });
    root.add_function(
        "split",
        |This(text): This<Arc<String>>, at: Arc<String>| -> Answer<Value> {
            let parts = text.split(at.as_str());
            let parts = parts.map(|part| Value::String(Arc::new(part.to_owned())));
            Ok(Value::List(Arc::new(parts.collect())))
        },
    );
    root
});
