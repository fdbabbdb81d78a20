//! What an APIServer, or something in front of it, answers instead of Tiller.

use rest::problem::{Blame, Code, Outcome};
use serde_json::json;
use sim::apiserver::{Answer, When};
use tiller_api::Method;

use super::{Kind, NAME};
use crate::support::{Transport, charts, delete, get, post, put, soon, stage};

const HTML: &str = "<html><title>Sign in</title>s3cret</html>";

/// Has the APIServer answer so, to each kind of call over each transport, and compares what the caller gets.
async fn becomes(when: When, answer: Answer, code: Code, outcome: impl Fn(Kind) -> Outcome) {
    for transport in Transport::BOTH {
        for kind in Kind::BOTH {
            let stage = stage().start().await;
            stage.cluster.apiserver().answer_next(when, answer.clone());
            let said = stage.send(kind.ask(transport)).await;
            stage.admits((transport, kind), &said, code, outcome(kind));
            assert!(!said.text().contains("s3cret"), "{said}");
            let arrived = usize::from(when == When::AfterBackend);
            assert_eq!(stage.arrived(kind), arrived, "{said}");
            stage.serves().await;
            stage.end().await;
        }
    }
}

fn nothing(_: Kind) -> Outcome {
    Outcome::NotApplied
}

fn balancer(status: u16) -> Answer {
    Answer::Balancer(status, "text/html", HTML)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_that_shuts_down_asks_to_come_back() {
    let busy = Answer::ShuttingDown;
    becomes(When::BeforeBackend, busy, Code::ClusterBusy, nothing).await;

    let stage = stage().start().await;
    let apiserver = stage.cluster.apiserver();
    apiserver.answer_next(When::BeforeBackend, Answer::ShuttingDown);
    let answer = stage.send(Kind::Mutation.ask(Transport::Grpc)).await;
    assert_eq!(answer.header("retry-after"), "5");
    assert_eq!(answer.problem().retry_after, Some(5));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_cannot_be_dialled_has_done_nothing() {
    let refused = "dial tcp 10.0.0.7:8080: connect: connection refused".to_owned();
    let answer = Answer::Unreachable(refused);
    let code = Code::EndpointUnreachable;
    becomes(When::BeforeBackend, answer, code, nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_lost_after_the_body_was_read_may_have_done_everything() {
    let answer = Answer::Unreachable("EOF".to_owned());
    let code = Code::EndpointUnreachable;
    becomes(When::AfterBackend, answer, code, Kind::unproven).await;
}

/// Whatever the call is: what changes something is sent once, and nobody knows what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_is_sent_once() {
    let chart = json!({ "chart": charts::field(&charts::archive("web")) });
    for transport in Transport::BOTH {
        let web = transport.path("releases/web");
        let mutations = [
            (Method::UpdateRelease, put(&web).json(&chart)),
            (
                Method::RollbackRelease,
                post(format!("{web}/rollback")).json(&json!({"revision": 1})),
            ),
            (
                Method::UninstallRelease,
                delete(format!("{web}?purge=true")),
            ),
            (Method::RunReleaseTest, post(format!("{web}/tests"))),
        ];
        for (method, ask) in mutations {
            let stage = stage()
                .cluster(|cluster| cluster.with_release("web"))
                .start()
                .await;
            let mut hold = stage.cluster.tiller().pause(method);
            let (answer, ()) = tokio::join!(stage.send(ask), async {
                soon(hold.reached(1)).await;
                stage.cluster.faults().apiserver_to_bridge.sever();
                stage.cluster.faults().apiserver_to_tiller.sever();
            });
            answer.refused(Code::EndpointUnreachable, Outcome::Unknown);
            hold.release();
            stage.serves().await;
            assert_eq!(stage.cluster.tiller().count(method), 1);
            stage.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unknown_can_be_looked_up() {
    let stage = stage().start().await;
    let lost = Answer::Unreachable("EOF".to_owned());
    let apiserver = stage.cluster.apiserver();
    apiserver.answer_next(When::AfterBackend, lost);
    let answer = stage.send(Kind::Mutation.ask(Transport::GrpcWeb)).await;
    answer.refused(Code::EndpointUnreachable, Outcome::Unknown);
    let path = Transport::GrpcWeb.path(&format!("releases/{NAME}"));
    let release = stage.send(get(path)).await.expect(200).json();
    assert_eq!(release["status"], "deployed");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancers_error_proves_nothing() {
    for status in [500, 502, 503, 504] {
        let code = Code::IntermediaryError;
        becomes(When::AfterBackend, balancer(status), code, Kind::unproven).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balancers_refusal_and_a_login_page_are_nobodys_answer() {
    let code = Code::IntermediaryError;
    for status in [302, 401, 403, 413] {
        becomes(When::BeforeBackend, balancer(status), code, nothing).await;
    }
    becomes(When::BeforeBackend, balancer(200), code, Kind::unproven).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limiters_refusal_is_a_busy_cluster() {
    let code = Code::ClusterBusy;
    becomes(When::BeforeBackend, balancer(429), code, nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_is_told_that_it_is_the_edge_who_may_not() {
    for transport in Transport::BOTH {
        for kind in Kind::BOTH {
            let stage = stage().start().await;
            stage.cluster.apiserver().set_rules(Vec::new());
            let answer = stage.send(kind.ask(transport)).await;
            let outcome = Outcome::NotApplied;
            let problem = stage.admits((transport, kind), &answer, Code::ClusterForbidden, outcome);
            assert_eq!(problem.code.blame(), Blame::Edge);
            assert_eq!(stage.arrived(kind), 0);
            stage.end().await;
        }
    }
}
