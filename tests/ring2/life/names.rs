//! What a request is called on every hop, and what is said of names that nothing has.

use rest::problem::{Code, Outcome};
use serde_json::json;

use crate::support::{Protocol, Transport, charts, delete, get, post, put, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_id_comes_back_and_is_the_apiservers_too() {
    let stage = stage().start().await;
    for transport in Transport::BOTH {
        for protocol in [Protocol::H1, Protocol::H2] {
            let id = format!("{transport:?}.{protocol:?}_1");
            let list = get(transport.path("releases")).header("x-request-id", &id);
            let answer = stage.send(list.over(protocol)).await.expect(200);
            assert_eq!(answer.header("x-request-id"), id);
            let seen = stage.cluster.apiserver().seen();
            assert_eq!(seen.last().expect("a call").headers["audit-id"], id);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_request_has_its_id() {
    let stage = stage().start().await;
    // History, upgrade or install, status.
    let path = Transport::GrpcWeb.path("releases/web");
    let body = json!({ "install": true, "chart": charts::field(&charts::archive("web")) });
    let upgrade = put(path).json(&body).header("x-request-id", "one");
    stage.send(upgrade).await.expect(201);
    let seen = stage.cluster.apiserver().seen();
    assert!(seen.len() >= 3, "{}", seen.len());
    assert!(seen.iter().all(|call| call.headers["audit-id"] == "one"));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_could_do_harm_is_replaced() {
    let stage = stage().start().await;
    let path = Transport::GrpcWeb.path("version");
    for id in ["", "a b", "a/b", "a\"b", &"z".repeat(65)] {
        let answer = stage.send(get(&path).header("x-request-id", id)).await;
        let given = answer.expect(200).header("x-request-id").to_owned();
        assert_ne!(given, id);
        let seen = stage.cluster.apiserver().seen();
        let audit_id = &seen.last().expect("a call").headers["audit-id"];
        assert_eq!(*audit_id, given);
    }
    let twice = get(&path).header("x-request-id", "one");
    let answer = stage.send(twice.header("x-request-id", "two")).await;
    assert!(!["one", "two"].contains(&answer.header("x-request-id")));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_has_the_id_that_its_caller_gave() {
    let stage = stage().start().await;
    for path in ["/v1/clusters/nowhere/releases", "/nonsense", "/guests/trap"] {
        let answer = stage.send(get(path).header("x-request-id", "mine")).await;
        assert_eq!(answer.problem().request_id.as_deref(), Some("mine"));
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_unknown_name_has_its_own_code() {
    let stage = stage()
        .cluster(|cluster| cluster.with_release("web"))
        .start()
        .await;
    for (path, code) in [
        ("/", Code::RouteNotFound),
        ("/v2/clusters", Code::RouteNotFound),
        ("/v1/nonsense", Code::RouteNotFound),
        ("/v1/clusters/sim/nonsense", Code::RouteNotFound),
        ("/v1/clusters/nowhere", Code::ClusterNotFound),
        ("/v1/clusters/nowhere/releases", Code::ClusterNotFound),
        ("/v1/clusters/nowhere/releases/web", Code::ClusterNotFound),
        (
            "/v1/clusters/sim/tillers/nobody/releases",
            Code::TillerNotFound,
        ),
        ("/v1/clusters/sim/releases/nobody", Code::ReleaseNotFound),
        (
            "/v1/clusters/sim/releases/nobody/status",
            Code::ReleaseNotFound,
        ),
        (
            "/v1/clusters/sim/releases/nobody/history",
            Code::ReleaseNotFound,
        ),
        (
            "/v1/clusters/sim/tillers/grpc/releases/nobody",
            Code::ReleaseNotFound,
        ),
        (
            "/v1/clusters/sim/releases/web?revision=9",
            Code::RevisionNotFound,
        ),
    ] {
        let answer = stage.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {answer}");
        answer.refused(code, Outcome::NotApplied);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutations_of_what_is_not_there_say_the_same() {
    let stage = stage().start().await;
    let chart = json!({ "chart": charts::field(&charts::archive("web")) });
    for (base, code) in [
        ("/v1/clusters/nowhere", Code::ClusterNotFound),
        ("/v1/clusters/sim/tillers/nobody", Code::TillerNotFound),
        ("/v1/clusters/sim", Code::ReleaseNotFound),
    ] {
        for ask in [
            put(format!("{base}/releases/web")).json(&chart),
            delete(format!("{base}/releases/web")),
            post(format!("{base}/releases/web/rollback")).json(&json!({"revision": 1})),
            post(format!("{base}/releases/web/tests")),
        ] {
            let answer = stage.send(ask).await;
            answer.refused(code, Outcome::NotApplied);
        }
    }
    stage.end().await;
}
