//! Using up what a request may use.

use rest::problem::Code;

use super::{ask, strict};
use crate::support::stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn what_one_request_may_use_is_bounded() {
    let stage = strict().await;
    for behaviour in ["spin", "allocate", "recurse"] {
        stage.fails(behaviour, Code::SandboxLimit).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn talk_is_swallowed() {
    let stage = strict().await;
    stage.says("chatter", "said it all\n").await;
    stage.end().await;
}

/// It holds on to every answer, so that those beyond the bound wait in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn a_flood_of_calls_trickles() {
    let stage = stage().start().await;
    let answer = stage.send(ask("flood")).await.expect(200);
    assert_eq!(answer.text(), "16\n");
    assert_eq!(stage.cluster.apiserver().seen().len(), 16);
    stage.end().await;
}
