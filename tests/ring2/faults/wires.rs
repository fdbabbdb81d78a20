//! Connections that are refused, reset, cut, stalled or slow, hop by hop.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use rest::problem::{Code, Outcome};
use sim::faults::{Fault, Way};
use sim::tiller::Seed;

use super::Kind;
use crate::support::{Place, Stage, Transport, soon, stage, until};

/// What the edge gives any request here.
const DEADLINE: Duration = Duration::from_millis(1500);

/// How many cases run at a time: they wait more than they work.
const AT_ONCE: usize = 8;

const REFUSED: Fault = Fault::Refuse;
/// Before anything of the request got through.
const NO_REQUEST: Fault = reset(Way::Up, 0);
/// In the middle of an install; a list is shorter.
const HALF_A_REQUEST: Fault = reset(Way::Up, 1000);
/// In the middle of an answer's first bytes.
const HARDLY_AN_ANSWER: [Fault; 2] = [reset(Way::Down, 500), cut(500)];
/// In the middle of a list's only message; an install's answer is shorter.
const HALF_A_LIST: [Fault; 2] = [reset(Way::Down, 300_000), cut(300_000)];
const SILENCE: [Fault; 2] = [stall(Way::Up, 0), stall(Way::Down, 0)];
const SILENCE_IN_A_LIST: Fault = stall(Way::Down, 300_000);
const SLOW: Fault = Fault::Drip {
    bytes: 4000,
    every: Duration::from_millis(1),
};

const fn reset(way: Way, after: u64) -> Fault {
    Fault::Reset { way, after }
}

const fn cut(after: u64) -> Fault {
    let way = Way::Down;
    Fault::Cut { way, after }
}

const fn stall(way: Way, after: u64) -> Fault {
    Fault::Stall { way, after }
}

/// One hop, and what is expected on it.
struct Wire {
    hop: Place,
    transports: &'static [Transport],
    cases: Vec<Case>,
}

#[derive(Clone, Copy)]
struct Case {
    fault: Fault,
    kind: Kind,
    /// Nothing where it goes well all the same.
    expected: Option<(&'static [Code], Outcome)>,
}

impl Wire {
    fn new(hop: Place, transports: &'static [Transport]) -> Self {
        Self {
            hop,
            transports,
            cases: Vec::new(),
        }
    }

    /// It is proven that nothing happened.
    fn proves(self, fault: Fault, codes: &'static [Code]) -> Self {
        self.expects(fault, &Kind::BOTH, |_| Some((codes, Outcome::NotApplied)))
    }

    /// Nothing is proven.
    fn doubts(self, fault: Fault, codes: &'static [Code]) -> Self {
        self.doubts_for(&Kind::BOTH, fault, codes)
    }

    fn doubts_for(self, kinds: &[Kind], fault: Fault, codes: &'static [Code]) -> Self {
        self.expects(fault, kinds, |kind| Some((codes, kind.unproven())))
    }

    fn survives(self, fault: Fault) -> Self {
        self.expects(fault, &Kind::BOTH, |_| None)
    }

    fn expects(
        mut self,
        fault: Fault,
        kinds: &[Kind],
        expected: impl Fn(Kind) -> Option<(&'static [Code], Outcome)>,
    ) -> Self {
        self.cases.extend(kinds.iter().map(|&kind| Case {
            fault,
            kind,
            expected: expected(kind),
        }));
        self
    }

    /// What a silent hop comes to is the same everywhere, and slowness is no trouble at all.
    fn and_silence(mut self) -> Self {
        for fault in SILENCE {
            self = self.doubts(fault, &[Code::DeadlineExceeded]);
        }
        self.survives(SLOW)
    }

    /// Tries every case, each in a cluster of its own.
    async fn holds(self) {
        let Self {
            hop,
            transports,
            cases,
        } = self;
        let cases = transports.iter().flat_map(|&transport| {
            let with = move |case| tried(hop, transport, case);
            cases.iter().copied().map(with)
        });
        stream::iter(cases)
            .buffer_unordered(AT_ONCE)
            .collect::<()>()
            .await;
    }
}

async fn tried(hop: Place, transport: Transport, case: Case) {
    let Case {
        fault,
        kind,
        expected,
    } = case;
    let stage = weighty().await;
    // The connections are there, as they usually are.
    stage.serves().await;
    let hop = hop(stage.cluster.faults());
    soon(hop.set(fault)).await;
    let asked = Instant::now();
    let answer = stage.send(kind.ask(transport)).await;
    let took = asked.elapsed();
    println!("{transport:?} {fault:?} {kind:?}: {answer:.100}");
    assert!(took < DEADLINE + Duration::from_secs(1), "{took:?}");
    match expected {
        Some((codes, outcome)) => {
            let code = answer.problem().code;
            assert!(codes.contains(&code), "{answer}");
            stage.admits((transport, kind), &answer, code, outcome);
        }
        None => {
            assert!(answer.status.is_success(), "{answer}");
            assert_eq!(stage.arrived(kind), 1);
        }
    }
    stage.is_clean().await;
    soon(hop.clear()).await;
    stage.serves().await;
    stage.end().await;
}

/// A cluster whose list weighs a megabyte.
async fn weighty() -> Stage {
    let releases = (0..50).map(|number| Seed {
        padding: 20_000,
        ..Seed::new(format!("r{number}"))
    });
    stage()
        .cluster(|cluster| cluster.with_releases(releases))
        .limits(|limits| {
            limits.deadline = DEADLINE;
            limits.read_deadline = DEADLINE;
            limits.sandboxes = 2;
        })
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_edge_and_apiserver() {
    let mut wire = Wire::new(|faults| &faults.edge_to_apiserver, &Transport::BOTH)
        .proves(REFUSED, &[Code::ClusterUnreachable])
        .doubts_for(
            &[Kind::Mutation],
            HALF_A_REQUEST,
            &[Code::AnswerInterrupted],
        )
        .doubts_for(&[Kind::Read], SILENCE_IN_A_LIST, &[Code::AnswerInterrupted]);
    for fault in HARDLY_AN_ANSWER {
        // What broke before the head of an answer is tried again if it is a read, on a connection that does not get far.
        let codes = &[Code::AnswerInterrupted, Code::ClusterUnreachable];
        wire = wire.doubts_for(&[Kind::Read], fault, codes).doubts_for(
            &[Kind::Mutation],
            fault,
            &codes[..1],
        );
    }
    for fault in HALF_A_LIST {
        wire = wire.doubts_for(&[Kind::Read], fault, &[Code::AnswerInterrupted]);
    }
    wire.and_silence().holds().await;
}

/// Once the edge has seen its connections go, nothing is sent that could not arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_that_resets_every_connection() {
    let stage = weighty().await;
    stage.serves().await;
    let hop = &stage.cluster.faults().edge_to_apiserver;
    soon(hop.set(NO_REQUEST)).await;
    until("noticed", || stage.edge().stats().relay.connections == 0).await;
    for transport in Transport::BOTH {
        for kind in Kind::BOTH {
            let answer = stage.send(kind.ask(transport)).await;
            let (code, outcome) = (Code::ClusterUnreachable, Outcome::NotApplied);
            stage.admits((transport, kind), &answer, code, outcome);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_apiserver_and_bridge() {
    let mut wire = Wire::new(|faults| &faults.apiserver_to_bridge, &[Transport::GrpcWeb])
        .proves(REFUSED, &[Code::EndpointUnreachable])
        .doubts(NO_REQUEST, &[Code::EndpointUnreachable])
        .doubts_for(
            &[Kind::Mutation],
            HALF_A_REQUEST,
            &[Code::EndpointUnreachable],
        )
        .doubts_for(&[Kind::Read], SILENCE_IN_A_LIST, &[Code::AnswerInterrupted]);
    for fault in HARDLY_AN_ANSWER {
        wire = wire.doubts(fault, &[Code::AnswerInterrupted]);
    }
    for fault in HALF_A_LIST {
        wire = wire.doubts_for(&[Kind::Read], fault, &[Code::AnswerInterrupted]);
    }
    wire.and_silence().holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_bridge_and_tiller() {
    let mut wire = Wire::new(|faults| &faults.bridge_to_tiller, &[Transport::GrpcWeb])
        .proves(REFUSED, &[Code::TillerUnreachable])
        .doubts(NO_REQUEST, &[Code::TillerUnavailable])
        .doubts_for(
            &[Kind::Mutation],
            HALF_A_REQUEST,
            &[Code::TillerUnavailable],
        )
        .doubts_for(&[Kind::Read], SILENCE_IN_A_LIST, &[Code::AnswerInterrupted]);
    for fault in HARDLY_AN_ANSWER {
        wire = wire.doubts(fault, &[Code::TillerUnavailable]);
    }
    for fault in HALF_A_LIST {
        wire = wire.doubts_for(&[Kind::Read], fault, &[Code::TillerUnavailable]);
    }
    wire.and_silence().holds().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_apiserver_and_tiller() {
    let mut wire = Wire::new(|faults| &faults.apiserver_to_tiller, &[Transport::Grpc])
        .proves(REFUSED, &[Code::EndpointUnreachable])
        .doubts(NO_REQUEST, &[Code::EndpointUnreachable])
        .doubts_for(
            &[Kind::Mutation],
            HALF_A_REQUEST,
            &[Code::EndpointUnreachable],
        )
        .doubts_for(&[Kind::Read], SILENCE_IN_A_LIST, &[Code::AnswerInterrupted]);
    for fault in HARDLY_AN_ANSWER {
        // Whether the head of the answer got through is a matter of chance.
        let codes = &[Code::AnswerInterrupted, Code::EndpointUnreachable];
        wire = wire.doubts(fault, codes);
    }
    for fault in HALF_A_LIST {
        wire = wire.doubts_for(&[Kind::Read], fault, &[Code::AnswerInterrupted]);
    }
    wire.and_silence().holds().await;
}
