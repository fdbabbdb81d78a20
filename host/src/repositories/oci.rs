//! Charts in an OCI registry, <https://github.com/opencontainers/distribution-spec>.
//!
//! A chart is a repository, its versions are tags, and a tag names a manifest, which names by their digests the archive
//! and, if the chart is signed, its provenance file. Helm has had two names for archives, and both are taken. All of it
//! is verified on the way: a manifest and a layer are what their digests say, or they are nothing.
//!
//! What a registry says is bounded in every direction: the size of a manifest, the pages of a list, the manifests in an
//! index. It chooses where its token service is, and [`token`] what that gets to see.

mod challenge;
mod error;
mod manifest;
mod paging;
mod reference;
mod session;
mod tags;
#[cfg(test)]
mod tests;
mod token;

use bytes::Bytes;
use charts::version::{Constraint, Version};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use tokio::time::Instant;
use url::Url;

pub(crate) use self::error::OciError;
use self::manifest::{ACCEPT, Chart, Content, MANIFEST, Manifest};
pub(crate) use self::reference::Reference;
use self::reference::{Digest, Mark, Name, Tag};
use self::session::{Question, Session};
use crate::net::fetch::{FetchError, Fetched, Fetcher};

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

const ARCHIVE: &str = "the archive";
const CATALOG: &str = "the catalog";
const MANIFEST_NAME: &str = "the manifest";
const PROVENANCE: &str = "the provenance file";
const TAGS: &str = "the list of tags";

/// A registry, or those of its repositories that are below a path.
pub(crate) struct Registry {
    session: Session,
    /// What is before the name of each chart; empty, or with a slash at its end.
    prefix: String,
}

/// What is to be fetched with a chart, and within which bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pull {
    /// Whether its provenance file is needed.
    pub(crate) signed: bool,
    /// The largest archive, in bytes.
    pub(crate) limit: usize,
    /// When it must be over.
    pub(crate) deadline: Instant,
}

/// A chart from a registry.
#[derive(Debug)]
pub(crate) struct Pulled {
    /// The version that its tag says; none if it was asked for by its digest.
    pub(crate) version: Option<String>,
    /// Its archive, which is what its digest says.
    pub(crate) archive: Bytes,
    /// `sha256:` and the archive's digest in hex.
    pub(crate) digest: String,
    /// Its provenance file, if it was asked for.
    pub(crate) provenance: Option<Bytes>,
}

impl Registry {
    /// The charts below `base`, a URL with `http` or `https` in place of `oci`. `None` if its path can be none of a
    /// registry.
    ///
    /// Tokens go to the origin of `fetcher` only, so that must be the one of `base`.
    pub(crate) fn new(fetcher: Fetcher, base: &Url) -> Option<Self> {
        let prefix = match base.path().trim_matches('/') {
            "" => String::new(),
            path => format!("{}/", Name::parse(path)?.as_str()),
        };
        Some(Self {
            session: Session::new(fetcher, base.join("/").ok()?),
            prefix,
        })
    }

    /// The charts, by name.
    pub(crate) async fn catalog(&self, deadline: Instant) -> Result<Vec<String>, OciError> {
        let scope = "registry:catalog:*";
        let listed = self.session.list(
            CATALOG,
            "/v2/_catalog".to_owned(),
            scope,
            deadline,
            |page| page.repositories,
        );
        let listed = listed.await.map_err(|error| match error {
            OciError::NotFound => OciError::NoCatalog(StatusCode::NOT_FOUND),
            OciError::Denied { status, .. } => OciError::NoCatalog(status),
            OciError::Status { status, .. } if matches!(status.as_u16(), 400 | 405 | 501) => {
                OciError::NoCatalog(status)
            }
            error => error,
        })?;
        let mut charts: Vec<String> = listed
            .into_iter()
            .filter(|name| Name::parse(name).is_some())
            .filter_map(|name| name.strip_prefix(&self.prefix).map(str::to_owned))
            .collect();
        charts.sort_unstable();
        charts.dedup();
        Ok(charts)
    }

    /// The versions of a chart, newest first. Tags that are no versions are left out.
    pub(crate) async fn versions(
        &self,
        chart: &str,
        deadline: Instant,
    ) -> Result<Vec<String>, OciError> {
        let name = self.name(chart)?;
        let path = format!("/v2/{}/tags/list", name.as_str());
        let tags = self
            .session
            .list(TAGS, path, &scope(&name), deadline, |page| page.tags)
            .await?;
        let mut versions: Vec<(Version, String)> = tags
            .iter()
            .filter_map(|tag| {
                let text = Tag::parse(tag)?.version();
                Some((Version::parse(&text).ok()?, text))
            })
            .collect();
        versions.sort_by(|(one, _), (other, _)| other.cmp(one));
        Ok(versions.into_iter().map(|(_, text)| text).collect())
    }

    /// A chart in the version that Helm takes when `wanted` is asked for, a version or a constraint; the newest release
    /// if it is empty.
    pub(crate) async fn pull(
        &self,
        chart: &str,
        wanted: &str,
        pull: Pull,
    ) -> Result<Pulled, OciError> {
        let name = self.name(chart)?;
        if !wanted.is_empty() {
            Constraint::parse(wanted).map_err(OciError::Constraint)?;
        }
        // A version that is there is taken whatever else there is, so nothing else needs to be listed.
        if Version::parse(wanted).is_ok()
            && let Some(tag) = Tag::of_version(wanted)
        {
            match self.pull_mark(&name, &Mark::Tag(tag), pull).await {
                Err(OciError::NotFound) => (),
                pulled => return pulled,
            }
        }
        let versions = self.versions(chart, pull.deadline).await?;
        let version = Version::select(versions.iter().map(String::as_str), wanted)
            .map_err(OciError::Constraint)?
            .ok_or(OciError::NotFound)?;
        let tag = Tag::of_version(version).ok_or(OciError::NotFound)?;
        self.pull_mark(&name, &Mark::Tag(tag), pull).await
    }

    /// The chart that `reference` names, wherever in the registry it is.
    pub(crate) async fn pull_reference(
        &self,
        reference: &Reference,
        pull: Pull,
    ) -> Result<Pulled, OciError> {
        self.pull_mark(&reference.name, &reference.mark, pull).await
    }

    async fn pull_mark(&self, name: &Name, mark: &Mark, pull: Pull) -> Result<Pulled, OciError> {
        let chart = self.chart(name, mark, pull.deadline).await?;
        if chart.archive.size > pull.limit {
            return Err(OciError::TooLarge { limit: pull.limit });
        }
        let provenance = match chart.provenance {
            Some(provenance) if pull.signed => Some(
                self.blob(PROVENANCE, name, provenance, pull.deadline)
                    .await?,
            ),
            None if pull.signed => return Err(OciError::NotSigned),
            _ => None,
        };
        Ok(Pulled {
            version: match mark {
                Mark::Digest(_) => None,
                Mark::Tag(tag) => Some(tag.version()),
            },
            archive: self
                .blob(ARCHIVE, name, chart.archive, pull.deadline)
                .await?,
            digest: chart.archive.digest.to_string(),
            provenance,
        })
    }

    async fn chart(&self, name: &Name, mark: &Mark, deadline: Instant) -> Result<Chart, OciError> {
        let fetched = self.manifest(name, mark, deadline).await?;
        verify(mark, &fetched)?;
        let children = match Manifest::parse(&fetched.body, content_type(&fetched.headers))? {
            Manifest::Chart(chart) => return Ok(chart),
            Manifest::Index(children) => children,
            Manifest::Other => return Err(OciError::NotAChart("its configuration is none")),
        };
        for child in children {
            let mark = Mark::Digest(child.digest);
            let fetched = self.manifest(name, &mark, deadline).await?;
            child.check(&fetched.body, MANIFEST_NAME)?;
            let parsed = Manifest::parse(&fetched.body, content_type(&fetched.headers))?;
            if let Manifest::Chart(chart) = parsed {
                return Ok(chart);
            }
        }
        Err(OciError::NotAChart("no manifest in its index is one"))
    }

    async fn manifest(
        &self,
        name: &Name,
        mark: &Mark,
        deadline: Instant,
    ) -> Result<Fetched, OciError> {
        self.session
            .ask(Question {
                what: MANIFEST_NAME,
                path: format!("/v2/{}/manifests/{mark}", name.as_str()),
                query: None,
                accept: ACCEPT,
                unless: None,
                scope: &scope(name),
                limit: MANIFEST,
                deadline,
            })
            .await
    }

    async fn blob(
        &self,
        what: &'static str,
        name: &Name,
        content: Content,
        deadline: Instant,
    ) -> Result<Bytes, OciError> {
        let fetched = self
            .session
            .ask(Question {
                what,
                path: format!("/v2/{}/blobs/{}", name.as_str(), content.digest),
                query: None,
                accept: "",
                unless: None,
                scope: &scope(name),
                limit: content.size,
                deadline,
            })
            .await
            .map_err(|error| match error {
                // The manifest names it, so it is the registry that is not whole.
                OciError::NotFound => OciError::Status {
                    what,
                    status: StatusCode::NOT_FOUND,
                },
                OciError::Fetch {
                    source: FetchError::TooLarge { .. },
                    ..
                } => OciError::Digest(what),
                error => error,
            })?;
        content.check(&fetched.body, what)?;
        Ok(fetched.body)
    }

    /// What cannot be a name is the name of nothing.
    fn name(&self, chart: &str) -> Result<Name, OciError> {
        Name::parse(&format!("{}{chart}", self.prefix)).ok_or(OciError::NotFound)
    }
}

/// What a token for reading `name` is to allow.
fn scope(name: &Name) -> String {
    format!("repository:{}:pull", name.as_str())
}

/// Checks that a manifest is the one that was asked for; one that was asked for by its tag is what the registry says it is.
fn verify(mark: &Mark, fetched: &Fetched) -> Result<(), OciError> {
    let told = || {
        let told = fetched.headers.get(DIGEST)?;
        told.to_str().ok().and_then(Digest::parse)
    };
    let expected = match mark {
        Mark::Digest(digest) => Some(*digest),
        Mark::Tag(_) => told(),
    };
    match expected {
        Some(expected) if expected != Digest::of(&fetched.body) => {
            Err(OciError::Digest(MANIFEST_NAME))
        }
        _ => Ok(()),
    }
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
