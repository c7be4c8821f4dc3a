//! The workshop: certificates, passwords and the Secrets that carry them, made as planned.
//!
//! Keys and passwords live here for the length of a batch and are wiped after it. What is made, and when, is decided in
//! `sdm_core::user`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use rand::RngCore;
use sdm_api::{Authentication, KafkaUser};
use sdm_core::outcome::Refusal;
use sdm_core::user::{
    self, CertificateFacts, CredentialAction, Delivery, Issued, Material, Pkcs12, check_password,
    credential_after, password_hash, random_password, render, shape_hash, wants_pkcs12,
};
use sdm_kafka::{ScramMechanism, ScramUpsertion};
use sdm_runtime::pki::{CertificateAuthority, LeafRequest, Usage, inspect, pkcs12};
use zeroize::Zeroizing;

use super::gate::Open;
use super::users::Item;
use crate::authority;
use crate::context::Context;
use crate::error::Error;
use crate::store::Key;

/// What went wrong with a user.
pub(super) type Failed = HashMap<Key, Refusal>;

/// What failed outside Kafka.
pub(super) fn fault(error: &Error) -> Refusal {
    Refusal {
        reason: error.reason(),
        message: error.to_string(),
        waits: !error.is_permanent(),
    }
}

/// A user with what was made for it.
pub(super) struct Delivered {
    pub item: Item,
    /// To be written to Kafka.
    pub upsertion: Option<ScramUpsertion>,
    /// To be written to the API server, after it.
    pub secret: Option<Secret>,
}

/// What is needed to make credentials for a batch.
pub(super) struct Workshop {
    /// The authority, or why nothing can be signed; none if nothing is to be.
    authority: Option<Result<CertificateAuthority, Refusal>>,
    authority_hash: String,
    ca_pem: String,
}

fn is_signed(item: &Item) -> bool {
    matches!(item.plan.action, CredentialAction::IssueCertificate { .. })
}

impl Workshop {
    /// Reads the authority's key if something has to be signed.
    pub async fn open(context: &Context, open: &Open, items: &[Item]) -> Self {
        let authority = if items.iter().any(is_signed) {
            let api = Api::namespaced(context.client.clone(), &open.resolved.namespace);
            let read = authority::read(&api, &open.resolved.name).await;
            Some(read.map_err(|error| fault(&error)))
        } else {
            None
        };
        Self {
            authority,
            authority_hash: open.authority_hash.clone(),
            ca_pem: open.ca_pem(),
        }
    }

    /// Makes what is planned. What fails, fails for its user alone.
    pub async fn make(
        &self,
        context: &Context,
        items: Vec<Item>,
        failed: &mut Failed,
    ) -> Vec<Delivered> {
        let mut made = Vec::with_capacity(items.len());
        for item in items {
            if let (true, Some(Err(why))) = (is_signed(&item), &self.authority) {
                failed.insert(item.key, why.clone());
                continue;
            }
            match self.make_one(context, &item).await {
                Ok((upsertion, secret)) => made.push(Delivered {
                    item,
                    upsertion,
                    secret,
                }),
                Err(error) => {
                    tracing::warn!(user = %item.key, reason = error.reason(), %error, "credential not made");
                    failed.insert(item.key, fault(&error));
                }
            }
        }
        made
    }

    async fn make_one(
        &self,
        context: &Context,
        item: &Item,
    ) -> Result<(Option<ScramUpsertion>, Option<Secret>), Error> {
        let user = &*item.user;
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &item.key.namespace);
        let there = item.view.name.as_deref().unwrap_or(user.secret_name());
        match &item.plan.action {
            CredentialAction::Keep | CredentialAction::Withdraw | CredentialAction::Refuse(_) => {
                Ok((None, None))
            }
            CredentialAction::IssueCertificate { .. } => {
                let Some(Ok(authority)) = &self.authority else {
                    return Err(Error::Lost("the authority".to_owned()));
                };
                let now = Timestamp::now();
                let lifetime = SignedDuration::from_secs(user::validity(user));
                let request =
                    LeafRequest::valid_for(user::principal(user), Usage::Client, now, lifetime);
                let leaf = authority.issue(&request)?;
                let info = inspect(&leaf.chain_pem)?;
                let facts = CertificateFacts {
                    not_before: now.as_second(),
                    not_after: info.not_after.as_second(),
                    authority: self.authority_hash.clone(),
                };
                let material = Material::Certificate {
                    cert_pem: &leaf.chain_pem,
                    key_pem: leaf.key_pem.expose(),
                };
                Ok((
                    None,
                    Some(self.secret(item, &material, Issued::Certificate(facts))?),
                ))
            }
            CredentialAction::NewPassword { second, .. } => {
                let mut random = Zeroizing::new([0; 32]);
                rand::rng().fill_bytes(&mut *random);
                let password = Zeroizing::new(random_password(&random));
                self.password(item, *second, &password).await
            }
            CredentialAction::AdoptPassword { second, .. } => {
                let given = given_password(&api, user).await?;
                let password = check_password(user, &given)
                    .map_err(|refusal| Error::Refused(refusal.reason, refusal.message))?;
                self.password(item, *second, password).await
            }
            CredentialAction::Restore => {
                let secret = api.get(there).await?;
                let lost = || Error::Lost("the password".to_owned());
                let password = Zeroizing::new(text(&secret, "password").ok_or_else(lost)?);
                let second = item.view.credential.as_ref().is_some_and(|c| c.second);
                let username = user::login(user, second);
                let material = Material::Password {
                    username: &username,
                    password: &password,
                };
                let secret = self.secret(item, &material, Issued::Same)?;
                Ok((
                    Some(upsertion(user, second, &password).await?),
                    Some(secret),
                ))
            }
            CredentialAction::Redeliver | CredentialAction::RevokePrevious { .. } => {
                let secret = api.get(there).await?;
                let part = |key: &str| text(&secret, key).map(Zeroizing::new);
                let secret = match (
                    part("tls.crt"),
                    part("tls.key"),
                    part("username"),
                    part("password"),
                ) {
                    (Some(cert), Some(key), ..)
                        if user.spec.authentication == Authentication::Tls =>
                    {
                        let material = Material::Certificate {
                            cert_pem: &cert,
                            key_pem: &key,
                        };
                        self.secret(item, &material, Issued::Same)?
                    }
                    (_, _, Some(username), Some(password)) => {
                        let material = Material::Password {
                            username: &username,
                            password: &password,
                        };
                        self.secret(item, &material, Issued::Same)?
                    }
                    _ => return Err(Error::Lost("the credential in the Secret".to_owned())),
                };
                Ok((None, Some(secret)))
            }
        }
    }

    async fn password(
        &self,
        item: &Item,
        second: bool,
        password: &str,
    ) -> Result<(Option<ScramUpsertion>, Option<Secret>), Error> {
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        let hash = password_hash(&salt, password.as_bytes());
        let username = user::login(&item.user, second);
        let material = Material::Password {
            username: &username,
            password,
        };
        let secret = self.secret(item, &material, Issued::Password(hash))?;
        Ok((
            Some(upsertion(&item.user, second, password).await?),
            Some(secret),
        ))
    }

    fn secret(
        &self,
        item: &Item,
        material: &Material<'_>,
        issued: Issued,
    ) -> Result<Secret, Error> {
        let user = &*item.user;
        let Some(listener) = &item.listener else {
            return Err(Error::Lost("the listener".to_owned()));
        };
        let delivery = Delivery {
            user,
            listener,
            ca_pem: &self.ca_pem,
        };
        let credential = credential_after(
            user,
            &item.view,
            &item.plan.action,
            issued,
            shape_hash(&delivery),
        );
        let stores = if wants_pkcs12(user) {
            Some(Stores::make(material, &self.ca_pem)?)
        } else {
            None
        };
        let stores = stores.as_ref().map(|s| Pkcs12 {
            user: s.user.as_deref(),
            ca: &s.ca,
            password: &s.password,
        });
        Ok(render(&delivery, material, stores.as_ref(), &credential))
    }
}

/// Key stores in PKCS#12.
struct Stores {
    user: Option<Vec<u8>>,
    ca: Vec<u8>,
    password: Zeroizing<String>,
}

impl Stores {
    fn make(material: &Material<'_>, ca_pem: &str) -> Result<Self, Error> {
        let mut random = Zeroizing::new([0; 32]);
        rand::rng().fill_bytes(&mut *random);
        let password = Zeroizing::new(random_password(&random));
        let user = match material {
            Material::Certificate { cert_pem, key_pem } => {
                Some(pkcs12::key_store(cert_pem, key_pem, ca_pem, &password)?)
            }
            Material::Password { .. } => None,
        };
        Ok(Self {
            user,
            ca: pkcs12::trust_store(ca_pem, &password)?,
            password,
        })
    }
}

/// The credential that Kafka stores. Deriving it takes milliseconds of computation, which nobody else should wait for.
async fn upsertion(
    user: &KafkaUser,
    second: bool,
    password: &str,
) -> Result<ScramUpsertion, Error> {
    let login = user::login(user, second);
    let mechanism = match user.spec.authentication {
        Authentication::ScramSha256 => ScramMechanism::Sha256,
        _ => ScramMechanism::Sha512,
    };
    let iterations = user::iterations(user);
    let password = Zeroizing::new(password.to_owned());
    let mut salt = vec![0; 24];
    rand::rng().fill_bytes(&mut salt);
    let derived = tokio::task::spawn_blocking(move || {
        ScramUpsertion::derive(login, mechanism, iterations, salt, &password)
    })
    .await;
    derived
        .map_err(|error| Error::Lost(error.to_string()))?
        .map_err(Error::from)
}

/// The password that `password.secretRef` names.
pub(super) async fn given_password(
    api: &Api<Secret>,
    user: &KafkaUser,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some(given) = user
        .spec
        .password
        .as_ref()
        .and_then(|p| p.secret_ref.as_ref())
    else {
        return Err(Error::Lost("password.secretRef".to_owned()));
    };
    let missing = || {
        Error::Refused(
            user::reason::PASSWORD_NOT_FOUND,
            format!(
                "spec.password.secretRef: there is no Secret {} with a key {:?} in namespace {}",
                given.name,
                given.key,
                user.namespace().unwrap_or_default()
            ),
        )
    };
    let secret = api.get_opt(&given.name).await?.ok_or_else(missing)?;
    let value = secret
        .data
        .and_then(|mut data| data.remove(&given.key))
        .ok_or_else(missing)?;
    Ok(Zeroizing::new(value.0))
}

/// A mechanism by its registered name.
pub(super) fn mechanism(name: &str) -> Option<ScramMechanism> {
    [ScramMechanism::Sha256, ScramMechanism::Sha512]
        .into_iter()
        .find(|m| m.name() == name)
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let ByteString(value) = secret.data.as_ref()?.get(key)?;
    String::from_utf8(value.clone()).ok()
}
