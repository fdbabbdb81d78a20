//! Policies, callers and attempts, of few names, so that they have to do with each other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::access::{Method, Principal};
use crate::config::{AnonymousConfig, ClusterConfig, Config, GrantConfig, RefusalConfig};
use crate::grants::tests::principal;
use crate::grants::{Action, Actions, Attempt, Place, Window};

const CLUSTERS: [&str; 3] = ["prod", "dev-1", "dev-2"];
const TILLERS: [&str; 2] = ["default", "team"];
const NAMESPACES: [&str; 4] = ["shop", "shop-eu", "infra", "other"];
const RELEASES: [&str; 4] = ["web", "web-2", "db", "other"];
const CHARTS: [&str; 4] = ["stable/web", "stable/db", "upload", "other/x"];
const PEOPLE: [&str; 5] = ["alice", "bob", "ci-1", "ci-2", "eve"];
const GROUPS: [&str; 4] = ["dev", "ops", "ops-eu", "all"];

/// An attempt that owns what it is about.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) action: Action,
    pub(super) dry_run: bool,
    pub(super) cluster: Option<String>,
    pub(super) clusters: Vec<ClusterConfig>,
    pub(super) tiller: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) release: Option<String>,
    pub(super) chart: Option<String>,
}

impl Whole {
    pub(super) fn at(&self, name: &str) -> ClusterConfig {
        let found = self.clusters.iter().find(|cluster| cluster.name == name);
        found.expect("one of them").clone()
    }

    pub(super) fn borrowed(&self) -> Attempt<'_> {
        let cluster = self.cluster.as_ref().map(|name| {
            let found = self.clusters.iter().find(|cluster| cluster.name == *name);
            found.expect("one of them")
        });
        Attempt {
            action: self.action,
            dry_run: self.dry_run,
            place: cluster.map(|cluster| Place {
                cluster: &cluster.name,
                region: cluster.region.as_deref(),
                labels: &cluster.labels,
                tiller: self.tiller.as_deref(),
            }),
            namespace: self.namespace.as_deref(),
            release: self.release.as_deref(),
            chart: self.chart.as_deref(),
        }
    }

    pub(super) fn without(mut self, hidden: &[bool]) -> Self {
        // Of a chart it would mean that it is for no cluster, which is something else.
        let cluster = (self.action != Action::ReadCharts).then_some(&mut self.cluster);
        for (part, hide) in [
            &mut self.tiller,
            &mut self.namespace,
            &mut self.release,
            &mut self.chart,
        ]
        .into_iter()
        .chain(cluster)
        .zip(hidden)
        {
            if *hide {
                *part = None;
            }
        }
        self
    }

    /// With everything that it may turn out to be.
    pub(super) fn completions(&self) -> Vec<Self> {
        fn each(part: &Option<String>, all: &[&str]) -> Vec<Option<String>> {
            match part {
                Some(known) => vec![Some(known.clone())],
                None => all.iter().map(|one| Some((*one).to_owned())).collect(),
            }
        }
        let clusters = match self.action {
            Action::ReadCharts => vec![self.cluster.clone()],
            _ => each(&self.cluster, &CLUSTERS),
        };
        let mut all = Vec::new();
        for cluster in &clusters {
            for tiller in each(&self.tiller, &TILLERS) {
                for namespace in each(&self.namespace, &NAMESPACES) {
                    for release in each(&self.release, &RELEASES) {
                        for chart in each(&self.chart, &CHARTS) {
                            all.push(Self {
                                cluster: cluster.clone(),
                                tiller: tiller.clone(),
                                namespace: namespace.clone(),
                                release: release.clone(),
                                chart,
                                ..self.clone()
                            });
                        }
                    }
                }
            }
        }
        all
    }
}

pub(super) fn attempt() -> impl Strategy<Value = Whole> {
    (
        select(Action::ALL),
        any::<bool>(),
        any::<bool>(),
        select(&CLUSTERS[..]),
        select(&TILLERS[..]),
        select(&NAMESPACES[..]),
        select(&RELEASES[..]),
        select(&CHARTS[..]),
    )
        .prop_map(
            |(action, dry_run, nowhere, cluster, tiller, namespace, release, chart)| Whole {
                action,
                dry_run,
                // Only charts are anywhere.
                cluster: (!nowhere || action != Action::ReadCharts).then(|| cluster.to_owned()),
                clusters: clusters(),
                tiller: Some(tiller.to_owned()),
                namespace: Some(namespace.to_owned()),
                release: Some(release.to_owned()),
                chart: Some(chart.to_owned()),
            },
        )
}

fn clusters() -> Vec<ClusterConfig> {
    let labels = |tier: &str| BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
    let cluster = |name: &str, region: Option<&str>, labels| ClusterConfig {
        name: name.to_owned(),
        region: region.map(str::to_owned),
        labels,
        ..ClusterConfig::default()
    };
    vec![
        cluster("prod", Some("eu"), labels("gold")),
        cluster("dev-1", Some("us"), labels("tin")),
        cluster("dev-2", None, BTreeMap::new()),
    ]
}

pub(super) fn now() -> impl Strategy<Value = Timestamp> {
    (0_i64..10).prop_map(|second| Timestamp::from_second(second).expect("a time"))
}

pub(super) fn caller() -> impl Strategy<Value = Principal> {
    (
        select(&PEOPLE[..]),
        subsequence(&GROUPS[..], 0..=2),
        select(vec![
            Method::Token,
            Method::Token,
            Method::Oidc,
            Method::Kubernetes,
            Method::Certificate,
            Method::Anonymous,
            Method::Local,
        ]),
    )
        .prop_map(|(name, groups, method)| principal(method, name, &groups))
}

/// Names and what matches several of them.
fn patterns(all: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let pattern =
        (select(all), 0_usize..8, any::<bool>()).prop_map(|(name, cut, front)| {
            match name.split_at_checked(cut.min(name.len())) {
                Some((_, tail)) if front && cut > 0 => format!("*{tail}"),
                Some((head, _)) if cut < 4 => format!("{head}*"),
                _ => name.to_owned(),
            }
        });
    vec(pattern, 1..=2)
}

fn selector(all: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<String>>> {
    weighted(0.3, patterns(all))
}

fn actions() -> impl Strategy<Value = Actions> {
    prop_oneof![
        1 => Just(Actions::ALL),
        4 => subsequence(Action::ALL, 1..=4).prop_map(Actions::from_iter),
    ]
}

type Selectors = (
    Option<Vec<String>>,
    Option<Vec<String>>,
    BTreeMap<String, String>,
    Option<Vec<String>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
    Option<Vec<String>>,
);

fn selectors() -> impl Strategy<Value = Selectors> {
    let label = weighted(0.2, select(vec!["gold", "g*", "*"]));
    (
        selector(&CLUSTERS),
        selector(&["eu", "us", "*"]),
        label.prop_map(|value| {
            let label = value.map(|value| ("tier".to_owned(), value.to_owned()));
            label.into_iter().collect()
        }),
        selector(&TILLERS),
        selector(&NAMESPACES),
        selector(&RELEASES),
        selector(&CHARTS),
    )
}

fn grant() -> impl Strategy<Value = GrantConfig> {
    let who = (of(patterns(&PEOPLE)), of(patterns(&GROUPS)));
    (who, actions(), selectors()).prop_map(
        |(
            (principals, groups),
            actions,
            (clusters, regions, labels, tillers, namespaces, releases, charts),
        )| GrantConfig {
            name: None,
            principals: principals.unwrap_or_default(),
            groups: groups.unwrap_or_default(),
            actions,
            clusters,
            regions,
            labels,
            tillers,
            namespaces,
            releases,
            charts,
        },
    )
}

fn refusal() -> impl Strategy<Value = RefusalConfig> {
    let window = (0_i64..10, 0_i64..10).prop_map(|(one, other)| Window::Once {
        from: Some(Timestamp::from_second(one.min(other)).expect("a time")),
        to: Some(Timestamp::from_second(one.max(other)).expect("a time")),
    });
    (grant(), grant(), any::<bool>(), vec(window, 0..=2)).prop_map(
        |(grant, except, usual, windows)| RefusalConfig {
            name: None,
            reason: "because".to_owned(),
            principals: grant.principals,
            groups: grant.groups,
            except_principals: except.principals,
            except_groups: except.groups,
            actions: if usual {
                Actions::MUTATIONS
            } else {
                grant.actions
            },
            clusters: grant.clusters,
            regions: grant.regions,
            labels: grant.labels,
            tillers: grant.tillers,
            namespaces: grant.namespaces,
            releases: grant.releases,
            charts: grant.charts,
            windows,
        },
    )
}

fn anonymous() -> impl Strategy<Value = AnonymousConfig> {
    let actions = subsequence(Action::ALL, 1..=3);
    let clusters = prop_oneof![Just(Vec::new()), patterns(&CLUSTERS)];
    (actions, clusters).prop_map(|(actions, clusters)| AnonymousConfig { actions, clusters })
}

pub(super) fn config() -> impl Strategy<Value = Config> {
    let sugar = vec(
        (weighted(0.2, Just(())), weighted(0.3, patterns(&RELEASES))),
        3,
    );
    (
        vec(grant(), 0..8),
        vec(refusal(), 0..4),
        of(anonymous()),
        sugar,
    )
        .prop_map(|(grants, refusals, anonymous, sugar)| {
            let mut clusters = clusters();
            for (cluster, (read_only, protected)) in clusters.iter_mut().zip(sugar) {
                cluster.read_only = read_only.is_some();
                cluster.protected = protected.unwrap_or_default();
            }
            Config {
                grants,
                refusals,
                anonymous,
                clusters,
                ..Config::default()
            }
        })
}
