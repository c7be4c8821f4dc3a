//! Evaluating an expression about an object.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cel::context::VariableResolver;
use cel::{ExecutionError, Value};
use serde_json::Value::Object;

use super::Expression;
use super::convert::{convert, keys};
use super::functions::{Pattern, ROOT};
use super::paths::Walked;
use super::rewrite::{LOOK_UP, PATTERN_AT, TICK};
use crate::policy::subject::Asked;
use crate::status::cut;

/// How many values may be looked up and rounds of loops be made for one object. It is some ten milliseconds.
const BUDGET: u64 = 100_000;

/// The variables of an evaluation, and what is left of its budget.
struct Variables<'v> {
    expression: &'v Expression,
    asked: &'v Asked<'v>,
    // The library wants it shareable between threads; it never is.
    left: AtomicU64,
}

impl Variables<'_> {
    fn spend(&self, amount: u64) -> Option<()> {
        let left = self.left.load(Relaxed).checked_sub(amount);
        self.left.store(left.unwrap_or(0), Relaxed);
        left.map(|_| ())
    }

    fn spent(&self) -> bool {
        self.left.load(Relaxed) == 0
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve(&self, name: &str) -> Option<Value> {
        if name == TICK {
            self.spend(1)?;
            return Some(Value::Bool(true));
        }
        if let Some(at) = name.strip_prefix(LOOK_UP) {
            let path = self.expression.paths.get(at.parse::<usize>().ok()?)?;
            let mut count = 0;
            let value = match path.walk(self.asked)? {
                Walked::There(there) => Value::Bool(there),
                Walked::Value(Object(fields)) if path.keys => keys(fields, &mut count),
                Walked::Value(value) => convert(value, &mut count),
            };
            self.spend(count)?;
            return Some(value);
        }
        let at = name.strip_prefix('@')?.strip_prefix(PATTERN_AT)?;
        let pattern = self.expression.patterns.get(at.parse::<usize>().ok()?)?;
        Some(Value::Opaque(Arc::<Pattern>::clone(pattern)))
    }
}

/// What an expression comes to, or why it comes to nothing.
pub(super) fn evaluate(expression: &Expression, asked: &Asked<'_>) -> Result<Value, String> {
    let variables = Variables {
        expression,
        asked,
        left: AtomicU64::new(BUDGET),
    };
    let mut context = ROOT.new_inner_scope();
    context.set_variable_resolver(&variables);
    let value = Value::resolve(&expression.ast, &context);
    if variables.spent() {
        return Err("it takes too many steps for this object".to_owned());
    }
    value.map_err(|error| explain(&error, expression))
}

fn explain(error: &ExecutionError, expression: &Expression) -> String {
    let look_up = |name: &str| {
        let at = name.strip_prefix(LOOK_UP)?.parse::<usize>().ok()?;
        expression.paths.get(at)
    };
    // Values are never told: what they are made of is printed in another order each time, and may be long.
    match error {
        ExecutionError::UndeclaredReference(name) => match look_up(name) {
            Some(path) => format!("there is no {}", path.text()),
            None => "a name is not known".to_owned(),
        },
        ExecutionError::NoSuchKey(key) => format!("there is no key {:?}", cut(key, 64)),
        ExecutionError::UnsupportedBinaryOperator(name, a, b) => format!(
            "{name} does not go with {} and {}",
            a.type_of(),
            b.type_of()
        ),
        ExecutionError::ValuesNotComparable(a, b) => {
            format!("{} and {} cannot be compared", a.type_of(), b.type_of())
        }
        ExecutionError::IndexOutOfBounds(_) => "a list has no such item".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "it divides by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number gets too large".to_owned(),
        ExecutionError::FunctionError { function, .. } => {
            format!("{} does not take that", cut(function, 64))
        }
        ExecutionError::UnsupportedTargetType { target } => {
            format!("a function does not take {}", target.type_of())
        }
        _ => "values are not of the type that is needed".to_owned(),
    }
}
