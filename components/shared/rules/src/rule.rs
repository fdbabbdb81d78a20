//! A rule, as an operator writes it: which events it is about and what is to be done then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// A rule of a hook or a watch. What it does not say of events does not matter; patterns know `*` only.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Its name, unique in its hook.
    pub name: String,
    /// The kinds of events; empty: any but pings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Kind>,
    /// The provider's own words for them, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Images by registry and repository, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Source repositories, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    /// Tags, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A range that the tag must be a version in, as Helm writes ranges; a leading `v` of the tag does not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Whether a digest must be there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub digest: bool,
    /// Branches, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// Environments, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// An expression over `event` that must be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The release that is meant. Either this or `discover`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// That all releases are meant that run the image. Either this or `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discover: Option<Discover>,
    /// What is done to it.
    pub upgrade: Upgrade,
    /// Whether it is only asked what would be done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Whether somebody has to approve it first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approve: bool,
    /// Whether a newer operation takes the place of a waiting one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coalesce: Option<Coalesce>,
}

/// Which release is meant, and where.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// The release's name, or in `${…}` an expression over `event` that gives one.
    pub release: String,
    /// Clusters, patterns. With `regions` and `labels`, all of which must fit; at least one of the three is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Regions of clusters, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Labels of clusters, patterns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The tiller in each; its default one if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiller: Option<String>,
}

/// Which releases are looked through for the image.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Discover {
    /// Clusters, patterns; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// Regions of clusters, patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<String>,
    /// Labels of clusters, patterns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Releases, patterns; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<String>,
    /// By chart, where in the values image and tag stand. A chart that is not named has them where its values' `keel:`
    /// section says; without one its releases are not looked at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub charts: BTreeMap<String, Vec<Paths>>,
}

/// Where in a chart's values an image stands, as paths such as `image.repository`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Paths {
    /// The repository, or the whole reference where `tag` is not given.
    pub repository: String,
    /// The registry's host, where it stands apart from the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest, which is set where the event has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What is done to a release.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upgrade {
    /// Values that are set, by path: an expression over `event` each. Those not named stay as they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Another chart or version; without it the release keeps its chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartChange>,
    /// Whether the values of the release are forgotten first.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reset_values: bool,
    /// Whether Tiller waits for the resources.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wait: bool,
    /// Whether a failed upgrade is undone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub atomic: bool,
    /// How long Tiller may take, such as `5m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Whether the release is installed where there is none, which needs a chart and a namespace.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub install: bool,
    /// The namespace of a release that is installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The chart that a release gets.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChartChange {
    /// The repository's name at this edge.
    pub repository: String,
    /// The chart's name.
    pub name: String,
    /// The version or a range, or in `${…}` an expression over `event` that gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What becomes of operations that wait when another comes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Coalesce {
    /// The newest takes the place of those that wait.
    Newest,
}
