//! Repositories as an edge is configured with them, and charts as bodies name them.

use serde_json::{Value, json};
use sim::Store;
use sim::store::archive;
use tiller_edge::config::{Network, RepositoryConfig};

use super::charts::with;

/// A store's repository.
pub(crate) fn repository(name: &str, store: &Store) -> RepositoryConfig {
    RepositoryConfig {
        name: name.to_owned(),
        url: store.url(),
        ca_file: store.ca(),
        ..RepositoryConfig::default()
    }
}

/// The same with a login.
pub(crate) fn with_login(
    repository: RepositoryConfig,
    store: &Store,
    (user, password): (&str, &str),
) -> RepositoryConfig {
    let file = store.file("password", password).expect("written");
    RepositoryConfig {
        username: Some(user.to_owned()),
        password_file: Some(file),
        ..repository
    }
}

/// A network as it is configured.
pub(crate) fn network(text: &str) -> Network {
    serde_json::from_value(json!(text)).expect("a network")
}

/// A store to be, with these versions of the chart `web`.
pub(crate) fn webs(versions: &[&str]) -> sim::store::Options {
    let store = sim::store();
    versions.iter().fold(store, |store, version| {
        store.chart("web", version, archive("web", version))
    })
}

/// The body of an install of the chart `web` of the repository `stable`.
pub(crate) fn stable(name: &str, version: &str) -> Value {
    let chart = json!({ "repository": "stable", "name": "web", "version": version });
    of(name, chart)
}

/// The body of an install of a chart by its URL.
pub(crate) fn url(name: &str, url: &str) -> Value {
    of(name, json!({ "url": url }))
}

/// The body of an install of that chart.
pub(crate) fn of(name: &str, chart: Value) -> Value {
    with(
        json!({ "name": name, "namespace": "shop" }),
        json!({ "chart": chart }),
    )
}
