//! One release read: its content, its status, its history.

use std::time::Duration;

use tiller_api::hapi::release::Release;
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::services::tiller::{
    GetHistoryRequest, GetHistoryResponse, GetReleaseContentRequest, GetReleaseContentResponse,
    GetReleaseStatusRequest, GetReleaseStatusResponse, UpdateReleaseResponse,
};

use super::super::apiserver::ApiServer;
use super::tiller::{SECRET, failure, with_status};
use super::*;

fn content(name: &str, version: i32) -> GetReleaseContentRequest {
    GetReleaseContentRequest {
        name: name.into(),
        version,
    }
}

fn status(name: &str) -> GetReleaseStatusRequest {
    GetReleaseStatusRequest {
        name: name.into(),
        version: 0,
    }
}

fn history(name: &str, max: i32) -> GetHistoryRequest {
    GetHistoryRequest {
        name: name.into(),
        max,
    }
}

/// Alice may read in namespace a, and not see values.
const READER: &str = r#"
    [[grant]]
    principals = ["alice"]
    actions = ["read", "upgrade"]
    namespaces = ["a"]
"#;

fn two() -> Vec<Release> {
    vec![release("mine", "a", 1), release("other", "b", 1)]
}

#[tokio::test]
async fn a_caller_of_one_namespace_reads_nothing_of_another() {
    let tiller = FakeTiller::with(two()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let by = alice();
    for answer in [
        send(&relay, &by, Rpc::GetReleaseContent, &content("other", 0)).await,
        send(&relay, &by, Rpc::GetReleaseContent, &content("other", 1)).await,
        send(&relay, &by, Rpc::GetReleaseStatus, &status("other")).await,
        send(&relay, &by, Rpc::GetHistory, &history("other", 10)).await,
        send(&relay, &by, Rpc::GetHistory, &history("other", 1)).await,
    ] {
        let problem = refused(answer).await;
        assert_eq!(
            problem.detail,
            "`alice` may not `read` release `other` of cluster `prod`"
        );
    }
    let answer = send(&relay, &by, Rpc::GetReleaseContent, &content("mine", 0)).await;
    assert!(!answer.headers().contains_key("x-tiller-edge-withheld"));
    let whole: GetReleaseContentResponse = answered(answer).await;
    assert_eq!(whole.release, Some(release("mine", "a", 1)));
    let answer = send(&relay, &by, Rpc::GetReleaseStatus, &status("mine")).await;
    let whole: GetReleaseStatusResponse = answered(answer).await;
    assert_eq!(whole.info, release("mine", "a", 1).info);
}

#[tokio::test]
async fn a_history_shows_the_revisions_that_its_reader_may_read() {
    let tiller = FakeTiller::with(vec![
        with_status(release("web", "b", 1), Status::Deleted),
        with_status(release("web", "a", 2), Status::Superseded),
        release("web", "a", 3),
    ])
    .await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let answer = send(&relay, &alice(), Rpc::GetHistory, &history("web", 10)).await;
    let shown: GetHistoryResponse = answered(answer).await;
    let versions: Vec<_> = shown
        .releases
        .iter()
        .map(|release| release.version)
        .collect();
    assert_eq!(versions, [3, 2]);
    let local = send(&relay, &caller(), Rpc::GetHistory, &history("web", 10)).await;
    let whole: GetHistoryResponse = answered(local).await;
    assert_eq!(whole.releases.len(), 3);
    assert_eq!(tiller.called(), ["GetHistory", "GetHistory"]);
}

#[tokio::test]
async fn what_is_not_there_is_said_by_tiller() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    for answer in [
        send(
            &relay,
            &alice(),
            Rpc::GetReleaseContent,
            &content("none", 0),
        )
        .await,
        send(&relay, &alice(), Rpc::GetReleaseStatus, &status("none")).await,
        send(&relay, &alice(), Rpc::GetHistory, &history("none", 1)).await,
    ] {
        let (messages, trailers) = frames(answer).await;
        assert!(messages.is_empty());
        let said = grpc_web::Status::from_trailers(&trailers).unwrap();
        assert_eq!(said.message, "release: \"none\" not found");
    }
}

#[tokio::test]
async fn who_may_not_see_values_is_shown_none_and_told_so() {
    let tiller = FakeTiller::with(two()).await;
    let relay = Rig::new(&tiller.server).granting(READER).relay();
    let by = alice();
    for (method, answer) in [
        (
            Rpc::GetReleaseContent,
            send(&relay, &by, Rpc::GetReleaseContent, &content("mine", 0)).await,
        ),
        (
            Rpc::GetReleaseStatus,
            send(&relay, &by, Rpc::GetReleaseStatus, &status("mine")).await,
        ),
        (
            Rpc::GetHistory,
            send(&relay, &by, Rpc::GetHistory, &history("mine", 9)).await,
        ),
        (
            Rpc::UpdateRelease,
            send(&relay, &by, Rpc::UpdateRelease, &upgrade("mine")).await,
        ),
    ] {
        assert_eq!(
            answer.headers()["x-tiller-edge-withheld"],
            "values",
            "{method}"
        );
        let messages = messages(answer).await;
        let shown = messages.concat();
        let is_secret = |window: &[u8]| window == SECRET.as_bytes();
        assert!(!shown.windows(SECRET.len()).any(is_secret), "{method}");
        if method == Rpc::UpdateRelease {
            let shown = UpdateReleaseResponse::decode(&shown[..])
                .unwrap()
                .release
                .unwrap();
            let chart = shown.chart.unwrap();
            assert_eq!((&*shown.name, &*shown.namespace), ("mine", "a"));
            assert_eq!(chart.metadata.unwrap().name, "web");
            assert_eq!(shown.info.unwrap().description, "Install complete");
        }
    }
}

#[tokio::test]
async fn a_test_run_has_no_values_and_passes_as_it_comes() {
    use tiller_api::hapi::services::tiller::TestReleaseRequest;
    let tiller = FakeTiller::with(two()).await;
    let rules = READER.replace("\"upgrade\"", "\"test\"");
    let relay = Rig::new(&tiller.server).granting(&rules).relay();
    let test = |name: &str| TestReleaseRequest {
        name: name.into(),
        ..TestReleaseRequest::default()
    };
    let answer = send(&relay, &alice(), Rpc::RunReleaseTest, &test("mine")).await;
    assert!(!answer.headers().contains_key("x-tiller-edge-withheld"));
    assert_eq!(messages(answer).await.len(), 2);
    refused(send(&relay, &alice(), Rpc::RunReleaseTest, &test("other")).await).await;
}

#[tokio::test]
async fn a_status_is_looked_up_once_in_a_while_and_anew_after_a_change() {
    let tiller = FakeTiller::with(two()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    for _ in 0..3 {
        messages(send(&relay, &alice(), Rpc::GetReleaseStatus, &status("mine")).await).await;
        refused(send(&relay, &alice(), Rpc::GetReleaseStatus, &status("other")).await).await;
    }
    let lookups = || {
        let called = tiller.called();
        called
            .iter()
            .filter(|name| *name == "GetReleaseContent")
            .count()
    };
    assert_eq!(lookups(), 2);
    messages(send(&relay, &alice(), Rpc::UpdateRelease, &upgrade("mine")).await).await;
    assert_eq!(
        lookups(),
        3,
        "a change is looked up for whatever was found before"
    );
    messages(send(&relay, &alice(), Rpc::GetReleaseStatus, &status("mine")).await).await;
    assert_eq!(lookups(), 4);
}

/// What Tiller says of a dry run that fails may have every manifest behind its first line.
#[tokio::test]
async fn the_error_of_a_dry_run_ends_before_the_manifests_for_who_may_not_see_them() {
    let server = ApiServer::start(|seen| async move {
        if seen.path.ends_with("GetReleaseContent") {
            let found = GetReleaseContentResponse {
                release: Some(release("mine", "a", 1)),
            };
            return super::tiller::success_of(&[found.encode_to_vec()]);
        }
        failure("YAML parse error on web/templates/a.yaml: oh no\n---\npassword: s3cret-c0de")
    })
    .await;
    let dry = UpdateReleaseRequest {
        dry_run: true,
        ..upgrade("mine")
    };
    for (rules, whole) in [(READER, false), (A, true)] {
        let relay = Rig::new(&server).granting(rules).relay();
        let answer = send(&relay, &alice(), Rpc::UpdateRelease, &dry).await;
        let (messages, trailers) = frames(answer).await;
        assert!(messages.is_empty());
        let said = grpc_web::Status::from_trailers(&trailers).unwrap();
        let first = "YAML parse error on web/templates/a.yaml: oh no";
        assert_eq!(said.code, grpc_web::Code::Unknown);
        assert!(said.message.starts_with(first));
        assert_eq!(said.message.len() > first.len(), whole);
    }
}

#[tokio::test]
async fn an_answer_that_is_judged_and_breaks_off_is_a_problem() {
    for (body, code) in [
        (&b""[..], Code::AnswerInterrupted),
        (b"\0\0\0\0\x09short", Code::AnswerInterrupted),
        (b"\x01\0\0\0\x01x", Code::AnswerInterrupted),
        (b"\0\xff\xff\xff\xff", Code::AnswerInterrupted),
        (b"\0\0\0\0\x02\x0a\x05", Code::TillerMisbehaved),
    ] {
        let server = ApiServer::start(move |_| async move {
            super::super::apiserver::grpc_web(Bytes::from_static(body))
        })
        .await;
        let relay = Rig::new(&server).granting(A).relay();
        let answer = send(
            &relay,
            &alice(),
            Rpc::GetReleaseContent,
            &content("mine", 0),
        )
        .await;
        if body.is_empty() {
            // It ends without a status, which whoever reads it sees.
            let (data, broken) = read(answer).await;
            assert!(data.is_empty() && broken.is_none());
            continue;
        }
        let problem = problem(answer).await;
        assert_eq!(problem.code, code, "{body:?}");
        assert_eq!(relay.stats().calls, 0);
    }
}

#[tokio::test]
async fn the_deadline_covers_what_is_looked_up_and_what_is_judged() {
    let server = ApiServer::start(|_| std::future::pending()).await;
    let mut rig = Rig::new(&server).granting(A);
    rig.config.limits.read_deadline = Duration::from_millis(200);
    rig.config.limits.deadline = Duration::from_millis(200);
    let relay = rig.relay();
    for answer in [
        send(&relay, &alice(), Rpc::GetReleaseStatus, &status("mine")).await,
        send(
            &relay,
            &alice(),
            Rpc::GetReleaseContent,
            &content("mine", 0),
        )
        .await,
        send(&relay, &alice(), Rpc::UpdateRelease, &upgrade("mine")).await,
    ] {
        let problem = problem(answer).await;
        assert_eq!(problem.code, Code::DeadlineExceeded);
        assert_eq!(problem.outcome, Outcome::NotApplied);
    }
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn answers_that_are_judged_share_a_budget_and_give_it_back() {
    let tiller = FakeTiller::with(two()).await;
    let mut rig = Rig::new(&tiller.server).granting(A);
    rig.config.limits.read_deadline = Duration::from_secs(1);
    let relay = rig.relay();
    let by = alice();
    let places = relay.answers.available_permits();
    let taken = Arc::clone(&relay.answers)
        .acquire_many_owned(u32::try_from(places).unwrap())
        .await
        .unwrap();
    let answer = send(&relay, &by, Rpc::GetReleaseContent, &content("mine", 0)).await;
    assert_eq!(problem(answer).await.code, Code::DeadlineExceeded);
    drop(taken);
    for _ in 0..3 {
        messages(send(&relay, &by, Rpc::GetReleaseContent, &content("mine", 0)).await).await;
    }
    assert_eq!(relay.answers.available_permits(), places);
}
