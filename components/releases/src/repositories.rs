//! `GET /v1/repositories…`: which charts there are and what is in one.
//!
//! Lists are the relay's, as it says them. A single version is fetched and unpacked here, in the sandbox, as it would
//! be for an install.

use std::collections::BTreeMap;

use client::{Edge, Failure, Relay, Scope};
use http::{Response, StatusCode};
use rest::{
    fields::Fields,
    negotiate::ListFormat,
    problem::{Code, Problem},
    query,
    repositories::{Ask, Inspection, MAX_NAME, Source, is_name},
};
use serde_json::Value;
use tiller_api::hapi::chart::Chart;

use crate::{
    archive::{fetch, question},
    body::Body,
    chart, items, reply,
};

/// Most charts or versions in one page.
const MAX_PAGE: i64 = 1000;

/// Longest text to search for, in bytes.
const MAX_SEARCH: usize = 256;

/// Longest cursor, in bytes.
const MAX_CURSOR: usize = 2048;

/// Names of files that are a README, in any case.
const README: [&str; 3] = ["readme.md", "readme.txt", "readme"];

/// Answers all repositories.
pub(crate) async fn list<R: Relay>(
    edge: &Edge<R>,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    query::parse(query, &[])?.finish()?;
    let document = edge.document(&Ask::Repositories.path()).await?;
    items::relayed(format, scope, document, "repositories")
}

/// Answers the charts of one, all or those that a search finds.
pub(crate) async fn charts<R: Relay>(
    edge: &Edge<R>,
    repository: String,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let search = bounded(&mut fields, "search", MAX_SEARCH)?;
    let all = fields.flag("all")?;
    let page = Page::read(&mut fields)?;
    fields.finish()?;
    check_name("repository", &repository)?;
    let path = question(
        &Ask::Charts { repository },
        &[
            ("search", &search),
            ("all", if all { "true" } else { "" }),
            ("limit", &page.limit),
            ("cursor", &page.cursor),
        ],
    );
    items::relayed(format, scope, edge.document(&path).await?, "charts")
}

/// Answers the versions of a chart, newest first.
pub(crate) async fn versions<R: Relay>(
    edge: &Edge<R>,
    repository: String,
    chart: String,
    query: Option<&str>,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let page = Page::read(&mut fields)?;
    fields.finish()?;
    check_name("repository", &repository)?;
    check_name("chart", &chart)?;
    let path = question(
        &Ask::Versions { repository, chart },
        &[("limit", &page.limit), ("cursor", &page.cursor)],
    );
    items::relayed(format, scope, edge.document(&path).await?, "versions")
}

/// Answers what `helm inspect` prints of a version, or of the newest that a constraint accepts.
pub(crate) async fn inspect<R: Relay>(
    edge: &Edge<R>,
    repository: String,
    chart: String,
    version: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    query::parse(query, &[])?.finish()?;
    check_name("repository", &repository)?;
    check_name("chart", &chart)?;
    check_version(version)?;
    let ask = Ask::Archive { repository, chart };
    let (archive, source) = fetch(edge, &ask, &[("version", version)]).await?;
    let chart = chart::load_fetched(&archive, &source)?;
    Ok(reply::json(StatusCode::OK, &inspection(chart, source)))
}

fn inspection(chart: Chart, source: Source) -> Inspection {
    let readme = chart
        .files
        .iter()
        .find(|file| {
            README
                .iter()
                .any(|name| name.eq_ignore_ascii_case(&file.type_url))
        })
        .map(|file| String::from_utf8_lossy(&file.value).into_owned());
    let metadata = match chart.metadata.as_ref().map(charts::metadata_to_value) {
        Some(Value::Object(members)) => members.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    Inspection {
        metadata,
        values: chart.values.map(|values| values.raw),
        readme,
        source,
    }
}

/// Which part of a list is wanted, as it is written in a query; empty where nothing is said.
struct Page {
    limit: String,
    cursor: String,
}

impl Page {
    fn read(fields: &mut Fields) -> Result<Self, Problem> {
        let limit = fields.integer("limit", 1..=MAX_PAGE)?;
        Ok(Self {
            limit: limit.map(|limit| limit.to_string()).unwrap_or_default(),
            cursor: bounded(fields, "cursor", MAX_CURSOR)?,
        })
    }
}

fn bounded(fields: &mut Fields, name: &'static str, limit: usize) -> Result<String, Problem> {
    let text = fields.string(name)?.unwrap_or_default();
    if text.len() > limit {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("parameter `{name}` is longer than {limit} bytes"),
        ));
    }
    Ok(text)
}

/// What is no name of anything must not become part of the relay's path.
fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    if is_name(name) {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        format!(
            "no {what} has a name such as the one in the path: at most {MAX_NAME} bytes, no control characters, and no \
             `.`, `..` or nothing between slashes"
        ),
    ))
}

fn check_version(version: &str) -> Result<(), Problem> {
    if version.len() > MAX_NAME {
        return Err(Problem::new(
            Code::InvalidRequest,
            format!("the version in the path is longer than {MAX_NAME} bytes"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prost_types::Any;
    use tiller_api::hapi::chart::{Config, Metadata};

    use super::*;

    fn with_files(files: &[(&str, &[u8])]) -> Chart {
        Chart {
            files: files
                .iter()
                .map(|(name, data)| Any {
                    type_url: (*name).to_owned(),
                    value: data.to_vec(),
                })
                .collect(),
            ..Chart::default()
        }
    }

    fn readme(files: &[(&str, &[u8])]) -> Option<String> {
        inspection(with_files(files), Source::default()).readme
    }

    #[test]
    fn the_readme_is_the_first_file_named_so_in_any_case() {
        assert_eq!(
            readme(&[("a", b"a"), ("ReadMe.MD", b"b"), ("README", b"c")]),
            Some("b".into())
        );
        assert_eq!(readme(&[("readme.TXT", b"\xff")]), Some("\u{fffd}".into()));
        for name in ["docs/README.md", "README.rst", "README.md.bak"] {
            assert_eq!(readme(&[(name, b"x")]), None, "{name}");
        }
    }

    #[test]
    fn metadata_has_the_names_of_chart_yaml_and_nothing_empty() {
        let chart = Chart {
            metadata: Some(Metadata {
                name: "web".into(),
                app_version: "2".into(),
                keywords: vec!["http".into()],
                deprecated: true,
                ..Metadata::default()
            }),
            values: Some(Config {
                raw: "# mine\na: 1\n".into(),
                ..Config::default()
            }),
            ..Chart::default()
        };
        let source = Source {
            digest: "sha256:00".into(),
            ..Source::default()
        };
        assert_eq!(
            serde_json::to_value(inspection(chart, source)).unwrap(),
            serde_json::json!({
                "metadata": {"name": "web", "appVersion": "2", "keywords": ["http"], "deprecated": true},
                "values": "# mine\na: 1\n",
                "source": {"digest": "sha256:00"},
            })
        );
    }
}
