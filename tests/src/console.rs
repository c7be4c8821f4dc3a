//! A Pod with other people's clients, Kafka's own in Java and kcat on librdkafka, and a delivered Secret mounted where it
//! says it has to be.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::node::Node;
use crate::wait::until;

/// Where Secrets are mounted.
pub const MOUNT: &str = "/etc/kafka-client";
const PATIENCE: Duration = Duration::from_secs(90);

/// The Pod.
pub struct Console {
    node: Node,
    namespace: String,
    name: String,
}

/// What a command said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether it exited with 0.
    pub ok: bool,
    /// What it printed.
    pub out: String,
    /// What it complained of.
    pub err: String,
}

impl Said {
    /// What it printed, if it did what it should.
    pub fn done(self) -> Result<String> {
        if self.ok {
            return Ok(self.out);
        }
        bail!("{}{}", self.out, self.err)
    }

    /// Whether Kafka said that it may not.
    pub fn is_denied(&self) -> bool {
        let said = format!("{}{}", self.out, self.err);
        // librdkafka's words, then those of Kafka's own client.
        !self.ok && said.contains("authorization failed")
            || said.contains("TopicAuthorizationException")
            || said.contains("Not authorized to access")
    }
}

/// A Pod with Kafka's image that meets the restricted Pod Security Standard, and writes in `/tmp` only.
fn pod(name: &str, image: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
                "seccompProfile": {"type": "RuntimeDefault"}
            },
            "containers": [{
                "name": "console",
                "image": image,
                "imagePullPolicy": "IfNotPresent",
                // A first process that buries what others leave behind.
                "command": ["bash", "-c", "sleep 86400 & wait"],
                "env": [
                    {"name": "PATH", "value": "/opt/kafka/bin:/opt/java/openjdk/bin:/usr/local/bin:/usr/bin:/bin"},
                    {"name": "LOG_DIR", "value": "/tmp"},
                    {"name": "KAFKA_HEAP_OPTS", "value": "-Xmx128m"}
                ],
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}
                },
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]
            }],
            "volumes": [{"name": "tmp", "emptyDir": {}}]
        }
    })
}

impl Console {
    /// Starts one with `secret` mounted; `image` is the brokers'. Pods meet the restricted Pod Security Standard.
    pub async fn start(node: &Node, namespace: &str, secret: &str, image: &str) -> Result<Self> {
        let name = format!("console-{secret}-{:08x}", rand::random::<u32>());
        let mut pod = pod(&name, image);
        pod["spec"]["automountServiceAccountToken"] = json!(false);
        pod["spec"]["containers"][0]["volumeMounts"] = json!([
            {"name": "client", "mountPath": MOUNT, "readOnly": true},
            {"name": "tmp", "mountPath": "/tmp"}
        ]);
        pod["spec"]["volumes"] = json!([
            {"name": "client", "secret": {"secretName": secret, "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {}}
        ]);
        Self::run_pod(node, namespace, &name, pod).await
    }

    /// Starts one in a Deployment, whose template asks for the identity of the service account `account` by annotations; with
    /// an init container and a sidecar, which have it as well.
    pub async fn asking(
        node: &Node,
        namespace: &str,
        account: &str,
        annotations: Value,
        image: &str,
    ) -> Result<Self> {
        let name = format!("console-{account}-{:08x}", rand::random::<u32>());
        let mut pod = pod(&name, image);
        pod["metadata"] = json!({"labels": {"console": name}, "annotations": annotations});
        pod["spec"]["restartPolicy"] = json!("Always");
        pod["spec"]["serviceAccountName"] = json!(account);
        let mut init = pod["spec"]["containers"][0].clone();
        let mut sidecar = init.clone();
        init["name"] = json!("init");
        init["command"] = json!(["test", "-s", format!("{MOUNT}/keystore.pem")]);
        sidecar["name"] = json!("sidecar");
        sidecar["restartPolicy"] = json!("Always");
        pod["spec"]["initContainers"] = json!([init, sidecar]);
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"console": name}}, "template": pod}
        }))?;
        Api::namespaced(node.client.clone(), namespace)
            .create(&PostParams::default(), &deployment)
            .await?;
        let of = ListParams::default().labels(&format!("console={name}"));
        let pod = until("the Deployment's Pod", PATIENCE, || async {
            let pods = node.pods(namespace).list(&of).await?;
            Ok(pods.iter().map(ResourceExt::name_any).next())
        })
        .await?;
        Self::running(node, namespace, &pod).await
    }

    async fn run_pod(node: &Node, namespace: &str, name: &str, pod: Value) -> Result<Self> {
        let pod: Pod = serde_json::from_value(pod)?;
        let pods = node.pods(namespace);
        pods.create(&PostParams::default(), &pod).await?;
        Self::running(node, namespace, name).await
    }

    async fn running(node: &Node, namespace: &str, name: &str) -> Result<Self> {
        let pods = node.pods(namespace);
        until("the console's Pod to run", PATIENCE, || async {
            let status = pods.get(name).await?.status.unwrap_or_default();
            match status.phase.as_deref() {
                Some("Running") => Ok(Some(())),
                _ => bail!("{:?} {:?}", status.phase, status.container_statuses),
            }
        })
        .await?;
        Ok(Self {
            node: node.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The Kubernetes node that it runs on.
    pub async fn node_name(&self) -> Result<String> {
        let pod = self.node.pods(&self.namespace).get(&self.name).await?;
        pod.spec.and_then(|s| s.node_name).context("a node")
    }

    /// Runs a shell script in it.
    pub async fn run(&self, script: &str) -> Result<Said> {
        let arguments = [
            "exec",
            "-n",
            &self.namespace,
            &self.name,
            "-c",
            "console",
            "--",
            "bash",
            "-c",
            script,
        ];
        let (ok, out, err) = self.node.kubectl_says(&arguments).await?;
        Ok(Said { ok, out, err })
    }

    /// Starts a shell script that goes on by itself; its output is in `/tmp/NAME`, its process group in `/tmp/NAME.pid`.
    pub async fn begin(&self, name: &str, script: &str) -> Result<()> {
        let quoted = script.replace('\'', r"'\''");
        let start = format!(
            "setsid bash -c 'echo $$ >/tmp/{name}.pid; {quoted}' >/tmp/{name} 2>&1 </dev/null &"
        );
        self.run(&start).await?.done()?;
        Ok(())
    }

    /// What a script that was begun has printed.
    pub async fn output(&self, name: &str) -> Result<String> {
        self.run(&format!("cat /tmp/{name}")).await?.done()
    }

    /// Asks a script that was begun, and all it started, to end, waits for that, and returns what it has printed.
    pub async fn end(&self, name: &str) -> Result<String> {
        let script = format!(
            "g=$(cat /tmp/{name}.pid); kill -TERM -- -$g; \
             for n in {{1..300}}; do kill -0 -- -$g 2>/dev/null || exec cat /tmp/{name}; sleep 0.05; done; \
             echo {name} does not end >&2; exit 1"
        );
        self.run(&script).await?.done()
    }

    /// Waits until what a script has printed is as wanted, and returns it.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        until(what, PATIENCE, || async {
            let text = self.output(name).await?;
            match wanted(&text) {
                true => Ok(Some(text)),
                false => bail!("{}", &text[text.len().saturating_sub(600)..]),
            }
        })
        .await
    }

    /// Waits until the mounted Secret has `value` under `key`. The kubelet looks at a Pod's volumes when the Pod changes,
    /// and by itself every minute or so.
    pub async fn sees(&self, key: &str, value: &str) -> Result<()> {
        let nudge = json!({"metadata": {"annotations": {"tests/nudge": rand::random::<u32>().to_string()}}});
        self.node
            .pods(&self.namespace)
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(nudge))
            .await?;
        until("the mounted Secret to change", PATIENCE, || async {
            let there = self.run(&format!("cat {MOUNT}/{key}")).await?.done()?;
            Ok((there.trim() == value.trim()).then_some(()))
        })
        .await
    }

    /// Deletes the Pod; one of a Deployment comes back.
    pub async fn stop(self) -> Result<()> {
        let pods = self.node.pods(&self.namespace);
        let now = DeleteParams::default().grace_period(0);
        pods.delete(&self.name, &now).await.context("the console")?;
        Ok(())
    }
}
