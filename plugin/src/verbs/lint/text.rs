//! What is wrong, as a table, and what would be refused, by name.

use std::collections::BTreeSet;
use std::io;

use super::{Lint, Problem, Severity};
use crate::output::table::{Cell, Table};
use crate::output::{Report, Text, style};

impl Report for Lint {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let mut table = Table::new(&["OBJECT", "VERDICT", "FIELD", "WHAT", "+FILE"]);
        for item in &self.items {
            let verdict = match item.severity {
                Severity::Refused => Cell::painted("refused", style::bad),
                Severity::Warning => Cell::painted("warning", style::warn),
                Severity::Audit => "audit".into(),
            };
            let by = match (&item.policy, &item.rule) {
                (Some(policy), Some(rule)) => format!(" (policy {policy}, {rule})"),
                _ => String::new(),
            };
            table.row(vec![
                item.label().into(),
                verdict,
                if item.path.is_empty() {
                    "-".into()
                } else {
                    item.path.as_str().into()
                },
                style::plain(&format!("{}{by}", item.message)).into(),
                item.file.as_str().into(),
            ]);
        }
        out.table(&table)?;
        let refused = self.refused();
        let (objects, policies) = (self.objects, self.policies);
        out.line(format!(
            "{objects} objects, {policies} policies: {refused} would be refused"
        ))
    }
    fn names(&self) -> Vec<String> {
        let items = self.items.iter();
        let refused = items.filter(|i| i.severity == Severity::Refused);
        let names: BTreeSet<String> = refused.map(Problem::label).collect();
        names.into_iter().collect()
    }
}

impl Problem {
    pub(super) fn label(&self) -> String {
        let kind = self.kind.to_lowercase();
        match self.namespace.as_str() {
            "" => format!("{kind}/{}", self.name),
            namespace => format!("{kind}/{namespace}/{}", self.name),
        }
    }
}

impl Lint {
    /// How many objects would be refused.
    pub(super) fn refused(&self) -> usize {
        self.names().len()
    }
}
