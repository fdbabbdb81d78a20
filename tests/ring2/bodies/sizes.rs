//! Bodies and heads beyond the limits.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use rest::problem::Code;
use tiller_edge::config::Size;

use super::{install, stage};
use crate::support::{Protocol, Stage, get};

async fn small() -> Stage {
    stage()
        .limits(|limits| limits.body = Size::MIB)
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_announced_too_large_is_refused_at_once() {
    let stage = small().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let body = vec![b' '; (1 << 20) + 1];
        let ask = install().body("application/json", body).over(protocol);
        stage.sees_through(ask, Code::BodyTooLarge).await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_grows_too_large_is_refused_when_it_does() {
    let stage = small().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        let pieces = stream::repeat(Bytes::from_static(&[b' '; 1000])).take(10_000);
        let ask = install().pieces("application/json", pieces);
        stage
            .sees_through(ask.over(protocol), Code::BodyTooLarge)
            .await;
    }
    stage.end_untouched().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_beyond_the_limit_is_refused() {
    let stage = stage()
        .limits(|limits| limits.header = Size::KIB * 8)
        .start()
        .await;
    let long = "x".repeat(20_000);
    for protocol in [Protocol::H1, Protocol::H2] {
        for ask in [
            get(format!("/v1/clusters/sim/releases/{long}")),
            get("/v1/clusters/sim/releases").header("x-long", &long),
        ] {
            let answer = stage.attempt(ask.over(protocol)).await;
            answer.expect("an answer").expect(431);
            stage.is_clean().await;
            stage.serves().await;
        }
    }
    stage.end().await;
}
