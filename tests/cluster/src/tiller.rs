//! A real Tiller, and Helm's own client beside it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::http;
use crate::objects::POD_ADDRESS;
use crate::pki::Pki;
use crate::process::{Output, Process, run};

/// One Tiller of the cluster.
pub struct Tiller {
    process: Process,
    port: u16,
    tls: Option<Keys>,
    home: PathBuf,
}

/// Where one Tiller lives.
pub(crate) struct Place<'a> {
    pub(crate) name: &'static str,
    pub(crate) namespace: &'a str,
    /// The gRPC port; probes are on the next.
    pub(crate) port: u16,
    /// The kubeconfig that it manages the cluster with.
    pub(crate) kubeconfig: &'a Path,
    pub(crate) tls: bool,
}

struct Keys {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tiller {
    pub(crate) async fn start(place: Place<'_>, folder: &Path, pki: &Pki) -> Result<Self> {
        let Place {
            name,
            namespace,
            port,
            kubeconfig,
            tls,
        } = place;
        let mut process = Process::new(name, "tiller", folder)
            .argument("-storage=secret")
            .argument(format!("-listen={POD_ADDRESS}:{port}"))
            .argument(format!("-probe-listen=127.0.0.1:{}", port + 1))
            .variable("KUBECONFIG", kubeconfig)
            .variable("TILLER_NAMESPACE", namespace)
            .variable("HOME", folder);
        let keys = tls.then(|| Keys {
            certificate: pki.path("tiller.crt"),
            key: pki.path("tiller.key"),
        });
        if let Some(Keys { certificate, key }) = &keys {
            process = process
                .argument("-tls")
                .arguments([OsStr::new("-tls-cert"), certificate.as_os_str()])
                .arguments([OsStr::new("-tls-key"), key.as_os_str()]);
        }
        let home = folder.join("helm");
        std::fs::create_dir_all(&home)?;
        let tiller = Self {
            process,
            port,
            tls: keys,
            home,
        };
        tiller.process.start().await?;
        tiller.ready().await?;
        Ok(tiller)
    }

    /// The process, to be killed, frozen and started again.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where it takes gRPC.
    pub fn address(&self) -> String {
        format!("{POD_ADDRESS}:{}", self.port)
    }

    /// Waits until it calls itself ready.
    pub(crate) async fn ready(&self) -> Result<()> {
        let probe = format!("127.0.0.1:{}", self.port + 1);
        self.process
            .ready(async || http::ok(&probe, "/readiness").await)
            .await
    }

    /// Runs Helm's client against this Tiller, past everything of ours.
    ///
    /// # Errors
    ///
    /// When it cannot be run; that it fails is part of the output.
    pub async fn helm(&self, arguments: &[&str]) -> Result<Output> {
        let address = self.address();
        let mut all: Vec<&OsStr> = vec!["--host".as_ref(), address.as_ref()];
        if let Some(Keys { certificate, key }) = &self.tls {
            // Helm wants a pair of its own even where nobody asks for it.
            all.extend(["--tls", "--tls-cert"].map(OsStr::new));
            all.extend([
                certificate.as_os_str(),
                OsStr::new("--tls-key"),
                key.as_os_str(),
            ]);
        }
        // Flags that concern TLS belong behind the command.
        let (command, rest) = arguments.split_at(arguments.len().min(1));
        let words = command
            .iter()
            .map(OsStr::new)
            .chain(all)
            .chain(rest.iter().map(OsStr::new));
        run("helm", words, &[("HELM_HOME", self.home.as_os_str())]).await
    }
}
