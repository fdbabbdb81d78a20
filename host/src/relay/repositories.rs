//! `GET /repositories…` and `GET /archive`: which charts there are, and archives.
//!
//! `rest::repositories` is the contract. Charts are what grants name by their sources: who may not install one nor look at
//! it is shown none of it, and nothing is fetched. An archive's answer begins when the archive is whole and verified, so that
//! there is nothing of one that is not. It has its place in memory until it is sent or given up.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, Uri};
use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use rest::problem::Problem;
use rest::repositories::{Ask, SOURCE};
use url::form_urlencoded;

use super::access::anywhere;
use super::error::NotAllowed;
use super::{Body, Caller, NotACall, Relay, RelayError, json};
use crate::access::Principal;
use crate::clusters::Cluster;
use crate::config::ChartUrl;
use crate::grants::{Action, Attempt, Decision, Policy};
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
        let query = uri.query().unwrap_or_default();
        let Some(parameters) = Parameters::parse(query, allowed(ask)) else {
            return self.not_a_call(caller, NotACall::Query).await;
        };
        let fetcher = match self.fetcher(caller, parameters.cluster.as_deref()).await {
            Ok(fetcher) => fetcher,
            Err(problem) => return self.problem(caller, &problem),
        };
        if let Err(refused) = fetcher.judge(ask, &parameters) {
            let problem = RelayError::NotAllowed(refused).problem(None);
            let action = Action::ReadCharts.as_str();
            self.turned_away(caller, action, &problem).await;
            return self.problem(caller, &problem);
        }
        self.answer(caller, &fetcher, ask, &parameters)
            .await
            .unwrap_or_else(|error| self.problem(caller, &error.problem()))
    }

    /// Who asks, in the cluster that the chart is for.
    async fn fetcher(
        &self,
        caller: &Caller,
        cluster: Option<&str>,
    ) -> Result<Fetcher<'_>, Problem> {
        let (principal, cluster) = match cluster {
            None => (anywhere(&caller.identity)?, None),
            Some(name) => {
                let seen = self.seen(caller, name).await;
                let unseen = |error: RelayError| error.problem(None).with_cluster(name);
                let (principal, cluster) = seen.map_err(unseen)?;
                (principal, Some(cluster))
            }
        };
        Ok(Fetcher {
            policy: &self.policy,
            principal,
            cluster,
            now: Timestamp::now(),
        })
    }

    async fn answer(
        &self,
        caller: &Caller,
        fetcher: &Fetcher<'_>,
        ask: &Ask,
        parameters: &Parameters,
    ) -> Result<Response<Body>, RepositoryError> {
        let cluster = parameters.cluster.as_deref();
        let archive = match ask {
            Ask::Repositories => {
                let mut list = self.repositories.list();
                list.items.retain(|item| fetcher.sees(&item.name));
                return Ok(json(&list));
            }
            Ask::Charts { repository } => {
                let page = parameters.page()?;
                let charts =
                    self.repositories
                        .charts(repository, &parameters.search, parameters.all, page);
                let mut list = charts.await?;
                list.items
                    .retain(|item| fetcher.may(&chart_of(repository, &item.name)));
                return Ok(json(&list));
            }
            Ask::Versions { repository, chart } => {
                let page = parameters.page()?;
                let versions = self.repositories.versions(repository, chart, page);
                return Ok(json(&versions.await?));
            }
            Ask::Archive { repository, chart } => {
                let version = &parameters.version;
                self.repositories
                    .archive(repository, chart, version, cluster)
                    .await?
            }
            Ask::Url => self.repositories.url(&parameters.url).await?,
        };
        // Only what is fetched for a cluster is going to be sent to one.
        if cluster.is_some() {
            let session = &caller.session;
            if self.policy.minds_charts(&fetcher.principal) {
                session.unpacked(&archive.source, &archive.bytes).await;
            } else {
                session.named(&archive.source);
            }
        }
        Ok(bytes(archive))
    }
}

/// Who asks for charts.
struct Fetcher<'r> {
    policy: &'r Policy,
    principal: Arc<Principal>,
    /// The cluster they are for.
    cluster: Option<Arc<Cluster>>,
    now: Timestamp,
}

impl Fetcher<'_> {
    /// Whether `ask` may be answered at all. Nothing is fetched before, and what is not there is refused alike.
    fn judge(&self, ask: &Ask, parameters: &Parameters) -> Result<(), Box<NotAllowed>> {
        let (allowed, chart) = match ask {
            Ask::Repositories => return Ok(()),
            Ask::Charts { repository } => (self.sees(repository), format!("{repository}/*")),
            Ask::Archive { repository, chart } | Ask::Versions { repository, chart } => {
                let chart = chart_of(repository, chart);
                (self.may(&chart), chart)
            }
            Ask::Url => match parameters.url.parse::<ChartUrl>() {
                // Nothing can be fetched from there, which is said in its place.
                Err(_) => return Ok(()),
                Ok(url) => (self.may(&url.shown()), url.shown()),
            },
        };
        if allowed {
            return Ok(());
        }
        Err(Box::new(NotAllowed {
            principal: self.principal.name.clone(),
            action: Action::ReadCharts.to_string(),
            cluster: self
                .cluster
                .as_ref()
                .map(|cluster| cluster.name().to_owned()),
            chart: Some(chart),
            ..NotAllowed::default()
        }))
    }

    /// Whether there is a chart in that repository that may be fetched.
    fn sees(&self, repository: &str) -> bool {
        self.policy.sees_repository(&self.principal, repository)
    }

    fn may(&self, chart: &str) -> bool {
        let attempt = Attempt {
            action: Action::ReadCharts,
            dry_run: false,
            place: self.cluster.as_deref().map(|cluster| cluster.place(None)),
            namespace: None,
            release: None,
            chart: Some(chart),
        };
        let decision = self.policy.decide(&self.principal, &attempt, self.now);
        matches!(decision, Decision::Allowed { .. })
    }
}

fn chart_of(repository: &str, chart: &str) -> String {
    format!("{repository}/{chart}")
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
