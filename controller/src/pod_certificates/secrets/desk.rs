//! Where the Secrets for one cluster's clients are written, for the length of a batch: the authority's key is read once for
//! it, and forgotten after it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, ResourceExt};
use sdm_api::names;
use sdm_core::inject::secret::{Case, Delivered, Holder, Material, Step, name_taken, plan, render};
use sdm_core::inject::{Order, Source};
use sdm_core::outcome::Refusal;
use sdm_runtime::apply;
use sdm_runtime::pki::{CertInfo, CertificateAuthority, LeafRequest, Usage};

use super::RETRY;
use super::known::{Known, Remembered};
use crate::authority;
use crate::context::Context;
use crate::error::Error;
use crate::metrics::ResultLabel;
use crate::pod_certificates::rules::{Rules, Subject};
use crate::pod_certificates::{authorities_of, authority_of};
use crate::store::Key;
use crate::tenants::secrets;

/// A desk.
pub struct Desk<'a> {
    context: &'a Context,
    rules: &'a Rules<'a>,
    cluster: &'a Key,
    least: i64,
    /// The authority, and all that clients have to trust.
    trusted: Option<(CertInfo, String)>,
    authority: Option<CertificateAuthority>,
}

impl<'a> Desk<'a> {
    /// A desk for `cluster`; `least` is the shortest lifetime, in seconds.
    pub fn open(context: &'a Context, rules: &'a Rules<'a>, cluster: &'a Key, least: i64) -> Self {
        let authority = authority_of(context, cluster);
        Self {
            context,
            rules,
            cluster,
            least,
            trusted: authority.zip(authorities_of(context, cluster)),
            authority: None,
        }
    }

    /// Does what is to be done for a holder; when it is to be looked at again, in seconds since 1970.
    pub async fn tend(&mut self, known: &mut Known, holder: &Holder) -> Result<Option<i64>, Error> {
        let now = Timestamp::now().as_second();
        match self.plan(known, holder, now) {
            Step::Keep(until) => Ok(until),
            Step::Refuse(refusal) => Ok(self.refuse(known, holder, &refusal).await),
            Step::Remove => {
                self.lead()?;
                let uid = known.delivered(holder).and_then(|there| there.secret.uid());
                apply::delete(&self.api(holder), &holder.secret(), uid.as_deref()).await?;
                known.lose(holder);
                tracing::info!(
                    secret = holder.secret(),
                    namespace = holder.namespace,
                    "nobody needs it, removed"
                );
                Ok(None)
            }
            Step::Issue(order) => self.issue(known, holder, &order).await,
        }
    }

    fn plan(&self, known: &Known, holder: &Holder, now: i64) -> Step {
        let found = self.context.stores.cluster(self.cluster);
        let cluster = match found.as_deref().map(|guarded| &guarded.0) {
            None => None,
            Some(Ok(cluster)) => Some(cluster),
            Some(Err(_)) if known.lifetime(holder).is_some() => {
                let message = format!(
                    "KafkaCluster {} cannot be read; its status says why",
                    self.cluster
                );
                return Step::Refuse(Refusal::waits("ClusterInvalid", message));
            }
            Some(Err(_)) => None,
        };
        let labels = self.rules.labels(&holder.namespace);
        let lifetime = known.lifetime(holder);
        let forbidden = lifetime.and_then(|lifetime| {
            self.rules.forbidden(&Subject {
                namespace: &holder.namespace,
                labels: labels.as_ref(),
                account: &holder.account,
                cluster: self.cluster,
                lifetime,
                source: Source::Secret,
            })
        });
        plan(&Case {
            holder,
            lifetime,
            forbidden: forbidden.as_ref(),
            cluster,
            labels: labels.as_ref(),
            authority_end: self.trusted.as_ref().map(|(a, _)| a.not_after.as_second()),
            delivered: known
                .delivered(holder)
                .map(|there| self.delivered(holder, there)),
            least: self.least,
            now,
        })
    }

    fn delivered(&self, holder: &Holder, there: &Remembered) -> Delivered {
        let certificate = there.certificate.as_ref();
        let principal = names::service_account_principal(&holder.namespace, &holder.account);
        let current = self.trusted.as_ref().is_some_and(|(authority, all)| {
            let ours = |c: &CertInfo| {
                c.issuer_matches(authority) && c.subject_cn.as_ref() == Some(&principal)
            };
            certificate.is_some_and(ours) && *all == there.authorities
        });
        Delivered {
            not_before: certificate.map_or(0, |c| c.not_before.as_second()),
            not_after: certificate.map_or(0, |c| c.not_after.as_second()),
            intact: there.intact && current,
        }
    }

    async fn issue(
        &mut self,
        known: &mut Known,
        holder: &Holder,
        order: &Order,
    ) -> Result<Option<i64>, Error> {
        let client = &self.context.client;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &holder.namespace);
        let account = accounts.get_metadata_opt(&holder.account).await?;
        let account = account.filter(|a| a.metadata.deletion_timestamp.is_none());
        let Some(uid) = account.and_then(|account| account.uid()) else {
            let message = format!("there is no service account {}", holder.account);
            let refusal = Refusal::waits("ServiceAccountNotFound", message);
            return Ok(self.refuse(known, holder, &refusal).await);
        };
        let Some((_, authorities)) = &self.trusted else {
            return Err(Error::Lost("the authority".to_owned()));
        };
        let authority = match self.authority.take() {
            Some(authority) => authority,
            None => {
                let api = Api::namespaced(client.clone(), &self.cluster.namespace);
                authority::read(&api, &self.cluster.name).await?
            }
        };
        let authority = self.authority.insert(authority);
        let time = |seconds| Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let leaf = authority.issue(&LeafRequest {
            cn: order.common_name.clone(),
            dns: Vec::new(),
            ips: Vec::new(),
            usage: Usage::Client,
            not_before: time(order.not_before),
            not_after: time(order.not_after),
        })?;
        let material = Material {
            chain: &leaf.chain_pem,
            key: leaf.key_pem.expose(),
            authorities,
        };
        let secret = render(holder, &uid, &material);
        self.lead()?;
        let api = self.api(holder);
        let before = known.delivered(holder).map(|there| &there.secret);
        match secrets::write(&api, secret, before).await {
            Ok(written) => {
                known.remember(holder.clone(), written);
                let counter = &self.context.metrics.pod_certificates;
                let result = "delivered";
                counter.get_or_create(&ResultLabel { result }).inc();
                tracing::info!(secret = holder.secret(), namespace = holder.namespace, principal = %order.common_name, cluster = %self.cluster, "certificate delivered");
                Ok(Some(order.refresh_at))
            }
            Err(error) if error.reason() == name_taken(holder).reason => {
                match api.get_opt(&holder.secret()).await? {
                    // Only the watch has not told of it yet.
                    Some(there) if Holder::of(&there).as_ref() == Some(holder) => {
                        known.remember(holder.clone(), there);
                        Ok(Some(Timestamp::now().as_second()))
                    }
                    Some(_) => Ok(self.refuse(known, holder, &name_taken(holder)).await),
                    None => Ok(Some(Timestamp::now().as_second())),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the holder's Pods; when it is to be looked at again.
    async fn refuse(&self, known: &Known, holder: &Holder, refusal: &Refusal) -> Option<i64> {
        for pod in known.pods(holder) {
            let events = &self.context.events;
            events
                .warning(&pod, refusal.reason, "Issue", refusal.message.as_str())
                .await;
        }
        Some(Timestamp::now().as_second() + RETRY)
    }

    fn api(&self, holder: &Holder) -> Api<Secret> {
        Api::namespaced(self.context.client.clone(), &holder.namespace)
    }

    fn lead(&self) -> Result<(), Error> {
        match self.context.leadership.holds() {
            true => Ok(()),
            false => Err(Error::NotLeader),
        }
    }
}
