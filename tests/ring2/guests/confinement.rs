//! Callers who may do little, what there is besides, and the check that nothing of it was reached.

use std::fs;
use std::time::Duration;

use http::Uri;
use prost::Message as _;
use serde_json::Value;
use sim::cluster::EDGE_TOKEN;
use sim::tiller::{Call, Seed};
use sim::{Cluster, Store, cluster};
use tiller_api::Method;
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::services::tiller::{
    InstallReleaseRequest, RollbackReleaseRequest, TestReleaseRequest, UninstallReleaseRequest,
    UpdateReleaseRequest,
};
use tiller_edge::config::{ClusterConfig, Config, Limits};

use super::ask;
use crate::support::repositories::{repository, webs};
use crate::support::{Answer, Stage, soon, stage, until};

/// Mallory's components are hostile; Percy may only see what would happen, Sheila only use the charts of one repository;
/// Charlotte may do everything.
const PEOPLE: &str = r#"
[[token]]
name = "mallory"
hash = "sha256:2b15a66b47b647d6eba402dab917335ac8d189ec062b71b480dec234658ce64d"

[[token]]
name = "percy"
hash = "sha256:ed7bdc0ed1521822fea52265ee5c78a069ca69d9ec015cfcbdf1b7c974527f8d"

[[token]]
name = "sheila"
hash = "sha256:4f411b5d6c0e1f6e87a1b720cfd1cbf5c4ebbf0f023a74ea536e8c901240071d"

[[token]]
name = "charlotte"
hash = "sha256:3b75259e3d153e07a596663abbd7f169c09b8ecb28b7487640a3a74457b5248e"

[[grant]]
name = "everything-in-a"
principals = ["mallory"]
actions = ["*"]
clusters = ["one"]
namespaces = ["a"]

[[grant]]
name = "plans"
principals = ["percy"]
actions = ["dry-run"]
clusters = ["one"]
namespaces = ["a"]

[[grant]]
name = "shelf"
principals = ["sheila"]
actions = ["install"]
clusters = ["one"]
namespaces = ["a"]
charts = ["stable/web"]

[[grant]]
name = "everything"
principals = ["charlotte"]
actions = ["*"]
"#;

pub(super) const MALLORY: &str = "te_mallory-0123456789";
pub(super) const PERCY: &str = "te_percy-0123456789";
pub(super) const SHEILA: &str = "te_sheila-0123456789";
pub(super) const CHARLOTTE: &str = "te_charlotte-0123456789";

/// The way to Tiller, and the only one.
const BRIDGE: &str = "/api/v1/namespaces/kube-system/services/tiller-bridge:grpc-web/proxy";

/// In everything that Mallory must not see.
pub(super) const SECRET: &str = "s3cret";

/// Two clusters and two repositories, and an edge before them.
pub(super) struct Confined {
    pub(super) stage: Stage,
    pub(super) two: Cluster,
    pub(super) private: Store,
    _stable: Store,
}

/// With time enough for components that make many calls.
pub(super) async fn confined() -> Confined {
    confined_by(|limits| limits.cpu = Duration::from_secs(10)).await
}

/// With other limits.
pub(super) async fn confined_by(limits: impl FnOnce(&mut Limits)) -> Confined {
    let two = soon(cluster().named("two").with_releases(secrets("two")).start()).await;
    let kubeconfig = two.kubeconfig();
    let [stable, private] = [webs(&["1.2.3"]), webs(&["9.9.9"])];
    let (stable, private) = (soon(stable.start()).await, soon(private.start()).await);
    let repositories = [
        repository("stable", &stable),
        repository("private", &private),
    ];
    let stage = stage()
        .cluster(|one| {
            one.named("one")
                .with_releases(mine())
                .with_releases(secrets("b"))
        })
        .limits(limits)
        .configure(move |config, home| {
            let people: Config = toml::from_str(PEOPLE).expect("a configuration");
            config.tokens = people.tokens;
            config.grants = people.grants;
            config.repositories.extend(repositories);
            config.audit.file = Some(home.join("audit.log"));
            let file = home.join("two");
            fs::write(&file, kubeconfig).expect("written");
            config.clusters.push(ClusterConfig {
                name: "two".to_owned(),
                kubeconfig: Some(file),
                ..ClusterConfig::default()
            });
        })
        .start()
        .await;
    Confined {
        stage,
        two,
        private,
        _stable: stable,
    }
}

/// The caller's own release, which was in another namespace once.
fn mine() -> [Seed; 2] {
    let seed = |namespace: &str, revision, status, chart: &str| Seed {
        namespace: namespace.to_owned(),
        revision,
        status,
        chart: (chart.to_owned(), "1.0.0".to_owned()),
        ..Seed::new("mine")
    };
    [
        seed("b", 1, Status::Superseded, SECRET),
        seed("a", 2, Status::Deployed, "open"),
    ]
}

/// Releases that are nothing to the caller. Their names too are secret, but for one that it knows.
fn secrets(namespace: &str) -> [Seed; 3] {
    ["a-s3cret", "n-s3cret", "theirs"].map(|name| Seed {
        namespace: namespace.to_owned(),
        chart: (format!("{SECRET}-chart"), "1.0.0".to_owned()),
        ..Seed::new(name)
    })
}

impl Confined {
    /// What a behaviour gets by whoever has that token.
    pub(super) async fn behaves(&self, behaviour: &str, token: &str) -> hyper::Result<Answer> {
        let bearer = format!("Bearer {token}");
        let path = format!("{behaviour}?cluster=one");
        let answer = self
            .stage
            .attempt(ask(&path).header("authorization", &bearer))
            .await;
        self.stage.is_clean().await;
        answer
    }

    /// Nothing was done that Mallory could not do.
    pub(super) fn is_contained(&self, behaviour: &str) {
        let seen = self.two.apiserver().seen();
        assert!(seen.is_empty(), "{behaviour}: {seen:?}");
        for call in self.stage.cluster.tiller().calls() {
            assert!(is_allowed(&call), "{behaviour}: {call:?}");
        }
        for seen in self.stage.cluster.apiserver().seen() {
            let uri: Uri = seen.uri.parse().expect("a URI");
            let called = uri
                .path_and_query()
                .and_then(|path| path.as_str().strip_prefix(BRIDGE))
                .and_then(Method::from_path);
            assert!(called.is_some(), "{behaviour}: {uri}");
            assert_eq!(seen.user, "edge", "{behaviour}");
            for (name, value) in &seen.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                let is_forged = value.contains("forged")
                    || value.contains("system:")
                    || value.contains("metadata.internal")
                    || ["impersonate-", "x-remote-", "x-forwarded-"]
                        .iter()
                        .any(|prefix| name.as_str().starts_with(prefix));
                assert!(!is_forged, "{behaviour}: {name}: {value}");
            }
            let bearer = format!("Bearer {EDGE_TOKEN}");
            assert_eq!(seen.headers["authorization"], bearer, "{behaviour}");
            assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
            for name in ["connection", "expect", "keep-alive", "upgrade"] {
                assert!(!seen.headers.contains_key(name), "{behaviour}: {name}");
            }
        }
    }

    /// Waits until as many refusals of that caller are in the audit log, and no other's.
    pub(super) async fn audited(&self, who: &str, count: usize) {
        let refusals = || {
            let log = fs::read_to_string(self.stage.home().join("audit.log"));
            let log = log.unwrap_or_default();
            let lines = log.lines().map(|line| {
                serde_json::from_str::<Value>(line)
                    .unwrap_or_else(|error| panic!("{error}: {line}"))
            });
            lines
                .filter(|line| line["event"] == "refused")
                .inspect(|line| assert_eq!(line["principal"]["name"], who, "{line}"))
                .count()
        };
        until("written down", || refusals() >= count).await;
    }

    pub(super) async fn end(self) {
        self.stage.end().await;
    }
}

/// Whether Mallory could make the call, or it is a question of the relay's own.
fn is_allowed(call: &Call) -> bool {
    let message = call.message.as_ref();
    let is_mine = |name: &str| name == "mine" || name == "forged";
    match call.method().expect("one of Tiller's methods") {
        Method::InstallRelease => InstallReleaseRequest::decode(message)
            .is_ok_and(|install| install.namespace == "a" && install.name != "theirs"),
        Method::RollbackRelease => RollbackReleaseRequest::decode(message)
            .is_ok_and(|rollback| is_mine(&rollback.name) && rollback.version > 1),
        Method::RunReleaseTest => {
            TestReleaseRequest::decode(message).is_ok_and(|test| is_mine(&test.name))
        }
        Method::UninstallRelease => {
            UninstallReleaseRequest::decode(message).is_ok_and(|uninstall| is_mine(&uninstall.name))
        }
        Method::UpdateRelease => {
            UpdateReleaseRequest::decode(message).is_ok_and(|upgrade| is_mine(&upgrade.name))
        }
        Method::GetHistory
        | Method::GetReleaseContent
        | Method::GetReleaseStatus
        | Method::GetVersion
        | Method::ListReleases => true,
    }
}
