//! Checks against a server that plays the APIServer, healthy but for one thing.

use serde_json::json;

use super::*;
use crate::config::{KubernetesConfig, RepositoryConfig};
use crate::relay::tests::apiserver::{Answer, ApiServer, Seen, json, status};
use crate::relay::tests::inventory::healthy;
use crate::relay::tests::{Rig, soon};
use crate::repositories::tests::{Rig as Shelf, Store, healthy as healthy_store};

const REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

fn review(seen: &Seen, allowed: bool) -> Answer {
    let asked: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let attributes = &asked["spec"]["resourceAttributes"];
    assert_eq!(attributes["verb"], "create");
    assert_eq!(attributes["resource"], "services");
    assert_eq!(attributes["subresource"], "proxy");
    json(201, &json!({"status": {"allowed": allowed, "reason": ""}}))
}

/// Healthy, but what `odd` answers.
async fn server(odd: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> ApiServer {
    ApiServer::start(move |seen| {
        let answer = odd(&seen).unwrap_or_else(|| match seen.path.as_str() {
            REVIEW => review(&seen, true),
            _ => healthy(&seen),
        });
        async move { answer }
    })
    .await
}

async fn report(rig: &Rig) -> Report {
    soon(run(&rig.config, &Options::default())).await.unwrap()
}

fn failures(report: &Report) -> Vec<(Step, &str)> {
    let cluster = &report.clusters[0];
    cluster
        .findings
        .iter()
        .chain(cluster.tillers.iter().flat_map(|tiller| &tiller.findings))
        .filter(|finding| finding.verdict == Verdict::Failed)
        .map(|finding| (finding.step, finding.remedy.as_deref().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_healthy_cluster_passes_and_offers_both_transports() {
    let server = server(|_| None).await;
    let report = report(&Rig::new(&server)).await;
    assert!(report.passed(), "{report}");
    let text = report.to_string();
    assert!(
        text.contains("v1.35.4") && text.contains("v2.17.0"),
        "{text}"
    );
    assert!(text.contains("answers by grpc-web and grpc"), "{text}");
    assert!(text.ends_with("1 of 1 clusters can be used.\n"), "{text}");
    let document = report.to_json();
    assert_eq!(document["passed"], true);
    assert_eq!(
        document["clusters"][0]["tillers"][0]["offers"]["grpc-web"],
        true
    );
}

#[tokio::test]
async fn a_missing_permission_comes_with_the_lines_that_give_it() {
    let forbidden = "services \"tiller-bridge:grpc-web\" is forbidden: User \
                     \"system:serviceaccount:edge:tiller-edge\" cannot create resource \"services/proxy\"";
    let server = server(move |seen| match seen.path.as_str() {
        REVIEW => Some(review(seen, false)),
        "/version" => None,
        _ => Some(status(403, forbidden)),
    })
    .await;
    let report = report(&Rig::new(&server)).await;
    assert!(!report.passed());
    let failures = failures(&report);
    assert!(
        failures.iter().all(|(step, _)| *step == Step::Permission),
        "{report}"
    );
    let remedies: String = failures.iter().map(|(_, remedy)| *remedy).collect();
    for part in [
        "--resource-name=tiller-bridge:grpc-web",
        "--resource-name=https:tiller-deploy:tiller",
        "--serviceaccount=edge:tiller-edge",
    ] {
        assert!(remedies.contains(part), "{part}: {report}");
    }
}

#[tokio::test]
async fn a_missing_bridge_is_to_be_installed_or_done_without() {
    let server = server(|seen| {
        seen.path
            .contains("tiller-bridge")
            .then(|| status(404, "services \"tiller-bridge\" not found"))
    })
    .await;
    let mut rig = Rig::new(&server);
    rig.config.clusters[0].tillers.truncate(1);
    let report = report(&rig).await;
    let text = report.to_string();
    assert!(!report.passed());
    assert!(text.contains("answers by grpc\n"), "{text}");
    assert!(text.contains("transport = \"grpc\""), "{text}");
}

#[tokio::test]
async fn refused_credentials_are_told_from_a_missing_server() {
    let server = server(|_| Some(status(401, "Unauthorized"))).await;
    let report_401 = report(&Rig::new(&server)).await;
    let [(Step::Credentials, remedy)] = failures(&report_401)[..] else {
        panic!("{report_401}");
    };
    assert!(
        remedy.contains("kubectl --context prod auth whoami"),
        "{remedy}"
    );
    assert!(!format!("{report_401} {report_401:?}").contains("s3cret"));

    let gone = Rig::with(
        "https://127.0.0.1:1",
        "insecure-skip-tls-verify: true",
        "{token: t}",
    );
    let report_gone = report(&gone).await;
    assert!(
        matches!(failures(&report_gone)[..], [(Step::ApiServer, _)]),
        "{report_gone}"
    );
}

#[tokio::test]
async fn a_missing_token_file_is_named_to_the_operator() {
    let server = server(|_| None).await;
    let report = report(&Rig::with_user(&server, "{tokenFile: /nowhere/token}")).await;
    let text = report.to_string();
    assert!(
        matches!(failures(&report)[..], [(Step::Credentials, _)]),
        "{text}"
    );
    assert!(text.contains("/nowhere/token"), "{text}");
}

#[tokio::test]
async fn a_context_that_is_missing_is_the_kubeconfigs_fault() {
    let server = server(|_| None).await;
    let mut rig = Rig::new(&server);
    rig.config.clusters[0].context = Some("other".to_owned());
    let report = report(&rig).await;
    assert!(!report.passed());
    assert!(
        matches!(failures(&report)[..], [(Step::Kubeconfig, _)]),
        "{report}"
    );
}

#[tokio::test]
async fn a_cluster_that_is_asked_for_must_exist() {
    let server = server(|_| None).await;
    let rig = Rig::new(&server);
    let options = Options {
        clusters: vec!["prd".to_owned()],
        ..Options::default()
    };
    let report = soon(run(&rig.config, &options)).await.unwrap();
    assert!(!report.passed());
    assert!(report.to_string().contains("name one of: prod"), "{report}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn with_the_callers_credentials_nothing_is_claimed_without_them() {
    let server = server(|_| None).await;
    let rig = Rig::new(&server).for_callers();
    let unasked = report(&rig).await;
    assert_eq!(unasked.clusters[0].verdict(), Verdict::Skipped);
    assert!(
        unasked
            .to_string()
            .ends_with("0 of 1 clusters can be used, 1 could not be checked.\n")
    );
    let options = Options {
        authorization: Some(SecretString::from("Bearer mine")),
        ..Options::default()
    };
    let report = soon(run(&rig.config, &options)).await.unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(server.seen()[0].headers["authorization"], "Bearer mine");
}

#[tokio::test]
async fn repositories_are_asked_what_they_have() {
    let store = Store::http(healthy_store(|_| None)).await;
    let shelf = Shelf::new(&store);
    let stable = &shelf.config.repositories[0];
    let rig = Rig::new(&server(|_| None).await);
    let mut config = rig.config.clone();
    config.repositories = vec![
        RepositoryConfig {
            name: "broken".to_owned(),
            url: format!("{}/nowhere", store.url()),
            ..stable.clone()
        },
        RepositoryConfig {
            name: "locked".to_owned(),
            username: Some("edge".to_owned()),
            password_env: Some("TILLER_EDGE_NO_SUCH_VARIABLE".to_owned()),
            ..stable.clone()
        },
        stable.clone(),
    ];
    let report = soon(run(&config, &Options::default())).await.unwrap();
    assert!(!report.passed());
    let [broken, locked, stable] = &report.repositories[..] else {
        panic!("{report}");
    };
    assert!(broken.finding.detail.contains("404 Not Found"), "{report}");
    assert!(
        locked
            .finding
            .detail
            .contains("TILLER_EDGE_NO_SUCH_VARIABLE"),
        "{report}"
    );
    assert_eq!(stable.finding.detail, "1 chart");
    let text = report.to_string();
    assert!(
        text.contains(&format!(
            "repository stable  {}/stable\n  ok   charts        1 chart",
            store.url()
        )),
        "{text}"
    );
    assert!(
        text.ends_with("1 of 3 repositories can be used.\n"),
        "{text}"
    );
    assert_eq!(
        report.to_json()["repositories"][2]["finding"]["verdict"],
        "passed"
    );
    let only = Options {
        clusters: vec!["prod".to_owned()],
        ..Options::default()
    };
    let report = soon(run(&config, &only)).await.unwrap();
    assert!(report.repositories.is_empty());
}

/// Healthy, and what it says of everything that the edge may but for `denied`, `verb resource`.
async fn allowing(denied: &'static str) -> ApiServer {
    server(move |seen| {
        if seen.path != REVIEW {
            return None;
        }
        let asked: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
        let asked = &asked["spec"]["resourceAttributes"];
        let what = format!(
            "{} {}",
            asked["verb"].as_str().unwrap(),
            asked["resource"].as_str().unwrap()
        );
        Some(json(201, &json!({"status": {"allowed": what != denied}})))
    })
    .await
}

fn jane() -> Options {
    Options {
        principal: Some(Principal {
            name: "jane".to_owned(),
            groups: vec!["dev".to_owned()],
            method: crate::access::Method::Token,
        }),
        ..Options::default()
    }
}

#[tokio::test]
async fn what_the_configuration_has_the_edge_ask_it_must_be_allowed_to() {
    for (denied, fails) in [
        ("nothing", false),
        // Callers ask for themselves at a cluster of that version.
        ("create tokenreviews", false),
        ("create subjectaccessreviews", true),
    ] {
        let server = allowing(denied).await;
        let mut rig = Rig::new(&server);
        rig.config.kubernetes = Some(KubernetesConfig::default());
        rig.config.clusters[0].manifest_authorisation = true;
        let report = report(&rig).await;
        assert_eq!(report.passed(), !fails, "{denied}: {report}");
        let text = report.to_string();
        for what in [
            "create tokenreviews.authentication.k8s.io",
            "create subjectaccessreviews.authorization.k8s.io",
        ] {
            assert!(text.contains(what), "{text}");
        }
        let remedy = "--verb=create --resource=subjectaccessreviews.authorization.k8s.io";
        assert_eq!(text.contains(remedy), fails, "{text}");
    }
}

#[tokio::test]
async fn an_edge_that_acts_as_callers_is_checked_as_somebody() {
    let server = allowing("impersonate groups").await;
    let mut rig = Rig::new(&server);
    rig.config.clusters[0].credentials = CredentialSource::Impersonate;
    let as_nobody = report(&rig).await.to_string();
    assert!(
        as_nobody.contains("impersonate groups is denied"),
        "{as_nobody}"
    );
    assert!(as_nobody.contains("--as"), "{as_nobody}");

    let as_jane = soon(run(&rig.config, &jane())).await.unwrap();
    let text = as_jane.to_string();
    assert!(!as_jane.passed());
    assert!(text.contains("impersonate users jane"), "{text}");
    assert!(
        text.contains("--resource=groups --resource-name=dev"),
        "{text}"
    );

    let server = allowing("nothing").await;
    let mut rig = Rig::new(&server);
    rig.config.clusters[0].credentials = CredentialSource::Impersonate;
    let as_jane = soon(run(&rig.config, &jane())).await.unwrap();
    assert!(as_jane.passed(), "{as_jane}");
    let seen = server.seen();
    assert!(
        seen.iter()
            .any(|seen| seen.headers.contains_key("impersonate-user"))
    );
}
