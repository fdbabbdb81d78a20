//! `tiller-edge check`: what works of every cluster and repository, and what to do about what does not.
//!
//! It goes the way that calls go, with the edge's own configuration, credentials and connections, so that what it finds
//! is what callers will find: the kubeconfig's entry, the APIServer, the credentials, the permission for the one
//! `services/proxy` that the edge needs, and then Tiller itself. Beside the transport that is configured it tries the
//! other one, and says which of the two the cluster offers. A repository is asked for what it has.

mod remedy;
mod report;
mod review;

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use rest::problem::{Code, Problem};
use rest::repositories::RepositoryView;
use secrecy::SecretString;
use tokio::time::Instant;

pub use self::report::{
    ClusterReport, Finding, Report, RepositoryReport, Step, TillerReport, Verdict,
};
use crate::access::Principal;
use crate::clusters::{
    Cluster, Clusters, ClustersError, CredentialsError, Permission, SendError, Tiller,
};
use crate::config::{Config, CredentialSource, TillerConfig, Transport};
use crate::ingress::RequestId;
use crate::net::Causes;
use crate::relay::Caller;
use crate::relay::probe::{self, ProbeError, Spoken};
use crate::repositories::Repositories;

/// How long anything asked may take to answer. Longer than an APIServer tries to reach what is behind a service.
const PATIENCE: Duration = Duration::from_secs(35);

/// How many clusters are checked at once.
const AT_ONCE: usize = 8;

/// What to check.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These clusters only; none: all, and the repositories.
    pub clusters: Vec<String>,
    /// The `Authorization` to check clusters with that are reached with the caller's own credentials.
    pub authorization: Option<SecretString>,
    /// Whom to act as at clusters where the edge acts as its callers.
    pub principal: Option<Principal>,
}

/// Checks the clusters and repositories of `config`.
///
/// # Errors
///
/// When the clusters cannot be listed at all; what is wrong with one of them is in the report.
pub async fn run(config: &Config, options: &Options) -> Result<Report, ClustersError> {
    let clusters = Clusters::survey(config)?;
    let wanted = |name: &str| {
        options.clusters.is_empty() || options.clusters.iter().any(|wanted| wanted == name)
    };
    let caller = Caller::local(RequestId::generate(), options.authorization.clone());
    let mut reports: Vec<ClusterReport> = clusters
        .unusable()
        .filter(|(name, _)| wanted(name))
        .map(|(name, error)| {
            let finding = Finding::failed(Step::Kubeconfig, Causes(error).to_string());
            ClusterReport::unusable(name, finding.with_remedy(remedy::entry(name, error)))
        })
        .collect();
    let usable = clusters.iter().filter(|cluster| wanted(cluster.name()));
    let checked: Vec<ClusterReport> = stream::iter(usable.cloned().collect::<Vec<_>>())
        .map(|cluster| {
            let asker = Asker {
                caller: &caller,
                principal: options.principal.as_ref(),
            };
            async move { check(&cluster, asker).await }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    reports.extend(checked);
    let known: Vec<&str> = clusters
        .iter()
        .map(|cluster| cluster.name())
        .chain(clusters.unusable().map(|(name, _)| name))
        .collect();
    for name in &options.clusters {
        if !known.contains(&name.as_str()) {
            let finding = Finding::failed(Step::Configuration, "this edge has no such cluster");
            let remedy = format!("name one of: {}", known.join(", "));
            reports.push(ClusterReport::unusable(name, finding.with_remedy(remedy)));
        }
    }
    reports.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Report {
        clusters: reports,
        repositories: if options.clusters.is_empty() {
            check_repositories(config).await
        } else {
            Vec::new()
        },
    })
}

async fn check_repositories(config: &Config) -> Vec<RepositoryReport> {
    let (repositories, unusable) = Repositories::survey(config);
    let mut reports: Vec<RepositoryReport> = unusable
        .into_iter()
        .map(|(config, error)| {
            let finding = Finding::failed(Step::Configuration, Causes(&error).to_string());
            RepositoryReport::new(&config.name, &config.url, finding)
        })
        .collect();
    let checked: Vec<RepositoryReport> = stream::iter(repositories.iter())
        .map(|view| check_repository(&repositories, view))
        .buffered(AT_ONCE)
        .collect()
        .await;
    reports.extend(checked);
    reports.sort_by(|one, other| one.name.cmp(&other.name));
    reports
}

async fn check_repository(repositories: &Repositories, view: &RepositoryView) -> RepositoryReport {
    let asked = Instant::now();
    let finding = match repositories.count(&view.name).await {
        Ok(1) => Finding::passed(Step::Repository, "1 chart"),
        Ok(charts) => Finding::passed(Step::Repository, format!("{charts} charts")),
        Err(error) => {
            let finding = Finding::failed(Step::Repository, Causes(&error).to_string());
            match error.problem().hint {
                Some(hint) => finding.with_remedy(hint),
                None => finding,
            }
        }
    };
    RepositoryReport::new(&view.name, &view.url, finding.since(asked))
}

/// As whom clusters are asked.
#[derive(Clone, Copy)]
struct Asker<'a> {
    caller: &'a Caller,
    /// Where the edge acts as its callers.
    principal: Option<&'a Principal>,
}

async fn check(cluster: &Cluster, asker: Asker<'_>) -> ClusterReport {
    let mut report = ClusterReport::new(cluster);
    let Asker { caller, principal } = asker;
    let local = Principal::local();
    let deadline = Instant::now() + PATIENCE;
    if cluster.credentials() == CredentialSource::Impersonate && principal.is_none() {
        report.findings = review::own_permissions(cluster, None, None, deadline).await;
        report.findings.push(Finding::skipped(
            Step::Credentials,
            "the edge acts as whoever calls; give somebody with --as to check as",
        ));
        return report;
    }
    let asker = Probe {
        caller,
        principal: principal.unwrap_or(&local),
    };
    let asked = Instant::now();
    let mut version = None;
    match probe::apiserver(cluster, caller, asker.principal, asked + PATIENCE).await {
        Ok(found) => {
            report
                .findings
                .push(Finding::passed(Step::ApiServer, found.clone()).since(asked));
            version = Some(found);
        }
        Err(ProbeError::Send(SendError::Credentials(CredentialsError::CallerSentNone))) => {
            report.findings.push(Finding::skipped(
                Step::Credentials,
                "every caller brings its own credentials; give yours to check with them",
            ));
        }
        // Some APIServers tell their version only to those they know; the review tells more.
        Err(ProbeError::Answered(problem)) if problem.code == Code::ClusterForbidden => report
            .findings
            .push(Finding::passed(Step::ApiServer, "answers").since(asked)),
        Err(error) => {
            let step = step_of(&error);
            let finding = Finding::failed(step, explain(&error));
            report.findings.push(
                finding
                    .with_remedy(remedy::cluster(cluster, &error))
                    .since(asked),
            );
            return report;
        }
    }
    let own = review::own_permissions(cluster, version.as_deref(), principal, deadline).await;
    report.findings.extend(own);
    if cluster.is_callers() && caller.authorization.is_none() {
        return report;
    }
    for tiller in cluster.tillers() {
        report
            .tillers
            .push(check_tiller(cluster, tiller, asker).await);
    }
    report
}

/// As whom one cluster is asked.
#[derive(Clone, Copy)]
struct Probe<'a> {
    caller: &'a Caller,
    principal: &'a Principal,
}

impl Probe<'_> {
    async fn ask(self, cluster: &Cluster, tiller: &Tiller) -> Result<Spoken, ProbeError> {
        let deadline = Instant::now() + PATIENCE;
        probe::tiller(cluster, tiller, self.caller, self.principal, deadline).await
    }
}

async fn check_tiller(cluster: &Cluster, tiller: &Tiller, probe: Probe<'_>) -> TillerReport {
    let mut report = TillerReport::new(tiller);
    let asked = Instant::now();
    let behalf = probe.caller.behalf(probe.principal);
    let review = match review::permission(cluster, tiller, &behalf, asked + PATIENCE).await {
        Ok(review) => review,
        Err(error) => {
            let finding = Finding::failed(step_of(&error), explain(&error))
                .with_remedy(remedy::cluster(cluster, &error));
            report.findings.push(finding.since(asked));
            return report;
        }
    };
    let took = asked.elapsed();
    let answers = ask(cluster, tiller, probe, &mut report.findings).await;
    report.offers.set(tiller.transport(), answers);
    let refused = report
        .findings
        .iter()
        .any(|finding| finding.step == Step::Permission);
    if !refused {
        let permission = permission(tiller, &review, answers).taking(took);
        report.findings.insert(0, permission);
    }
    let other = other_transport(tiller);
    let also = probe.ask(cluster, &other).await;
    let also = matches!(also, Ok(Spoken::Tiller(Ok(_))));
    report.offers.set(other.transport(), also);
    if also && !answers {
        report.findings.push(
            Finding::skipped(Step::OtherTransport, "the other transport works")
                .with_remedy(remedy::transport(cluster, &other)),
        );
    }
    report
}

/// What a review says of the permission. Some authorisers grant in a review less than they do in fact, so a call that
/// was answered settles it.
fn permission(tiller: &Tiller, review: &Permission, answers: bool) -> Finding {
    let what = format!(
        "create services/proxy {} in {}",
        tiller.resource_name(),
        tiller.namespace()
    );
    match review {
        Permission::Denied { reason } if !answers => {
            let reason = reason.as_ref().map(|reason| format!(": {reason}"));
            Finding::failed(
                Step::Permission,
                format!("{what} is denied{}", reason.unwrap_or_default()),
            )
            .with_remedy(remedy::permission(tiller, None))
        }
        Permission::Allowed | Permission::Denied { .. } => Finding::passed(Step::Permission, what),
    }
}

/// Asks Tiller for its version as `tiller` is configured; tells whether it answered.
async fn ask(
    cluster: &Cluster,
    tiller: &Tiller,
    probe: Probe<'_>,
    findings: &mut Vec<Finding>,
) -> bool {
    let asked = Instant::now();
    let found = probe.ask(cluster, tiller).await;
    let has_bridge = tiller.transport() == Transport::GrpcWeb;
    let failed = |step, problem: &Problem| {
        Finding::failed(step, problem.to_string())
            .with_remedy(remedy::tiller(tiller, problem))
            .since(asked)
    };
    match found {
        Ok(Spoken::Tiller(said)) => {
            if has_bridge {
                findings.push(Finding::passed(Step::Bridge, "answers").since(asked));
            }
            let works = said.is_ok();
            findings.push(match said {
                Ok(version) => Finding::passed(Step::Tiller, version).since(asked),
                Err(problem) => failed(Step::Tiller, &problem),
            });
            works
        }
        Ok(Spoken::Bridge(problem)) if problem.code == Code::BridgeError => {
            findings.push(failed(Step::Bridge, &problem));
            false
        }
        Ok(Spoken::Bridge(problem)) => {
            findings.push(Finding::passed(Step::Bridge, "answers").since(asked));
            findings.push(failed(Step::Tiller, &problem));
            false
        }
        Err(ProbeError::Answered(problem)) => {
            let step = match problem.code {
                Code::ClusterForbidden => Step::Permission,
                _ if has_bridge => Step::Bridge,
                _ => Step::Tiller,
            };
            findings.push(failed(step, &problem));
            false
        }
        Err(error) => {
            let finding = Finding::failed(step_of(&error), explain(&error))
                .with_remedy(remedy::cluster(cluster, &error));
            findings.push(finding.since(asked));
            false
        }
    }
}

/// The same Tiller by the other transport, where it usually is.
fn other_transport(tiller: &Tiller) -> Tiller {
    Tiller::new(&TillerConfig {
        name: tiller.name().to_owned(),
        namespace: tiller.namespace().to_owned(),
        transport: match tiller.transport() {
            Transport::Grpc => Transport::GrpcWeb,
            Transport::GrpcWeb => Transport::Grpc,
        },
        ..TillerConfig::default()
    })
}

fn step_of(error: &ProbeError) -> Step {
    match error {
        ProbeError::Send(SendError::Credentials(_)) => Step::Credentials,
        ProbeError::Answered(problem) if problem.code == Code::ClusterCredentialsRefused => {
            Step::Credentials
        }
        _ => Step::ApiServer,
    }
}

/// Everything about an error: who runs `check` may see it all.
fn explain(error: &ProbeError) -> String {
    match error {
        ProbeError::Send(error) => Causes(error).to_string(),
        ProbeError::Answered(problem) => problem.to_string(),
    }
}

#[cfg(test)]
mod tests;
