//! What callers see of releases: plain JSON, never the wire's numbers for names or its split timestamps.

use serde::Serialize;
use serde_json::Value;
use tiller_api::{
    hapi::{self, release::status},
    light,
    version::{self, TillerVersion},
};

use crate::{repositories::Source, time};

/// A release, one revision of it.
///
/// Lists fill in the first members only; what is `None` or empty is left out, except for the chart, which
/// a broken record may lack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Where it is installed.
    pub namespace: String,
    /// The revision, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i32>,
    /// The revision's status, see [`status_name`].
    pub status: String,
    /// The chart it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// Where the archive of that chart came from; only in the answer to the request that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// When the first revision was deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<String>,
    /// When this one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<String>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// What happened, in Tiller's words or those of whoever did it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether values, and what shows them, are left out since the caller may not see them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// The values it was given, parsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// The same as the text that Tiller has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_yaml: Option<String>,
    /// The rendered manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The hooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Vec<Hook>>,
    /// What NOTES.txt said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// The chart's templates, values and files, those of sub-charts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_files: Option<Vec<File>>,
    /// The resources as the cluster has them, in Tiller's tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<String>,
    /// The last run of the tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_test_suite_run: Option<TestSuite>,
    /// What a deletion kept, in Tiller's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<String>,
    /// What the caller should know although the request succeeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Release {
    /// With status and times of that message, whatever it was before.
    pub fn set_info(&mut self, info: Option<&light::Info>) {
        let code = info.and_then(|info| info.status.as_ref());
        self.status = status_name(code.map_or(0, |status| status.code));
        let Some(info) = info else { return };
        self.first_deployed = info.first_deployed.and_then(time::rfc3339);
        self.last_deployed = info.last_deployed.and_then(time::rfc3339);
        self.deleted = info.deleted.and_then(time::rfc3339);
        self.description.clone_from(&info.description);
    }
}

impl From<&light::Release> for Release {
    fn from(release: &light::Release) -> Self {
        let metadata = release
            .chart
            .as_ref()
            .and_then(|chart| chart.metadata.as_ref());
        let mut view = Self {
            name: release.name.clone(),
            namespace: release.namespace.clone(),
            revision: Some(release.version),
            chart: metadata.map(Chart::from),
            ..Self::default()
        };
        view.set_info(release.info.as_ref());
        view
    }
}

/// A chart's metadata.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Chart {
    /// Its name.
    pub name: String,
    /// Its version, possibly empty.
    pub version: String,
    /// The version of what it installs, possibly empty.
    pub app_version: String,
    /// What it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A picture of it, a URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// Where more is to be found, a URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Whether its authors have given it up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
}

impl From<&light::Metadata> for Chart {
    fn from(metadata: &light::Metadata) -> Self {
        Self {
            name: metadata.name.clone(),
            version: metadata.version.clone(),
            app_version: metadata.app_version.clone(),
            description: metadata.description.clone(),
            icon: metadata.icon.clone(),
            home: metadata.home.clone(),
            deprecated: metadata.deprecated,
        }
    }
}

/// A hook.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hook {
    /// The resource's name.
    pub name: String,
    /// The resource's kind.
    pub kind: String,
    /// The template it comes from.
    pub path: String,
    /// When it runs, in Helm's words: `pre-install`.
    pub events: Vec<String>,
    /// Lower runs first.
    pub weight: i32,
    /// When it is deleted, in Helm's words: `hook-succeeded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete_policies: Vec<String>,
    /// When it last ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// The manifest.
    pub manifest: String,
}

impl From<&hapi::release::Hook> for Hook {
    fn from(hook: &hapi::release::Hook) -> Self {
        use hapi::release::hook::{DeletePolicy, Event};
        Self {
            name: hook.name.clone(),
            kind: hook.kind.clone(),
            path: hook.path.clone(),
            events: hook
                .events
                .iter()
                .map(|event| match Event::try_from(*event) {
                    // The annotation says no more than `crd-install` and `test-success`.
                    Ok(Event::ReleaseTestSuccess) => "test-success".to_owned(),
                    Ok(Event::ReleaseTestFailure) => "test-failure".to_owned(),
                    Ok(event) => word(event.as_str_name()),
                    Err(_) => event.to_string(),
                })
                .collect(),
            weight: hook.weight,
            delete_policies: hook
                .delete_policies
                .iter()
                .map(|policy| match DeletePolicy::try_from(*policy) {
                    Ok(DeletePolicy::Succeeded) => "hook-succeeded".to_owned(),
                    Ok(DeletePolicy::Failed) => "hook-failed".to_owned(),
                    Ok(DeletePolicy::BeforeHookCreation) => "before-hook-creation".to_owned(),
                    Err(_) => policy.to_string(),
                })
                .collect(),
            last_run: hook
                .last_run
                .filter(|at| at.seconds != 0)
                .and_then(time::rfc3339),
            manifest: hook.manifest.clone(),
        }
    }
}

/// A file of a chart: as text if it is UTF-8, else in base64.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct File {
    /// Its path in the chart.
    pub name: String,
    /// Its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl File {
    /// A file of that name and content.
    pub fn new(name: String, data: &[u8]) -> Self {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        match std::str::from_utf8(data) {
            Ok(text) => Self {
                name,
                text: Some(text.to_owned()),
                base64: None,
            },
            Err(_) => Self {
                name,
                text: None,
                base64: Some(BASE64_STANDARD.encode(data)),
            },
        }
    }
}

/// A run of a release's tests, as it was recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestSuite {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// A pod each.
    pub results: Vec<TestRun>,
}

/// One pod of a test run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestRun {
    /// The pod.
    pub name: String,
    /// How it went, see [`test_status_name`].
    pub status: String,
    /// More about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub info: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

impl From<&hapi::release::TestSuite> for TestSuite {
    fn from(suite: &hapi::release::TestSuite) -> Self {
        Self {
            started_at: suite.started_at.and_then(time::rfc3339),
            completed_at: suite.completed_at.and_then(time::rfc3339),
            results: suite
                .results
                .iter()
                .map(|run| TestRun {
                    name: run.name.clone(),
                    status: test_status_name(run.status),
                    info: run.info.clone(),
                    started_at: run.started_at.and_then(time::rfc3339),
                    completed_at: run.completed_at.and_then(time::rfc3339),
                })
                .collect(),
        }
    }
}

/// A message of a test run in progress.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TestEvent {
    /// A pod's log.
    Log {
        /// Tiller's text.
        message: String,
    },
    /// What a pod is at.
    Result {
        /// See [`test_status_name`].
        status: String,
        /// Tiller's text.
        message: String,
    },
}

/// How a test run went. A failed test does not fail the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TestSummary {
    /// Pods that passed.
    pub passed: u32,
    /// Pods that failed, and errors.
    pub failed: u32,
}

/// A Tiller's version and what is missing in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// Such as `v2.17.0`.
    pub version: String,
    /// The commit it was built from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_commit: String,
    /// `clean` or `dirty`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub git_tree_state: String,
    /// The fields of requests that it ignores; none of them can be used with it. Missing if the version
    /// cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacks: Option<Vec<Lack>>,
}

/// A field that a Tiller ignores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lack {
    /// Tiller's call that it belongs to.
    pub call: &'static str,
    /// Its name in requests here.
    pub field: &'static str,
    /// The first Tiller that has it.
    pub since: String,
}

impl From<&hapi::version::Version> for Version {
    fn from(version: &hapi::version::Version) -> Self {
        let lacks = TillerVersion::parse(&version.sem_ver).map(|parsed| {
            version::lacks(parsed)
                .map(|field| Lack {
                    call: field.method.name(),
                    field: field.name,
                    since: field.since.to_string(),
                })
                .collect()
        });
        Self {
            version: version.sem_ver.clone(),
            git_commit: version.git_commit.clone(),
            git_tree_state: version.git_tree_state.clone(),
            lacks,
        }
    }
}

/// A release status in Helm's words, lower case with hyphens: `deployed`, `pending-upgrade`. A number that
/// is not known stays a number.
pub fn status_name(code: i32) -> String {
    status::Code::try_from(code).map_or_else(|_| code.to_string(), |code| word(code.as_str_name()))
}

/// The statuses by their names.
pub const STATUSES: [(&str, status::Code); 9] = [
    ("deleted", status::Code::Deleted),
    ("deleting", status::Code::Deleting),
    ("deployed", status::Code::Deployed),
    ("failed", status::Code::Failed),
    ("pending-install", status::Code::PendingInstall),
    ("pending-rollback", status::Code::PendingRollback),
    ("pending-upgrade", status::Code::PendingUpgrade),
    ("superseded", status::Code::Superseded),
    ("unknown", status::Code::Unknown),
];

/// A test status: `unknown`, `success`, `failure`, `running`, or a number that is not known.
pub fn test_status_name(code: i32) -> String {
    hapi::release::test_run::Status::try_from(code)
        .map_or_else(|_| code.to_string(), |code| word(code.as_str_name()))
}

fn word(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests;
