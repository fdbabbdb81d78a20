//! Lists that break off after their first item: the last thing said is an error, in every form.

use std::time::{Duration, Instant};

use rest::problem::{Code, Outcome, Problem};
use serde_json::Value;
use sim::faults::{Fault, Way};

use super::FORMS;
use crate::support::{Answer, Place, Stage, Transport, get, releases, soon, stage};

/// In the second of the list's two messages, wherever it is counted.
const AFTER: u64 = 20 << 20;

const WAY: Way = Way::Down;

/// Every hop behind the edge, and the transport that goes over it.
const HOPS: [(Place, Transport); 5] = [
    (|faults| &faults.edge_to_apiserver, Transport::GrpcWeb),
    (|faults| &faults.edge_to_apiserver, Transport::Grpc),
    (|faults| &faults.apiserver_to_bridge, Transport::GrpcWeb),
    (|faults| &faults.bridge_to_tiller, Transport::GrpcWeb),
    (|faults| &faults.apiserver_to_tiller, Transport::Grpc),
];

async fn long() -> Stage {
    stage()
        .cluster(|cluster| cluster.with_releases(releases::in_two_messages()))
        .limits(|limits| limits.read_deadline = Duration::from_secs(5))
        .start()
        .await
}

/// The error that a list ends with, after at least one item.
fn error(answer: &Answer, form: &str) -> Problem {
    let text = answer.text();
    assert!(text.contains("r00000"), "{answer}");
    let error: Value = match form {
        "application/json" => answer.json()["error"].take(),
        "application/x-ndjson" => {
            let last = text.lines().last().expect("a line");
            let mut last: Value = serde_json::from_str(last).expect("JSON");
            assert_eq!(last["type"], "error", "{answer}");
            last["error"].take()
        }
        _ => {
            let (_, last) = text.rsplit_once("event: error\ndata: ").expect("an error");
            serde_json::from_str(last.trim_end()).expect("JSON")
        }
    };
    serde_json::from_value(error).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_cut_ends_with_an_error() {
    let cut = Fault::Cut {
        way: WAY,
        after: AFTER,
    };
    let reset = Fault::Reset {
        way: WAY,
        after: AFTER,
    };
    for (hop, transport) in HOPS {
        for (fault, form) in [cut, reset].into_iter().zip(FORMS.into_iter().cycle()) {
            let stage = long().await;
            soon(hop(stage.cluster.faults()).set(fault)).await;
            let list = get(transport.path("releases")).header("accept", form);
            let answer = stage.send(list).await.expect(200);
            let problem = error(&answer, form);
            let codes = [Code::AnswerInterrupted, Code::TillerUnavailable];
            assert!(codes.contains(&problem.code), "{fault:?}: {problem}");
            assert_eq!(problem.outcome, Outcome::NotApplied);
            assert_eq!(problem.cluster.as_deref(), Some("sim"));
            stage.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_stalls_ends_with_an_error_at_its_deadline() {
    let fault = Fault::Stall {
        way: WAY,
        after: AFTER,
    };
    let stalled = HOPS.into_iter().zip(FORMS.into_iter().cycle());
    let stalled = stalled.map(|((hop, transport), form)| async move {
        let stage = long().await;
        soon(hop(stage.cluster.faults()).set(fault)).await;
        let asked = Instant::now();
        let list = get(transport.path("releases")).header("accept", form);
        let answer = stage.send(list).await.expect(200);
        assert!(asked.elapsed() < Duration::from_secs(5));
        let problem = error(&answer, form);
        let codes = [Code::AnswerInterrupted, Code::DeadlineExceeded];
        assert!(codes.contains(&problem.code), "{problem}");
        stage.end().await;
    });
    futures::future::join_all(stalled).await;
}
