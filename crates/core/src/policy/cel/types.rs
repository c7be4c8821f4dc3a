//! What an expression comes to, as far as it can be said without an object: enough to find a rule that is never true or
//! false, and a comparison that can only go one way.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::fields::{Fields, Leaf};
use super::functions::{self, Comes};
use super::paths::Path;
use super::rewrite::children;
use super::{CelError, Wanted, locate};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Truth,
    Number,
    Text,
    List,
    Map,
    Null,
    Unknown,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Truth => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Null => "null",
            Self::Unknown => "anything",
        }
    }
}

/// Adds what can be said of `ast`, which comes to what is `wanted` or is refused.
pub(super) fn check(
    source: &str,
    ast: &IdedExpr,
    fields: &Fields,
    wanted: Wanted,
    errors: &mut Vec<CelError>,
) {
    let (want, says) = match wanted {
        Wanted::Truth => (Kind::Truth, "a rule has to come to true or false"),
        Wanted::Text => (Kind::Text, "a message has to come to a text"),
    };
    let is = kind(ast, fields);
    if is != want && is != Kind::Unknown {
        let message = format!("it comes to {}: {says}", is.name());
        errors.push(locate::error(source, "", message));
    }
    compare(source, ast, fields, errors);
}

fn kind(expression: &IdedExpr, fields: &Fields) -> Kind {
    if let Some(path) = Path::of(expression) {
        if path.test {
            return Kind::Truth;
        }
        if path.steps.is_empty() {
            return Kind::Map;
        }
        return match fields.find(&path) {
            Ok(Some(Leaf::Truth)) => Kind::Truth,
            Ok(Some(Leaf::Number)) => Kind::Number,
            Ok(Some(Leaf::Text)) => Kind::Text,
            _ => Kind::Unknown,
        };
    }
    match &expression.expr {
        Expr::Literal(literal) => match literal {
            LiteralValue::Boolean(_) => Kind::Truth,
            LiteralValue::Double(_) | LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
            LiteralValue::String(_) => Kind::Text,
            LiteralValue::Null => Kind::Null,
            LiteralValue::Bytes(_) => Kind::Unknown,
        },
        Expr::Select(select) if select.test => Kind::Truth,
        Expr::List(_) => Kind::List,
        Expr::Map(_) => Kind::Map,
        // `all` and `exists` gather a truth, `map` and `filter` a list, `exists_one` counts and compares.
        Expr::Comprehension(c) => match kind(&c.accu_init, fields) {
            Kind::Number => Kind::Truth,
            other => other,
        },
        Expr::Call(call) => match call.func_name.as_str() {
            operators::LOGICAL_AND
            | operators::LOGICAL_OR
            | operators::LOGICAL_NOT
            | operators::EQUALS
            | operators::NOT_EQUALS
            | operators::LESS
            | operators::LESS_EQUALS
            | operators::GREATER
            | operators::GREATER_EQUALS
            | operators::IN => Kind::Truth,
            operators::SUBSTRACT
            | operators::MULTIPLY
            | operators::DIVIDE
            | operators::MODULO
            | operators::NEGATE => Kind::Number,
            operators::ADD => match call.args.first() {
                Some(first) => kind(first, fields),
                None => Kind::Unknown,
            },
            operators::CONDITIONAL => match call.args.as_slice() {
                [_, a, b] if kind(a, fields) == kind(b, fields) => kind(a, fields),
                _ => Kind::Unknown,
            },
            name => match functions::ALL.iter().find(|f| f.name == name) {
                Some(function) => match function.comes_to {
                    Comes::Truth => Kind::Truth,
                    Comes::Number => Kind::Number,
                    Comes::Text => Kind::Text,
                    Comes::Anything => Kind::Unknown,
                },
                None => Kind::Unknown,
            },
        },
        _ => Kind::Unknown,
    }
}

/// Finds comparisons of what can never be alike.
fn compare(source: &str, expression: &IdedExpr, fields: &Fields, errors: &mut Vec<CelError>) {
    if let Expr::Call(call) = &expression.expr
        && let [a, b] = call.args.as_slice()
        && [
            operators::EQUALS,
            operators::NOT_EQUALS,
            operators::LESS,
            operators::LESS_EQUALS,
            operators::GREATER,
            operators::GREATER_EQUALS,
        ]
        .contains(&call.func_name.as_str())
    {
        let (left, right) = (kind(a, fields), kind(b, fields));
        let open = |k| matches!(k, Kind::Unknown | Kind::Null);
        if left != right && !open(left) && !open(right) {
            let message = format!(
                "{} is compared with {}, which can only go one way",
                left.name(),
                right.name()
            );
            errors.push(locate::error(
                source,
                &landmark(a).or_else(|| landmark(b)).unwrap_or_default(),
                message,
            ));
        }
    }
    for child in children(&expression.expr) {
        compare(source, child, fields, errors);
    }
}

/// A name to find an expression by.
fn landmark(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()).filter(|name| !name.starts_with('@')),
        Expr::Select(select) => Some(select.field.clone()),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            call.args.first().and_then(landmark)
        }
        Expr::Call(call) => call
            .target
            .as_deref()
            .and_then(landmark)
            .or_else(|| call.args.iter().find_map(landmark)),
        _ => None,
    }
}
