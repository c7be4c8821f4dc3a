//! The answer as people read it: yes or no, because of what, and what would change it.

use std::io;

use sdm_api::ResourceType;
use sdm_core::access::{Because, ObjectKey, resource_name};

use super::{Explanations, Item};
use crate::output::{Report, Text, style};

impl Report for Explanations {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.blocks(&self.items, Item::text)
    }
    fn names(&self) -> Vec<String> {
        let decided = self
            .items
            .iter()
            .flat_map(|item| match &item.explanation.because {
                Because::Allowed { objects, .. } | Because::Denied { objects, .. } => {
                    objects.as_slice()
                }
                Because::SuperUser | Because::NoRule => &[],
            });
        decided
            .map(|key| format!("kafkaacl/{}", key.name))
            .collect()
    }
}

impl Item {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let on = match self.resource {
            ResourceType::Cluster => "the cluster".to_owned(),
            other => format!("{} {:?}", resource_name(other), self.name),
        };
        let from = if self.host == "*" {
            String::new()
        } else {
            format!(" from {}", self.host)
        };
        let (word, may) = if self.explanation.allowed {
            (style::good("yes"), "may")
        } else {
            (style::bad("no"), "may not")
        };
        let who = style::plain(&self.principal);
        out.line(format!(
            "{word}: {who} {may} {:?} {on}{from}",
            self.operation
        ))?;
        match &self.explanation.because {
            Because::SuperUser => out.line("because it is a super user, whom no ACL binds")?,
            Because::NoRule => out.line("because no ACL allows it")?,
            Because::Allowed {
                acl,
                objects,
                implied,
            } => {
                out.line(format!("because of: {}", style::plain(&acl.to_string())))?;
                if *implied {
                    out.line(format!("which brings {:?} along", self.operation))?;
                }
                out.line(format!("which {}", comes_from(objects)))?;
            }
            Because::Denied { acl, objects } => {
                out.line(format!("because of: {}", style::plain(&acl.to_string())))?;
                out.line("which wins over everything that is allowed")?;
                out.line(format!("and {}", comes_from(objects)))?;
            }
        }
        if !self.explanation.near.is_empty() {
            out.line("nearly:")?;
        }
        for near in &self.explanation.near {
            let acl = style::plain(&near.acl.to_string());
            out.line(format!(
                "  {acl}: {}; it {}",
                near.why,
                comes_from(&near.objects)
            ))?;
        }
        for sentence in &self.waiting {
            out.line(format!("waiting: {}", style::plain(sentence)))?;
        }
        match (&self.suggestion, &self.explanation.because) {
            (Some(command), Because::Denied { .. }) => {
                out.line(format!("to take the denial away: {command}"))
            }
            (None, Because::Denied { .. }) => out.line(
                "the denial has to go first; whoever made it can take it away with kafka-acls.sh",
            ),
            (Some(command), _) => out.line(format!("to allow it: {command}")),
            (None, _) => Ok(()),
        }
    }
}

fn comes_from(objects: &[ObjectKey]) -> String {
    let names: Vec<String> = objects.iter().map(ToString::to_string).collect();
    match names.as_slice() {
        [] => "comes from no KafkaACL: somebody else made it".to_owned(),
        [one] => format!("comes from KafkaACL {one}"),
        many => format!("comes from KafkaACLs {}", many.join(", ")),
    }
}
