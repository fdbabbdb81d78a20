//! Answers: plain ones, wrong ones, and ones that never complete.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use rest::problem::Code;
use tokio::sync::mpsc;

use super::{ask, is_incomplete, is_reset, strict};
use crate::support::{Protocol, post, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn plain_answers_are_whole() {
    let stage = strict().await;
    stage.says("hello", "hello\n").await;
    stage
        .behaves("large", |answer| {
            let answer = answer.expect("whole").expect(200);
            assert_eq!(answer.body.len(), 64 << 20);
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn state_ends_with_its_request() {
    let stage = stage().start().await;
    for _ in 0..3 {
        stage.says("count", "1\n").await;
    }
    let together = (0..20).map(|_| stage.send(ask("count")));
    for answer in join_all(together).await {
        assert_eq!(answer.text(), "1\n");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn bodies_stream_both_ways() {
    let stage = stage().start().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let (sender, receiver) = mpsc::channel::<&'static str>(1);
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?;
            Some((Bytes::from_static(piece.as_bytes()), receiver))
        });
        let echo = post("/guests/echo").pieces("text/plain", pieces);
        let mut answer = stage.open(echo.over(protocol)).await;
        let mut sent = String::new();
        for piece in ["one ", "two ", "three"] {
            soon(sender.send(piece)).await.expect("taken");
            sent.push_str(piece);
            answer.reaches(|seen| seen == sent).await;
        }
        drop(sender);
        assert_eq!(answer.rest().await.expect("whole").text(), sent);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn failures_are_told_without_their_inside() {
    let stage = strict().await;
    for behaviour in ["trap", "panic", "fail", "hang"] {
        stage.fails(behaviour, Code::SandboxFailed).await;
        let detail = stage.send(ask(behaviour)).await.problem().detail;
        for inside in ["wasm", "unreachable", "guest", "panic", "backtrace"] {
            assert!(!detail.contains(inside), "{detail}");
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn headers_of_the_host_cannot_be_forged() {
    let stage = strict().await;
    stage
        .behaves("forge-response-headers", |answer| {
            let answer = answer.expect("whole").expect(200);
            for name in ["authorization", "connection", "keep-alive"] {
                assert!(!answer.headers.contains_key(name), "{name}");
                assert!(answer.text().contains(&format!("refused: {name}")));
            }
            assert_ne!(answer.header("x-request-id"), "forged");
            assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1);
            let coding = answer.headers.get("transfer-encoding");
            assert!(coding.is_none_or(|coding| coding == "chunked"));
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn headers_that_are_none_are_refused() {
    let stage = strict().await;
    stage.denies("huge-header", "SizeExceeded").await;
    stage.denies("split-header", "InvalidSyntax").await;
    stage
        .behaves("split-header", |answer| {
            assert!(!answer.expect("whole").headers.contains_key("x-split"));
        })
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn answers_of_another_length_than_told_break() {
    let stage = strict().await;
    for behaviour in ["short", "overlong"] {
        stage.breaks(behaviour).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn a_trap_in_mid_answer_never_looks_like_its_end() {
    let stage = strict().await;
    stage.breaks("trap-mid-stream").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn an_answer_that_never_ends_breaks() {
    let stage = strict().await;
    stage.breaks("stall").await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_done_in_time_breaks_after_what_came() {
    let stage = stage()
        .limits(|limits| {
            limits.deadline = Duration::from_secs(1);
            limits.read_deadline = limits.deadline;
        })
        .start()
        .await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let pieces = stream::iter([Bytes::from_static(b"first")]).chain(stream::pending());
        let echo = post("/guests/echo").pieces("text/plain", pieces);
        let mut answer = stage.open(echo.over(protocol)).await;
        answer.reaches(|seen| seen == "first").await;
        let error = answer.rest().await.expect_err("broken");
        assert!(is_incomplete(&error) || is_reset(&error), "{error:?}");
        stage.is_clean().await;
    }
    stage.end().await;
}
