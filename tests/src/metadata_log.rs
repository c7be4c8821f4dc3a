//! The ACLs of a quorum as its metadata log tells them: every state there ever was, in order. Brokers enforce what the
//! log says, a batch at a time, so nothing that was ever enforced is missed, as it would be by asking again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::Acl;

/// `AccessControlEntryRecord` and `RemoveAccessControlEntryRecord`.
const CREATED: u32 = 18;
const REMOVED: u32 = 19;
/// Bytes of a batch (format 2) before its length counts, and before its records.
const PREFIX: usize = 12;
const HEADER: usize = 61;
/// Attribute of batches that are the quorum's own business.
const CONTROL: i16 = 0x20;

/// A state.
#[derive(Clone, Debug)]
pub struct State {
    /// Where in the log it begins.
    pub position: u64,
    /// All ACLs from there on.
    pub acls: BTreeSet<Acl>,
}

/// A reader that goes on where it stopped.
pub struct MetadataLog {
    path: PathBuf,
    position: u64,
    acls: BTreeMap<[u8; 16], Acl>,
}

impl MetadataLog {
    /// From the beginning.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            position: 0,
            acls: BTreeMap::new(),
        }
    }

    /// Where the log ends now.
    pub fn end(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.path)
            .with_context(|| self.path.display().to_string())?
            .len())
    }

    /// The states since the last time.
    pub fn read(&mut self) -> Result<Vec<State>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut states = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(length) = rest.get(8..PREFIX) {
            let length = PREFIX + usize::try_from(i32::from_be_bytes(length.try_into()?))?;
            // The last one may be in the making.
            let Some((batch, after)) = rest.split_at_checked(length) else {
                break;
            };
            if self.batch(batch)? {
                states.push(State {
                    position: self.position,
                    acls: self.acls.values().cloned().collect(),
                });
            }
            self.position += u64::try_from(length)?;
            rest = after;
        }
        Ok(states)
    }

    /// Whether a batch changes any ACL.
    fn batch(&mut self, batch: &[u8]) -> Result<bool> {
        ensure!(
            batch.len() >= HEADER && batch[16] == 2,
            "not a batch of format 2"
        );
        let attributes = i16::from_be_bytes(batch[21..23].try_into()?);
        if attributes & CONTROL != 0 {
            return Ok(false);
        }
        ensure!(attributes & 7 == 0, "a compressed batch");
        let count = i32::from_be_bytes(batch[57..HEADER].try_into()?);
        let mut batch = Bytes(&batch[HEADER..]);
        let mut changed = false;
        for _ in 0..count {
            let length = batch.signed()?;
            let mut record = Bytes(batch.take(length)?);
            record.take(1)?;
            record.signed()?;
            record.signed()?;
            let key = record.signed()?;
            record.take(key.max(0))?;
            let value = record.signed()?;
            changed |= self.value(Bytes(record.take(value.max(0))?))?;
        }
        Ok(changed)
    }

    fn value(&mut self, mut value: Bytes<'_>) -> Result<bool> {
        let frame = value.unsigned()?;
        let (kind, _version) = (value.unsigned()?, value.unsigned()?);
        ensure!(frame == 1, "a record in frame {frame}");
        if kind != CREATED && kind != REMOVED {
            return Ok(false);
        }
        let id: [u8; 16] = value.take(16)?.try_into()?;
        if kind == REMOVED {
            return Ok(self.acls.remove(&id).is_some());
        }
        let acl = Acl {
            resource: match value.byte()? {
                2 => ResourceType::Topic,
                3 => ResourceType::Group,
                4 => ResourceType::Cluster,
                5 => ResourceType::TransactionalId,
                6 => ResourceType::DelegationToken,
                other => bail!("resource type {other}"),
            },
            name: value.text()?,
            pattern: match value.byte()? {
                3 => Pattern::Literal,
                4 => Pattern::Prefixed,
                other => bail!("pattern type {other}"),
            },
            principal: value.text()?,
            host: value.text()?,
            operation: match value.byte()? {
                2 => Operation::All,
                3 => Operation::Read,
                4 => Operation::Write,
                5 => Operation::Create,
                6 => Operation::Delete,
                7 => Operation::Alter,
                8 => Operation::Describe,
                9 => Operation::ClusterAction,
                10 => Operation::DescribeConfigs,
                11 => Operation::AlterConfigs,
                12 => Operation::IdempotentWrite,
                other => bail!("operation {other}"),
            },
            permission: match value.byte()? {
                2 => Permission::Deny,
                3 => Permission::Allow,
                other => bail!("permission {other}"),
            },
        };
        self.acls.insert(id, acl);
        Ok(true)
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: i64) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .0
            .split_at_checked(usize::try_from(count)?)
            .context("a record is cut off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn unsigned(&mut self) -> Result<u32> {
        Ok(u32::try_from(self.varint()?)?)
    }

    fn signed(&mut self) -> Result<i64> {
        let zigzag = self.varint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    fn varint(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a number without an end")
    }

    /// A compact string.
    fn text(&mut self) -> Result<String> {
        let length = i64::from(self.unsigned()?) - 1;
        Ok(std::str::from_utf8(self.take(length)?)?.to_owned())
    }
}
