//! The decision as a table: whom, what, where, and what comes of it.

mod explaining;
mod properties;
mod refusals;
mod table;
mod windows;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::{Action, Attempt, Decision, Place, Policy};
use crate::access::{Method, Principal};
use crate::config::Config;

fn config(text: &str) -> Config {
    Config::parse(text, Path::new("/edge.toml")).expect("a good configuration")
}

fn policy(text: &str) -> Policy {
    Policy::compile(&config(text))
}

fn principal(method: Method, name: &str, groups: &[&str]) -> Principal {
    Principal {
        name: name.to_owned(),
        groups: groups.iter().copied().map(str::to_owned).collect(),
        method,
    }
}

fn named(name: &str, groups: &[&str]) -> Principal {
    principal(Method::Token, name, groups)
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn noon() -> Timestamp {
    time("2026-06-10T12:00:00Z")
}

static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

fn cluster(name: &str) -> Place<'_> {
    Place {
        cluster: name,
        region: None,
        labels: &NO_LABELS,
        tiller: Some("default"),
    }
}

/// An attempt on a release `shop/web` of the cluster `prod`, with a chart of the repository `stable`.
fn attempt(action: Action) -> Attempt<'static> {
    Attempt {
        action,
        dry_run: false,
        place: Some(cluster("prod")),
        namespace: Some("shop"),
        release: Some("web"),
        chart: Some("stable/nginx"),
    }
}

/// In short: the grant's name, `-` if no grant allows it, `!` and the refusal's name, or `?`.
fn outcome(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Allowed { grant } => (*grant).to_owned(),
        Decision::Depends => "?".to_owned(),
        Decision::Refused { refusal: None, .. } => "-".to_owned(),
        Decision::Refused {
            refusal: Some(refusal),
            ..
        } => format!("!{refusal}"),
    }
}
