//! `POST …/tests`.

use bytes::Bytes;
use grpc_web::Code as Grpc;
use http_body_util::BodyExt;
use prost::Message;
use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_api::{
    Method,
    hapi::services::tiller::{TestReleaseRequest, TestReleaseResponse},
};

use crate::fake::{edge, live, messages, messages_then, soon, trailers, version};

const TESTS: &str = "/v1/clusters/prod/releases/web/tests";
const LINES: [(&str, &str); 1] = [("accept", "application/x-ndjson")];

fn said(msg: &str, status: i32) -> Vec<u8> {
    TestReleaseResponse {
        msg: msg.into(),
        status,
    }
    .encode_to_vec()
}

fn run() -> Vec<Vec<u8>> {
    vec![
        said("RUNNING: a", 3),
        said("PASSED: a", 1),
        said(
            "FAILED: b, run `kubectl logs b --namespace shop` for more info",
            2,
        ),
        said("\nPOD LOGS: a\n100%% done\n", 3),
    ]
}

/// T18.
#[tokio::test]
async fn a_failed_test_is_a_result_and_counted_at_the_end() {
    let edge = edge().on(Method::RunReleaseTest, messages(&run()));
    let answer = edge.send("POST", TESTS, &LINES, "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.lines(),
        [
            json!({"type": "result", "status": "running", "message": "RUNNING: a"}),
            json!({"type": "result", "status": "success", "message": "PASSED: a"}),
            json!({"type": "result", "status": "failure", "message": "FAILED: b, run `kubectl logs b --namespace shop` for more info"}),
            json!({"type": "log", "message": "\nPOD LOGS: a\n100% done\n"}),
            json!({"type": "summary", "passed": 1, "failed": 1}),
        ]
    );
}

#[tokio::test]
async fn as_json_the_count_is_beside_the_items() {
    let edge = edge().on(Method::RunReleaseTest, messages(&run()));
    let json = edge.send("POST", TESTS, &[], "").await.json();
    assert_eq!(json["items"].as_array().unwrap().len(), 4);
    assert_eq!(json["summary"], json!({"passed": 1, "failed": 1}));
}

#[tokio::test]
async fn a_release_without_tests_says_so() {
    let edge = edge().on(
        Method::RunReleaseTest,
        messages(&[said("No Tests Found", 0)]),
    );
    let lines = edge.send("POST", TESTS, &LINES, "").await.lines();
    assert_eq!(lines[0]["message"], "No Tests Found");
    assert_eq!(
        lines[1],
        json!({"type": "summary", "passed": 0, "failed": 0})
    );
}

#[tokio::test]
async fn results_are_sent_as_they_come() {
    let (tiller, reply) = live();
    let edge = edge().on(Method::RunReleaseTest, reply);
    tiller
        .unbounded_send(Ok(grpc_web::encode_message(&said("RUNNING: a", 3))))
        .unwrap();
    let mut body = edge
        .open("POST", TESTS, &LINES, Bytes::new())
        .await
        .into_body();
    let line = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(line.starts_with(b"{\"type\":\"result\",\"status\":\"running\""));

    tiller
        .unbounded_send(Ok(grpc_web::encode_message(&said("PASSED: a", 1))))
        .unwrap();
    let line = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert!(line.starts_with(b"{\"type\":\"result\",\"status\":\"success\""));

    tiller.unbounded_send(Ok(trailers(Grpc::Ok, ""))).unwrap();
    let line = soon(body.frame())
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&line).unwrap()["passed"], 1);
}

#[tokio::test]
async fn every_field_reaches_tiller() {
    let edge = edge()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .on(Method::RunReleaseTest, messages(&[]));
    let body = json!({"timeout": "20m", "cleanup": true, "parallel": true, "max_parallel": 3, "logs": true});
    edge.post(TESTS, &body).await;
    let call = edge.call(Method::RunReleaseTest);
    assert_eq!(
        call.message::<TestReleaseRequest>(),
        TestReleaseRequest {
            name: "web".into(),
            timeout: 1200,
            cleanup: true,
            parallel: true,
            max_parallel: 3,
            logs: true,
        }
    );
    assert_eq!(call.header("grpc-timeout"), Some("4830S"));
}

#[tokio::test]
async fn an_unknown_release_has_a_status_of_its_own() {
    let edge = edge().fails(Method::RunReleaseTest, "release: \"web\" not found");
    assert_eq!(
        edge.send("POST", TESTS, &[], "").await.problem().code,
        Code::ReleaseNotFound
    );
}

#[tokio::test]
async fn a_run_that_breaks_off_ends_with_an_error_in_doubt() {
    let edge = edge().on(
        Method::RunReleaseTest,
        messages_then(
            &[said("RUNNING: a", 3)],
            Grpc::Unavailable,
            "transport is closing",
        ),
    );
    let lines = edge.send("POST", TESTS, &LINES, "").await.lines();
    assert_eq!(lines[1]["type"], "error");
    assert_eq!(lines[1]["error"]["code"], "tiller_unavailable");
    assert_eq!(lines[1]["error"]["outcome"], json!(Outcome::Unknown));
}

#[tokio::test]
async fn a_field_that_tiller_lacks_is_refused() {
    let edge = edge().answers(Method::GetVersion, &version("v2.14.0"));
    let problem = edge.post(TESTS, &json!({"logs": true})).await.problem();
    assert_eq!(problem.code, Code::TillerTooOld);
    assert_eq!(edge.methods(), [Method::GetVersion]);
}
