use std::fs;

use super::*;
use crate::config::{CredentialSource, TillerConfig, Transport};

const KUBECONFIG: &str = "
clusters:
- {name: c, cluster: {server: https://c.example:6443}}
users:
- {name: u, user: {token: s3cret}}
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: shop}}
- {name: 'arn:aws:eks:eu:1:cluster/x', context: {cluster: c, user: u}}
- {name: broken, context: {cluster: nowhere, user: u}}
";

struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("config"), KUBECONFIG).unwrap();
        Self { directory }
    }

    fn config(&self, clusters: Vec<ClusterConfig>) -> Config {
        Config {
            kubeconfig: Some(self.directory.path().join("config")),
            clusters,
            ..Config::default()
        }
    }
}

fn named(name: &str) -> ClusterConfig {
    ClusterConfig {
        name: name.to_owned(),
        ..ClusterConfig::default()
    }
}

#[test]
fn without_a_configuration_every_usable_context_is_a_cluster() {
    let home = Home::new();
    let clusters = Clusters::load(&home.config(Vec::new())).unwrap();
    let names: Vec<_> = clusters.iter().map(|cluster| cluster.name()).collect();
    assert_eq!(names, ["arn:aws:eks:eu:1:cluster/x", "prod"]);
    assert!(clusters.why_unusable("broken").is_some());

    let prod = clusters.get("prod").unwrap();
    let tiller = prod.tiller(None).unwrap();
    assert_eq!(prod.view().namespace.as_deref(), Some("shop"));
    assert_eq!(
        tiller.path(tiller_api::Method::GetVersion),
        "/api/v1/namespaces/kube-system/services/tiller-bridge:grpc-web/proxy\
         /hapi.services.tiller.ReleaseService/GetVersion"
    );
}

#[test]
fn a_named_cluster_must_be_usable() {
    let home = Home::new();
    let error = Clusters::load(&home.config(vec![named("prod"), named("broken")])).unwrap_err();
    assert_eq!(
        Causes(&error).to_string(),
        "cluster `broken` cannot be used: the context cannot be used: the kubeconfig has no cluster `nowhere`"
    );
}

#[test]
fn a_cluster_may_have_another_name_than_its_context_and_several_tillers() {
    let home = Home::new();
    let tls = TillerConfig {
        name: "secure".to_owned(),
        transport: Transport::Grpc,
        ..TillerConfig::default()
    };
    let config = home.config(vec![ClusterConfig {
        context: Some("prod".to_owned()),
        namespace: Some("team".to_owned()),
        tillers: vec![tls, TillerConfig::default()],
        ..named("live")
    }]);
    let clusters = Clusters::load(&config).unwrap();
    let live = clusters.get("live").unwrap();
    assert_eq!(live.view().namespace.as_deref(), Some("team"));
    let names: Vec<_> = live.tillers().iter().map(Tiller::resource_name).collect();
    assert_eq!(
        names,
        ["tiller-bridge:grpc-web", "https:tiller-deploy:tiller"]
    );
    assert!(live.tiller(Some("secure")).is_some());
    assert!(live.tiller(Some("other")).is_none());
}

#[test]
fn an_edge_serves_its_own_region() {
    let home = Home::new();
    let elsewhere = ClusterConfig {
        region: Some("us".to_owned()),
        context: Some("prod".to_owned()),
        ..named("far")
    };
    let config = Config {
        region: Some("eu".to_owned()),
        ..home.config(vec![elsewhere, named("prod")])
    };
    let clusters = Clusters::load(&config).unwrap();
    assert!(clusters.get("far").is_none());
    assert!(clusters.get("prod").is_some());
}

#[test]
fn nothing_shown_of_a_cluster_holds_its_token() {
    let home = Home::new();
    let clusters = Clusters::load(&home.config(Vec::new())).unwrap();
    let prod = clusters.get("prod").unwrap();
    let view = serde_json::to_string(&prod.view()).unwrap();
    assert!(!format!("{clusters:?} {prod:?} {view}").contains("s3cret"));
}

#[test]
fn with_the_callers_credentials_the_cluster_says_so() {
    let home = Home::new();
    let cluster = ClusterConfig {
        credentials: CredentialSource::Caller,
        ..named("prod")
    };
    let clusters = Clusters::load(&home.config(vec![cluster])).unwrap();
    assert!(clusters.get("prod").unwrap().is_callers());
}
