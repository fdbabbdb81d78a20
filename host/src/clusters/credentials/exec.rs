//! Exec plugins: a program of the kubeconfig that prints a credential (`aws eks get-token`, `kubelogin`).
//!
//! The program runs without the edge's terminal, once for all calls that wait for it, and is killed when it takes too
//! long. What it prints is kept until it says it expires, or until an APIServer refuses it. The run does not belong to
//! the call that started it: a slow plugin finishes although that call has given up, so that the next one finds its
//! answer.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube_client::config::{Cluster, ExecAuthCluster, ExecConfig};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Credential, CredentialsError, Identity};

/// How long a plugin may take. Those that open a browser cannot work here; those that ask a cloud answer in seconds.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// The most a plugin may print. A token with every group of a large organisation stays far below.
const OUTPUT_LIMIT: u64 = 1 << 20;

/// A credential this close to its end is not used for a new request.
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_secs(10);

/// A plugin and what it last printed.
#[derive(Clone, Debug)]
pub(crate) struct ExecPlugin {
    program: Arc<Program>,
    last: Arc<Mutex<Option<Printed>>>,
}

#[derive(Clone, Debug)]
struct Printed {
    credential: Credential,
    expires: Option<Timestamp>,
}

impl Printed {
    fn is_fresh(&self) -> bool {
        self.expires
            .is_none_or(|expires| Timestamp::now() + EXPIRY_MARGIN < expires)
    }
}

impl ExecPlugin {
    /// The plugin of `config`; `cluster` is told to it where the kubeconfig says so (`provideClusterInfo`).
    pub(crate) fn new(config: ExecConfig, cluster: &Cluster) -> Result<Self, ExecError> {
        Ok(Self {
            program: Arc::new(Program::new(config, cluster)?),
            last: Arc::default(),
        })
    }

    /// What it last printed, or prints now when that has expired.
    pub(super) async fn current(&self) -> Result<Credential, CredentialsError> {
        let last = Arc::clone(&self.last).lock_owned().await;
        match last.as_ref().filter(|printed| printed.is_fresh()) {
            Some(printed) => Ok(printed.credential.clone()),
            None => self.run(last).await,
        }
    }

    /// What it prints now, unless another call has had it renewed meanwhile.
    pub(super) async fn renew(&self, refused: &Credential) -> Result<Credential, CredentialsError> {
        let last = Arc::clone(&self.last).lock_owned().await;
        match last
            .as_ref()
            .filter(|printed| printed.credential != *refused && printed.is_fresh())
        {
            Some(printed) => Ok(printed.credential.clone()),
            None => self.run(last).await,
        }
    }

    async fn run(
        &self,
        mut last: OwnedMutexGuard<Option<Printed>>,
    ) -> Result<Credential, CredentialsError> {
        let program = Arc::clone(&self.program);
        let running = tokio::spawn(async move {
            let printed = program.run().await?;
            *last = Some(printed.clone());
            Ok(printed.credential)
        });
        running
            .await
            .unwrap_or_else(|_| Err(ExecError::Cancelled))
            .map_err(|source| CredentialsError::Exec {
                command: self.program.command.clone(),
                source,
            })
    }
}

/// How to start a plugin. Its environment may hold secrets, so there is no `Debug` of it.
struct Program {
    command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    install_hint: Option<String>,
    api_version: String,
    /// What the plugin is to be told about.
    cluster: Option<Cluster>,
}

impl Program {
    fn new(config: ExecConfig, cluster: &Cluster) -> Result<Self, ExecError> {
        let environment = config
            .env
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mut variable| Some((variable.remove("name")?, variable.remove("value")?)))
            .collect();
        Ok(Self {
            command: config.command.ok_or(ExecError::NoCommand)?,
            arguments: config.args.unwrap_or_default(),
            environment,
            install_hint: config.install_hint,
            api_version: config.api_version.ok_or(ExecError::NoApiVersion)?,
            cluster: config.provide_cluster_info.then(|| cluster.clone()),
        })
    }

    /// `KUBERNETES_EXEC_INFO`, with the certificate authority as its file is now.
    fn info(&self) -> Result<String, ExecError> {
        let cluster = self
            .cluster
            .as_ref()
            .map(ExecAuthCluster::try_from)
            .transpose()
            .map_err(|source| ExecError::Cluster(Box::new(source)))?;
        serde_json::to_string(&ExecInfo {
            api_version: &self.api_version,
            kind: "ExecCredential",
            spec: ExecSpec {
                interactive: false,
                cluster,
            },
        })
        .map_err(|source| ExecError::Cluster(Box::new(source)))
    }

    async fn run(&self) -> Result<Printed, ExecError> {
        // The plugin's own complaints go where the operator sees them, as with kubectl; nothing of them is kept.
        let mut child = Command::new(&self.command)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("KUBERNETES_EXEC_INFO", self.info()?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ExecError::Start {
                hint: self.install_hint.clone(),
                source,
            })?;
        let stdout = child.stdout.take().ok_or(ExecError::Cancelled)?;
        let finishing = async {
            let mut output = Vec::new();
            stdout
                .take(OUTPUT_LIMIT + 1)
                .read_to_end(&mut output)
                .await
                .map_err(ExecError::Read)?;
            if output.len() as u64 > OUTPUT_LIMIT {
                return Err(ExecError::TooMuchOutput);
            }
            let status = child.wait().await.map_err(ExecError::Read)?;
            Ok((status, output))
        };
        let (status, output) = tokio::time::timeout(TIME_LIMIT, finishing)
            .await
            .map_err(|_| ExecError::TooSlow)??;
        if !status.success() {
            return Err(ExecError::Failed { status });
        }
        self.parse(&output)
    }

    fn parse(&self, output: &[u8]) -> Result<Printed, ExecError> {
        let printed: ExecCredential =
            serde_json::from_slice(output).map_err(|error| ExecError::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        if printed.kind != "ExecCredential" || printed.api_version != self.api_version {
            return Err(ExecError::WrongVersion {
                expected: self.api_version.clone(),
            });
        }
        let status = printed.status.ok_or(ExecError::Empty)?;
        let identity = match (status.client_certificate_data, status.client_key_data) {
            (Some(certificate), Some(key)) => Some(Arc::new(Identity::new(certificate, key))),
            (None, None) => None,
            _ => return Err(ExecError::HalfCertificate),
        };
        let authorization = match status.token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => Some(super::bearer(token).map_err(|_| ExecError::Unprintable)?),
            None => None,
        };
        if authorization.is_none() && identity.is_none() {
            return Err(ExecError::Empty);
        }
        Ok(Printed {
            credential: Credential {
                authorization,
                identity,
            },
            expires: status.expiration_timestamp.map(|Time(at)| at),
        })
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecInfo<'a> {
    api_version: &'a str,
    kind: &'a str,
    spec: ExecSpec,
}

#[derive(Serialize)]
struct ExecSpec {
    interactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ExecAuthCluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: String,
    kind: String,
    status: Option<ExecStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecStatus {
    expiration_timestamp: Option<Time>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Why a plugin gave no credential. None of these repeats what it printed.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The edge is ending.
    #[error("its run was abandoned")]
    Cancelled,
    /// The cluster cannot be described to it.
    #[error("the cluster cannot be described to it")]
    Cluster(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It printed neither a token nor a certificate.
    #[error("it printed neither a token nor a client certificate")]
    Empty,
    /// It said itself that it failed.
    #[error("it ended with {status}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
    },
    /// A certificate without its key, or the reverse.
    #[error("it printed a client certificate without its key, or a key without its certificate")]
    HalfCertificate,
    /// What it printed is not an `ExecCredential`.
    #[error("it printed no ExecCredential (line {line}, column {column} of its output)")]
    Malformed {
        /// The line of its output, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The kubeconfig names no version of the protocol.
    #[error("the kubeconfig gives it no apiVersion; client.authentication.k8s.io/v1 is usual")]
    NoApiVersion,
    /// The kubeconfig names no program.
    #[error("the kubeconfig gives it no command")]
    NoCommand,
    /// Its output broke off.
    #[error("its output cannot be read")]
    Read(#[source] io::Error),
    /// It is not installed or may not be started.
    #[error("it cannot be started{}", hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Start {
        /// The kubeconfig's `installHint`.
        hint: Option<String>,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It printed more than 1 MiB.
    #[error("it printed more than 1 MiB")]
    TooMuchOutput,
    /// It ran for longer than a minute.
    #[error(
        "it did not end within a minute; a plugin that waits for a person cannot be used by a server"
    )]
    TooSlow,
    /// Its token holds a line break or the like.
    #[error("it printed a token that no header can carry")]
    Unprintable,
    /// It speaks another version than the kubeconfig says.
    #[error("it did not answer as an ExecCredential of {expected}")]
    WrongVersion {
        /// What the kubeconfig says.
        expected: String,
    },
}

#[cfg(test)]
mod tests;
