//! What one request has been given and has done so far.
//!
//! A grant may say where charts come from, and a message does not say it. So what this edge fetched for a request is
//! remembered. Where no rule for the caller minds, a chart is taken for the one that was fetched under its name and
//! version, which is for the audit log alone. Where one does, a component that was taken over must not pass off another
//! chart: the archive is unpacked here as well, the one case in which it is, and a chart that is sent counts as the one
//! that was fetched if it has the same metadata and no template and no file that the fetched one has not. Values and
//! requirements may differ, since Helm changes those on the way, and the caller may bring values of its own in any case.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use charts::Limits;
use prost::Message as _;
use rest::repositories::Source;
use sha2::{Digest as _, Sha256};
use tiller_api::hapi::chart::{Chart, Metadata};
use tiller_api::wire::fields;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::facts;
use super::kept::Kept;

/// How many refusals of one request are written to the audit log.
const NOTES: usize = 64;

/// How many charts are unpacked at once, each of which may take as much memory as [`Limits`] lets it.
static UNPACKED: Semaphore = Semaphore::const_new(4);

/// What a sandbox was given while it serves its request, and how often it was refused something.
#[derive(Debug, Default)]
pub struct Session {
    charts: Mutex<Vec<Arc<Fetched>>>,
    hook: Option<Bytes>,
    /// What was read of releases.
    pub(super) kept: Kept,
    notes: AtomicUsize,
}

/// A chart that was fetched.
#[derive(Debug)]
struct Fetched {
    /// Where it is from, as grants name it.
    source: String,
    known: Known,
}

/// What is known of a chart that was fetched.
#[derive(Debug)]
enum Known {
    /// What is in it.
    Content {
        metadata: Box<Metadata>,
        parts: HashSet<Part>,
    },
    /// What it is called, where its source says so.
    Name {
        name: Option<String>,
        version: Option<String>,
    },
}

/// The digest of a template or a file and its name.
type Part = [u8; 32];

impl Session {
    /// That of a request which is a delivery of a hook, or a search that one of its rules wants.
    pub(crate) fn of_hook(hook: Bytes) -> Self {
        Self {
            hook: Some(hook),
            ..Self::default()
        }
    }

    /// What the component is told of the hook, in JSON; none if the request is none of its business.
    pub(crate) const fn hook(&self) -> Option<&Bytes> {
        self.hook.as_ref()
    }

    /// Remembers that the chart of `origin` is handed out.
    pub(super) fn named(&self, origin: &Source) {
        if let Some(source) = text_of(origin) {
            let name = origin.name.as_deref();
            let name = name.map(|name| name.rsplit('/').next().unwrap_or(name).to_owned());
            let version = origin.version.clone();
            self.remember(Fetched {
                source,
                known: Known::Name { name, version },
            });
        }
    }

    /// The same with what is in `archive`. What is no chart is not worth remembering.
    pub(super) async fn unpacked(&self, origin: &Source, archive: &Bytes) {
        let Some(source) = text_of(origin) else {
            return;
        };
        let archive = archive.clone();
        let _place = UNPACKED.acquire().await;
        let known = spawn_blocking(move || {
            let chart = charts::load(&archive, &Limits::default()).ok()?;
            Some(Known::Content {
                parts: parts(&chart),
                metadata: Box::new(chart.metadata?),
            })
        });
        if let Ok(Some(known)) = known.await {
            self.remember(Fetched { source, known });
        }
    }

    /// Where the chart in `message` is from, if it was fetched for this request.
    pub(super) async fn source_of(&self, chart: &facts::Chart, message: &Bytes) -> Option<String> {
        let mut unpacked = Vec::new();
        for fetched in self.candidates(chart) {
            match fetched.known {
                Known::Name { .. } => return Some(fetched.source.clone()),
                Known::Content { .. } => unpacked.push(fetched),
            }
        }
        if unpacked.is_empty() {
            return None;
        }
        let (field, message) = (chart.field, message.clone());
        let _place = UNPACKED.acquire().await;
        let found = spawn_blocking(move || {
            let sent = sent(field, &message)?;
            let found = unpacked.into_iter().find(|fetched| fetched.has(&sent));
            found.map(|fetched| fetched.source.clone())
        });
        found.await.ok().flatten()
    }

    /// What may be the chart of that name and version, the last that was fetched first.
    fn candidates(&self, chart: &facts::Chart) -> Vec<Arc<Fetched>> {
        self.lock()
            .iter()
            .rev()
            .filter(|fetched| fetched.is_called(&chart.name, &chart.version))
            .cloned()
            .collect()
    }

    fn remember(&self, fetched: Fetched) {
        self.lock().push(Arc::new(fetched));
    }

    /// Whether one more refusal is worth a line in the audit log.
    pub(super) fn may_note(&self) -> bool {
        self.notes.fetch_add(1, Ordering::Relaxed) < NOTES
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Fetched>>> {
        self.charts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fetched {
    /// Whether it has that name and version, or none.
    fn is_called(&self, called: &str, numbered: &str) -> bool {
        match &self.known {
            Known::Content { metadata, .. } => {
                metadata.name == called && metadata.version == numbered
            }
            Known::Name { name, version } => {
                let is =
                    |one: &Option<String>, other| one.as_deref().is_none_or(|one| one == other);
                is(name, called) && is(version, numbered)
            }
        }
    }

    /// Whether everything in `chart` is in it.
    fn has(&self, chart: &Chart) -> bool {
        match &self.known {
            Known::Content { metadata, parts } => {
                Some(&**metadata) == chart.metadata.as_ref() && self::parts(chart).is_subset(parts)
            }
            Known::Name { .. } => false,
        }
    }
}

/// A source as grants name it: `repository/name`, or a URL. None of what is neither.
pub(super) fn text_of(source: &Source) -> Option<String> {
    match (&source.repository, &source.name, &source.url) {
        (Some(repository), Some(name), _) => Some(format!("{repository}/{name}")),
        (None, None, Some(url)) => Some(url.clone()),
        _ => None,
    }
}

/// The chart that is the field `field` of `message`, of whose parts Tiller makes one.
pub(super) fn sent(field: u32, message: &[u8]) -> Option<Chart> {
    let mut chart = Chart::default();
    for part in fields(message) {
        let part = part.ok()?;
        if part.is_delimited(field) {
            chart.merge(part.value).ok()?;
        }
    }
    Some(chart)
}

fn parts(chart: &Chart) -> HashSet<Part> {
    let mut parts = HashSet::new();
    add_parts(chart, &mut parts);
    parts
}

fn add_parts(chart: &Chart, parts: &mut HashSet<Part>) {
    for template in &chart.templates {
        parts.insert(part("template", &template.name, &template.data));
    }
    for file in &chart.files {
        parts.insert(part("file", &file.type_url, &file.value));
    }
    for dependency in &chart.dependencies {
        add_parts(dependency, parts);
    }
}

fn part(kind: &str, name: &str, data: &[u8]) -> Part {
    let mut digest = Sha256::new();
    for text in [kind.as_bytes(), name.as_bytes(), data] {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::chart::Template;
    use tiller_api::hapi::services::tiller::InstallReleaseRequest;

    use super::*;

    fn template(data: &'static str) -> Template {
        Template {
            name: "templates/a.yaml".into(),
            data: data.into(),
        }
    }

    fn web(templates: Vec<Template>) -> Chart {
        Chart {
            metadata: Some(Metadata {
                name: "web".into(),
                version: "1.2.3".into(),
                ..Metadata::default()
            }),
            templates,
            ..Chart::default()
        }
    }

    fn stable() -> Source {
        Source {
            repository: Some("stable".into()),
            name: Some("web".into()),
            version: Some("1.2.3".into()),
            url: Some("https://charts.example.com/web-1.2.3.tgz".into()),
            ..Source::default()
        }
    }

    async fn session(chart: &Chart) -> Session {
        let session = Session::default();
        let archive = charts::pack(chart).unwrap();
        session.unpacked(&stable(), &archive.into()).await;
        session
    }

    async fn source_of(session: &Session, chart: Chart) -> Option<String> {
        let metadata = chart.metadata.clone().unwrap_or_default();
        let chart_facts = facts::Chart {
            name: metadata.name,
            version: metadata.version,
            field: 1,
            digest: String::new(),
        };
        let message = InstallReleaseRequest {
            chart: Some(chart),
            ..InstallReleaseRequest::default()
        };
        session
            .source_of(&chart_facts, &message.encode_to_vec().into())
            .await
    }

    #[tokio::test]
    async fn a_chart_is_from_where_it_was_fetched() {
        let chart = web(vec![template("a: 1\n")]);
        let session = session(&chart).await;
        assert_eq!(
            source_of(&session, chart).await.as_deref(),
            Some("stable/web")
        );
    }

    #[tokio::test]
    async fn one_with_anything_else_in_it_is_from_nowhere_known() {
        let session = session(&web(vec![template("a: 1\n")])).await;
        let mut renamed = web(vec![template("a: 1\n")]);
        renamed.templates[0].name = "templates/b.yaml".into();
        let mut nested = web(vec![template("a: 1\n")]);
        nested.dependencies.push(web(vec![template("evil: 1\n")]));
        let mut described = web(vec![template("a: 1\n")]);
        if let Some(metadata) = &mut described.metadata {
            metadata.description = "another".into();
        }
        for other in [web(vec![template("a: 2\n")]), renamed, nested, described] {
            assert_eq!(source_of(&session, other).await, None);
        }
    }

    #[tokio::test]
    async fn values_and_requirements_may_differ() {
        let mut chart = web(vec![template("a: 1\n")]);
        chart.dependencies.push(web(vec![template("b: 1\n")]));
        let session = session(&chart).await;
        chart.values = Some(tiller_api::hapi::chart::Config {
            raw: "b: 2\n".into(),
            ..Default::default()
        });
        if let Some(alias) = &mut chart.dependencies[0].metadata {
            alias.name = "alias".into();
        }
        assert!(source_of(&session, chart.clone()).await.is_some());
        chart.dependencies.clear();
        assert!(source_of(&session, chart).await.is_some());
    }

    #[tokio::test]
    async fn where_nobody_minds_a_name_is_enough() {
        let session = Session::default();
        session.named(&Source {
            name: Some("team/web".into()),
            ..stable()
        });
        let other = web(vec![template("whatever")]);
        let source = source_of(&session, other).await;
        assert_eq!(source.as_deref(), Some("stable/team/web"));
        let mut newer = web(Vec::new());
        newer.metadata.get_or_insert_default().version = "2".into();
        assert_eq!(source_of(&session, newer).await, None);
        assert_eq!(source_of(&session, Chart::default()).await, None);
    }

    #[tokio::test]
    async fn what_is_no_chart_is_not_remembered() {
        let session = Session::default();
        session.unpacked(&stable(), &Bytes::from_static(b"x")).await;
        assert!(session.lock().is_empty());
    }

    #[test]
    fn sources_are_named_as_in_grants() {
        assert_eq!(text_of(&stable()).as_deref(), Some("stable/web"));
        let url = Source {
            url: Some("https://example.com/web.tgz".into()),
            ..Source::default()
        };
        assert_eq!(
            text_of(&url).as_deref(),
            Some("https://example.com/web.tgz")
        );
        assert_eq!(text_of(&Source::default()), None);
    }

    #[test]
    fn one_request_makes_so_many_lines_and_no_more() {
        let session = Session::default();
        let noted = (0..2 * NOTES).filter(|_| session.may_note()).count();
        assert_eq!(noted, NOTES);
    }
}
