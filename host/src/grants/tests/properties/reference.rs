//! The rules once more, written plainly: no index, no bits, nothing left open.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::generated::Whole;
use crate::access::{Method, Principal};
use crate::config::{ClusterConfig, Config, RefusalConfig};
use crate::grants::{Action, Actions, Window};

/// What comes of `attempt`, of which everything is known, as [`outcome`] has it.
pub(super) fn expected(
    config: &Config,
    who: &Principal,
    attempt: &Whole,
    now: Timestamp,
) -> String {
    let Some(grant) = granted(config, who, attempt) else {
        return "-".to_owned();
    };
    for (place, refusal) in config.refusals.iter().enumerate() {
        if refuses(refusal, who, attempt, now) {
            return format!("!refusal[{place}]");
        }
    }
    for cluster in &config.clusters {
        let here = attempt.cluster.as_deref() == Some(&cluster.name);
        let changes = attempt.action.is_mutation() && !rehearses(attempt);
        if here && changes && cluster.read_only {
            return "!read-only".to_owned();
        }
        if here && changes && like(&cluster.protected, attempt.release.as_deref().unwrap()) {
            return "!protected".to_owned();
        }
    }
    grant
}

pub(super) fn granted(config: &Config, who: &Principal, attempt: &Whole) -> Option<String> {
    if who.method == Method::Local {
        return Some("local".to_owned());
    }
    if is_unknown(who) {
        let anonymous = config.anonymous.as_ref()?;
        let actions: Actions = anonymous.actions.iter().copied().collect();
        let here = match &attempt.cluster {
            Some(cluster) => anonymous.clusters.is_empty() || like(&anonymous.clusters, cluster),
            None => true,
        };
        return (here && brings(actions, attempt)).then(|| "anonymous".to_owned());
    }
    for (place, grant) in config.grants.iter().enumerate() {
        let here = match &attempt.cluster {
            None => true,
            Some(name) => {
                let cluster = attempt.at(name);
                is_like(&grant.clusters, name)
                    && is_like(&grant.regions, cluster.region.as_deref().unwrap_or(""))
                    && labelled(&grant.labels, &cluster)
            }
        };
        let charts = attempt.action == Action::ReadCharts;
        let there = charts
            || is_like(&grant.tillers, attempt.tiller.as_deref().unwrap())
                && is_like(&grant.namespaces, attempt.namespace.as_deref().unwrap())
                && is_like(&grant.releases, attempt.release.as_deref().unwrap());
        let with =
            !brings_chart(attempt) || is_like(&grant.charts, attempt.chart.as_deref().unwrap());
        if names(&grant.principals, &grant.groups, who)
            && brings(grant.actions, attempt)
            && here
            && there
            && with
        {
            return Some(format!("grant[{place}]"));
        }
    }
    None
}

fn brings(actions: Actions, attempt: &Whole) -> bool {
    let any = |some: &[Action]| some.iter().any(|action| actions.contains(*action));
    match attempt.action {
        Action::Read => any(&[
            Action::Read,
            Action::GetValues,
            Action::Install,
            Action::Upgrade,
            Action::Rollback,
            Action::Uninstall,
            Action::Test,
        ]),
        Action::ReadCharts => any(&[
            Action::ReadCharts,
            Action::Install,
            Action::Upgrade,
            Action::DryRun,
        ]),
        action if rehearses(attempt) => any(&[action, Action::DryRun]),
        action => any(&[action]),
    }
}

fn refuses(refusal: &RefusalConfig, who: &Principal, attempt: &Whole, now: Timestamp) -> bool {
    let forbidden = match attempt.action {
        Action::GetValues => {
            refusal.actions.contains(Action::GetValues) || refusal.actions.contains(Action::Read)
        }
        _ if rehearses(attempt) => refusal.actions.contains(Action::DryRun),
        action => refusal.actions.contains(action),
    };
    let here = match &attempt.cluster {
        None => {
            refusal.clusters.is_none() && refusal.regions.is_none() && refusal.labels.is_empty()
        }
        Some(name) => {
            let cluster = attempt.at(name);
            is_like(&refusal.clusters, name)
                && is_like(&refusal.regions, cluster.region.as_deref().unwrap_or(""))
                && labelled(&refusal.labels, &cluster)
        }
    };
    let there = match attempt.action {
        Action::ReadCharts => {
            refusal.tillers.is_none() && refusal.namespaces.is_none() && refusal.releases.is_none()
        }
        _ => {
            is_like(&refusal.tillers, attempt.tiller.as_deref().unwrap())
                && is_like(&refusal.namespaces, attempt.namespace.as_deref().unwrap())
                && is_like(&refusal.releases, attempt.release.as_deref().unwrap())
        }
    };
    let with = match &refusal.charts {
        None => true,
        Some(charts) => brings_chart(attempt) && like(charts, attempt.chart.as_deref().unwrap()),
    };
    let then = refusal.windows.is_empty()
        || refusal.windows.iter().any(|window| match window {
            Window::Once { from, to } => from.unwrap() <= now && now < to.unwrap(),
            Window::Weekly { .. } => unreachable!("none is generated"),
        });
    forbidden && concerns(refusal, who) && here && there && with && then
}

pub(super) fn concerns(refusal: &RefusalConfig, who: &Principal) -> bool {
    let everybody = refusal.principals.is_empty() && refusal.groups.is_empty();
    let excepted =
        !is_unknown(who) && names(&refusal.except_principals, &refusal.except_groups, who);
    (everybody || names(&refusal.principals, &refusal.groups, who)) && !excepted
}

pub(super) fn names(principals: &[String], groups: &[String], who: &Principal) -> bool {
    like(principals, &who.name) || who.groups.iter().any(|group| like(groups, group))
}

pub(super) fn is_unknown(who: &Principal) -> bool {
    who.method == Method::Anonymous
}

fn rehearses(attempt: &Whole) -> bool {
    let action = attempt.action;
    attempt.dry_run && [Action::Install, Action::Upgrade, Action::Rollback].contains(&action)
}

fn brings_chart(attempt: &Whole) -> bool {
    [
        Action::Install,
        Action::Upgrade,
        Action::ReadCharts,
        Action::DryRun,
    ]
    .contains(&attempt.action)
}

fn labelled(labels: &BTreeMap<String, String>, cluster: &ClusterConfig) -> bool {
    labels.iter().all(|(label, pattern)| {
        cluster
            .labels
            .get(label)
            .is_some_and(|value| glob(pattern.as_bytes(), value.as_bytes()))
    })
}

fn is_like(patterns: &Option<Vec<String>>, name: &str) -> bool {
    patterns
        .as_ref()
        .is_none_or(|patterns| like(patterns, name))
}

fn like(patterns: &[String], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| glob(pattern.as_bytes(), name.as_bytes()))
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(rest, name) => true,
        (Some((b'*', _)), Some((_, name))) => glob(pattern, name),
        (Some((one, rest)), Some((other, name))) => one == other && glob(rest, name),
        _ => false,
    }
}
