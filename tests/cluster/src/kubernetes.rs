//! etcd and kube-apiserver, and kubectl to talk to them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::pki::{Pki, Subject};
use crate::process::{Output, Process, run};

/// Where the API server listens.
const SERVER: &str = "127.0.0.1:6443";

const ETCD: &str = "http://127.0.0.1:2379";

const ETCD_PEER: &str = "http://127.0.0.1:2380";

/// Who calls the API server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum User {
    /// May do everything.
    Admin,
    /// The service account that `deploy/` makes for an edge, with its token.
    Edge,
    /// A user with a client certificate, bound to the same roles.
    EdgeByCertificate,
    /// Known, and granted nothing.
    Stranger,
}

impl User {
    /// Every user, in the order in which their contexts are listed.
    pub const ALL: [Self; 4] = [
        Self::Admin,
        Self::Edge,
        Self::EdgeByCertificate,
        Self::Stranger,
    ];

    /// The name of the user's context, which is a cluster's name at the edge.
    pub fn context(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Edge => "real",
            Self::EdgeByCertificate => "real-by-certificate",
            Self::Stranger => "stranger",
        }
    }

    fn credentials(self, pki: &Pki, edge: &str) -> Result<Value> {
        Ok(match self {
            // Nobody outside the namespace can use them.
            Self::Admin | Self::Stranger => json!({ "token": self.context() }),
            Self::Edge => json!({ "token": edge }),
            Self::EdgeByCertificate => json!({
                "client-certificate-data": inline(&pki.path("edge.crt"))?,
                "client-key-data": inline(&pki.path("edge.key"))?,
            }),
        })
    }
}

/// The name in the client certificate of [`User::EdgeByCertificate`].
pub(crate) const CERTIFIED: &str = "edge";

/// Tokens of users that the API server knows from the start.
const TOKENS: &str = "admin,admin,admin,system:masters\nstranger,stranger,stranger\n";

/// The control plane: its two processes and a kubeconfig for each user.
pub(crate) struct Kubernetes {
    pub(crate) etcd: Process,
    pub(crate) apiserver: Process,
    folder: PathBuf,
}

impl Kubernetes {
    pub(crate) async fn start(folder: &Path, pki: &Pki) -> Result<Self> {
        pki.service_accounts()?;
        pki.issue(
            "apiserver",
            Subject {
                name: "kube-apiserver",
                alternatives: &["127.0.0.1", "localhost", "kubernetes.default.svc"],
            },
        )?;
        pki.issue(
            "edge",
            Subject {
                name: CERTIFIED,
                alternatives: &[],
            },
        )?;
        fs::write(folder.join("tokens.csv"), TOKENS)?;

        let kubernetes = Self {
            etcd: etcd(folder),
            apiserver: apiserver(folder, pki),
            folder: folder.to_owned(),
        };
        kubernetes.write_kubeconfigs(pki, "")?;
        kubernetes.etcd.start().await?;
        kubernetes.apiserver.start().await?;
        kubernetes.ready().await?;
        Ok(kubernetes)
    }

    /// Writes the kubeconfig of each user and the one of all, with this token
    /// for the edge.
    pub(crate) fn write_kubeconfigs(&self, pki: &Pki, edge: &str) -> Result<()> {
        for user in User::ALL {
            let text = serde_json::to_string_pretty(&kubeconfig(&[user], pki, edge)?)?;
            fs::write(self.kubeconfig(user), text)?;
        }
        let text = serde_json::to_string_pretty(&kubeconfig(&User::ALL, pki, edge)?)?;
        Ok(fs::write(self.contexts(), text)?)
    }

    /// Waits until the API server answers and has made its own namespaces.
    pub(crate) async fn ready(&self) -> Result<()> {
        let probe = async || {
            for arguments in [
                &["get", "--raw=/readyz"][..],
                &["get", "namespace", "kube-system"],
            ] {
                self.kubectl(User::Admin, arguments)
                    .await?
                    .check("kubectl")?;
            }
            Ok(())
        };
        self.apiserver.ready(probe).await
    }

    pub(crate) async fn kubectl(&self, user: User, arguments: &[&str]) -> Result<Output> {
        let kubeconfig = self.kubeconfig(user);
        run(
            "kubectl",
            arguments,
            &[
                ("KUBECONFIG", kubeconfig.as_os_str()),
                ("HOME", self.folder.as_os_str()),
            ],
        )
        .await
    }

    /// What an administrator's kubectl prints.
    pub(crate) async fn admin(&self, arguments: &[&str]) -> Result<String> {
        self.kubectl(User::Admin, arguments).await?.check("kubectl")
    }

    /// Applies these objects, in this order.
    pub(crate) async fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let file = self.folder.join("objects.json");
        fs::write(&file, list.to_string())?;
        let file = file
            .to_str()
            .context("the temporary folder's path is not text")?;
        self.admin(&["apply", "--filename", file]).await.map(drop)
    }

    /// A kubeconfig with this user alone.
    pub(crate) fn kubeconfig(&self, user: User) -> PathBuf {
        self.folder.join(format!("{}.kubeconfig", user.context()))
    }

    /// A kubeconfig with a context for every user.
    pub(crate) fn contexts(&self) -> PathBuf {
        self.folder.join("contexts.kubeconfig")
    }
}

fn etcd(folder: &Path) -> Process {
    let data = folder.join("etcd");
    Process::new("etcd", "etcd", folder)
        .arguments(["--name", "real", "--log-level", "warn", "--unsafe-no-fsync"])
        .argument("--data-dir")
        .argument(data)
        .arguments([
            "--listen-client-urls",
            ETCD,
            "--advertise-client-urls",
            ETCD,
        ])
        .arguments([
            "--listen-peer-urls",
            ETCD_PEER,
            "--initial-advertise-peer-urls",
            ETCD_PEER,
        ])
        .argument("--initial-cluster")
        .argument(format!("real={ETCD_PEER}"))
}

fn apiserver(folder: &Path, pki: &Pki) -> Process {
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.path(name).display());
    let (host, port) = SERVER.split_once(':').unwrap_or((SERVER, "443"));
    Process::new("kube-apiserver", "kube-apiserver", folder).arguments([
        format!("--etcd-servers={ETCD}"),
        format!("--bind-address={host}"),
        format!("--secure-port={port}"),
        format!("--token-auth-file={}", folder.join("tokens.csv").display()),
        file("tls-cert-file", "apiserver.crt"),
        file("tls-private-key-file", "apiserver.key"),
        file("client-ca-file", "ca.crt"),
        file("service-account-key-file", "sa.pub"),
        file("service-account-signing-key-file", "sa.key"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // There is nobody to make the service accounts that it would demand.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--advertise-address=10.99.0.1".to_owned(),
        "--allow-privileged".to_owned(),
    ])
}

fn kubeconfig(users: &[User], pki: &Pki, edge: &str) -> Result<Value> {
    let contexts = users.iter().map(|user| {
        let context = json!({ "cluster": "real", "user": user.context() });
        json!({ "name": user.context(), "context": context })
    });
    let credentials = users
        .iter()
        .map(|user| Ok(json!({ "name": user.context(), "user": user.credentials(pki, edge)? })))
        .collect::<Result<Vec<_>>>()?;
    let cluster = json!({
        "server": format!("https://{SERVER}"),
        "certificate-authority-data": inline(&pki.path("ca.crt"))?,
    });
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "real", "cluster": cluster }],
        "users": credentials,
        "contexts": contexts.collect::<Vec<_>>(),
        "current-context": users.first().map(|user| user.context()),
    }))
}

fn inline(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(STANDARD.encode(bytes))
}
