//! A topic as `topic describe` shows it: the object that declares it first, then what is in Kafka, then what differs.

use std::io;

use jiff::Timestamp;
use sdm_kafka::{ConfigEntry, ConfigSource, TopicMetadata};
use serde::Serialize;

use super::difference::Difference;
use super::{health, replicas};
use crate::objects::{Event, Standing, event_table};
use crate::output::table::{Cell, Table};
use crate::output::{Report, Text, style};
use crate::verbs::acl::{Rule, rules_table};

/// Kind `TopicDescriptionList`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topics {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub items: Vec<Topic>,
}

/// A topic.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    #[serde(flatten)]
    pub metadata: TopicMetadata,
    /// Not known without a way to Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_kafka: Option<bool>,
    pub configs: Vec<ConfigEntry>,
    /// Who has it, and whoever else declares it.
    pub objects: Vec<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Difference>,
    /// What the operator reports and leaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// ACLs that objects ask for and that reach the topic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<Rule>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What to run to have it declared.
    #[serde(skip)]
    pub adopt: Option<String>,
    #[serde(skip)]
    pub now: Timestamp,
}

/// An object that declares the topic.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    pub namespace: String,
    pub name: String,
    pub owner: bool,
    pub deletion_policy: String,
    pub config_keys: Vec<String>,
    #[serde(flatten)]
    pub standing: Standing,
}

impl Report for Topics {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.blocks(&self.items, Topic::text)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|topic| format!("topic/{}", topic.metadata.name))
            .collect()
    }
}

impl Topic {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let topic = &self.metadata;
        out.line(format!("Name:        {}", topic.name))?;
        self.of_objects(out)?;
        if let Some(id) = topic.id {
            out.line(format!("ID:          {id}"))?;
        }
        match self.in_kafka {
            Some(true) => {
                out.line(format!("Partitions:  {}", topic.partitions.len()))?;
                out.line(format!("Replicas:    {}", replicas(topic)))?;
                let (state, good) = health(topic);
                let paint = if good { style::good } else { style::bad };
                out.line(format!("State:       {}", paint(&state)))?;
            }
            Some(false) => out.line(format!("State:       {}", style::bad("not in Kafka")))?,
            None => out.line("State:       unknown: Kafka cannot be asked")?,
        }
        self.of_config(out)?;
        self.of_differences(out)?;
        let partitions = partitions(topic);
        if !partitions.is_empty() {
            out.table(&partitions)?;
        }
        let rules = rules_table(self.access.iter());
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

    fn of_objects(&self, out: &mut Text<'_>) -> io::Result<()> {
        let Some(first) = self.objects.first() else {
            return match &self.adopt {
                Some(command) => out.line(format!("Declared:    no (to declare it: {command})")),
                None => out.line("Declared:    no"),
            };
        };
        out.line(format!(
            "Declared:    KafkaTopic {}/{}",
            first.namespace, first.name
        ))?;
        out.line(format!("Ready:       {}", first.standing.sentence()))?;
        if first.owner {
            let kept = if first.deletion_policy == "Retain" {
                "Retain (the topic outlives the object)"
            } else {
                "Delete (the records go with the object)"
            };
            out.line(format!("Deletion:    {kept}"))?;
        }
        for other in &self.objects[1..] {
            out.line(format!(
                "Also by:     KafkaTopic {}/{}: {}",
                other.namespace,
                other.name,
                other.standing.sentence()
            ))?;
        }
        Ok(())
    }

    fn of_config(&self, out: &mut Text<'_>) -> io::Result<()> {
        if self.configs.is_empty() {
            return Ok(());
        }
        out.line("Config:")?;
        let declares = self.objects.first().filter(|o| o.owner);
        for entry in &self.configs {
            let hidden = if entry.sensitive {
                "<hidden>"
            } else {
                "<unset>"
            };
            let value = entry.value.as_deref().unwrap_or(hidden);
            let by_hand = declares.is_some_and(|o| !o.config_keys.contains(&entry.name));
            out.line(format!(
                "  {}={}{}",
                entry.name,
                style::plain(value),
                source(entry.source, by_hand)
            ))?;
        }
        Ok(())
    }

    fn of_differences(&self, out: &mut Text<'_>) -> io::Result<()> {
        let lines = self.difference.iter().flat_map(Difference::lines);
        let all: Vec<String> = lines
            .chain(self.drift.iter().map(|d| format!("!{d}")))
            .collect();
        if !all.is_empty() {
            out.line("Differs (- in Kafka, + declared):")?;
        }
        all.iter()
            .try_for_each(|line| out.line(format!("  {}", style::plain(line))))
    }
}

fn partitions(topic: &TopicMetadata) -> Table {
    let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "ISR", "STATE", "+EPOCH"]);
    for p in &topic.partitions {
        let state = match (&p.leader, p.is_in_sync()) {
            (None, _) => Cell::painted("Offline", style::bad),
            (_, false) => Cell::painted("UnderReplicated", style::bad),
            // The preferred leader is the first replica; another one is legal, and worth seeing.
            (leader, true) if p.replicas.first() != leader.as_ref() => "InSync,NotPreferred".into(),
            _ => "InSync".into(),
        };
        table.row(vec![
            p.index.to_string().into(),
            p.leader
                .map_or_else(|| "<none>".to_owned(), |id| id.to_string())
                .into(),
            ids(&p.replicas).into(),
            ids(&p.isr).into(),
            state,
            p.leader_epoch.to_string().into(),
        ]);
    }
    table
}

fn ids(ids: &[i32]) -> String {
    ids.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn source(source: ConfigSource, by_hand: bool) -> &'static str {
    match source {
        ConfigSource::Topic if by_hand => "  (not declared, left alone)",
        ConfigSource::Topic => "",
        ConfigSource::DynamicBroker
        | ConfigSource::DynamicDefaultBroker
        | ConfigSource::StaticBroker => "  (from the brokers)",
        ConfigSource::Default => "  (default)",
        ConfigSource::Other(_) => "  (other)",
    }
}

#[cfg(test)]
mod tests {
    use sdm_api::{Operation, Pattern, Permission, ResourceType};
    use sdm_core::access::{Acl, ObjectKey};

    use super::super::difference::Change;
    use super::super::sample;
    use super::*;
    use crate::flags::Format;
    use crate::output::{API_VERSION, Output};

    fn entry(name: &str, value: &str) -> ConfigEntry {
        ConfigEntry {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            source: ConfigSource::Topic,
            read_only: false,
            sensitive: false,
        }
    }

    fn topic(metadata: TopicMetadata) -> Topic {
        Topic {
            metadata,
            in_kafka: Some(true),
            configs: vec![entry("retention.ms", "1000")],
            objects: Vec::new(),
            difference: None,
            drift: Vec::new(),
            access: Vec::new(),
            events: Vec::new(),
            adopt: None,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn shown(topic: Topic) -> String {
        let report = Topics {
            api_version: API_VERSION,
            kind: "TopicDescriptionList",
            items: vec![topic],
        };
        anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string()
    }

    #[test]
    fn a_description_shows_what_is_wrong_with_each_partition() {
        let metadata = sample(
            "orders",
            &[
                (Some(0), &[0, 1], &[0, 1]),
                (Some(1), &[0, 1], &[1]),
                (None, &[0, 1], &[]),
            ],
        );
        assert_eq!(
            shown(topic(metadata)),
            "Name:        orders\n\
             Declared:    no\n\
             Partitions:  3\n\
             Replicas:    2\n\
             State:       Offline(1)\n\
             Config:\n  retention.ms=1000\n\
             PARTITION   LEADER   REPLICAS   ISR      STATE\n\
             0           0        0,1        0,1      InSync\n\
             1           1        0,1        1        UnderReplicated\n\
             2           <none>   0,1        <none>   Offline\n"
        );
    }

    #[test]
    fn a_declared_topic_shows_its_object_and_what_differs() {
        let standing = |ready, reason: &str, message: &str| Standing {
            ready: Some(ready),
            stalled: !ready,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        let object = |namespace: &str, owner, standing| Object {
            namespace: namespace.to_owned(),
            name: "orders".to_owned(),
            owner,
            deletion_policy: "Delete".to_owned(),
            config_keys: vec!["retention.ms".to_owned()],
            standing,
        };
        let mut described = topic(sample("orders", &[(Some(0), &[0], &[0])]));
        described.configs.push(entry("segment.ms", "5"));
        described.objects = vec![
            object(
                "a",
                true,
                standing(false, "PartitionsCannotShrink", "there are 6"),
            ),
            object(
                "b",
                false,
                standing(false, "TopicNameConflict", "a/orders is older"),
            ),
        ];
        described.difference = Some(Difference {
            changes: vec![Change {
                path: "partitions".to_owned(),
                actual: Some("1".to_owned()),
                declared: Some("6".to_owned()),
            }],
            ..Difference::default()
        });
        let acl = Acl {
            resource: ResourceType::Topic,
            pattern: Pattern::Literal,
            name: "orders".to_owned(),
            principal: "User:a/app".to_owned(),
            host: "*".to_owned(),
            operation: Operation::Read,
            permission: Permission::Allow,
        };
        described.access = vec![Rule::of(&acl, &[ObjectKey::new("a", "readers")])];
        described.events = vec![Event {
            last: Some(Timestamp::UNIX_EPOCH),
            r#type: "Normal".to_owned(),
            reason: "TopicCreated".to_owned(),
            message: "made".to_owned(),
        }];
        assert_eq!(
            shown(described),
            "Name:        orders\n\
             Declared:    KafkaTopic a/orders\n\
             Ready:       False (PartitionsCannotShrink): there are 6\n\
             Deletion:    Delete (the records go with the object)\n\
             Also by:     KafkaTopic b/orders: False (TopicNameConflict): a/orders is older\n\
             Partitions:  1\n\
             Replicas:    1\n\
             State:       InSync\n\
             Config:\n  retention.ms=1000\n  segment.ms=5  (not declared, left alone)\n\
             Differs (- in Kafka, + declared):\n  -partitions: 1\n  +partitions: 6\n\
             PARTITION   LEADER   REPLICAS   ISR   STATE\n\
             0           0        0          0     InSync\n\
             \n\
             Access:\n\
             PRINCIPAL    PERMISSION   OPERATION   RESOURCE       PATTERN   HOST   FROM\n\
             User:a/app   Allow        Read        topic/orders   literal   *      a/readers\n\
             \n\
             Events:\n\
             LAST   TYPE     EVENT          MESSAGE\n\
             0s     Normal   TopicCreated   made\n"
        );
    }
}
