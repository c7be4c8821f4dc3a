//! Kafka's ACLs, asked for again and again, and in the words of `sdm-core`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sdm_core::access::Acl;
use sdm_kafka::{
    AclBinding, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType, Client,
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::window::Seen;

/// Asks Kafka again and again.
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) others: Arc<Others>,
    task: JoinHandle<()>,
}

/// How many changes others have begun to make, and made.
#[derive(Default)]
pub(super) struct Others {
    pub(super) begun: AtomicUsize,
    pub(super) made: AtomicUsize,
}

impl Watch {
    pub(super) fn start(admin: Client, log: PathBuf) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let others: Arc<Others> = Arc::default();
        let (tell, count) = (Arc::clone(&seen), Arc::clone(&others));
        let task = tokio::spawn(async move {
            loop {
                let made = count.made.load(Ordering::SeqCst);
                if let Ok(told) = admin.describe_acls(&AclFilter::any()).await
                    && let Ok(acls) = told.iter().map(acl).collect()
                {
                    let at = std::fs::metadata(&log).map_or(0, |m| m.len());
                    let asked = Some((made, count.begun.load(Ordering::SeqCst)));
                    tell.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Seen { at, asked, acls });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { seen, others, task }
    }

    pub(super) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Words of `sdm-core`'s and of the client's, by their names.
pub(super) fn binding(acl: &Acl) -> AclBinding {
    fn word<T: Copy + std::fmt::Display>(all: &[T], name: String) -> T {
        *all.iter()
            .find(|w| w.to_string() == name)
            .unwrap_or_else(|| unreachable!("{name}"))
    }
    AclBinding {
        resource_type: word(AclResourceType::ALL, format!("{:?}", acl.resource)),
        resource_name: acl.name.clone(),
        pattern_type: word(AclPatternType::ALL, format!("{:?}", acl.pattern)),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: word(AclOperation::ALL, format!("{:?}", acl.operation)),
        permission: word(AclPermission::ALL, format!("{:?}", acl.permission)),
    }
}

pub(super) fn acl(binding: &AclBinding) -> Result<Acl> {
    let lower = |text: String| text[..1].to_lowercase() + &text[1..];
    Ok(serde_json::from_value(json!({
        "resource": lower(binding.resource_type.to_string()), "pattern": binding.pattern_type.to_string().to_lowercase(),
        "name": binding.resource_name, "principal": binding.principal, "host": binding.host,
        "operation": binding.operation.to_string(), "permission": binding.permission.to_string(),
    }))?)
}
