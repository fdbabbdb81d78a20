//! Credentials are in no log line and no answer, whatever goes wrong and however much is logged.
//!
//! One thread runs everything, so that its log is this test's alone.

use std::fs;

use serde_json::json;
use sim::apiserver::{Answer, User, When};
use sim::cluster::EDGE_TOKEN;

use crate::support::charts::{self, with};
use crate::support::log::{Log, has_none_of};
use crate::support::{Ask, Stage, Transport, delete, get, post, soon, stage};

/// What a caller sends as its own.
const CALLERS: &str = "callers-s3cret";
/// What is in the values of a release.
const VALUE: &str = "value-s3cret";
/// What is in a query.
const QUERY: &str = "query-s3cret";

/// Everything that can go right or wrong with a call, and all that the caller gets of it.
async fn everything(stage: &Stage) -> String {
    let mut said = String::new();
    for transport in Transport::BOTH {
        let values = json!({ "values": { "password": VALUE } });
        let name = format!("web-{transport:?}").to_lowercase();
        let install = with(charts::install(&name), values);
        let asks = || {
            [
                post(transport.path("releases")).json(&install),
                get(transport.path(&format!("releases?filter={QUERY}"))),
                get(transport.path("releases/nobody")),
                delete(transport.path("releases/nobody")),
                get("/v1/clusters?check=true"),
                get("/v1/clusters/sim?check=true"),
            ]
        };
        said += &answers(stage, asks()).await;
        let apiserver = stage.cluster.apiserver();
        for trouble in [
            Answer::Unauthorized,
            Answer::ShuttingDown,
            Answer::Unreachable("EOF".to_owned()),
            Answer::Balancer(502, "text/html", "<html>"),
        ] {
            apiserver.answer_next(When::BeforeBackend, trouble);
            said += &answers(stage, asks()).await;
        }
        soon(stage.cluster.kill_tiller()).await;
        said += &answers(stage, asks()).await;
        soon(stage.cluster.kill_apiserver()).await;
        said += &answers(stage, asks()).await;
        soon(stage.cluster.restart_apiserver()).await;
        soon(stage.cluster.restart_tiller()).await;
    }
    for behaviour in [
        "list",
        "panic",
        "forge-authorization",
        "forge-audit-headers",
    ] {
        said += &answers(stage, [get(format!("/guests/{behaviour}"))]).await;
    }
    said
}

async fn answers(stage: &Stage, asks: impl IntoIterator<Item = Ask>) -> String {
    let mut said = String::new();
    for ask in asks {
        let authorization = format!("Bearer {CALLERS}");
        let answer = stage
            .send(ask.header("authorization", &authorization))
            .await;
        let body = String::from_utf8_lossy(&answer.body);
        said += &format!("{:?} {body}\n", answer.headers);
    }
    said
}

#[tokio::test]
async fn the_edges_credentials_are_nowhere() {
    let (log, _guard) = Log::of("trace");
    for file in [false, true] {
        let plan = stage();
        let plan = if file { plan.token_file() } else { plan };
        let stage = plan.start().await;
        let said = everything(&stage).await;
        has_none_of(&said, &[EDGE_TOKEN, CALLERS]);
        stage.cluster.apiserver().revoke_token(EDGE_TOKEN);
        has_none_of(&everything(&stage).await, &[EDGE_TOKEN, CALLERS]);
        if file {
            fs::remove_file(stage.token_file()).expect("removed");
            has_none_of(&everything(&stage).await, &[EDGE_TOKEN, CALLERS]);
        }
        stage.end().await;
    }
    let log = log.text();
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""));
    assert!(log.contains("relayed a call"), "the relay logs");
    has_none_of(&log, &[EDGE_TOKEN, CALLERS, "PRIVATE KEY"]);
}

#[tokio::test]
async fn a_callers_credentials_are_for_the_apiserver_alone() {
    let (log, _guard) = Log::of("trace");
    let stage = stage().callers_credentials().start().await;
    let apiserver = stage.cluster.apiserver();
    apiserver.add_token(CALLERS, User::named("edge"));
    has_none_of(&everything(&stage).await, &[CALLERS]);
    let bearer = format!("Bearer {CALLERS}");
    assert!(
        apiserver
            .seen()
            .iter()
            .all(|call| call.headers["authorization"] == bearer)
    );
    apiserver.revoke_token(CALLERS);
    has_none_of(&everything(&stage).await, &[CALLERS]);
    stage.end().await;
    has_none_of(&log.text(), &[CALLERS]);
}

#[tokio::test]
async fn what_callers_send_is_not_logged_as_usual() {
    let (log, _guard) = Log::of("info");
    let stage = stage().start().await;
    everything(&stage).await;
    stage.end().await;
    let log = log.text();
    assert!(
        log.contains("\"path\":\"/v1/clusters/sim/releases\""),
        "{log}"
    );
    has_none_of(&log, &[EDGE_TOKEN, CALLERS, VALUE, QUERY]);
}
