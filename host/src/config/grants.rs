//! Grants and refusals as an operator writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::grants::{Actions, Patterns, Scope, Window};

/// What principals may do. What is left out is not limited; in every pattern `*` stands for any text.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrantConfig {
    /// Its name, in audit lines and explanations; default: `grant[0]` for the first in the file, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Names of principals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    /// Names of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// The actions; `*` for all.
    pub actions: Actions,
    /// Clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    /// Regions of clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// Labels that clusters must have, each with such a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Tillers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tillers: Option<Vec<String>>,
    /// Namespaces of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Names of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Vec<String>>,
    /// Sources of charts: `repository/name`, a URL, or `upload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charts: Option<Vec<String>>,
}

impl GrantConfig {
    /// Its name, default applied, if it stands at `place` among the grants.
    pub(crate) fn name(&self, place: usize) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("grant[{place}]"))
    }

    pub(crate) fn selectors(&self) -> Selectors<'_> {
        Selectors {
            clusters: &self.clusters,
            regions: &self.regions,
            labels: &self.labels,
            tillers: &self.tillers,
            namespaces: &self.namespaces,
            releases: &self.releases,
            charts: &self.charts,
        }
    }
}

/// What is forbidden whatever is granted. Its selectors are those of a grant.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefusalConfig {
    /// Its name, in audit lines and explanations; default: `refusal[0]` for the first in the file, and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Why, for those who are refused.
    pub reason: String,
    /// Names of principals; with no groups either, everybody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    /// Names of groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Names of principals who are not refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except_principals: Vec<String>,
    /// Names of groups whose members are not refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except_groups: Vec<String>,
    /// The actions; default: every mutation that is not a dry run.
    pub actions: Actions,
    /// Clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Vec<String>>,
    /// Regions of clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// Labels that clusters must have, each with such a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Tillers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tillers: Option<Vec<String>>,
    /// Namespaces of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Names of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Vec<String>>,
    /// Sources of charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charts: Option<Vec<String>>,
    /// When; none: always.
    #[serde(rename = "window", skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

impl RefusalConfig {
    /// Its name, default applied, if it stands at `place` among the refusals.
    pub(crate) fn name(&self, place: usize) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| format!("refusal[{place}]"))
    }

    pub(crate) fn selectors(&self) -> Selectors<'_> {
        Selectors {
            clusters: &self.clusters,
            regions: &self.regions,
            labels: &self.labels,
            tillers: &self.tillers,
            namespaces: &self.namespaces,
            releases: &self.releases,
            charts: &self.charts,
        }
    }
}

impl Default for RefusalConfig {
    fn default() -> Self {
        Self {
            name: None,
            reason: String::new(),
            principals: Vec::new(),
            groups: Vec::new(),
            except_principals: Vec::new(),
            except_groups: Vec::new(),
            actions: Actions::MUTATIONS,
            clusters: None,
            regions: None,
            labels: BTreeMap::new(),
            tillers: None,
            namespaces: None,
            releases: None,
            charts: None,
            windows: Vec::new(),
        }
    }
}

/// The selectors of either.
pub(crate) struct Selectors<'a> {
    pub(super) clusters: &'a Option<Vec<String>>,
    pub(super) regions: &'a Option<Vec<String>>,
    pub(super) labels: &'a BTreeMap<String, String>,
    pub(super) tillers: &'a Option<Vec<String>>,
    pub(super) namespaces: &'a Option<Vec<String>>,
    pub(super) releases: &'a Option<Vec<String>>,
    pub(super) charts: &'a Option<Vec<String>>,
}

impl Selectors<'_> {
    pub(crate) fn scope(&self) -> Scope {
        let patterns = |texts: &Option<Vec<String>>| texts.as_deref().map(Patterns::new);
        Scope {
            clusters: patterns(self.clusters),
            regions: patterns(self.regions),
            labels: self.labels.clone(),
            tillers: patterns(self.tillers),
            namespaces: patterns(self.namespaces),
            releases: patterns(self.releases),
            charts: patterns(self.charts),
        }
    }
}
