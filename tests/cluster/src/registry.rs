//! The distribution registry, as Harbor and others run it, for charts.
//!
//! It is served over TLS and takes tokens of a token server that is elsewhere,
//! with certificates of one authority of its own; or it is open and plain.

mod push;
mod token;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bytes::Bytes;
use serde_json::json;

pub use self::push::{Chart, Style};
use self::token::TokenServer;
pub use self::token::{Asked, PASSWORD, USER};
use crate::http;
use crate::pki::{Pki, Subject};
use crate::process::{Process, run};

/// Who is told of pushes.
#[derive(Clone, Copy, Debug)]
pub struct Listener<'a> {
    /// Where.
    pub url: &'a str,
    /// The value of `Authorization` that goes along.
    pub authorization: &'a str,
}

/// What the registry calls itself to the token server.
const SERVICE: &str = "registry";
/// What the token server calls itself to the registry.
const ISSUER: &str = "token-server";

/// A registry as a process; it ends when it is dropped.
pub struct Registry {
    process: Process,
    address: String,
    ca: PathBuf,
    storage: PathBuf,
    tokens: Option<TokenServer>,
}

impl Registry {
    /// Starts one on that port of loopback, over TLS, which wants tokens.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn start(folder: &Path, port: u16) -> Result<Self> {
        Self::with(folder, port, true, None).await
    }

    /// Starts one on that port of loopback, in plain text, for everybody.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn open(folder: &Path, port: u16) -> Result<Self> {
        Self::with(folder, port, false, None).await
    }

    /// The same, which tells `listener` of every push.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn telling(folder: &Path, port: u16, listener: Listener<'_>) -> Result<Self> {
        Self::with(folder, port, false, Some(listener)).await
    }

    async fn with(
        folder: &Path,
        port: u16,
        guarded: bool,
        listener: Option<Listener<'_>>,
    ) -> Result<Self> {
        let home = folder.join(format!("registry-{port}"));
        let pki = Pki::create(&home.join("pki"))?;
        let subject = |name| Subject {
            name,
            alternatives: &["127.0.0.1", "localhost"],
        };
        let address = format!("127.0.0.1:{port}");
        let storage = home.join("storage");
        let mut config = json!({
            "version": 0.1,
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": storage } },
            "http": { "addr": address },
        });
        if let Some(Listener { url, authorization }) = listener {
            config["notifications"]["endpoints"] = json!([{
                "name": "edge",
                "url": url,
                "headers": { "Authorization": [authorization] },
                "timeout": "3s",
                "threshold": 1,
                "backoff": "200ms",
            }]);
        }
        let mut tokens = None;
        if guarded {
            pki.issue("registry", subject("registry"))?;
            pki.issue("tokens", subject("tokens"))?;
            let server = TokenServer::start(&pki).await?;
            let bundle = home.join("signer.crt");
            fs::write(&bundle, server.signer())?;
            config["http"]["tls"] = json!({
                "certificate": pki.path("registry.crt"),
                "key": pki.path("registry.key"),
            });
            config["auth"]["token"] = json!({
                "realm": server.realm(),
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": bundle,
            });
            tokens = Some(server);
        }
        // JSON is YAML.
        let file = home.join("config.yml");
        fs::write(&file, config.to_string())?;
        let process = Process::new("registry", "registry", &home)
            .argument("serve")
            .argument(file)
            // It would look for a collector of traces.
            .variable("OTEL_TRACES_EXPORTER", "none");
        let registry = Self {
            process,
            address,
            ca: pki.path("ca.crt"),
            storage,
            tokens,
        };
        registry.heal().await?;
        Ok(registry)
    }

    /// Starts it if it does not run, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it ends, or takes more than two minutes.
    pub async fn heal(&self) -> Result<()> {
        if !self.process.runs().await {
            self.process.start().await?;
        }
        self.process
            .ready(async || http::listens(&self.address).await)
            .await
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The file with its authority, as PEM.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The process, to be killed, frozen and looked into.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// What the token server was asked, oldest first; nothing where there is none.
    pub fn asked(&self) -> Vec<Asked> {
        self.tokens
            .as_ref()
            .map(TokenServer::asked)
            .unwrap_or_default()
    }

    /// Adds a chart, and gives back its manifest's digest.
    ///
    /// # Errors
    ///
    /// When the registry does not take it; what it says is part of the error.
    pub async fn push(&self, chart: &Chart<'_>) -> Result<String> {
        let pushed = push::push(self, chart).await;
        pushed.with_context(|| format!("{} does not take {}", self.address, chart.repository))
    }

    /// Adds an image of one layer, and gives back its manifest's digest.
    ///
    /// # Errors
    ///
    /// When the registry does not take it; what it says is part of the error.
    pub async fn push_image(&self, repository: &str, tag: &str, layer: Bytes) -> Result<String> {
        let pushed = push::push_image(self, repository, tag, layer).await;
        pushed.with_context(|| format!("{} does not take {repository}:{tag}", self.address))
    }

    /// Has Helm 3's own client add an archive, and the signature that may be
    /// beside it, below that path.
    ///
    /// # Errors
    ///
    /// When the client fails; what it says is part of the error.
    pub async fn push_by_helm(&self, archive: &Path, path: &str) -> Result<()> {
        let url = format!("oci://{}/{path}", self.address);
        let mut arguments = vec!["push".as_ref(), archive.as_os_str(), url.as_ref()];
        if self.tokens.is_none() {
            arguments.push("--plain-http".as_ref());
        }
        let home = self.storage.as_os_str();
        let pushed = run("helm3", arguments, &[("HOME", home)]).await?;
        pushed.check("helm push").map(drop)
    }

    /// Changes one bit of what the registry has stored of this archive.
    ///
    /// # Errors
    ///
    /// When it has not stored it.
    pub fn tamper(&self, archive: &[u8]) -> Result<()> {
        let digest = push::digest(archive);
        let hex = digest.trim_start_matches("sha256:");
        let (first, _) = hex.split_at(2);
        let blobs = self.storage.join("docker/registry/v2/blobs/sha256");
        let file = blobs.join(first).join(hex).join("data");
        let mut data = fs::read(&file).with_context(|| format!("no {}", file.display()))?;
        let middle = data.len() / 2;
        *data.get_mut(middle).context("an empty archive")? ^= 1;
        Ok(fs::write(&file, data)?)
    }
}
