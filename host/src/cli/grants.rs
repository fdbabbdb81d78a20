//! What the grants and refusals of a configuration come to, without an edge that runs.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use rest::fields::nearest;

use super::CheckFormat;
use crate::access::{Method, Principal};
use crate::clusters::Clusters;
use crate::config::{ClusterConfig, Config, DEFAULT_TILLER};
use crate::grants::{
    ANONYMOUS, Action, Actions, Applies, Attempt, Considered, Explanation, Outcome, PROTECTED,
    Place, Policy, READ_ONLY,
};

#[derive(Debug, Subcommand)]
pub(super) enum GrantsCommand {
    /// Say whether somebody may do something, which rule decides, and why
    Explain(Box<ExplainArgs>),
    /// List the grants and refusals of the configuration
    List,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiller-edge grants explain --as alice --action upgrade --cluster prod --namespace shop --release web
  tiller-edge grants explain --as oidc:alice --group oidc:shop --action install --cluster prod --chart stable/nginx
  tiller-edge grants explain --method anonymous --action read --cluster prod

What is left out is not known: the answer is then certain only if it is the same whatever that is.
Ends with status 0 if it is allowed, 1 if it is refused, 3 if it depends on what was left out, and 2 if this edge has not
what the question is about.")]
pub(super) struct ExplainArgs {
    /// Who: the name as the audit log has it, with the prefix of the method
    #[arg(long = "as", value_name = "NAME", required_unless_present = "method")]
    name: Option<String>,
    /// A group they are in; may be given several times
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// How they are authenticated [default: token]
    #[arg(long, value_name = "METHOD")]
    method: Option<MethodArg>,
    /// What they want to do: install, upgrade, read, …
    #[arg(long, value_name = "ACTION")]
    action: Action,
    /// Only see what it would do
    #[arg(long)]
    dry_run: bool,
    /// Where; needed unless the action is read-charts
    #[arg(long, value_name = "CLUSTER")]
    cluster: Option<String>,
    /// The cluster's tiller [default: default]
    #[arg(long, value_name = "TILLER", requires = "cluster")]
    tiller: Option<String>,
    /// The release's namespace
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The release
    #[arg(long, value_name = "NAME")]
    release: Option<String>,
    /// Where the chart is from: REPOSITORY/NAME, a URL, or upload
    #[arg(long, value_name = "SOURCE")]
    chart: Option<String>,
    /// When, such as 2026-12-24T18:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    format: CheckFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodArg {
    /// Not at all
    Anonymous,
    /// A TLS client certificate
    Certificate,
    /// A token that a cluster knows
    Kubernetes,
    /// Being on this host, where no method is configured
    Local,
    /// A token of an identity provider
    Oidc,
    /// A token of this edge
    Token,
}

impl GrantsCommand {
    /// Answers on standard output.
    pub(super) fn run(&self, config: &Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Explain(args) => match args.explain(config) {
                Ok(explanation) => args.print(&explanation, config),
                Err(error) => {
                    eprintln!("tiller-edge: {error:#}");
                    Ok(ExitCode::from(UNANSWERED))
                }
            },
            Self::List => {
                print!("{}", table(config));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl ExplainArgs {
    fn explain(&self, config: &Config) -> anyhow::Result<Explanation> {
        if self.action == Action::DryRun {
            bail!("a dry run is one of something: name it, such as --action upgrade --dry-run");
        }
        if self.dry_run && !self.action.has_dry_run() {
            bail!("Tiller has no dry run of {}", self.action);
        }
        let cluster = match &self.cluster {
            Some(name) => Some(find(config, name)?),
            None if self.action == Action::ReadCharts => None,
            None => bail!("whether they may depends on the cluster; name it with --cluster"),
        };
        let tiller = match &cluster {
            Some(cluster) => self.tiller(cluster)?,
            None => None,
        };
        let attempt = Attempt {
            action: self.action,
            dry_run: self.dry_run,
            place: cluster.as_ref().map(|cluster| Place {
                cluster: &cluster.name,
                region: cluster.region.as_deref(),
                labels: &cluster.labels,
                tiller,
            }),
            namespace: self.namespace.as_deref(),
            release: self.release.as_deref(),
            chart: self.chart.as_deref(),
        };
        let now = self.at.unwrap_or_else(Timestamp::now);
        Ok(Policy::compile(config).explain(&self.principal()?, &attempt, now))
    }

    fn principal(&self) -> anyhow::Result<Principal> {
        let method = match self.method {
            None | Some(MethodArg::Token) => Method::Token,
            Some(MethodArg::Anonymous) => Method::Anonymous,
            Some(MethodArg::Certificate) => Method::Certificate,
            Some(MethodArg::Kubernetes) => Method::Kubernetes,
            Some(MethodArg::Local) => return Ok(Principal::local()),
            Some(MethodArg::Oidc) => Method::Oidc,
        };
        let name = match (&self.name, method) {
            (Some(name), _) => name.clone(),
            (None, Method::Anonymous) => ANONYMOUS.to_owned(),
            (None, _) => bail!("whoever is authenticated has a name; give it with --as"),
        };
        Ok(Principal {
            name,
            groups: self.groups.clone(),
            method,
        })
    }

    fn tiller<'a>(&'a self, cluster: &'a ClusterConfig) -> anyhow::Result<Option<&'a str>> {
        let known: Vec<&str> = cluster.tiller_names().collect();
        match &self.tiller {
            Some(name) if known.contains(&name.as_str()) => Ok(Some(name)),
            Some(name) => bail!(
                "cluster `{}` has no tiller `{name}`{}",
                cluster.name,
                alike(name, &known)
            ),
            None => Ok(known.contains(&DEFAULT_TILLER).then_some(DEFAULT_TILLER)),
        }
    }

    fn print(&self, explanation: &Explanation, config: &Config) -> anyhow::Result<ExitCode> {
        match self.format {
            CheckFormat::Human => print!("{}", text(explanation, config)),
            CheckFormat::Json => println!("{}", serde_json::to_string_pretty(explanation)?),
        }
        Ok(ExitCode::from(match explanation.decision {
            Outcome::Allowed => ALLOWED,
            Outcome::Depends => DEPENDS,
            Outcome::Refused => REFUSED,
        }))
    }
}

/// The cluster of that name; one of the kubeconfig has neither region nor labels.
fn find(config: &Config, name: &str) -> anyhow::Result<ClusterConfig> {
    if let Some(cluster) = config.clusters.iter().find(|cluster| cluster.name == name) {
        if let (Some(here), Some(there)) = (&config.region, &cluster.region)
            && here != there
        {
            bail!("cluster `{name}` is in region `{there}`; this edge serves those of `{here}`");
        }
        return Ok(cluster.clone());
    }
    let mut known: Vec<String> = config
        .clusters
        .iter()
        .map(|cluster| cluster.name.clone())
        .collect();
    if known.is_empty() {
        let contexts = Clusters::survey(config).context("the clusters are not known")?;
        known.extend(contexts.iter().map(|cluster| cluster.name().to_owned()));
        known.extend(contexts.unusable().map(|(name, _)| name.to_owned()));
    }
    if known.iter().any(|known| known == name) {
        return Ok(ClusterConfig {
            name: name.to_owned(),
            ..ClusterConfig::default()
        });
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    bail!("this edge has no cluster `{name}`{}", alike(name, &known))
}

fn alike(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; it has {}", known.join(", ")),
    }
}

fn text(explanation: &Explanation, config: &Config) -> String {
    let decision = match explanation.decision {
        Outcome::Allowed => "allowed",
        Outcome::Depends => "depends",
        Outcome::Refused => "refused",
    };
    let mut text = format!("{decision}: {}\n", explanation.why);
    for (title, rules) in [
        ("grants", &explanation.grants),
        ("refusals", &explanation.refusals),
    ] {
        if !rules.is_empty() {
            let rows = rules.iter().map(|rule| [rule.name.clone(), applies(rule)]);
            let _ = write!(text, "\n{title} that are for them\n{}", columns(rows));
        }
    }
    if !config.has_authentication() {
        text.push_str(
            "\nno method of authentication is configured: every caller is the administrator `local`\n",
        );
    }
    text
}

fn applies(rule: &Considered) -> String {
    let key = match (rule.key, &rule.wants) {
        (Some(key), Some(wants)) => format!(", {key}: {wants}"),
        (Some(key), None) => format!(", {key}"),
        (None, _) => String::new(),
    };
    match rule.applies {
        Applies::Depends => format!("depends{key}"),
        Applies::No => format!("no{key}"),
        Applies::Yes => "yes".to_owned(),
    }
}

fn table(config: &Config) -> String {
    let head = ["RULE", "WHO", "ACTIONS", "WHERE AND WHEN"].map(str::to_owned);
    let grants = config.grants.iter().enumerate().map(|(place, grant)| {
        [
            grant.name(place),
            who(&grant.principals, &grant.groups),
            grant.actions.to_string(),
            or(grant.selectors().scope().to_string(), "anywhere"),
        ]
    });
    let anonymous = config.anonymous.iter().map(|anonymous| {
        let actions: Actions = anonymous.actions.iter().copied().collect();
        let clusters = match anonymous.clusters.is_empty() {
            true => "anywhere".to_owned(),
            false => format!("clusters {}", anonymous.clusters.join(", ")),
        };
        [
            ANONYMOUS.to_owned(),
            "whoever shows nothing".to_owned(),
            actions.to_string(),
            clusters,
        ]
    });
    let refusals = config.refusals.iter().enumerate().map(|(place, refusal)| {
        let mut who = or(who(&refusal.principals, &refusal.groups), "everybody");
        let except = self::who(&refusal.except_principals, &refusal.except_groups);
        if !except.is_empty() {
            let _ = write!(who, " but {except}");
        }
        let mut when = or(refusal.selectors().scope().to_string(), "anywhere");
        for window in &refusal.windows {
            let _ = write!(when, "; {window}");
        }
        [refusal.name(place), who, forbidden(refusal.actions), when]
    });
    let of_clusters = config.clusters.iter().flat_map(|cluster| {
        let refusal = |name: &str, releases: String| {
            [
                name.to_owned(),
                "everybody".to_owned(),
                forbidden(Actions::MUTATIONS),
                format!("clusters {}{releases}", cluster.name),
            ]
        };
        let read_only = cluster.read_only.then(|| refusal(READ_ONLY, String::new()));
        let protected = (!cluster.protected.is_empty()).then(|| {
            refusal(
                PROTECTED,
                format!("; releases {}", cluster.protected.join(", ")),
            )
        });
        read_only.into_iter().chain(protected)
    });
    let rows: Vec<_> = std::iter::once(head)
        .chain(grants)
        .chain(anonymous)
        .chain(refusals)
        .chain(of_clusters)
        .collect();
    columns(rows.into_iter())
}

fn forbidden(actions: Actions) -> String {
    match actions {
        Actions::MUTATIONS => "no change".to_owned(),
        others => format!("not {others}"),
    }
}

fn who(principals: &[String], groups: &[String]) -> String {
    let groups = groups.iter().map(|group| format!("group {group}"));
    let all: Vec<String> = principals.iter().cloned().chain(groups).collect();
    all.join(", ")
}

fn or(text: String, empty: &str) -> String {
    if text.is_empty() {
        empty.to_owned()
    } else {
        text
    }
}

/// One line a row, in columns as wide as what is in them.
fn columns<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const ALLOWED: u8 = 0;
const REFUSED: u8 = 1;
const UNANSWERED: u8 = 2;
const DEPENDS: u8 = 3;

#[cfg(test)]
mod tests;
