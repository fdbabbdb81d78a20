//! `GET /repositories…` and `GET /archive`: which charts there are, and archives.
//!
//! `rest::repositories` is the contract. An archive's answer begins when the archive is whole and verified, so that
//! there is nothing of one that is not. It has its place in memory until it is sent or given up.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, Uri};
use http_body_util::{BodyExt, Full};
use rest::repositories::{Ask, SOURCE};
use url::form_urlencoded;

use super::{Body, Caller, NotACall, Relay, RelayError, json};
use crate::repositories::{Archive, Page, RepositoryError};

/// How many charts or versions a list has, where nothing is said.
const USUAL: usize = 250;

/// How many it has at most.
const MOST: usize = 1000;

impl Relay {
    /// Answers `ask`, with what the query of `uri` adds to it.
    pub(super) async fn repositories(
        &self,
        caller: &Caller,
        ask: &Ask,
        uri: &Uri,
    ) -> Response<Body> {
        let answer = match Parameters::parse(uri.query().unwrap_or_default(), allowed(ask)) {
            Some(parameters) => self.answer(ask, &parameters).await,
            None => {
                let problem = RelayError::NotACall(NotACall::Query).problem(None);
                return self.problem(caller, &problem);
            }
        };
        answer.unwrap_or_else(|error| self.problem(caller, &error.problem()))
    }

    async fn answer(
        &self,
        ask: &Ask,
        parameters: &Parameters,
    ) -> Result<Response<Body>, RepositoryError> {
        let cluster = parameters.cluster.as_deref();
        match ask {
            Ask::Repositories => Ok(json(&self.repositories.list())),
            Ask::Charts { repository } => {
                let page = parameters.page()?;
                let charts =
                    self.repositories
                        .charts(repository, &parameters.search, parameters.all, page);
                Ok(json(&charts.await?))
            }
            Ask::Versions { repository, chart } => {
                let page = parameters.page()?;
                let versions = self.repositories.versions(repository, chart, page);
                Ok(json(&versions.await?))
            }
            Ask::Archive { repository, chart } => {
                let version = &parameters.version;
                let archive = self
                    .repositories
                    .archive(repository, chart, version, cluster);
                Ok(bytes(archive.await?))
            }
            Ask::Url => Ok(bytes(self.repositories.url(&parameters.url).await?)),
        }
    }
}

/// What a query says.
#[derive(Debug, Default)]
struct Parameters {
    all: bool,
    cluster: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
    search: String,
    url: String,
    version: String,
}

impl Parameters {
    /// Reads `query`, in which nothing else than `allowed` may stand, and nothing twice.
    fn parse(query: &str, allowed: &[&str]) -> Option<Self> {
        let mut parameters = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !allowed.contains(&name.as_ref()) || seen.contains(&name) {
                return None;
            }
            let value = value.into_owned();
            match name.as_ref() {
                "all" => parameters.all = value.parse().ok()?,
                "cluster" => parameters.cluster = Some(value),
                "cursor" => parameters.cursor = Some(value),
                "limit" => parameters.limit = Some(value.parse().ok()?),
                "search" => parameters.search = value,
                "url" => parameters.url = value,
                "version" => parameters.version = value,
                _ => return None,
            }
            seen.push(name);
        }
        Some(parameters)
    }

    fn page(&self) -> Result<Page, RepositoryError> {
        let start = match &self.cursor {
            Some(cursor) => cursor.parse().map_err(|_| RepositoryError::Cursor)?,
            None => 0,
        };
        let limit = self.limit.unwrap_or(USUAL).clamp(1, MOST);
        Ok(Page { start, limit })
    }
}

const fn allowed(ask: &Ask) -> &'static [&'static str] {
    match ask {
        Ask::Repositories => &[],
        Ask::Charts { .. } => &["all", "cursor", "limit", "search"],
        Ask::Versions { .. } => &["cursor", "limit"],
        Ask::Archive { .. } => &["cluster", "version"],
        Ask::Url => &["cluster", "url"],
    }
}

fn bytes(archive: Archive) -> Response<Body> {
    let Archive {
        bytes,
        source,
        place,
    } = archive;
    let length = bytes.len();
    // The place lives as long as the body, of which this is a part.
    let body = Full::new(bytes).map_err(move |never| {
        let _ = &place;
        match never {}
    });
    let mut response = Response::new(body.boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(source) = HeaderValue::from_str(&source.to_header()) {
        headers.insert(HeaderName::from_static(SOURCE), source);
    }
    response
}
