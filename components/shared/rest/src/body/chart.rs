//! Which chart a body asks for: by its name in a repository, by its URL, the archive itself, or the one that is deployed.
//!
//! Only one of them, and nothing beside it that it has no use for: a version next to a URL would be ignored, and the
//! caller would believe it was not. Whether there is such a repository or chart, and whether the edge fetches that URL, is
//! the relay's to say.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::invalid;
use crate::{
    fields::{Fields, nearest, shown},
    problem::Problem,
    repositories::{MAX_NAME, is_name},
};

/// The chart of an install or upgrade.
#[derive(Clone, Debug, PartialEq)]
pub enum ChartRef {
    /// The archive itself.
    Archive(Bytes),
    /// The chart of the release's newest deployed revision.
    Deployed,
    /// One of a repository's.
    Repository {
        /// The repository's name at the edge.
        repository: String,
        /// The chart's name in the repository.
        name: String,
        /// A version or a constraint; the newest stable version if none.
        version: Option<String>,
    },
    /// An archive to be fetched: an `https`, `http` or `oci` URL.
    Url(String),
}

/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// The members of `chart`.
const MEMBERS: [&str; 6] = [
    "archive",
    "deployed",
    "name",
    "repository",
    "url",
    "version",
];

/// The ways to name a chart, for errors.
const FORMS: &str = "{\"repository\": …, \"name\": …, \"version\": …}, {\"url\": …} or {\"archive\": …} with the .tgz in base64";

/// Takes `chart`; `upload` is the archive that came as a file, if one did.
pub(super) fn chart(fields: &mut Fields, upload: Option<Bytes>) -> Result<ChartRef, Problem> {
    if fields.take("version").is_some() {
        return Err(invalid(
            "field `version` belongs into `chart`: write {\"chart\": {\"repository\": …, \"name\": …, \"version\": …}}",
        ));
    }
    match (fields.take("chart"), upload) {
        (Some(_), Some(_)) => Err(invalid("`chart` is given twice")),
        (None, Some(archive)) => Ok(ChartRef::Archive(archive)),
        (Some(Value::String(text)), None) => reference(&text),
        (Some(Value::Object(members)), None) => object(members),
        (Some(_), None) => Err(invalid(format!(
            "field `chart` must be \"repository/name\", a URL, or one of {FORMS}"
        ))),
        (None, None) => Err(invalid(format!(
            "field `chart` is missing: give \"repository/name\", a URL, or one of {FORMS}, or upload the .tgz as a file"
        ))),
    }
}

/// A chart as users of Helm write it.
fn reference(text: &str) -> Result<ChartRef, Problem> {
    if text.contains("://") {
        return url("chart", text.to_owned());
    }
    if text.starts_with(['.', '/', '~']) {
        return Err(invalid(format!(
            "field `chart` is a path, `{}`, and the edge reads no files: upload the .tgz as a file",
            shown(text)
        )));
    }
    if text.starts_with('{') {
        return Err(invalid(
            "field `chart` is text that looks like JSON: in a form, put {\"chart\": {…}} into the part `request`",
        ));
    }
    let Some((repository, name)) = text.split_once('/') else {
        return Err(invalid(format!(
            "field `chart` must be \"repository/name\", a URL, or one of {FORMS}, and is `{}`",
            shown(text)
        )));
    };
    if text.len() > 2 * MAX_NAME {
        return Err(invalid(format!(
            "field `chart` is a text of {} bytes; an archive in base64 is written {{\"archive\": …}}",
            text.len()
        )));
    }
    in_repository("chart", "chart", repository.into(), name.into(), None)
}

fn object(mut members: Map<String, Value>) -> Result<ChartRef, Problem> {
    let deployed = deployed(&mut members)?;
    let archive = member(&mut members, "archive")?;
    let name = member(&mut members, "name")?;
    let repository = member(&mut members, "repository")?;
    let address = member(&mut members, "url")?;
    let version = member(&mut members, "version")?;
    if let Some(unknown) = members.keys().next() {
        let unknown = shown(unknown);
        let begun = MEMBERS
            .into_iter()
            .find(|member| member.starts_with(&unknown));
        return Err(invalid(
            match begun.or_else(|| nearest(&unknown, &MEMBERS)) {
                Some(near) => {
                    format!("unknown field `chart.{unknown}`; did you mean `chart.{near}`?")
                }
                None => format!(
                    "unknown field `chart.{unknown}`; there are {}",
                    MEMBERS.join(", ")
                ),
            },
        ));
    }
    if deployed {
        return match (repository, name, address, archive, version) {
            (None, None, None, None, None) => Ok(ChartRef::Deployed),
            _ => Err(invalid(
                "field `chart.deployed` says which chart it is; nothing else may be beside it",
            )),
        };
    }
    match (repository, name, address, archive) {
        (Some(repository), Some(name), None, None) => {
            in_repository("chart.repository", "chart.name", repository, name, version)
        }
        (Some(_), None, None, None) => Err(invalid(
            "field `chart.name` is missing: the chart's name in the repository",
        )),
        (None, Some(_), None, None) => Err(invalid(
            "field `chart.repository` is missing: the name of a repository that the edge has",
        )),
        (None, None, Some(address), None) => {
            without_version(version, "chart.url")?;
            url("chart.url", address)
        }
        (None, None, None, Some(archive)) => {
            without_version(version, "chart.archive")?;
            decode(&archive)
        }
        _ => Err(invalid(format!(
            "field `chart` must be exactly one of {FORMS}"
        ))),
    }
}

/// Takes the mark that the chart stays as it is.
fn deployed(members: &mut Map<String, Value>) -> Result<bool, Problem> {
    match members.remove("deployed") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(true)) => Ok(true),
        Some(_) => Err(invalid("field `chart.deployed` must be true, or left out")),
    }
}

/// Takes a text. Empty counts as left out, except of an archive, which is then no chart.
fn member(members: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Problem> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok((name == "archive" || !text.is_empty()).then_some(text)),
        Some(Value::Number(number)) if name == "version" => Err(invalid(format!(
            "field `chart.version` must be a string, or 1.10 would be 1.1: write \"{number}\" in quotes"
        ))),
        Some(_) => Err(invalid(format!("field `chart.{name}` must be a string"))),
    }
}

/// `where_repository` and `where_name` are what the fields are called.
fn in_repository(
    where_repository: &str,
    where_name: &str,
    repository: String,
    name: String,
    version: Option<String>,
) -> Result<ChartRef, Problem> {
    if repository.contains("://") {
        return Err(invalid(format!(
            "field `{where_repository}` must be the name of a repository that the edge has, and is a URL"
        )));
    }
    for (field, name) in [(where_repository, &repository), (where_name, &name)] {
        if !is_name(name) {
            return Err(invalid(format!(
                "field `{field}` has no name that a repository or chart could have: at most {MAX_NAME} bytes, no control \
                 characters, and no `.`, `..` or nothing between slashes"
            )));
        }
    }
    if version
        .as_ref()
        .is_some_and(|version| version.len() > MAX_NAME)
    {
        return Err(invalid(format!(
            "field `chart.version` is longer than {MAX_NAME} bytes"
        )));
    }
    Ok(ChartRef::Repository {
        repository,
        name,
        version,
    })
}

fn url(field: &str, url: String) -> Result<ChartRef, Problem> {
    let is_known = url.split_once("://").is_some_and(|(scheme, _)| {
        ["https", "http", "oci"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(scheme))
    });
    if !is_known {
        return Err(invalid(format!(
            "field `{field}` must be a URL that begins with https://, http:// or oci://"
        )));
    }
    if url.len() > MAX_URL {
        return Err(invalid(format!(
            "field `{field}` is longer than {MAX_URL} bytes"
        )));
    }
    Ok(ChartRef::Url(url))
}

fn without_version(version: Option<String>, beside: &str) -> Result<(), Problem> {
    match version {
        None => Ok(()),
        Some(_) => Err(invalid(format!(
            "field `chart.version` has no meaning beside `{beside}`, which is one version"
        ))),
    }
}

fn decode(archive: &str) -> Result<ChartRef, Problem> {
    BASE64_STANDARD
        .decode(archive)
        .map(|archive| ChartRef::Archive(archive.into()))
        .map_err(|error| invalid(format!("field `chart.archive` is not base64: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::problem::Code;

    fn read(body: &Value, upload: Option<&'static str>) -> Result<ChartRef, Problem> {
        let mut fields = Fields::from_json(body.to_string().as_bytes()).unwrap();
        chart(&mut fields, upload.map(Bytes::from))
    }

    fn of(chart: Value) -> Result<ChartRef, Problem> {
        read(&json!({"chart": chart}), None)
    }

    fn refused(chart: Value) -> String {
        let problem = of(chart).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest);
        problem.detail
    }

    fn named(repository: &str, name: &str, version: Option<&str>) -> ChartRef {
        ChartRef::Repository {
            repository: repository.into(),
            name: name.into(),
            version: version.map(Into::into),
        }
    }

    #[test]
    fn a_chart_is_named_in_its_repository() {
        for (chart, expected) in [
            (
                json!({"repository": "stable", "name": "nginx", "version": "~1.2"}),
                named("stable", "nginx", Some("~1.2")),
            ),
            (
                json!({"repository": "stable", "name": "nginx"}),
                named("stable", "nginx", None),
            ),
            (
                json!({"repository": "stable", "name": "nginx", "version": "", "url": null}),
                named("stable", "nginx", None),
            ),
            (json!("stable/nginx"), named("stable", "nginx", None)),
            (json!("harbor/team/web"), named("harbor", "team/web", None)),
            (
                json!({"repository": "harbor", "name": "team/web"}),
                named("harbor", "team/web", None),
            ),
        ] {
            assert_eq!(of(chart.clone()), Ok(expected), "{chart}");
        }
    }

    #[test]
    fn a_chart_is_fetched_from_a_url() {
        for url in [
            "https://charts.example.com/web-1.2.3.tgz",
            "http://charts.internal/web-1.2.3.tgz?a=b",
            "oci://registry.example.com/team/web:1.2.3",
            "HTTPS://charts.example.com/web-1.2.3.tgz",
        ] {
            let expected = Ok(ChartRef::Url(url.into()));
            assert_eq!(of(json!(url)), expected);
            assert_eq!(of(json!({"url": url})), expected);
        }
        for url in [
            "ftp://x/web.tgz",
            "file:///etc/passwd",
            "://x",
            "oci+http://x",
        ] {
            assert!(refused(json!(url)).starts_with("field `chart` must be a URL that begins"));
            assert!(refused(json!({"url": url})).starts_with("field `chart.url` must be a URL"));
        }
        assert!(refused(json!({"url": "charts.example.com/web.tgz"})).contains("https://"));
        let long = format!("https://x/{}", "a".repeat(MAX_URL));
        assert!(refused(json!(long)).contains("longer than 2048 bytes"));
    }

    #[test]
    fn a_chart_is_an_archive_or_an_upload() {
        let expected = Ok(ChartRef::Archive(Bytes::from_static(b"hi")));
        assert_eq!(of(json!({"archive": "aGk="})), expected);
        assert_eq!(read(&json!({}), Some("hi")), expected);
        assert_eq!(
            of(json!({"archive": ""})),
            Ok(ChartRef::Archive(Bytes::new()))
        );
        assert!(refused(json!({"archive": "not base64!"})).contains("is not base64"));
        assert!(refused(json!({"archive": 5})).contains("`chart.archive` must be a string"));
    }

    #[test]
    fn a_chart_is_given_in_exactly_one_way() {
        for chart in [
            json!({}),
            json!({"archive": "", "name": "nginx"}),
            json!({"version": "1.2.3"}),
            json!({"repository": "stable", "name": "nginx", "url": "https://x/y.tgz"}),
            json!({"name": "nginx", "archive": "aGk="}),
            json!({"url": "https://x/y.tgz", "archive": "aGk="}),
        ] {
            let detail = refused(chart.clone());
            assert!(detail.contains("exactly one of"), "{chart}: {detail}");
        }
        for chart in [json!("stable/nginx"), json!({"archive": "aGk="})] {
            let problem = read(&json!({"chart": chart}), Some("hi")).unwrap_err();
            assert_eq!(problem.detail, "`chart` is given twice");
        }
        for chart in [json!([]), json!(5), json!(["a/b", "c/d"]), json!(true)] {
            assert!(refused(chart).contains("must be \"repository/name\""));
        }
        let problem = read(&json!({}), None).unwrap_err();
        assert!(problem.detail.starts_with("field `chart` is missing"));
    }

    #[test]
    fn an_upgrade_may_keep_the_chart() {
        assert_eq!(of(json!({"deployed": true})), Ok(ChartRef::Deployed));
        for chart in [json!({"deployed": false}), json!({"deployed": "true"})] {
            assert!(refused(chart).contains("must be true"));
        }
        for chart in [
            json!({"deployed": true, "version": "1.2.3"}),
            json!({"deployed": true, "repository": "stable", "name": "web"}),
        ] {
            assert!(refused(chart).contains("nothing else"));
        }
        let named = json!({"deployed": null, "repository": "stable", "name": "nginx"});
        assert_eq!(of(named), Ok(super::tests::named("stable", "nginx", None)));
    }

    #[test]
    fn half_a_name_says_which_half_is_missing() {
        assert!(refused(json!({"repository": "stable"})).contains("`chart.name` is missing"));
        assert!(refused(json!({"name": "stable/nginx"})).contains("`chart.repository` is missing"));
        let detail = refused(json!({"repository": "https://charts.example.com", "name": "nginx"}));
        assert!(detail.contains("and is a URL"), "{detail}");
    }

    #[test]
    fn a_version_is_text_and_belongs_to_a_name() {
        let detail = refused(json!({"repository": "stable", "name": "nginx", "version": 1.2}));
        assert!(detail.ends_with("write \"1.2\" in quotes"), "{detail}");
        for chart in [
            json!({"url": "https://x/y.tgz", "version": "1"}),
            json!({"archive": "aGk=", "version": "1"}),
        ] {
            assert!(refused(chart).contains("has no meaning beside"));
        }
        let body = json!({"chart": "stable/nginx", "version": "~1.2"});
        let problem = read(&body, None).unwrap_err();
        assert!(problem.detail.contains("belongs into `chart`"), "{problem}");
        let long = "1".repeat(MAX_NAME + 1);
        let chart = json!({"repository": "stable", "name": "nginx", "version": long});
        assert!(refused(chart).contains("longer than 256 bytes"));
    }

    #[test]
    fn an_unknown_member_is_refused_with_its_neighbour() {
        assert!(refused(json!({"archiv": "aGk="})).contains("did you mean `chart.archive`?"));
        assert!(refused(json!({"repo": "stable", "name": "x"})).contains("`chart.repository`?"));
        assert!(refused(json!({"zzzzzzzz": 1})).contains("there are archive, deployed, name"));
    }

    #[test]
    fn what_users_of_helm_also_write_is_refused_with_what_to_write_instead() {
        assert!(refused(json!("nginx")).contains("and is `nginx`"));
        for path in ["./nginx", "../nginx", "/charts/nginx", "~/nginx.tgz"] {
            assert!(refused(json!(path)).contains("upload the .tgz"), "{path}");
        }
        assert!(refused(json!("{\"repository\": \"stable\"}")).contains("`request`"));
        let base64 = format!("H4sI/{}", "A".repeat(10_000));
        assert!(refused(json!(base64)).contains("{\"archive\": …}"));
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in [
            "..",
            ".",
            "a/../b",
            "a//b",
            "/a",
            "a/",
            "a\nb",
            &"a".repeat(257),
        ] {
            let detail = refused(json!({"repository": "stable", "name": name}));
            assert!(detail.starts_with("field `chart.name`"), "{name}: {detail}");
            let detail = refused(json!({"repository": name, "name": "web"}));
            assert!(detail.starts_with("field `chart.repository`"), "{name}");
        }
        for text in ["stable/", "stable/..", "stable//nginx", "stable/a\u{7}"] {
            assert!(refused(json!(text)).starts_with("field `chart`"), "{text}");
        }
    }
}
