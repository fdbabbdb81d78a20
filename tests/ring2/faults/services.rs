//! What can be wrong with the service that a tiller's name leads to.

use rest::problem::{Code, Outcome};
use sim::apiserver::{Endpoint, Port, Service};

use super::Kind;
use crate::support::{Stage, Transport, stage};

fn name(transport: Transport) -> (&'static str, &'static str) {
    match transport {
        Transport::GrpcWeb => ("tiller-bridge", "grpc-web"),
        Transport::Grpc => ("tiller-deploy", "tiller"),
    }
}

/// With this change to the cluster no call is carried out, and the problem says why.
async fn refused(code: Code, change: impl Fn(&Stage, Transport)) {
    for transport in Transport::BOTH {
        for kind in Kind::BOTH {
            let stage = stage().start().await;
            change(&stage, transport);
            let answer = stage.send(kind.ask(transport)).await;
            stage.admits((transport, kind), &answer, code, Outcome::NotApplied);
            assert_eq!(stage.arrived(kind), 0);
            stage.end().await;
        }
    }
}

async fn with_port(code: Code, port: impl Fn(&str) -> Port) {
    refused(code, |stage, transport| {
        let (name, wanted) = name(transport);
        stage.cluster.apiserver().put_service(Service {
            namespace: "kube-system".to_owned(),
            name: name.to_owned(),
            ports: vec![port(wanted)],
        });
    })
    .await;
}

fn port(name: &str, endpoint: Endpoint) -> Port {
    Port {
        name: name.to_owned(),
        number: 8080,
        endpoint,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there() {
    refused(Code::EndpointNotFound, |stage, transport| {
        let (name, _) = name(transport);
        let apiserver = stage.cluster.apiserver();
        apiserver.remove_service("kube-system", name);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_without_a_pod_behind_it() {
    let code = Code::EndpointNotReady;
    with_port(code, |wanted| port(wanted, Endpoint::Missing)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_whose_pods_are_not_ready() {
    let code = Code::EndpointNotReady;
    with_port(code, |wanted| port(wanted, Endpoint::NotReady)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_another_port() {
    let code = Code::EndpointNotReady;
    with_port(code, |_| port("other", Endpoint::NotReady)).await;
}

/// Over `grpc` the APIServer cannot speak to a Tiller without TLS, and says so in a way that proves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tiller_without_tls_needs_the_bridge() {
    let stage = stage()
        .cluster(sim::Options::without_tiller_tls)
        .start()
        .await;
    for kind in Kind::BOTH {
        let answer = stage.send(kind.ask(Transport::Grpc)).await;
        let code = Code::EndpointUnreachable;
        stage.admits((Transport::Grpc, kind), &answer, code, Outcome::NotApplied);
        let answer = stage.send(kind.ask(Transport::GrpcWeb)).await;
        assert!(answer.status.is_success(), "{answer}");
    }
    stage.end().await;
}
