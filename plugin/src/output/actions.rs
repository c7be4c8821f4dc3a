//! What a command did to things that are no Kubernetes objects: one line each, `topic/orders configured`.

use std::io;

use serde::Serialize;

use super::{API_VERSION, Report, Text};
use crate::flags::DryRun;

/// What was done.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Actions {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<&'static str>,
    items: Vec<Action>,
}

/// One thing, and what was done to it.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Action {
    name: String,
    result: &'static str,
    #[serde(skip)]
    label: String,
}

impl Actions {
    /// Nothing yet; `kind` as in `TopicDeletion`.
    pub fn new(kind: &'static str, dry_run: DryRun) -> Self {
        Self {
            api_version: API_VERSION,
            kind,
            dry_run: match dry_run {
                DryRun::None => None,
                DryRun::Client => Some("client"),
                DryRun::Server => Some("server"),
            },
            items: Vec::new(),
        }
    }

    /// Adds a thing of a type.
    pub fn add(&mut self, type_: &str, name: &str, result: &'static str) {
        self.items.push(Action {
            name: name.to_owned(),
            result,
            label: format!("{type_}/{name}"),
        });
    }

    /// Adds a thing of a type.
    #[must_use]
    pub fn with(mut self, type_: &str, name: &str, result: &'static str) -> Self {
        self.add(type_, name, result);
        self
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl Report for Actions {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = self
            .dry_run
            .map(|mode| format!(" (dry run, {mode})"))
            .unwrap_or_default();
        for item in &self.items {
            out.line(format!("{} {}{suffix}", item.label, item.result))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.items.iter().map(|item| item.label.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn every_format_says_what_was_done() {
        let actions = Actions::new("TopicDeletion", DryRun::Server).with("topic", "a", "deleted");
        assert_eq!(
            Output::render(Format::Table, &actions),
            "topic/a deleted (dry run, server)\n"
        );
        assert_eq!(Output::render(Format::Name, &actions), "topic/a\n");
        let value: serde_json::Value =
            serde_json::from_str(&Output::render(Format::Json, &actions)).unwrap();
        assert_eq!(value["dryRun"], "server");
        assert_eq!(
            value["items"],
            serde_json::json!([{"name": "a", "result": "deleted"}])
        );
    }
}
