//! Charts into a registry, by the requests that Helm sends.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::token::PUSHER;
use super::{Registry, SERVICE};
use crate::http::{self, Client};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

const PATIENCE: Duration = Duration::from_secs(30);

/// Which Helm pushes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Helm 3.0's release candidates to 3.6: the archive is a `tar+gzip` like any other.
    Candidate,
    /// Helm 3.7 and later: the archive has a media type of its own.
    Current,
}

/// A chart to be pushed.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// The repository in the registry, which ends in the chart's name.
    pub repository: &'a str,
    /// The version; the tag is made of it as Helm does.
    pub version: &'a str,
    /// The archive.
    pub archive: Bytes,
    /// The signature, which only [`Style::Current`] has a place for.
    pub provenance: Option<Bytes>,
    /// Which Helm pushes it.
    pub style: Style,
}

impl Chart<'_> {
    /// The tag, which may not have a `+`.
    fn tag(&self) -> String {
        self.version.replace('+', "_")
    }

    fn config(&self) -> Bytes {
        let name = self.repository.rsplit('/').next().unwrap_or_default();
        json!({ "apiVersion": "v1", "name": name, "version": self.version })
            .to_string()
            .into()
    }

    fn layers(&self) -> Vec<(&'static str, Bytes)> {
        let archive = match self.style {
            Style::Candidate => "application/tar+gzip",
            Style::Current => "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        };
        let signature = self
            .provenance
            .clone()
            .map(|signature| (PROVENANCE, signature));
        let archive = (archive, self.archive.clone());
        // Helm sorts by digest; the archive is not always the first.
        signature.into_iter().chain([archive]).collect()
    }
}

pub(super) async fn push(registry: &Registry, chart: &Chart<'_>) -> Result<String> {
    let mut pusher = Pusher::new(registry, chart.repository)?;
    pusher.log_in(registry).await?;
    let mut manifest = pusher
        .content((CONFIG, chart.config()), chart.layers())
        .await?;
    if chart.style == Style::Current {
        manifest["mediaType"] = json!(MANIFEST);
        manifest["annotations"] = json!({ "org.opencontainers.image.version": chart.version });
    }
    pusher.manifest(&chart.tag(), &manifest).await
}

/// An image with one layer.
pub(super) async fn push_image(
    registry: &Registry,
    repository: &str,
    tag: &str,
    layer: Bytes,
) -> Result<String> {
    const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    let mut pusher = Pusher::new(registry, repository)?;
    pusher.log_in(registry).await?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    });
    let config = Bytes::from(config.to_string());
    let mut manifest = pusher
        .content((CONFIG, config), vec![(LAYER, layer)])
        .await?;
    manifest["mediaType"] = json!(MANIFEST);
    pusher.manifest(tag, &manifest).await
}

struct Pusher {
    client: Client,
    /// The URL of the repository.
    base: String,
    authorization: Option<String>,
}

impl Pusher {
    fn new(registry: &Registry, repository: &str) -> Result<Self> {
        let scheme = if registry.tokens.is_some() {
            "https"
        } else {
            "http"
        };
        Ok(Self {
            client: http::client(registry.ca())?,
            base: format!("{scheme}://{}/v2/{repository}", registry.address),
            authorization: None,
        })
    }

    async fn log_in(&mut self, registry: &Registry) -> Result<()> {
        let Some(tokens) = &registry.tokens else {
            return Ok(());
        };
        let (_, repository) = self.base.split_once("/v2/").context("no repository")?;
        let url = format!(
            "{}?service={SERVICE}&scope=repository:{repository}:pull,push",
            tokens.realm()
        );
        let (user, password) = PUSHER;
        let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.authorization = Some(format!("Basic {login}"));
        let (_, body) = self.sent(Method::GET, &url, "", Bytes::new()).await?;
        let body: Value = serde_json::from_slice(&body)?;
        let token = body["token"].as_str().context("no token")?;
        self.authorization = Some(format!("Bearer {token}"));
        Ok(())
    }

    /// Adds blobs; the manifest of them.
    async fn content(
        &self,
        (kind, config): (&str, Bytes),
        layers: Vec<(&str, Bytes)>,
    ) -> Result<Value> {
        self.blob(&config).await?;
        let mut described = Vec::new();
        for (kind, layer) in layers {
            self.blob(&layer).await?;
            described.push(descriptor(kind, &layer));
        }
        Ok(json!({
            "schemaVersion": 2,
            "config": descriptor(kind, &config),
            "layers": described,
        }))
    }

    /// Adds a manifest under that tag; its digest.
    async fn manifest(&self, tag: &str, manifest: &Value) -> Result<String> {
        let manifest = Bytes::from(manifest.to_string());
        let digest = digest(&manifest);
        let url = format!("{}/manifests/{tag}", self.base);
        self.sent(Method::PUT, &url, MANIFEST, manifest).await?;
        Ok(digest)
    }

    async fn blob(&self, blob: &Bytes) -> Result<()> {
        let url = format!("{}/blobs/uploads/", self.base);
        let (headers, _) = self.sent(Method::POST, &url, "", Bytes::new()).await?;
        let location = headers.get(LOCATION).context("no location")?.to_str()?;
        let join = if location.contains('?') { '&' } else { '?' };
        let url = format!("{location}{join}digest={}", digest(blob));
        let kind = "application/octet-stream";
        self.sent(Method::PUT, &url, kind, blob.clone()).await?;
        Ok(())
    }

    /// What comes back, unless it is an error.
    async fn sent(
        &self,
        method: Method,
        url: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<(HeaderMap, Bytes)> {
        let mut request = Request::builder().method(method.clone()).uri(url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        let exchange = async {
            let response = self.client.request(request.body(Full::new(body))?).await?;
            let (head, body) = response.into_parts();
            anyhow::Ok((head, body.collect().await?.to_bytes()))
        };
        let exchanged = timeout(PATIENCE, exchange)
            .await
            .context("no answer in time");
        let (head, body) = exchanged
            .and_then(|exchanged| exchanged)
            .with_context(|| format!("{method} {url}"))?;
        let status: StatusCode = head.status;
        ensure!(
            status.is_success(),
            "{method} {url}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok((head.headers, body))
    }
}

fn descriptor(kind: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": digest(blob), "size": blob.len() })
}

pub(super) fn digest(blob: &[u8]) -> String {
    let digest = Sha256::digest(blob);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
