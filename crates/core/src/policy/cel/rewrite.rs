//! From what was parsed to what is evaluated: paths become look-ups, patterns become compiled ones, loops are counted.
//! What is not known is refused on the way.

use std::sync::Arc;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use regex::RegexBuilder;

use super::functions::{self, ITEMS, MATCHES, MATCHES_COMPILED, Pattern};
use super::paths::{Path, Root};
use super::{CelError, Expression, locate};

/// How deep loops may stand in loops.
const LOOPS: usize = 3;
/// How many `+` there may be: in loops, lists and texts grow by their product.
const PLUSES: usize = 16;
/// How large a compiled pattern may be, in bytes.
const PATTERN: usize = 64 * 1024;

/// How variables are called that only this module makes: no name in an expression can begin so.
pub(super) const LOOK_UP: char = '\u{1}';
pub(super) const PATTERN_AT: char = '\u{2}';
pub(super) const TICK: &str = "\u{3}";

struct Rewriter<'s> {
    source: &'s str,
    paths: Vec<Path>,
    patterns: Vec<Arc<Pattern>>,
    /// Variables of the loops around.
    scope: Vec<String>,
    loops: usize,
    pluses: usize,
    errors: Vec<CelError>,
}

/// Rewrites `ast`, which was parsed from `source`.
pub(super) fn rewrite(source: &str, mut ast: IdedExpr) -> Result<Expression, Vec<CelError>> {
    let mut rewriter = Rewriter {
        source,
        paths: Vec::new(),
        patterns: Vec::new(),
        scope: Vec::new(),
        loops: 0,
        pluses: 0,
        errors: Vec::new(),
    };
    rewriter.visit(&mut ast);
    if !rewriter.errors.is_empty() {
        return Err(rewriter.errors);
    }
    let changes = rewriter
        .paths
        .iter()
        .any(|path| matches!(path.root, Root::OldObject | Root::Request));
    Ok(Expression {
        ast,
        paths: rewriter.paths,
        patterns: rewriter.patterns,
        changes,
    })
}

/// How deep an expression goes.
pub(super) fn depth(expression: &IdedExpr) -> usize {
    1 + children(&expression.expr)
        .into_iter()
        .map(depth)
        .max()
        .unwrap_or(0)
}

/// The expressions directly in another one.
pub(super) fn children(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Comprehension(c) => vec![
            &c.iter_range,
            &c.accu_init,
            &c.loop_cond,
            &c.loop_step,
            &c.result,
        ],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Struct(s) => s.entries.iter().flat_map(|e| entry(&e.expr)).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
    }
}

impl Rewriter<'_> {
    fn refuse(&mut self, name: &str, message: String) {
        self.errors.push(locate::error(self.source, name, message));
    }

    fn visit(&mut self, expression: &mut IdedExpr) {
        if let Some(path) = Path::of(expression) {
            expression.expr = Expr::Ident(format!("{LOOK_UP}{}", self.paths.len()));
            self.paths.push(path);
            return;
        }
        match &mut expression.expr {
            // What the parser puts into loops begins with an @.
            Expr::Ident(name) if name.starts_with('@') => {}
            Expr::Ident(name) => {
                if !self.scope.contains(name) {
                    let known: Vec<&str> = Root::ALL.iter().map(|(name, _)| *name).collect();
                    let message = format!("{name} is not known: there are {}", known.join(", "));
                    let name = name.clone();
                    self.refuse(&name, message);
                }
            }
            Expr::Literal(_) => {}
            Expr::Select(select) => self.visit(&mut select.operand),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.elements.iter_mut().for_each(|e| self.visit(e)),
            Expr::Map(map) => {
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        self.visit(&mut entry.key);
                        self.visit(&mut entry.value);
                    }
                }
            }
            Expr::Comprehension(_) => self.comprehension(expression),
            Expr::Struct(s) => {
                let name = s.type_name.clone();
                self.refuse(&name, format!("there is no type {name}"));
            }
            Expr::Unspecified => self.refuse("", "it is not complete".to_owned()),
        }
    }

    fn comprehension(&mut self, expression: &mut IdedExpr) {
        let Expr::Comprehension(c) = &mut expression.expr else {
            return;
        };
        if Root::of(&c.iter_var).is_some() || c.iter_var2.is_some() {
            let name = c.iter_var.clone();
            self.refuse(
                &name,
                format!("{name} is a variable already: choose another name"),
            );
            return;
        }
        self.range(&mut c.iter_range);
        self.visit(&mut c.accu_init);
        self.loops += 1;
        if self.loops > LOOPS {
            let name = c.iter_var.clone();
            self.refuse(
                &name,
                format!("more than {LOOPS} loops in each other take too long"),
            );
        }
        self.scope.push(c.iter_var.clone());
        self.visit(&mut c.loop_cond);
        self.visit(&mut c.loop_step);
        self.visit(&mut c.result);
        self.scope.pop();
        self.loops -= 1;
        // Every round asks whether to go on, and counts.
        let condition = std::mem::take(&mut c.loop_cond);
        let tick = IdedExpr {
            id: 0,
            expr: Expr::Ident(TICK.to_owned()),
        };
        c.loop_cond.expr = Expr::Call(CallExpr {
            func_name: operators::CONDITIONAL.to_owned(),
            target: None,
            args: vec![tick.clone(), condition, tick],
        });
    }

    /// What a loop goes over: of a map the keys, in their order.
    fn range(&mut self, range: &mut IdedExpr) {
        if let Some(path) = Path::of(range).filter(|path| !path.test) {
            range.expr = Expr::Ident(format!("{LOOK_UP}{}", self.paths.len()));
            self.paths.push(Path { keys: true, ..path });
            return;
        }
        self.visit(range);
        let inner = std::mem::take(range);
        range.expr = Expr::Call(CallExpr {
            func_name: ITEMS.to_owned(),
            target: None,
            args: vec![inner],
        });
    }

    fn call(&mut self, call: &mut CallExpr) {
        let arguments = call.args.len() + usize::from(call.target.is_some());
        let name = call.func_name.clone();
        if is_operator(&name) {
            if name == operators::ADD {
                self.pluses += 1;
                if self.pluses == PLUSES + 1 {
                    self.refuse("+", format!("more than {PLUSES} times + is too much"));
                }
            }
        } else if let Some(function) = functions::ALL.iter().find(|f| f.name == name) {
            if !function.takes.contains(&arguments) {
                let takes = function.takes.start();
                self.refuse(&name, format!("{name} takes {takes} arguments and not {arguments}, the one it is called on included"));
            }
        } else {
            let known: Vec<&str> = functions::ALL.iter().map(|f| f.name).collect();
            self.refuse(
                &name,
                format!(
                    "there is no function {name}: there are {}",
                    known.join(", ")
                ),
            );
        }
        if name == MATCHES {
            self.pattern(call);
        }
        if let Some(target) = &mut call.target {
            self.visit(target);
        }
        for argument in &mut call.args {
            self.visit(argument);
        }
    }

    /// `text.matches('pattern')` becomes a call with the compiled pattern.
    fn pattern(&mut self, call: &mut CallExpr) {
        let Some(IdedExpr {
            expr: Expr::Literal(LiteralValue::String(pattern)),
            ..
        }) = call.args.last()
        else {
            let message = "the pattern of matches has to be a literal text".to_owned();
            self.refuse(MATCHES, message);
            return;
        };
        let pattern = pattern.inner().to_owned();
        match RegexBuilder::new(&pattern).size_limit(PATTERN).build() {
            Ok(regex) => {
                call.args.pop();
                let text = call.target.take().map(|t| *t);
                call.args.extend(text);
                call.args.push(IdedExpr {
                    id: 0,
                    expr: Expr::Ident(format!("@{PATTERN_AT}{}", self.patterns.len())),
                });
                MATCHES_COMPILED.clone_into(&mut call.func_name);
                self.patterns.push(Arc::new(Pattern(regex)));
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default();
                let why = why.trim_start_matches("error: ").to_owned();
                self.refuse(&pattern, format!("no regular expression: {why}"));
            }
        }
    }
}

/// Whether the parser makes a call of this name from a sign: those have signs in their names.
fn is_operator(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_alphabetic())
        && (name.starts_with('_')
            && name.len() > 2
            && name[1..].contains(|c: char| !c.is_alphanumeric() && c != '_')
            || name.starts_with(['!', '-', '@']))
}
