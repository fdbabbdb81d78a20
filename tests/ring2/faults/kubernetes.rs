//! The same trouble in the words of every version of Kubernetes.

use rest::problem::{Code, Outcome};
use sim::apiserver::{Answer, Kubernetes, When};

use super::Kind;
use crate::support::{Transport, soon, stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_dead_has_done_nothing() {
    for version in Kubernetes::ALL {
        let stage = stage()
            .cluster(|cluster| cluster.with_kubernetes(version))
            .start()
            .await;
        soon(stage.cluster.kill_bridge()).await;
        let transport = Transport::GrpcWeb;
        for kind in Kind::BOTH {
            let answer = stage.send(kind.ask(transport)).await;
            let (code, outcome) = (Code::EndpointUnreachable, Outcome::NotApplied);
            let problem = stage.admits((transport, kind), &answer, code, outcome);
            let detail = problem.detail;
            assert!(detail.contains("connection refused"), "{version}: {detail}");
        }
        soon(stage.cluster.restart_bridge())
            .await
            .expect("it starts");
        stage.serves().await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_lost_in_mid_call_may_have_done_everything() {
    for version in Kubernetes::ALL {
        for transport in Transport::BOTH {
            let stage = stage()
                .cluster(|cluster| cluster.with_kubernetes(version))
                .start()
                .await;
            let lost = Answer::Unreachable("EOF".to_owned());
            let apiserver = stage.cluster.apiserver();
            apiserver.answer_next(When::AfterBackend, lost);
            let kind = Kind::Mutation;
            let answer = stage.send(kind.ask(transport)).await;
            let (code, outcome) = (Code::EndpointUnreachable, Outcome::Unknown);
            stage.admits((transport, kind), &answer, code, outcome);
            assert_eq!(stage.arrived(kind), 1);
            stage.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_serves() {
    for version in Kubernetes::ALL {
        let stage = stage()
            .cluster(|cluster| cluster.with_kubernetes(version))
            .start()
            .await;
        for (number, transport) in Transport::BOTH.into_iter().enumerate() {
            let answer = stage.send(Kind::Mutation.ask(transport)).await;
            // The second finds the name taken.
            assert_eq!(answer.status, [201, 409][number], "{version}: {answer}");
            stage.send(Kind::Read.ask(transport)).await.expect(200);
        }
        stage.end().await;
    }
}

/// What many a load balancer leaves of the APIServer's protocols.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apiserver_without_http2_serves() {
    let stage = stage().cluster(sim::Options::without_http2).start().await;
    for kind in Kind::BOTH {
        let answer = stage.send(kind.ask(Transport::GrpcWeb)).await;
        assert!(answer.status.is_success(), "{answer}");
    }
    let seen = stage.cluster.apiserver().seen();
    let versions = seen.iter().map(|seen| seen.version);
    assert!(versions.eq(seen.iter().map(|_| http::Version::HTTP_11)));
    stage.end().await;
}
