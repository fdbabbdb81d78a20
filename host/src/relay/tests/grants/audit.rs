//! What is written down: every change with its end, every refusal, and nothing else.

use std::path::Path;

use http_body_util::BodyExt;
use serde_json::Value;
use tiller_api::hapi::services::tiller::{GetReleaseContentRequest, ListReleasesRequest};

use super::super::apiserver::{ApiServer, grpc, streamed};
use super::tiller::{SECRET, failure, success_of, unavailable};
use super::*;
use crate::config::AuditConfig;

/// A relay with grants for alice, and its audit log.
struct Stage {
    relay: Relay,
    rig: Rig,
}

impl Stage {
    fn new(server: &ApiServer) -> Self {
        let rig = Rig::new(server).granting(A);
        let config = AuditConfig {
            file: Some(rig.file("audit.log")),
            ..AuditConfig::default()
        };
        let relay = rig.relay_with(Audit::open(&config).unwrap());
        Self { relay, rig }
    }

    /// All lines that there are, once what was begun is written.
    async fn lines(&self) -> Vec<Value> {
        soon(self.relay.audit.close()).await;
        lines(&self.rig.file("audit.log"))
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(!text.contains(SECRET), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What of `lines` is the value of `member`, in order.
fn all<'l>(lines: &'l [Value], member: &str) -> Vec<&'l str> {
    lines
        .iter()
        .map(|line| line[member].as_str().unwrap_or_default())
        .collect()
}

fn only(name: &str) -> GetReleaseContentRequest {
    GetReleaseContentRequest {
        name: name.into(),
        version: 0,
    }
}

#[tokio::test]
async fn a_change_has_a_line_before_and_one_after() {
    let tiller = FakeTiller::with(vec![release("web", "a", 1)]).await;
    let stage = Stage::new(&tiller.server);
    let answer = send(&stage.relay, &alice(), Rpc::UpdateRelease, &upgrade("web")).await;
    messages(answer).await;
    let lines = stage.lines().await;
    assert_eq!(all(&lines, "event"), ["begin", "end"], "{lines:#?}");
    for line in &lines {
        assert_eq!(line["principal"]["name"], "alice");
        assert_eq!(line["principal"]["method"], "token");
        assert_eq!(line["action"], "upgrade");
        assert_eq!(line["rpc"], "UpdateRelease");
        assert_eq!(line["cluster"], "prod");
        assert_eq!(line["tiller"], "default");
        assert_eq!(line["namespace"], "a");
        assert_eq!(line["release"], "web");
        assert_eq!(line["rule"], "team-a");
        assert_eq!(line["chart"], "web-1.2.3");
        assert_eq!(line["source"], "upload");
        assert_eq!(line["request_id"], "request-1");
        let digest = line["chart_digest"].as_str().unwrap();
        assert_eq!((digest.len(), &digest[..7]), (71, "sha256:"));
    }
    assert_eq!(lines[1]["outcome"], "applied");
}

#[tokio::test]
async fn reads_and_dry_runs_that_are_allowed_have_none() {
    let tiller = FakeTiller::with(vec![release("web", "a", 1)]).await;
    let stage = Stage::new(&tiller.server);
    for caller in [alice(), caller()] {
        let list = ListReleasesRequest::default();
        messages(send(&stage.relay, &caller, Rpc::ListReleases, &list).await).await;
        messages(send(&stage.relay, &caller, Rpc::GetReleaseContent, &only("web")).await).await;
        let dry = UpdateReleaseRequest {
            dry_run: true,
            ..upgrade("web")
        };
        messages(send(&stage.relay, &caller, Rpc::UpdateRelease, &dry).await).await;
    }
    assert!(stage.lines().await.is_empty());
}

#[tokio::test]
async fn every_refusal_has_one() {
    let tiller = FakeTiller::with(vec![release("other", "b", 1)]).await;
    let stage = Stage::new(&tiller.server);
    let relay = &stage.relay;
    let by = alice();
    refused(send(relay, &by, Rpc::UpdateRelease, &upgrade("other")).await).await;
    refused(send(relay, &by, Rpc::GetReleaseContent, &only("other")).await).await;
    let bad = request(&path(Rpc::UpdateRelease), frame(b"\xff"));
    problem(soon(relay.handle(&by, bad)).await).await;
    let elsewhere = request("/api/v1/secrets", frame(b""));
    problem(soon(relay.handle(&by, elsewhere)).await).await;
    let uri = "https://user:s3cret@example.com:8443/?s3cret"
        .parse()
        .unwrap();
    relay.elsewhere(&by, &uri).await;
    let lines = stage.lines().await;
    assert!(all(&lines, "event").iter().all(|event| *event == "refused"));
    assert_eq!(
        all(&lines, "action"),
        ["upgrade", "read", "UpdateRelease", "call", "connect"]
    );
    // The operator is told what the caller is not.
    assert_eq!(lines[0]["namespace"], "b");
    assert!(
        lines[0]["why"]
            .as_str()
            .unwrap()
            .contains("may not `upgrade`")
    );
    assert!(
        lines[4]["why"]
            .as_str()
            .unwrap()
            .ends_with("https://example.com:8443")
    );
    assert!(!lines[4].to_string().contains("s3cret"));
}

#[tokio::test]
async fn a_cluster_that_is_hidden_is_named_to_the_operator() {
    let tiller = FakeTiller::with(Vec::new()).await;
    let stage = Stage::new(&tiller.server);
    let bob = by(principal("bob"));
    let answer = send(&stage.relay, &bob, Rpc::UpdateRelease, &upgrade("web")).await;
    assert_eq!(problem(answer).await.code, Code::ClusterNotFound);
    let lines = stage.lines().await;
    assert_eq!(all(&lines, "why"), ["no grant reaches the cluster"]);
    assert_eq!(all(&lines, "cluster"), ["prod"]);
}

#[tokio::test]
async fn the_end_says_what_tiller_said() {
    for (answer, ended, code) in [
        (
            success_of(&[Vec::new()]) as super::super::apiserver::Answer,
            "applied",
            "",
        ),
        (
            failure(
                "a release named web already exists.\nRun: helm ls --all web; to check the status of the release\nOr run: helm del --purge web; to delete it",
            ),
            "not_applied",
            "release_exists",
        ),
        (
            failure("release web failed: timed out"),
            "unknown",
            "tiller_error",
        ),
        (unavailable(), "not_applied", "endpoint_not_ready"),
        (grpc(&[b""], None), "unknown", "intermediary_error"),
    ] {
        let answer = std::sync::Mutex::new(Some(answer));
        let server = ApiServer::start(move |_| {
            let answer = answer.lock().unwrap().take().unwrap();
            async move { answer }
        })
        .await;
        let stage = Stage::new(&server);
        let answer = send(
            &stage.relay,
            &caller(),
            Rpc::InstallRelease,
            &install("web", "a"),
        )
        .await;
        read(answer).await;
        let lines = stage.lines().await;
        assert_eq!(all(&lines, "event"), ["begin", "end"]);
        assert_eq!(lines[0]["principal"]["method"], "local");
        assert_eq!(lines[0]["rule"], "local");
        assert_eq!(lines[1]["outcome"], ended, "{code}");
        assert_eq!(lines[1]["code"].as_str().unwrap_or_default(), code);
    }
}

#[tokio::test]
async fn the_end_is_found_in_native_trailers_and_in_pieces() {
    let trailers = grpc_web::Status::new(grpc_web::Code::Ok, "")
        .to_trailers()
        .encode();
    let whole = [&frame(b"")[..], &trailers].concat();
    let server = ApiServer::start(move |seen| {
        let whole = whole.clone();
        async move {
            if seen.path.contains("https:tiller-deploy") {
                return grpc(&[b""], Some("2"));
            }
            let pieces: Vec<_> = whole
                .iter()
                .map(|byte| Ok(Bytes::from(vec![*byte])))
                .collect();
            streamed(futures::stream::iter(pieces))
        }
    })
    .await;
    for (path, ended) in [
        (INSTALL.to_owned(), "applied"),
        (INSTALL.replace("prod/", "prod/tillers/secure/"), "unknown"),
    ] {
        let stage = Stage::new(&server);
        read(soon(stage.relay.handle(&caller(), request(&path, frame(b"")))).await).await;
        assert_eq!(stage.lines().await[1]["outcome"], ended, "{path}");
    }
}

#[tokio::test]
async fn nobody_knows_how_what_was_given_up_has_ended() {
    let server = ApiServer::start(|_| async {
        let head = futures::stream::iter([Ok(frame(b""))]);
        streamed(futures::StreamExt::chain(head, futures::stream::pending()))
    })
    .await;
    let stage = Stage::new(&server);
    let answer = soon(stage.relay.handle(&caller(), request(INSTALL, frame(b"")))).await;
    let mut body = answer.into_body();
    soon(body.frame()).await.unwrap().unwrap();
    drop(body);
    let lines = stage.lines().await;
    assert_eq!(all(&lines, "event"), ["begin", "end"]);
    assert_eq!(lines[1]["outcome"], "unknown");
}

#[tokio::test]
async fn what_cannot_be_written_is_not_done() {
    let tiller = FakeTiller::with(vec![release("web", "a", 1)]).await;
    let stage = Stage::new(&tiller.server);
    let file = stage.rig.file("audit.log");
    fs::remove_file(&file).ok();
    fs::create_dir(&file).unwrap();
    let answer = send(&stage.relay, &caller(), Rpc::UpdateRelease, &upgrade("web")).await;
    let problem = problem(answer).await;
    assert_eq!(problem.code, Code::AuditUnavailable);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(tiller.called().is_empty());
}

#[tokio::test]
async fn a_request_out_of_hand_does_not_fill_the_log() {
    let tiller = FakeTiller::with(vec![release("other", "b", 1)]).await;
    let stage = Stage::new(&tiller.server);
    let by = alice();
    for _ in 0..100 {
        let bad = request(&path(Rpc::UpdateRelease), frame(b"\xff"));
        problem(soon(stage.relay.handle(&by, bad)).await).await;
    }
    assert_eq!(stage.lines().await.len(), 64);
}
