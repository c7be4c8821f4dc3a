//! Rules in the Common Expression Language: parsed by the `cel` library, checked here, evaluated by the library.
//!
//! What a rule sees of an object goes in as paths: `object.spec.partitions` is one look-up in the object's JSON, so
//! nothing is converted or copied that the rule does not name. Every look-up and every round of a loop is counted, and
//! a rule that needs too many has failed.

mod convert;
mod eval;
mod fields;
mod functions;
mod locate;
mod paths;
mod rewrite;
mod types;

use std::fmt;
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::parser::Parser;
use sdm_api::policy::PolicyKind;

use super::subject::Asked;
use paths::Path;

/// How long an expression may be.
pub(super) const LENGTH: usize = 2048;
/// How deep it may go: what evaluates it goes as deep on the stack, in large steps. `&&` and `||` in a row do not count.
const DEPTH: usize = 24;

/// An expression that can be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    ast: IdedExpr,
    paths: Vec<Path>,
    patterns: Vec<Arc<functions::Pattern>>,
    /// Whether it speaks of a change: it mentions `request` or `oldObject`.
    pub changes: bool,
}

/// What an expression has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// True or false.
    Truth,
    /// A text.
    Text,
}

/// Why an expression is refused, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CelError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub message: String,
}

impl fmt::Display for CelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl Expression {
    /// Compiles `source` for evaluation. What can be said of it without evaluating is said by [`check`].
    pub(super) fn compile(source: &str) -> Result<Self, Vec<CelError>> {
        let ast = parse(source)?;
        rewrite::rewrite(source, ast)
    }

    /// Whether it holds; or why that cannot be said.
    pub(super) fn holds(&self, asked: &Asked<'_>) -> Result<bool, String> {
        match eval::evaluate(self, asked)? {
            cel::Value::Bool(truth) => Ok(truth),
            other => Err(format!(
                "it comes to {:?} and not to true or false",
                other.type_of()
            )),
        }
    }

    /// Its text, if it comes to one.
    pub(super) fn text(&self, asked: &Asked<'_>) -> Option<String> {
        match eval::evaluate(self, asked).ok()? {
            cel::Value::String(text) => Some(text.as_ref().clone()),
            _ => None,
        }
    }
}

/// Everything that is wrong with `source`, as far as it can be said without an object: it does not compile, or it can
/// only fail for objects of `kinds`.
pub(super) fn check(source: &str, kinds: &[PolicyKind], wanted: Wanted) -> Vec<CelError> {
    let ast = match parse(source) {
        Ok(ast) => ast,
        Err(errors) => return errors,
    };
    let expression = match rewrite::rewrite(source, ast.clone()) {
        Ok(expression) => expression,
        Err(errors) => return errors,
    };
    let fields = fields::of(kinds);
    let mut errors = Vec::new();
    for path in &expression.paths {
        if let Err(unknown) = fields.find(path) {
            errors.push(locate::error(source, &unknown.name, unknown.message(kinds)));
        }
    }
    if errors.is_empty() {
        types::check(source, &ast, &fields, wanted, &mut errors);
    }
    if errors.is_empty() && wanted == Wanted::Truth && expression.paths.is_empty() {
        errors.push(CelError {
            line: 1,
            column: 1,
            message: "it names nothing of the object, so it says the same of all".to_owned(),
        });
    }
    errors
}

fn parse(source: &str) -> Result<IdedExpr, Vec<CelError>> {
    let one = |message: String| {
        vec![CelError {
            line: 1,
            column: 1,
            message,
        }]
    };
    if source.len() > LENGTH {
        return Err(one(format!(
            "{} characters are too long: use at most {LENGTH}",
            source.len()
        )));
    }
    // The parser's own stack is not bounded by anything else.
    locate::nesting(source)?;
    let ast = Parser::default().parse(source).map_err(|errors| {
        let position = |n: isize| usize::try_from(n).unwrap_or(1).max(1);
        let errors = errors.errors.into_iter().map(|e| CelError {
            line: position(e.pos.0),
            column: position(e.pos.1),
            message: e.msg.trim_start_matches("Syntax error: ").to_owned(),
        });
        errors.take(4).collect::<Vec<_>>()
    })?;
    if rewrite::depth(&ast) > DEPTH {
        return Err(one(format!(
            "it goes deeper than {DEPTH} levels: write two rules"
        )));
    }
    Ok(ast)
}
