//! `acl describe`: how a KafkaACL stands, what of it is refused and why, and the ACLs it stands for.

use std::collections::BTreeSet;
use std::io;

use jiff::Timestamp;
use sdm_api::{KafkaACL, Permission};
use sdm_core::access::{Acl, Expansion, ObjectKey};
use sdm_kafka::AclFilter;
use serde::Serialize;

use super::grant::resources_text;
use super::rule::{Rule, rules_table};
use super::select::{bare, key, subject_word};
use crate::access::{self, acl_of};
use crate::exit::{Failure, Result};
use crate::kafka::Access;
use crate::objects::{self, Event, Standing, Target, event_table, ours};
use crate::output::{API_VERSION, Report, Text, style};
use crate::session::Session;

/// Arguments of `acl describe`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of KafkaACLs of the namespace
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    access: Access,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptions {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Description>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    namespace: String,
    name: String,
    #[serde(flatten)]
    standing: Standing,
    permission: Permission,
    subjects: Vec<String>,
    roles: Vec<String>,
    resources: String,
    hosts: Vec<String>,
    /// What is not given, with the rule that forbids it.
    refused: Vec<String>,
    /// What is worth knowing and no failure.
    notes: Vec<String>,
    acls: Vec<Rule>,
    /// Those of them that Kafka does not have; not known without a way to Kafka.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Vec<Rule>>,
    events: Vec<Event>,
    #[serde(skip)]
    now: Timestamp,
}

impl Report for Descriptions {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.blocks(&self.items, Description::text)
    }
    fn names(&self) -> Vec<String> {
        self.items
            .iter()
            .map(|item| format!("kafkaacl/{}", item.name))
            .collect()
    }
}

impl Description {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        out.line(format!("Name:        {}/{}", self.namespace, self.name))?;
        out.line(format!("Ready:       {}", self.standing.sentence()))?;
        out.line(format!("Permission:  {:?}", self.permission))?;
        out.line(format!("Subjects:    {}", self.subjects.join(", ")))?;
        out.line(format!("Roles:       {}", self.roles.join(", ")))?;
        out.line(format!("Resources:   {}", self.resources))?;
        if !self.hosts.is_empty() {
            out.line(format!("Hosts:       {}", self.hosts.join(", ")))?;
        }
        for (title, lines) in [("Refused:", &self.refused), ("Notes:", &self.notes)] {
            if !lines.is_empty() {
                out.line(title)?;
            }
            lines
                .iter()
                .try_for_each(|line| out.line(format!("  {}", style::plain(line))))?;
        }
        out.line(format!("ACLs:        {}", self.count()))?;
        out.table(&rules_table(self.acls.iter()))?;
        let events = event_table(&self.events, self.now);
        if !events.is_empty() {
            out.line("")?;
            out.line("Events:")?;
        }
        out.table(&events)
    }

    fn count(&self) -> String {
        let all = self.acls.len();
        match &self.missing {
            _ if all == 0 => "none".to_owned(),
            None => format!("{all}; whether Kafka has them is not known"),
            Some(missing) if missing.is_empty() => format!("{all}, all in Kafka"),
            Some(missing) => {
                let which: Vec<String> = missing
                    .iter()
                    .map(|r| format!("{} on {} to {}", r.operation, r.on(), r.principal))
                    .collect();
                style::bad(&format!("{all}, not in Kafka yet: {}", which.join("; ")))
            }
        }
    }
}

/// Describes the objects.
///
/// # Errors
/// When one of them does not exist.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let target = objects::target(session).await?;
    let each = args
        .names
        .iter()
        .map(|name| ours::<KafkaACL>(session, &target, bare(name)));
    let found = futures::future::try_join_all(each).await?;
    let (expansion, live) = match in_kafka(session, &target, &args).await {
        Ok((expansion, live)) => (expansion, Some(live)),
        Err(failure) => {
            session
                .output
                .note(format!("Kafka cannot be asked: {}", target.why(&failure)));
            (
                access::gather(session, &target).await?.expansion(None),
                None,
            )
        }
    };
    let mut items = Vec::with_capacity(found.len());
    for object in &found {
        let events = objects::events(session, object).await;
        items.push(describe(object, &expansion, live.as_ref(), events));
    }
    session.output.report(&Descriptions {
        api_version: API_VERSION,
        kind: "AclDescriptionList",
        items,
    })
}

async fn in_kafka(
    session: &Session,
    target: &Target,
    args: &Args,
) -> Result<(Expansion, BTreeSet<Acl>), Failure> {
    let kafka = target.kafka(session, &args.access).await?;
    let every = AclFilter::any();
    let (live, known) = tokio::join!(
        access::live(&kafka, &every),
        access::sources(session, target, &kafka)
    );
    Ok((known?.1, live?.iter().filter_map(acl_of).collect()))
}

fn describe(
    object: &KafkaACL,
    expansion: &Expansion,
    live: Option<&BTreeSet<Acl>>,
    events: Vec<Event>,
) -> Description {
    let own = ObjectKey::of(object);
    let stands_for = || {
        expansion
            .wanted
            .iter()
            .filter(|(_, objects)| objects.contains(&own))
    };
    let reported = object.status.iter().flat_map(|s| &s.refused).cloned();
    let verdict = expansion.verdicts.get(&own);
    let mut refused: Vec<String> = reported.collect();
    if refused.is_empty() {
        let computed = verdict.iter().flat_map(|v| &v.refused);
        refused.extend(computed.map(|r| format!("{}: {}", r.reason, r.message)));
    }
    let spec = &object.spec;
    let (namespace, name) = (own.namespace.clone(), own.name.clone());
    debug_assert_eq!(key(object), own.to_string());
    Description {
        namespace,
        name,
        standing: Standing::of(object),
        permission: spec.permission,
        subjects: spec.subjects.iter().map(subject_word).collect(),
        roles: spec.roles.clone(),
        resources: resources_text(&spec.resources),
        hosts: spec.hosts.clone(),
        refused,
        notes: verdict.map(|v| v.notes.clone()).unwrap_or_default(),
        acls: stands_for()
            .map(|(acl, objects)| Rule::of(acl, objects))
            .collect(),
        missing: live.map(|live| {
            let missing = stands_for().filter(|(acl, _)| !live.contains(acl));
            missing
                .map(|(acl, objects)| Rule::of(acl, objects))
                .collect()
        }),
        events,
        now: Timestamp::now(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdm_api::{Operation, Pattern, ResourceType};
    use serde_json::json;

    use super::*;
    use crate::flags::Format;
    use crate::output::Output;

    #[test]
    fn a_description_tells_what_is_refused_and_what_is_missing() {
        let object: KafkaACL = serde_json::from_value(json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaACL",
            "metadata": {"name": "writers", "namespace": "team", "generation": 1},
            "spec": {"clusterRef": {"name": "events"}, "roles": ["producer"],
                "subjects": [{"name": "app"}], "resources": [{"type": "topic", "name": "orders"}, {"type": "topic", "name": "x"}]},
            "status": {"observedGeneration": 1, "refused": ["TopicNotOwned: topic x is another's"], "conditions": [
                {"type": "Ready", "status": "False", "reason": "TopicNotOwned", "message": "topic x is another's", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .unwrap();
        let acl = |operation| Acl {
            resource: ResourceType::Topic,
            pattern: Pattern::Literal,
            name: "orders".to_owned(),
            principal: "User:team/user/app".to_owned(),
            host: "*".to_owned(),
            operation,
            permission: Permission::Allow,
        };
        let own = vec![ObjectKey::of(&object)];
        let expansion = Expansion {
            wanted: BTreeMap::from([
                (acl(Operation::Describe), own.clone()),
                (acl(Operation::Write), own),
            ]),
            ..Expansion::default()
        };
        let live = BTreeSet::from([acl(Operation::Describe)]);
        let report = Descriptions {
            api_version: API_VERSION,
            kind: "AclDescriptionList",
            items: vec![describe(&object, &expansion, Some(&live), Vec::new())],
        };
        assert_eq!(
            anstream::adapter::strip_str(&Output::render(Format::Table, &report)).to_string(),
            "Name:        team/writers\n\
             Ready:       False (TopicNotOwned): topic x is another's\n\
             Permission:  Allow\n\
             Subjects:    user:app\n\
             Roles:       producer\n\
             Resources:   topic:orders, topic:x\n\
             Refused:\n  TopicNotOwned: topic x is another's\n\
             ACLs:        2, not in Kafka yet: Write on topic/orders to User:team/user/app\n\
             PRINCIPAL            PERMISSION   OPERATION   RESOURCE       PATTERN   HOST   FROM\n\
             User:team/user/app   Allow        Write       topic/orders   literal   *      team/writers\n\
             User:team/user/app   Allow        Describe    topic/orders   literal   *      team/writers\n"
        );
    }
}
