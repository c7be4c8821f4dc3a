//! A user's description as people read it.

use std::io;

use jiff::Timestamp;

use super::super::number;
use super::{Description, Descriptions};
use crate::objects::event_table;
use crate::output::age::duration;
use crate::output::table::Table;
use crate::output::{Report, Text};
use crate::verbs::acl::rules_table;

impl Report for Descriptions {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.blocks(&self.items, Description::text)
    }
    fn names(&self) -> Vec<String> {
        let name = |item: &Description| match &item.owner {
            Some(key) => format!("kafkauser/{}", key.name),
            None => format!("principal/{}", item.principals.join(",")),
        };
        self.items.iter().map(name).collect()
    }
}

impl Description {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        match &self.owner {
            Some(key) => out.line(format!("Name:            {key}"))?,
            None => out.line("Declared:        no")?,
        }
        if let Some(standing) = &self.standing {
            out.line(format!("Ready:           {}", standing.sentence()))?;
        }
        for (i, principal) in self.principals.iter().enumerate() {
            let title = if i == 0 { "Principal:" } else { "          " };
            out.line(format!("{title}       {principal}"))?;
        }
        out.line(format!("Authentication:  {}", self.authentication))?;
        if let Some(secret) = &self.secret {
            out.line(format!("Secret:          {secret}"))?;
        }
        if let Some(until) = &self.certificate_not_after {
            out.line(format!(
                "Certificate:     valid until {until}{}",
                self.left(until)
            ))?;
        }
        if let Some(previous) = &self.previous {
            out.line(format!(
                "Login before:    {}, valid until {}{}",
                previous.username,
                previous.until,
                self.left(&previous.until)
            ))?;
        }
        self.of_quotas(out)?;
        let mut rules = rules_table(self.acls.iter());
        if rules.is_empty() {
            out.line(if self.in_kafka {
                "Access:          none"
            } else {
                "Access:          unknown"
            })?;
            rules = Table::default();
        }
        for (title, table) in [
            ("Access:", rules),
            ("Events:", event_table(&self.events, self.now)),
        ] {
            if !table.is_empty() {
                out.line("")?;
                out.line(title)?;
                out.table(&table)?;
            }
        }
        Ok(())
    }

    fn of_quotas(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.quotas.is_empty() {
            return out.line("Quotas:          none");
        }
        out.line("")?;
        let mut table = Table::new(&["QUOTA", "DECLARED", "IN-KAFKA"]);
        let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        for (key, quota) in &self.quotas {
            let actual = if self.in_kafka {
                shown(quota.actual)
            } else {
                "<unknown>".to_owned()
            };
            table.row(vec![
                key.as_str().into(),
                shown(quota.declared).into(),
                actual.into(),
            ]);
        }
        out.table(&table)
    }

    /// ` (in 89d)`
    fn left(&self, until: &str) -> String {
        let Ok(until) = until.parse::<Timestamp>() else {
            return String::new();
        };
        let seconds = until.duration_since(self.now).as_secs();
        if seconds < 0 {
            " (over)".to_owned()
        } else {
            format!(" (in {})", duration(seconds))
        }
    }
}
