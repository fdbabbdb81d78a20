//! What a rule is about: its selectors, each held against an attempt of which not everything may be known.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Action, Attempt, Place};
use crate::config::matches;

/// Where and to what a rule applies. A selector that is not set is met by everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scope {
    /// Clusters, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Patterns>,
    /// Clusters, by region; one without a region is met by `*` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Patterns>,
    /// Labels that clusters must have, each with such a value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Tillers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tillers: Option<Patterns>,
    /// Namespaces of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Patterns>,
    /// Names of releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<Patterns>,
    /// Sources of charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charts: Option<Patterns>,
}

impl Scope {
    /// How `attempt` meets one selector.
    pub(super) fn fit(&self, selector: Selector, attempt: &Attempt<'_>) -> Fit {
        let action = attempt.action;
        let has = match selector {
            Selector::Charts => action.has_chart(),
            Selector::Namespaces | Selector::Releases | Selector::Tillers => action.has_release(),
            // Charts are in repositories; who asks for one need not have a cluster in mind.
            Selector::Clusters | Selector::Labels | Selector::Regions => {
                attempt.place.is_some() || action != Action::ReadCharts
            }
        };
        if selector == Selector::Labels {
            return match attempt.place {
                _ if self.labels.is_empty() => Fit::Met,
                _ if !has => Fit::Foreign,
                None => Fit::Open,
                Some(place) => Fit::from(self.labels.iter().all(|(label, pattern)| {
                    place
                        .labels
                        .get(label)
                        .is_some_and(|value| matches(pattern, value))
                })),
            };
        }
        let Some(patterns) = self.patterns(selector) else {
            return Fit::Met;
        };
        if !has {
            return Fit::Foreign;
        }
        patterns.fit(match selector {
            Selector::Charts => attempt.chart,
            Selector::Clusters => attempt.place.map(|place| place.cluster),
            Selector::Labels => None,
            Selector::Namespaces => attempt.namespace,
            Selector::Regions => attempt.place.map(|place| place.region.unwrap_or_default()),
            Selector::Releases => attempt.release,
            Selector::Tillers => attempt.place.and_then(|place| place.tiller),
        })
    }

    /// Whether it is about anything in that place.
    pub(crate) fn covers(&self, place: &Place<'_>) -> bool {
        self.reaches(&Attempt {
            action: Action::Read,
            dry_run: false,
            place: Some(*place),
            namespace: None,
            release: None,
            chart: None,
        })
    }

    /// Whether it is about the place of `attempt`, or may be.
    pub(super) fn reaches(&self, attempt: &Attempt<'_>) -> bool {
        [
            Selector::Clusters,
            Selector::Labels,
            Selector::Regions,
            Selector::Tillers,
        ]
        .into_iter()
        .all(|selector| self.fit(selector, attempt) != Fit::Missed)
    }

    /// What a selector asks for, in words; empty if it is not set.
    pub(super) fn wants(&self, selector: Selector) -> String {
        if selector == Selector::Labels {
            let labels: Vec<String> = self
                .labels
                .iter()
                .map(|(label, value)| format!("{label}={value}"))
                .collect();
            return labels.join(", ");
        }
        self.patterns(selector)
            .map_or_else(String::new, Patterns::to_string)
    }

    const fn patterns(&self, selector: Selector) -> Option<&Patterns> {
        match selector {
            Selector::Charts => self.charts.as_ref(),
            Selector::Clusters => self.clusters.as_ref(),
            Selector::Labels => None,
            Selector::Namespaces => self.namespaces.as_ref(),
            Selector::Regions => self.regions.as_ref(),
            Selector::Releases => self.releases.as_ref(),
            Selector::Tillers => self.tillers.as_ref(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut semicolon = "";
        for selector in Selector::ALL {
            let wants = self.wants(selector);
            if !wants.is_empty() {
                write!(f, "{semicolon}{} {wants}", selector.as_str())?;
                semicolon = "; ";
            }
        }
        Ok(())
    }
}

/// A selector of a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Selector {
    /// `charts`
    Charts,
    /// `clusters`
    Clusters,
    /// `labels`
    Labels,
    /// `namespaces`
    Namespaces,
    /// `regions`
    Regions,
    /// `releases`
    Releases,
    /// `tillers`
    Tillers,
}

impl Selector {
    /// All of them, from the widest to the narrowest: the order in which they are tried and explained.
    pub const ALL: [Self; 7] = [
        Self::Clusters,
        Self::Regions,
        Self::Labels,
        Self::Tillers,
        Self::Namespaces,
        Self::Releases,
        Self::Charts,
    ];

    /// Its key in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Charts => "charts",
            Self::Clusters => "clusters",
            Self::Labels => "labels",
            Self::Namespaces => "namespaces",
            Self::Regions => "regions",
            Self::Releases => "releases",
            Self::Tillers => "tillers",
        }
    }
}

/// How an attempt meets a selector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fit {
    /// It has nothing that the selector is about: a rollback brings no chart, a chart has no namespace.
    Foreign,
    /// It meets it.
    Met,
    /// It does not.
    Missed,
    /// That depends on what is not known.
    Open,
}

impl From<bool> for Fit {
    fn from(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

/// Texts of which one must match; in each `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Patterns {
    texts: Vec<String>,
    #[serde(skip)]
    any: bool,
}

impl Patterns {
    pub(crate) fn new(texts: &[String]) -> Self {
        let is_any = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte == b'*');
        Self {
            texts: texts.to_vec(),
            any: texts.iter().any(is_any),
        }
    }

    /// Whether one of them matches `text`.
    pub(super) fn meet(&self, text: &str) -> bool {
        self.any || self.texts.iter().any(|pattern| matches(pattern, text))
    }

    /// Whether one of them matches anything that begins with `start`.
    pub(super) fn meet_below(&self, start: &str) -> bool {
        self.texts
            .iter()
            .any(|pattern| match pattern.split_once('*') {
                None => pattern.starts_with(start),
                Some((first, _)) => first.starts_with(start) || start.starts_with(first),
            })
    }

    /// The texts, if each stands for itself alone.
    pub(super) fn exact(&self) -> Option<&[String]> {
        let exact = self.texts.iter().all(|text| !text.contains('*'));
        exact.then_some(&self.texts)
    }

    /// Whether one of them matches what one of `other` is, as far as that can be told.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let overlap = |one: &String| {
            let meets = |other: &String| matches(one, other) || matches(other, one);
            other.texts.iter().any(meets)
        };
        self.texts.iter().any(overlap)
    }

    fn fit(&self, text: Option<&str>) -> Fit {
        match text {
            _ if self.any => Fit::Met,
            None => Fit::Open,
            Some(text) => Fit::from(self.meet(text)),
        }
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.texts.iter().take(SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{text}")?;
        }
        match self.texts.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// How many patterns a sentence names.
const SHOWN: usize = 10;
