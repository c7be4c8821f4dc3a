//! What is written to one kind may be heard of before what was written to another: nobody loses, nor is given, anything
//! by that.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use sdm_api::{KafkaACL, KafkaRole, KafkaUser};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::fake_acls::Acl;
use sdm_tests::slow_watch::SlowWatches;
use serde_json::{Value, json};

use crate::simulated::{Simulated, object, topic};

/// As late as that.
const LATE: Duration = Duration::from_millis(600);
const SOMEBODY: &str = "User:somebody";
const SOMEBODY_BY_NAME: (&str, &str) = ("KafkaUser", "somebody");

struct Place {
    simulated: Simulated,
    watches: SlowWatches,
    roles: Api<KafkaRole>,
    acls: Api<KafkaACL>,
}

impl Place {
    /// A topic `orders`, somebody, and the role `before`, which lets them write.
    async fn start(name: &str) -> Result<Self> {
        let mut plane = ControlPlane::start(name).await?;
        let watches = SlowWatches::before(&mut plane).await?;
        let simulated = Simulated::start_on(plane).await?;
        simulated.create(vec![topic("orders", "Correct")?]).await?;
        let place = Self {
            roles: simulated.api(),
            acls: simulated.api(),
            simulated,
            watches,
        };
        place.somebody().await?;
        place.role("before", &["Read", "Write"]).await?;
        place.acl("it", "before", SOMEBODY_BY_NAME).await?;
        place.granted("it").await?;
        Ok(place)
    }

    async fn somebody(&self) -> Result<()> {
        let user = json!({
            "clusterRef": {"name": "case"}, "authentication": "external", "principal": "somebody",
        });
        let users: Api<KafkaUser> = self.simulated.api();
        let user = object("somebody", &user)?;
        users.create(&PostParams::default(), &user).await?;
        Ok(())
    }

    async fn role(&self, name: &str, operations: &[&str]) -> Result<()> {
        let rules = json!([{"resource": "topic", "operations": operations}]);
        let role: KafkaRole = object(name, &json!({"rules": rules}))?;
        put(&self.roles, name, &serde_json::to_value(role)?).await
    }

    async fn acl(&self, name: &str, role: &str, (kind, who): (&str, &str)) -> Result<()> {
        let spec = json!({
            "clusterRef": {"name": "case"}, "roles": [role], "subjects": [{"kind": kind, "name": who}],
            "resources": [{"type": "topic", "name": "orders"}],
        });
        let acl: KafkaACL = object(name, &spec)?;
        put(&self.acls, name, &serde_json::to_value(acl)?).await
    }

    /// An ACL is granted as it is written now.
    async fn granted(&self, name: &str) -> Result<()> {
        let acls = &self.acls;
        let granted = || async move {
            let acl = acls.get(name).await?;
            let status = acl.status.clone().unwrap_or_default();
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
            let said = ready.map_or("", |c| &*c.reason);
            ensure!(said == "Granted", "{said}");
            Ok((status.observed_generation == acl.metadata.generation).then_some(()))
        };
        self.simulated.until("it to be granted", granted).await
    }

    fn there(&self) -> BTreeSet<Acl> {
        let world = self.simulated.world.lock();
        let all = world.acls.there.iter();
        all.filter(|acl| acl.principal == SOMEBODY)
            .cloned()
            .collect()
    }

    /// Nothing was taken away so far, and it is as it was.
    fn ensure_kept(&self, before: &BTreeSet<Acl>) -> Result<()> {
        let taken = self.simulated.world.lock().acls.taken.clone();
        ensure!(taken.is_empty(), "{taken:?} was taken away");
        ensure!(!before.is_empty() && self.there() == *before, "the same");
        Ok(())
    }

    /// The watches of a kind come late while something happens.
    async fn late<T>(&self, plural: &str, happens: impl Future<Output = Result<T>>) -> Result<T> {
        self.watches.delays.set(plural, LATE);
        let done = happens.await.with_context(|| format!("{plural} late"))?;
        self.watches.delays.set(plural, Duration::ZERO);
        Ok(done)
    }

    /// A role that takes the place of another opens no gap.
    async fn a_role_for_another(&self, old: &str, new: &str) -> Result<()> {
        let before = self.there();
        self.role(new, &["Read", "Write"]).await?;
        self.acl("it", new, SOMEBODY_BY_NAME).await?;
        self.roles.delete(old, &DeleteParams::default()).await?;
        self.granted("it").await?;
        self.ensure_kept(&before)
    }

    /// A role that allows less by now never allows more, in an ACL that comes after.
    async fn less_by_now(&self, role: &str) -> Result<()> {
        self.role(role, &["Read"]).await?;
        let other = "User:other";
        self.acl("later", role, ("Principal", other)).await?;
        self.granted("later").await?;
        let world = self.simulated.world.lock();
        let made = |who: &str| {
            world
                .acls
                .made
                .iter()
                .filter(|a| a.principal == who)
                .count()
        };
        ensure!(made(other) > 0, "reading is allowed");
        ensure!(made(other) < made(SOMEBODY), "writing never was");
        Ok(())
    }

    /// An ACL about a principal, and then the user goes whom it belonged to.
    async fn a_principal_for_a_user(&self, role: &str) -> Result<()> {
        let before = self.there();
        self.acl("literal", role, ("Principal", SOMEBODY)).await?;
        let users: Api<KafkaUser> = self.simulated.api();
        users.delete("somebody", &DeleteParams::default()).await?;
        self.granted("literal").await?;
        self.ensure_kept(&before)
    }

    /// A user comes, and the ACL about its principal names it instead.
    async fn a_user_for_a_principal(&self, role: &str) -> Result<()> {
        // Nobody can be called so, and that is nobody else's business.
        self.acl("odd", role, ("KafkaUser", "no user/?")).await?;
        let before = self.there();
        self.somebody().await?;
        self.acl("literal", role, SOMEBODY_BY_NAME).await?;
        self.granted("literal").await?;
        self.ensure_kept(&before)
    }
}

async fn put<K>(api: &Api<K>, name: &str, object: &Value) -> Result<()>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let params = PatchParams::apply("test").force();
    api.patch(name, &params, &Patch::Apply(object)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_late_opens_neither_a_gap_nor_a_door() -> Result<()> {
    let place = Place::start("late").await?;
    let first = place.a_role_for_another("before", "second");
    place.late("kafkaacls", first).await?;
    let second = place.a_role_for_another("second", "third");
    place.late("kafkaroles", second).await?;
    let user = place.a_principal_for_a_user("third");
    place.late("kafkaacls", user).await?;
    let user = place.a_user_for_a_principal("third");
    place.late("kafkausers", user).await?;
    let user = place.a_principal_for_a_user("third");
    place.late("kafkaacls", user).await?;
    // So many that nobody asks for each of them.
    for n in 0..12 {
        let nobody = format!("nobody-{n}");
        let subject = ("KafkaUser", nobody.as_str());
        place.acl(&nobody, "third", subject).await?;
    }
    let user = place.a_user_for_a_principal("third");
    place.late("kafkausers", user).await?;
    place.late("kafkaroles", place.less_by_now("third")).await?;
    place.simulated.finish()
}
