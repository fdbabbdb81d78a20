//! Connections that end between requests, or around them: what was meant once happens once.

use futures::future::join_all;
use prost::Message;
use rest::problem::Outcome;
use tiller_api::Method;
use tiller_api::hapi::services::tiller::InstallReleaseRequest;

use super::Kind;
use crate::support::{Answer, Stage, Transport, charts, post, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_outlives_the_goaway_of_its_connection() {
    let stage = stage().start().await;
    stage.serves().await;
    for (number, transport) in Transport::BOTH.into_iter().enumerate() {
        let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
        let name = format!("web-{number}");
        let install = post(transport.path("releases")).json(&charts::install(&name));
        let (answer, ()) = tokio::join!(stage.send(install), async {
            soon(hold.reached(1)).await;
            stage.cluster.apiserver().go_away();
            // The next call needs another connection.
            stage.serves().await;
            hold.release();
        });
        answer.expect(201);
        assert_eq!(stage.arrived(Kind::Mutation), number + 1);
    }
    stage.end().await;
}

/// GOAWAY comes at any moment of twenty installs. A call that met it may fail, and says truly whether it was carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mutation_that_meets_a_goaway_is_sent_once() {
    let stage = stage().start().await;
    for round in 0..5 {
        stage.serves().await;
        let installs = (0..20).map(|number| install(&stage, format!("r{round}-{number}")));
        let (answers, ()) = tokio::join!(join_all(installs), async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
                stage.cluster.apiserver().go_away();
            }
        });
        for (answer, name) in answers {
            is_true(&stage, &answer, &name);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_that_broke_are_replaced() {
    let stage = stage().start().await;
    for round in 0..20 {
        stage.serves().await;
        for hop in stage.cluster.faults().hops() {
            hop.sever();
        }
        let (answer, name) = install(&stage, format!("web-{round}")).await;
        is_true(&stage, &answer, &name);
    }
    stage.serves().await;
    stage.end().await;
}

async fn install(stage: &Stage, name: String) -> (Answer, String) {
    let install = post(Transport::GrpcWeb.path("releases")).json(&charts::install(&name));
    (stage.send(install).await, name)
}

/// Insists that the install arrived once if it succeeded, not at all if it says so, and never twice.
fn is_true(stage: &Stage, answer: &Answer, name: &str) {
    let calls = stage.cluster.tiller().calls();
    let arrived = calls
        .iter()
        .filter(|call| call.method() == Some(Method::InstallRelease))
        .filter_map(|call| InstallReleaseRequest::decode(call.message.clone()).ok())
        .filter(|request| request.name == name)
        .count();
    if answer.status == 201 {
        assert_eq!(arrived, 1, "{name}");
    } else {
        let most = usize::from(answer.problem().outcome == Outcome::Unknown);
        assert!(arrived <= most, "{name} arrived {arrived} times: {answer}");
    }
}
