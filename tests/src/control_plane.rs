//! etcd, kube-apiserver and, of the controller manager, what deletes dependents
//! and namespaces; on loopback, in a directory of its own.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::paths;
use crate::process::{Process, Spawn};
use crate::wait::until;

const TOKEN: &str = "test-admin-token";

/// A running control plane.
pub struct ControlPlane {
    /// A client with every right.
    pub client: Client,
    /// A kubeconfig file with every right.
    pub kubeconfig: PathBuf,
    /// Scratch space, logs included.
    pub dir: PathBuf,
    /// `https://127.0.0.1:<port>`.
    pub url: String,
    _processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts one; the directory's name tells runs apart.
    pub async fn start(name: &str) -> Result<Self> {
        // Certificates for Pods, as the local node serves them.
        let served = [
            "--feature-gates=PodCertificateRequest=true,ClusterTrustBundle=true,ClusterTrustBundleProjection=true",
            "--runtime-config=certificates.k8s.io/v1beta1=true",
        ];
        Self::start_with(name, &served).await
    }

    /// Starts one as Kubernetes is unless told otherwise: it serves no certificates for Pods.
    pub async fn start_plain(name: &str) -> Result<Self> {
        Self::start_with(name, &[]).await
    }

    async fn start_with(name: &str, more: &[&str]) -> Result<Self> {
        sdm_runtime::crypto::install();
        let dir = paths::repository().join(format!("target/tests/{name}-{}", std::process::id()));
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(&dir)?;
        let [client_port, peer_port, api_port] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = Spawn::new(
            &paths::etcd(),
            [
                format!("--data-dir={}", dir.join("etcd").display()),
                format!("--listen-client-urls={etcd_url}"),
                format!("--advertise-client-urls={etcd_url}"),
                format!("--listen-peer-urls={peer_url}"),
                format!("--initial-advertise-peer-urls={peer_url}"),
                format!("--initial-cluster=default={peer_url}"),
                "--unsafe-no-fsync".to_owned(),
                "--log-level=error".to_owned(),
            ],
            dir.join("etcd.log"),
        )
        .start()?;

        let key = rcgen::KeyPair::generate()?;
        let service_account_key = dir.join("sa.key");
        std::fs::write(&service_account_key, key.serialize_pem())?;
        // The API server does not find the public half of an ECDSA key in PKCS#8.
        let service_account_public = dir.join("sa.pub");
        std::fs::write(&service_account_public, key.public_key_pem())?;
        std::fs::write(
            dir.join("tokens.csv"),
            format!("{TOKEN},admin,admin,system:masters\n"),
        )?;
        let url = format!("https://127.0.0.1:{api_port}");
        let apiserver = Spawn::new(
            &paths::kubernetes("kube-apiserver"),
            [
                format!("--etcd-servers={etcd_url}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={api_port}"),
                format!("--cert-dir={}", dir.join("certs").display()),
                format!("--token-auth-file={}", dir.join("tokens.csv").display()),
                "--authorization-mode=RBAC".to_owned(),
                format!(
                    "--service-account-key-file={}",
                    service_account_public.display()
                ),
                format!(
                    "--service-account-signing-key-file={}",
                    service_account_key.display()
                ),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                "--service-cluster-ip-range=10.77.0.0/16".to_owned(),
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
            ]
            .into_iter()
            .chain(more.iter().map(|&argument| argument.to_owned())),
            dir.join("apiserver.log"),
        )
        // Memory is cheaper here than collecting it, which is much of what a start takes.
        .env("GOGC", "1000")
        .env("GOMEMLIMIT", "1GiB")
        .start()?;

        let kubeconfig = dir.join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_text(&url, TOKEN))?;
        let client = client_of(&kubeconfig).await?;
        until("the API server", Duration::from_secs(60), || async {
            client
                .request_text(http::Request::get("/readyz").body(Vec::new())?)
                .await?;
            Ok(Some(()))
        })
        .await
        .with_context(|| apiserver.tail())?;
        let manager = Spawn::new(
            &paths::kubernetes("kube-controller-manager"),
            [
                format!("--kubeconfig={}", kubeconfig.display()),
                "--controllers=garbage-collector-controller,namespace-controller".to_owned(),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
            ],
            dir.join("controller-manager.log"),
        )
        .start()?;
        let plane = Self {
            client,
            kubeconfig,
            dir,
            url,
            _processes: vec![manager, apiserver, etcd],
        };
        plane.install_definitions().await?;
        Ok(plane)
    }

    /// Applies the committed definitions as a user would, and waits until they are served.
    async fn install_definitions(&self) -> Result<()> {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for entry in std::fs::read_dir(paths::repository().join("deploy/crds"))? {
            let crd: CustomResourceDefinition =
                serde_saphyr::from_str(&std::fs::read_to_string(entry?.path())?)?;
            let name = crd
                .metadata
                .name
                .clone()
                .context("a definition has a name")?;
            api.patch(
                &name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&crd),
            )
            .await?;
            until(
                "the definition to be served",
                Duration::from_secs(30),
                || async {
                    let crd = api.get(&name).await?;
                    let served = crd.status.and_then(|s| s.conditions).unwrap_or_default();
                    Ok(served
                        .iter()
                        .any(|c| c.type_ == "Established" && c.status == "True")
                        .then_some(()))
                },
            )
            .await?;
        }
        Ok(())
    }
}

/// A client for a kubeconfig file.
pub async fn client_of(kubeconfig: &std::path::Path) -> Result<Client> {
    Ok(Client::try_from(config_of(kubeconfig).await?)?)
}

/// What a kubeconfig file says.
pub async fn config_of(kubeconfig: &std::path::Path) -> Result<Config> {
    let config = Kubeconfig::read_from(kubeconfig)?;
    Ok(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?)
}

/// A kubeconfig that trusts any certificate: the server makes its own on every start.
pub(crate) fn kubeconfig_text(url: &str, token: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: '{url}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: admin, user: {{token: {token}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n"
    )
}

/// Ports nobody listens on. They are held together until all are known, so no two are equal.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let held = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<Vec<_>, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
