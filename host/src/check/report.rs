//! What a check found, for people and for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::clusters::{Cluster, Tiller};
use crate::config::Transport;

/// Everything found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// By name.
    pub clusters: Vec<ClusterReport>,
    /// By name.
    pub repositories: Vec<RepositoryReport>,
}

impl Report {
    /// Whether there is a cluster, and neither a cluster nor a repository that cannot be used.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.clusters.is_empty()
            && self.count(Verdict::Failed) == 0
            && self.repositories.iter().all(RepositoryReport::works)
    }

    fn count(&self, verdict: Verdict) -> usize {
        let verdicts = self.clusters.iter().map(ClusterReport::verdict);
        verdicts.filter(|given| *given == verdict).count()
    }

    /// The report as one JSON document.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let clusters = self.clusters.iter().map(|cluster| {
            let mut document = serde_json::to_value(cluster).unwrap_or_default();
            document["verdict"] = serde_json::json!(cluster.verdict());
            document
        });
        serde_json::json!({
            "passed": self.passed(),
            "clusters": clusters.collect::<Vec<_>>(),
            "repositories": self.repositories,
        })
    }
}

/// What was found about one cluster.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterReport {
    /// Its name at this edge.
    pub name: String,
    /// The APIServer's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The kubeconfig's context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// About the way to the APIServer.
    pub findings: Vec<Finding>,
    /// About its Tillers, if the APIServer answers.
    pub tillers: Vec<TillerReport>,
}

impl ClusterReport {
    pub(super) fn new(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name().to_owned(),
            server: Some(cluster.view().server),
            context: cluster.context().map(str::to_owned),
            findings: Vec::new(),
            tillers: Vec::new(),
        }
    }

    pub(super) fn unusable(name: &str, finding: Finding) -> Self {
        Self {
            name: name.to_owned(),
            server: None,
            context: None,
            findings: vec![finding],
            tillers: Vec::new(),
        }
    }

    /// Whether every Tiller that is configured answers; skipped if none was asked.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let failed = self.findings.iter().any(Finding::is_failure);
        if failed || !self.tillers.iter().all(TillerReport::works) {
            Verdict::Failed
        } else if self.tillers.is_empty() {
            Verdict::Skipped
        } else {
            Verdict::Passed
        }
    }
}

/// What was found about one Tiller.
#[derive(Clone, Debug, Serialize)]
pub struct TillerReport {
    /// Its name in the cluster.
    pub name: String,
    /// The namespace of its service.
    pub namespace: String,
    /// The APIServer's name for the way to it.
    pub resource_name: String,
    /// How it is configured to be reached.
    pub transport: Transport,
    /// What was found on that way.
    pub findings: Vec<Finding>,
    /// The transports by which it answers.
    pub offers: Offers,
}

impl TillerReport {
    pub(super) fn new(tiller: &Tiller) -> Self {
        Self {
            name: tiller.name().to_owned(),
            namespace: tiller.namespace().to_owned(),
            resource_name: tiller.resource_name(),
            transport: tiller.transport(),
            findings: Vec::new(),
            offers: Offers::default(),
        }
    }

    /// Whether it answers as it is configured.
    #[must_use]
    pub fn works(&self) -> bool {
        match self.transport {
            Transport::Grpc => self.offers.grpc,
            Transport::GrpcWeb => self.offers.grpc_web,
        }
    }
}

/// What was found about one repository.
#[derive(Clone, Debug, Serialize)]
pub struct RepositoryReport {
    /// Its name at this edge.
    pub name: String,
    /// Its URL, without credentials.
    pub url: String,
    /// What it answers.
    pub finding: Finding,
}

impl RepositoryReport {
    pub(super) fn new(name: &str, url: &str, finding: Finding) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            finding,
        }
    }

    /// Whether it answers as it should.
    #[must_use]
    pub fn works(&self) -> bool {
        !self.finding.is_failure()
    }
}

/// The transports by which a Tiller answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Offers {
    /// grpc-web to a bridge.
    pub grpc_web: bool,
    /// Native gRPC to a Tiller with TLS.
    pub grpc: bool,
}

impl Offers {
    pub(super) fn set(&mut self, transport: Transport, offered: bool) {
        match transport {
            Transport::Grpc => self.grpc = offered,
            Transport::GrpcWeb => self.grpc_web = offered,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What.
    pub step: Step,
    /// How it is.
    pub verdict: Verdict,
    /// A version, or what is wrong.
    pub detail: String,
    /// How long it took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// What to do about it: a line to run, or to put into a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub(super) fn passed(step: Step, detail: impl Into<String>) -> Self {
        Self::new(step, Verdict::Passed, detail)
    }

    pub(super) fn failed(step: Step, detail: impl Into<String>) -> Self {
        Self::new(step, Verdict::Failed, detail)
    }

    pub(super) fn skipped(step: Step, detail: impl Into<String>) -> Self {
        Self::new(step, Verdict::Skipped, detail)
    }

    fn new(step: Step, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            step,
            verdict,
            detail: detail.into(),
            latency_ms: None,
            remedy: None,
        }
    }

    pub(super) fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    pub(super) fn since(self, asked: Instant) -> Self {
        self.taking(asked.elapsed())
    }

    pub(super) fn taking(mut self, time: Duration) -> Self {
        self.latency_ms = u64::try_from(time.as_millis()).ok();
        self
    }

    fn is_failure(&self) -> bool {
        self.verdict == Verdict::Failed
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Whether the APIServer answers.
    ApiServer,
    /// Whether the bridge answers.
    Bridge,
    /// Whether the edge's configuration names it.
    Configuration,
    /// Whether there is a credential, and the APIServer accepts it.
    Credentials,
    /// Whether the kubeconfig's entry can be used.
    Kubeconfig,
    /// Whether the transport that is not configured works.
    OtherTransport,
    /// Whether the edge may use the service proxy.
    Permission,
    /// Whether a repository answers, and how many charts it has.
    Repository,
    /// Whether Tiller answers.
    Tiller,
}

impl Step {
    const fn title(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Bridge => "bridge",
            Self::Configuration => "configuration",
            Self::Credentials => "credentials",
            Self::Kubeconfig => "kubeconfig",
            Self::OtherTransport => "transport",
            Self::Permission => "permission",
            Self::Repository => "charts",
            Self::Tiller => "Tiller",
        }
    }
}

/// How something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Not as it must be.
    Failed,
    /// As it should be.
    Passed,
    /// Not looked at, or nothing to judge.
    Skipped,
}

impl Verdict {
    const fn mark(self) -> &'static str {
        match self {
            Self::Failed => "FAIL",
            Self::Passed => "ok",
            Self::Skipped => "-",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for cluster in &self.clusters {
            writeln!(f, "{cluster}")?;
        }
        for repository in &self.repositories {
            writeln!(f, "{repository}")?;
        }
        let usable = self.count(Verdict::Passed);
        write!(
            f,
            "{usable} of {} clusters can be used",
            self.clusters.len()
        )?;
        match self.count(Verdict::Skipped) {
            0 => writeln!(f, ".")?,
            skipped => writeln!(f, ", {skipped} could not be checked.")?,
        }
        if self.repositories.is_empty() {
            return Ok(());
        }
        let works = self.repositories.iter().filter(|found| found.works());
        writeln!(
            f,
            "{} of {} repositories can be used.",
            works.count(),
            self.repositories.len()
        )
    }
}

impl fmt::Display for RepositoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "repository {}  {}", self.name, self.url)?;
        self.finding.write(f, "  ")
    }
}

impl fmt::Display for ClusterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(server) = &self.server {
            write!(f, "  {server}")?;
        }
        if let Some(context) = self
            .context
            .as_ref()
            .filter(|context| **context != self.name)
        {
            write!(f, "  (context {context})")?;
        }
        writeln!(f)?;
        for finding in &self.findings {
            finding.write(f, "  ")?;
        }
        for tiller in &self.tillers {
            write!(f, "{tiller}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TillerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  tiller {}  {}, {} through {}",
            self.name,
            self.namespace,
            name(self.transport),
            self.resource_name
        )?;
        for finding in &self.findings {
            finding.write(f, "    ")?;
        }
        let offered: Vec<_> = [
            (self.offers.grpc_web, Transport::GrpcWeb),
            (self.offers.grpc, Transport::Grpc),
        ]
        .into_iter()
        .filter_map(|(offered, transport)| offered.then_some(name(transport)))
        .collect();
        match &offered[..] {
            [] => writeln!(f, "    answers by no transport"),
            offered => writeln!(f, "    answers by {}", offered.join(" and ")),
        }
    }
}

impl Finding {
    fn write(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        write!(
            f,
            "{indent}{:<5}{:<14}{}",
            self.verdict.mark(),
            self.step.title(),
            self.detail
        )?;
        match self.latency_ms {
            Some(latency) => writeln!(f, "  ({latency} ms)")?,
            None => writeln!(f)?,
        }
        for line in self.remedy.iter().flat_map(|remedy| remedy.lines()) {
            writeln!(f, "{indent}     > {line}")?;
        }
        Ok(())
    }
}

/// How a transport is written in the configuration.
pub(super) const fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Grpc => "grpc",
        Transport::GrpcWeb => "grpc-web",
    }
}
