//! Tiller, the bridge or the APIServer dies while a call is under way.

use rest::problem::{Code, Outcome, Problem};
use sim::tiller::Point;
use tiller_api::Method;

use super::Kind;
use crate::support::{Opened, Stage, Transport, get, post, releases, soon, stage};

/// Who dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Victim {
    ApiServer,
    Bridge,
    Tiller,
}

impl Victim {
    /// Everybody who is on the way, over each transport.
    fn all() -> impl Iterator<Item = (Self, Transport)> {
        [Self::ApiServer, Self::Bridge, Self::Tiller]
            .into_iter()
            .flat_map(|victim| Transport::BOTH.map(|transport| (victim, transport)))
            .filter(|way| *way != (Self::Bridge, Transport::Grpc))
    }

    async fn dies(self, stage: &Stage) {
        match self {
            Self::ApiServer => soon(stage.cluster.kill_apiserver()).await,
            Self::Bridge => soon(stage.cluster.kill_bridge()).await,
            Self::Tiller => soon(stage.cluster.kill_tiller()).await,
        }
    }

    async fn recovers(self, stage: &Stage) {
        match self {
            Self::ApiServer => soon(stage.cluster.restart_apiserver()).await,
            Self::Bridge => soon(stage.cluster.restart_bridge())
                .await
                .expect("it starts"),
            Self::Tiller => soon(stage.cluster.restart_tiller()).await,
        }
        stage.serves().await;
    }

    /// What a call is told that was under way, and has no answer yet.
    fn before_an_answer(self, transport: Transport) -> Code {
        match (self, transport) {
            (Self::ApiServer, _) => Code::AnswerInterrupted,
            (Self::Bridge, _) | (Self::Tiller, Transport::Grpc) => Code::EndpointUnreachable,
            (Self::Tiller, Transport::GrpcWeb) => Code::TillerUnavailable,
        }
    }

    /// What a call is told that was in the middle of its answer. Only the bridge can still tell who died.
    fn in_an_answer(self, transport: Transport) -> Code {
        match (self, transport) {
            (Self::Tiller, Transport::GrpcWeb) => Code::TillerUnavailable,
            _ => Code::AnswerInterrupted,
        }
    }

    /// What a call is told that begins afterwards.
    fn when_dead(self, transport: Transport) -> Code {
        match (self, transport) {
            (Self::ApiServer, _) => Code::ClusterUnreachable,
            (Self::Bridge, _) | (Self::Tiller, Transport::Grpc) => Code::EndpointUnreachable,
            (Self::Tiller, Transport::GrpcWeb) => Code::TillerUnreachable,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_an_install() {
    for (victim, transport) in Victim::all() {
        let stage = stage().start().await;
        let kind = Kind::Mutation;
        let tiller = stage.cluster.tiller();
        let mut hold = tiller.hold(Method::InstallRelease, Point::Underway);
        let (answer, ()) = tokio::join!(stage.send(kind.ask(transport)), async {
            soon(hold.reached(1)).await;
            victim.dies(&stage).await;
        });
        let code = victim.before_an_answer(transport);
        stage.admits((transport, kind), &answer, code, Outcome::Unknown);
        hold.release();
        for kind in Kind::BOTH {
            let answer = stage.send(kind.ask(transport)).await;
            answer.refused(victim.when_dead(transport), Outcome::NotApplied);
        }
        assert_eq!(stage.arrived(Kind::Mutation), 1);
        stage.is_clean().await;
        victim.recovers(&stage).await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_list_begins() {
    for (victim, transport) in Victim::all() {
        let stage = stage().start().await;
        let kind = Kind::Read;
        let mut hold = stage.cluster.tiller().pause(kind.method());
        let (answer, ()) = tokio::join!(stage.send(kind.ask(transport)), async {
            soon(hold.reached(1)).await;
            victim.dies(&stage).await;
        });
        let problem = answer.problem();
        // The edge asks again: it may be told what the first call was, or what is so now.
        let either = [
            victim.before_an_answer(transport),
            victim.when_dead(transport),
        ];
        assert!(either.contains(&problem.code), "{answer}");
        stage.admits(
            (transport, kind),
            &answer,
            problem.code,
            Outcome::NotApplied,
        );
        hold.release();
        stage.is_clean().await;
        victim.recovers(&stage).await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_a_list() {
    for (victim, transport) in Victim::all() {
        let stage = stage()
            .cluster(|cluster| cluster.with_releases(releases::in_two_messages()))
            .start()
            .await;
        let tiller = stage.cluster.tiller();
        let mut hold = tiller.hold(Method::ListReleases, Point::Message(1));
        let list = get(transport.path("releases")).header("accept", "application/x-ndjson");
        let mut answer = stage.open(list).await;
        soon(hold.reached(1)).await;
        answer.reaches(|seen| seen.contains("r00000")).await;
        victim.dies(&stage).await;
        let (items, problem) = interrupted(answer).await;
        // The second release of the message waits for the third, to be sure that it has no newer revision.
        assert_eq!(items, 1, "{victim:?} {transport:?}");
        assert_eq!(problem.code, victim.in_an_answer(transport));
        assert_eq!(problem.outcome, Outcome::NotApplied);
        drop(hold);
        stage.is_clean().await;
        victim.recovers(&stage).await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_middle_of_tests() {
    for (victim, transport) in Victim::all() {
        let stage = stage()
            .cluster(sim::Options::with_controllers)
            .start()
            .await;
        let tiller = stage.cluster.tiller();
        tiller.put(&releases::tested("web", 2));
        let mut hold = tiller.hold(Method::RunReleaseTest, Point::Message(1));
        let tests =
            post(transport.path("releases/web/tests")).header("accept", "application/x-ndjson");
        let mut answer = stage.open(tests).await;
        soon(hold.reached(1)).await;
        answer.reaches(|seen| seen.contains("RUNNING: web-0")).await;
        victim.dies(&stage).await;
        let (results, problem) = interrupted(answer).await;
        assert_eq!(results, 1, "{victim:?} {transport:?}");
        assert_eq!(problem.code, victim.in_an_answer(transport));
        assert_eq!(problem.outcome, Outcome::Unknown);
        assert_eq!(tiller.count(Method::RunReleaseTest), 1);
        drop(hold);
        stage.is_clean().await;
        victim.recovers(&stage).await;
        stage.end().await;
    }
}

/// Reads lines to their end: how many items came, and the error that is the last line.
async fn interrupted(answer: Opened) -> (usize, Problem) {
    let answer = answer.rest().await.expect("an end").expect(200);
    let lines: Vec<_> = answer.text().lines().collect();
    let (last, items) = lines.split_last().expect("a line");
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(last["type"], "error", "{last}");
    let problem: Problem = serde_json::from_value(last["error"].clone()).expect("a problem");
    assert_eq!(problem.cluster.as_deref(), Some("sim"));
    (items.len(), problem)
}
