//! `GET …/releases/{r}` and what belongs to a release: its manifests, values, hooks, notes and chart.

use charts::{Limits, values, yaml};
use client::{Failure, READ, Relay, Tiller};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use rest::{
    body::revision,
    fields::Fields,
    negotiate::{self, JSON, YAML},
    problem::{Code, Problem},
    query,
    route::Part,
    view::{self, File},
};
use serde_json::{Map, Value};
use tiller_api::{
    Method,
    hapi::{
        chart::Chart,
        release::Release,
        services::tiller::{GetReleaseContentRequest, GetReleaseContentResponse},
    },
    light,
};

use crate::{body::Body, reply, values::chain};

/// What of a release to show beside what is always shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    chart_files: bool,
    config_yaml: bool,
    hooks: bool,
    manifest: bool,
    notes: bool,
}

impl Extras {
    /// What a dry run is made for.
    pub(crate) const RENDERED: Self = Self {
        chart_files: false,
        config_yaml: false,
        hooks: true,
        manifest: true,
        notes: true,
    };

    /// Whether there is anything beside.
    const fn any(self) -> bool {
        let Self {
            chart_files,
            config_yaml,
            hooks,
            manifest,
            notes,
        } = self;
        chart_files || config_yaml || hooks || manifest || notes
    }

    /// Takes the parameter `fields`; `None` if left out.
    pub(crate) fn read(fields: &mut Fields) -> Result<Option<Self>, Problem> {
        let names = fields.list("fields")?;
        if names.is_empty() {
            return Ok(None);
        }
        let mut extras = Self::default();
        for name in names {
            match name.as_str() {
                "chart_files" => extras.chart_files = true,
                "config_yaml" => extras.config_yaml = true,
                "hooks" => extras.hooks = true,
                "manifest" => extras.manifest = true,
                "notes" => extras.notes = true,
                other => {
                    let known = ["chart_files", "config_yaml", "hooks", "manifest", "notes"];
                    return Err(fields.no_word("fields", other, known.into_iter()));
                }
            }
        }
        Ok(Some(extras))
    }
}

/// Answers a release.
pub(crate) async fn show<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let revision = revision(&mut fields)?;
    let extras = Extras::read(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    let (release, withheld) = read(tiller, name, revision).await?;
    if withheld && extras.any() {
        return Err(is_withheld(&release).into());
    }
    let view = view(&release, extras, withheld);
    Ok(reply::release(StatusCode::OK, &view))
}

/// Answers one part of a release.
pub(crate) async fn part<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    part: Part,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response<Body>, Failure> {
    let mut fields = query::parse(query, &[])?;
    let revision = revision(&mut fields)?;
    let computed = part == Part::Values && fields.flag("all")?;
    fields.finish()?;
    let offers: &[&'static str] = match part {
        Part::Chart => &["application/gzip", "application/octet-stream"],
        Part::Notes => &["text/plain; charset=utf-8", "text/plain"],
        Part::Values => &[YAML, JSON, "text/yaml", "text/plain"],
        _ => &[YAML, "text/yaml", "text/plain"],
    };
    let accept = accept(headers)?;
    let chosen = negotiate::choose(accept.as_deref(), offers)?;
    let media_type = offers.get(chosen).copied().unwrap_or(YAML);
    let (release, withheld) = read(tiller, name, revision).await?;
    if withheld {
        return Err(is_withheld(&release).into());
    }
    let mut response = match part {
        Part::Chart => return archive(&release),
        Part::Hooks => text(media_type, hooks(&release)),
        Part::Notes => text(media_type, notes(&release).to_owned()),
        Part::Values => {
            let values = if computed {
                computed_values(&release)?
            } else {
                given_values(&release)?
            };
            if media_type == JSON {
                reply::json(StatusCode::OK, &values)
            } else {
                text(media_type, yaml::to_string(&values))
            }
        }
        _ => text(media_type, release.manifest),
    };
    if part == Part::Values {
        response
            .headers_mut()
            .insert(header::VARY, HeaderValue::from_static("accept"));
    }
    Ok(response)
}

/// The `Accept` of a request, joined if it came in several headers.
pub(crate) fn accept(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut all: Option<String> = None;
    for value in headers.get_all(header::ACCEPT) {
        let value = value
            .to_str()
            .map_err(|_| Problem::new(Code::NotAcceptable, "Accept is no text"))?;
        all = Some(match all {
            None => value.to_owned(),
            Some(before) => format!("{before},{value}"),
        });
    }
    Ok(all)
}

/// A release as it is shown, where nothing is `withheld` with what was asked for.
pub(crate) fn view(release: &Release, extras: Extras, withheld: bool) -> view::Release {
    let mut view = view::Release::from(&light::Release::from(release));
    if withheld {
        view.withheld = true;
        return view;
    }
    let raw = raw_config(release);
    match given(raw) {
        Ok(config) => view.config = Some(config),
        Err(problem) => {
            view.config_yaml = Some(raw.to_owned());
            view.warnings.push(problem.detail);
        }
    }
    if extras.config_yaml {
        view.config_yaml = Some(raw.to_owned());
    }
    if extras.manifest {
        view.manifest = Some(release.manifest.clone());
    }
    if extras.hooks {
        view.hooks = Some(release.hooks.iter().map(view::Hook::from).collect());
    }
    if extras.notes {
        view.notes = Some(notes(release).to_owned());
    }
    if extras.chart_files {
        let mut files = Vec::new();
        if let Some(chart) = &release.chart {
            add_files(chart, "", &mut files);
        }
        view.chart_files = Some(files);
    }
    view
}

/// The release, and whether what shows its values is left out.
pub(crate) async fn read<R: Relay>(
    tiller: &Tiller<R>,
    name: &str,
    version: i32,
) -> Result<(Release, bool), Failure> {
    let request = GetReleaseContentRequest {
        name: name.to_owned(),
        version,
    };
    let method = Method::GetReleaseContent;
    let answer = tiller.unary_bytes(method, &request, READ).await;
    let answer = answer.map_err(|failure| unconfused(failure, version))?;
    let response: GetReleaseContentResponse = answer.decode(method)?;
    let release = response.release.ok_or_else(|| {
        Problem::new(Code::TillerMisbehaved, "Tiller answers without the release")
    })?;
    Ok((release, answer.withheld))
}

/// The problem that what was asked for shows values of `release`.
pub(crate) fn is_withheld(release: &Release) -> Problem {
    Problem::new(
        Code::ValuesWithheld,
        format!(
            "you may not see the values of release `{}`, nor what shows them",
            release.name
        ),
    )
    .with_hint("`GET /v1/access` says what you may do; it takes a grant of `get-values`")
}

/// Without a revision in the question, what is not found is the release, whatever its name looks like.
fn unconfused(failure: Failure, version: i32) -> Failure {
    failure.map(|mut problem| {
        if version == 0 && problem.code == Code::RevisionNotFound {
            problem.code = Code::ReleaseNotFound;
        }
        problem
    })
}

fn text(media_type: &'static str, text: String) -> Response<Body> {
    reply::bytes(StatusCode::OK, media_type, text.into())
}

/// As `helm get hooks` prints them.
fn hooks(release: &Release) -> String {
    let mut text = String::new();
    for hook in &release.hooks {
        text.push_str("---\n# ");
        text.push_str(&hook.name);
        text.push('\n');
        text.push_str(&hook.manifest);
        text.push('\n');
    }
    text
}

fn notes(release: &Release) -> &str {
    release
        .info
        .as_ref()
        .and_then(|info| info.status.as_ref())
        .map_or("", |status| &status.notes)
}

/// A release without a config has an empty one.
fn raw_config(release: &Release) -> &str {
    release.config.as_ref().map_or("", |config| &config.raw)
}

fn given_values(release: &Release) -> Result<Value, Problem> {
    given(raw_config(release))
}

fn given(raw: &str) -> Result<Value, Problem> {
    values::read(raw, &Limits::default())
        .map(Value::Object)
        .map_err(|error| unreadable(&error))
}

fn computed_values(release: &Release) -> Result<Value, Problem> {
    let config = release.config.clone().unwrap_or_default();
    match &release.chart {
        None => Ok(Value::Object(Map::new())),
        Some(chart) => values::coalesce(chart, Some(&config), &Limits::default())
            .map_err(|error| unreadable(&error)),
    }
}

fn unreadable(error: &dyn std::error::Error) -> Problem {
    Problem::new(
        Code::TillerMisbehaved,
        format!("the stored values cannot be read: {}", chain(error)),
    )
}

fn archive(release: &Release) -> Result<Response<Body>, Failure> {
    let Some(chart) = &release.chart else {
        return Err(Problem::new(Code::TillerMisbehaved, "the release has no chart").into());
    };
    let archive = charts::pack(chart).map_err(|error| {
        Problem::new(
            Code::TillerMisbehaved,
            format!("the stored chart makes no archive: {}", chain(&error)),
        )
    })?;
    let mut response = reply::bytes(StatusCode::OK, "application/gzip", archive.into());
    let disposition = format!("attachment; filename=\"{}\"", file_name(chart));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// `name-version.tgz`, with nothing in it that a shell or a header could misread.
fn file_name(chart: &Chart) -> String {
    let metadata = chart.metadata.clone().unwrap_or_default();
    let name: String = format!("{}-{}", metadata.name, metadata.version)
        .chars()
        .take(200)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '+' => c,
            _ => '_',
        })
        .collect();
    format!("{}.tgz", name.trim_matches(['.', '-']))
}

/// The files of a chart and of its sub-charts, those below the directory they would be in.
fn add_files(chart: &Chart, top: &str, files: &mut Vec<File>) {
    if let Some(values) = &chart.values {
        files.push(File::new(
            format!("{top}values.yaml"),
            values.raw.as_bytes(),
        ));
    }
    for template in &chart.templates {
        files.push(File::new(format!("{top}{}", template.name), &template.data));
    }
    for file in &chart.files {
        files.push(File::new(format!("{top}{}", file.type_url), &file.value));
    }
    for dependency in &chart.dependencies {
        let name = dependency
            .metadata
            .as_ref()
            .map_or("", |metadata| &metadata.name);
        add_files(dependency, &format!("{top}charts/{name}/"), files);
    }
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::chart::Metadata;

    use super::*;

    #[test]
    fn a_file_name_is_harmless() {
        for (name, version, expected) in [
            ("web", "1.2.3", "web-1.2.3.tgz"),
            ("web", "1.2.3+build", "web-1.2.3+build.tgz"),
            ("../x\"\r\n", "1", "_x____-1.tgz"),
            ("", "", ".tgz"),
        ] {
            let chart = Chart {
                metadata: Some(Metadata {
                    name: name.into(),
                    version: version.into(),
                    ..Metadata::default()
                }),
                ..Chart::default()
            };
            let file = file_name(&chart);
            assert!(!file.contains(['/', '"', '\r', '\n']), "{file}");
            if name == "web" || name.is_empty() {
                assert_eq!(file, expected);
            }
        }
    }

    #[test]
    fn without_a_revision_it_is_the_release_that_is_not_found() {
        let failure = || {
            Failure::from(Problem::new(
                Code::RevisionNotFound,
                "release: \"a.v1\" not found",
            ))
        };
        assert_eq!(unconfused(failure(), 0).code(), Some(Code::ReleaseNotFound));
        assert_eq!(
            unconfused(failure(), 1).code(),
            Some(Code::RevisionNotFound)
        );
    }

    #[test]
    fn hooks_print_as_helm_prints_them() {
        use tiller_api::hapi::release::Hook;
        let release = Release {
            hooks: vec![Hook {
                name: "pre".into(),
                manifest: "kind: Job".into(),
                ..Hook::default()
            }],
            ..Release::default()
        };
        assert_eq!(hooks(&release), "---\n# pre\nkind: Job\n");
    }
}
