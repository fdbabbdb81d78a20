//! Who may do what, as a table: the same rows for the decision alone, for an edge before a simulated cluster, and for one
//! before a real cluster.
//!
//! The rows are in `tests/access/table.txt`, the grants and refusals that they are about in `tests/access/edge.toml`. A
//! row is one attempt: as the policy sees it, and as a request.

mod request;

pub use self::request::upload;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tiller_api::Method;
use tiller_edge::access::{self, Principal};
use tiller_edge::config::{
    ClusterConfig, Config, DEFAULT_TILLER, RepositoryConfig, TillerConfig, Transport,
};
use tiller_edge::grants::{Action, Attempt, Decision, Place, Policy};

/// The tiller that every cluster of the table has beside its default one.
pub const BLUE: &str = "blue";

/// The repository of the table.
pub const REPOSITORY: &str = "stable";

/// A release that is there before anybody asks for anything.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// Its tiller.
    pub tiller: &'static str,
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// Every release, in every cluster. Those that are rolled back have a revision to go back to.
pub const FIXTURES: [Fixture; 9] = [
    fixture(DEFAULT_TILLER, "a", "web-a"),
    fixture(DEFAULT_TILLER, "a", "api-a"),
    fixture(DEFAULT_TILLER, "a", "vault-a"),
    fixture(DEFAULT_TILLER, "a", "old-a"),
    fixture(DEFAULT_TILLER, "b", "web-b"),
    fixture(DEFAULT_TILLER, "b", "api-b"),
    fixture(DEFAULT_TILLER, "b", "vault-b"),
    fixture(DEFAULT_TILLER, "c", "web-c"),
    fixture(BLUE, "a", "blue-a"),
];

const fn fixture(tiller: &'static str, namespace: &'static str, name: &'static str) -> Fixture {
    Fixture {
        tiller,
        namespace,
        name,
    }
}

/// The rows, and the configuration that they are about.
#[derive(Clone, Debug)]
pub struct Table {
    /// The rows, in their order.
    pub rows: Vec<Row>,
    config: Config,
}

impl Table {
    /// Reads both.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or a row is none.
    pub fn load() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("access");
        let rows = fs::read_to_string(folder.join("table.txt"))?;
        let rows = rows
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, line)| {
                Row::parse(number + 1, line).with_context(|| format!("table.txt:{}", number + 1))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            rows,
            config: Config::load(Some(&folder.join("edge.toml")))?,
        })
    }

    /// The grants and refusals, for the decision alone.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::compile(&self.config)
    }

    /// What is decided about a row, as the table writes it.
    #[must_use]
    pub fn decided(&self, policy: &Policy, row: &Row) -> String {
        let named = |cluster: &&ClusterConfig| cluster.name == row.cluster;
        let cluster = self.config.clusters.iter().find(named);
        let no_labels = BTreeMap::new();
        let attempt = Attempt {
            action: row.deed.action(),
            dry_run: row.dry_run,
            place: Some(Place {
                cluster: &row.cluster,
                region: cluster.and_then(|cluster| cluster.region.as_deref()),
                labels: cluster.map_or(&no_labels, |cluster| &cluster.labels),
                tiller: Some(row.tiller.as_deref().unwrap_or(DEFAULT_TILLER)),
            }),
            namespace: Some(&row.namespace),
            release: Some(&row.release),
            chart: row.chart.as_deref(),
        };
        let now = NOW.parse().expect("a time");
        match policy.decide(&self.principal(row), &attempt, now) {
            Decision::Allowed { grant } => grant.to_owned(),
            Decision::Depends => "?".to_owned(),
            Decision::Refused { refusal: None, .. } => "-".to_owned(),
            Decision::Refused {
                refusal: Some(refusal),
                ..
            } => format!("!{refusal}"),
        }
    }

    /// The configuration of an edge that authenticates callers. Every cluster is reached by the kubeconfig and context
    /// that `place` gives for its name.
    #[must_use]
    pub fn edge(&self, place: impl Fn(&str) -> (PathBuf, String), repository: &str) -> Config {
        let mut config = self.config.clone();
        config.repositories = vec![RepositoryConfig {
            name: REPOSITORY.to_owned(),
            url: repository.to_owned(),
            ..RepositoryConfig::default()
        }];
        for cluster in &mut config.clusters {
            let (kubeconfig, context) = place(&cluster.name);
            cluster.kubeconfig = Some(kubeconfig);
            cluster.context = Some(context);
            let blue = TillerConfig {
                name: BLUE.to_owned(),
                transport: Transport::Grpc,
                ..TillerConfig::default()
            };
            cluster.tillers = vec![TillerConfig::default(), blue];
        }
        config
    }

    fn principal(&self, row: &Row) -> Principal {
        let method = match row.who.as_str() {
            ANONYMOUS => access::Method::Anonymous,
            LOCAL => access::Method::Local,
            _ => access::Method::Token,
        };
        let named = self
            .config
            .tokens
            .iter()
            .find(|token| token.name == row.who);
        Principal {
            name: row.who.clone(),
            groups: named.map(|token| token.groups.clone()).unwrap_or_default(),
            method,
        }
    }
}

/// The same edge without authentication.
#[must_use]
pub fn open(config: &Config) -> Config {
    Config {
        tokens: Vec::new(),
        anonymous: None,
        grants: Vec::new(),
        ..config.clone()
    }
}

/// When the decision alone is made; the table's windows are centuries wide.
const NOW: &str = "2026-06-10T12:00:00Z";

const ANONYMOUS: &str = "anonymous";
const LOCAL: &str = "local";

/// One attempt, and what comes of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line in the file.
    pub line: usize,
    /// Who.
    pub who: String,
    /// What.
    pub deed: Deed,
    /// Whether it is only asked what would happen.
    pub dry_run: bool,
    /// At which cluster.
    pub cluster: String,
    /// At which tiller; none for the default one.
    pub tiller: Option<String>,
    /// In which namespace the release is, or would be.
    pub namespace: String,
    /// Which release.
    pub release: String,
    /// Where the chart is from, where there is one.
    pub chart: Option<String>,
    /// The grant that allows it, `-`, or `!` and the refusal that forbids it.
    pub decided: String,
    /// The problem's code; none if there is no problem.
    pub code: Option<String>,
}

impl Row {
    fn parse(line: usize, text: &str) -> Result<Self> {
        let cells: Vec<&str> = text.split_whitespace().collect();
        let [who, does, place, what, chart, decided, answer] = cells[..] else {
            anyhow::bail!("{} cells", cells.len());
        };
        let (cluster, tiller) = match place.split_once('/') {
            None => (place, None),
            Some((cluster, tiller)) => (cluster, Some(tiller.to_owned())),
        };
        let (namespace, release) = what.split_once('/').context("no namespace/release")?;
        let (deed, dry_run) = match does.strip_suffix('?') {
            None => (does, false),
            Some(deed) => (deed, true),
        };
        let row = Self {
            line,
            who: who.to_owned(),
            deed: Deed::named(deed).with_context(|| format!("nobody does {deed}"))?,
            dry_run,
            cluster: cluster.to_owned(),
            tiller,
            namespace: namespace.to_owned(),
            release: release.to_owned(),
            chart: (chart != "-").then(|| chart.to_owned()),
            decided: decided.to_owned(),
            code: (answer != "ok").then(|| answer.to_owned()),
        };
        let allowed = !row.decided.starts_with(['-', '!']);
        ensure!(allowed == row.is_allowed(), "{decided} and {answer}");
        Ok(row)
    }

    /// Whether it is carried out.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.code.is_none()
    }

    /// Whether it changes something, if it is allowed.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.dry_run && self.deed.action().is_mutation()
    }

    /// Whether it takes that release back to its first revision.
    #[must_use]
    pub fn rolls_back(&self, fixture: &Fixture) -> bool {
        self.deed == Deed::Rollback && self.is_allowed() && self.release == fixture.name
    }

    /// Whether it is asked of an edge that authenticates nobody.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.who == LOCAL
    }

    /// The id of its request.
    #[must_use]
    pub fn request_id(&self) -> String {
        format!("table-{}", self.line)
    }
}

/// What somebody does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Sees a release.
    Content,
    /// Sees its revisions.
    History,
    /// Installs one.
    Install,
    /// Rolls it back to its first revision.
    Rollback,
    /// Sees its status.
    Status,
    /// Runs its tests.
    Test,
    /// Deletes it.
    Uninstall,
    /// Upgrades it.
    Upgrade,
    /// Sees its values.
    Values,
}

impl Deed {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "content" => Self::Content,
            "history" => Self::History,
            "install" => Self::Install,
            "rollback" => Self::Rollback,
            "status" => Self::Status,
            "test" => Self::Test,
            "uninstall" => Self::Uninstall,
            "upgrade" => Self::Upgrade,
            "values" => Self::Values,
            _ => return None,
        })
    }

    /// What a grant calls it.
    #[must_use]
    pub fn action(self) -> Action {
        match self {
            Self::Content | Self::History | Self::Status => Action::Read,
            Self::Install => Action::Install,
            Self::Rollback => Action::Rollback,
            Self::Test => Action::Test,
            Self::Uninstall => Action::Uninstall,
            Self::Upgrade => Action::Upgrade,
            Self::Values => Action::GetValues,
        }
    }

    /// The call that it is for Tiller.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Content | Self::Values => Method::GetReleaseContent,
            Self::History => Method::GetHistory,
            Self::Install => Method::InstallRelease,
            Self::Rollback => Method::RollbackRelease,
            Self::Status => Method::GetReleaseStatus,
            Self::Test => Method::RunReleaseTest,
            Self::Uninstall => Method::UninstallRelease,
            Self::Upgrade => Method::UpdateRelease,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_decided_as_the_table_says() {
        let table = Table::load().unwrap();
        let policy = table.policy();
        let wrong: Vec<String> = table
            .rows
            .iter()
            .map(|row| (row, table.decided(&policy, row)))
            .filter(|(row, decided)| row.decided != *decided)
            .map(|(row, decided)| format!("table.txt:{}: {decided}", row.line))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn the_table_has_something_of_everything() {
        let table = Table::load().unwrap();
        assert!(table.rows.len() >= 100);
        let mut rules: Vec<&str> = table.rows.iter().map(|row| row.decided.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        let config = &table.config;
        for name in config
            .grants
            .iter()
            .filter_map(|grant| grant.name.as_deref())
        {
            assert!(rules.contains(&name), "no row is allowed by {name}");
        }
        for row in &table.rows {
            let is_new = row.release.starts_with("new-");
            let exists = FIXTURES.iter().any(|fixture| {
                fixture.name == row.release
                    && fixture.namespace == row.namespace
                    && fixture.tiller == row.tiller.as_deref().unwrap_or(DEFAULT_TILLER)
            });
            assert!(is_new || exists || row.code.is_some(), "{row:?}");
        }
    }
}
