//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554). Any broker will do; it forwards changes to the
//! active controller, and describes what has reached itself.

use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest,
};

use super::{optional_text, text, wire};
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result, code};
use crate::model::{ScramDeletion, ScramMechanism, ScramUpsertion};
use crate::wire::rpc::Rpc;

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

/// A user's credentials: mechanism and iterations.
type Credentials = Vec<(ScramMechanism, i32)>;

impl Client {
    /// Which SCRAM credentials users have: all users that have any with `None`, else the named ones. A user without any
    /// is listed with none. Salts and secrets are not told.
    pub async fn describe_scram(
        &self,
        users: Option<&[&str]>,
    ) -> Result<Vec<(String, Result<Vec<(ScramMechanism, i32)>, ItemError>)>> {
        // Kafka takes no users for all of them.
        if users.is_some_and(<[_]>::is_empty) {
            return Ok(Vec::new());
        }
        let users = users.map(|names| {
            names
                .iter()
                .map(|name| UserName::default().with_name(wire(name)))
                .collect()
        });
        let request = DescribeUserScramCredentialsRequest::default().with_users(users);
        let answer = self
            .call_any(&request, Repeat::Read, self.deadline())
            .await?;
        ItemError::check(
            answer.error_code,
            optional_text(answer.error_message.as_ref()),
        )
        .map_err(|e| e.into_error(DescribeUserScramCredentialsRequest::NAME))?;
        Ok(answer
            .results
            .iter()
            .map(|result| (text(&result.user), read(result)))
            .collect())
    }

    /// Takes SCRAM credentials away and creates or replaces others. One verdict per user; taking away what is not there
    /// is `RESOURCE_NOT_FOUND`. Kafka takes a user once in a call, even with different mechanisms: `DUPLICATE_RESOURCE`
    /// else. It takes at most 10,000 changes in a call.
    pub async fn alter_scram(
        &self,
        deletions: &[ScramDeletion],
        upsertions: &[ScramUpsertion],
    ) -> Result<Vec<(String, Result<(), ItemError>)>> {
        let deletions = deletions.iter().map(|deletion| {
            ScramCredentialDeletion::default()
                .with_name(wire(&deletion.user))
                .with_mechanism(number(deletion.mechanism))
        });
        let upsertions = upsertions.iter().map(|upsertion| {
            ScramCredentialUpsertion::default()
                .with_name(wire(&upsertion.user))
                .with_mechanism(number(upsertion.mechanism))
                .with_iterations(upsertion.iterations)
                .with_salt(Bytes::copy_from_slice(&upsertion.salt))
                // The copy is erased when dropped, too.
                .with_salted_password(Bytes::from_owner(upsertion.salted_password.clone()))
        });
        let request = AlterUserScramCredentialsRequest::default()
            .with_deletions(deletions.collect())
            .with_upsertions(upsertions.collect());
        let answer = self
            .call_any(&request, Repeat::Write, self.deadline())
            .await?;
        Ok(answer
            .results
            .iter()
            .map(|r| {
                let verdict =
                    ItemError::check(r.error_code, optional_text(r.error_message.as_ref()));
                (text(&r.user), verdict)
            })
            .collect())
    }
}

fn number(mechanism: ScramMechanism) -> i8 {
    match mechanism {
        ScramMechanism::Sha256 => SHA_256,
        ScramMechanism::Sha512 => SHA_512,
    }
}

fn read(result: &DescribeUserScramCredentialsResult) -> Result<Credentials, ItemError> {
    let verdict = ItemError::check(
        result.error_code,
        optional_text(result.error_message.as_ref()),
    );
    match verdict {
        Err(e) if e.code == code::RESOURCE_NOT_FOUND => return Ok(Vec::new()),
        other => other?,
    }
    let mut found: Credentials = result
        .credential_infos
        .iter()
        .filter_map(|info| {
            let mechanism = match info.mechanism {
                SHA_256 => ScramMechanism::Sha256,
                SHA_512 => ScramMechanism::Sha512,
                // Nothing that this client could set, log in with or take away.
                _ => return None,
            };
            Some((mechanism, info.iterations))
        })
        .collect();
    found.sort();
    Ok(found)
}
