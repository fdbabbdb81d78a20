//! The parts together: who may call, what breaks where, and that nothing is left.

use tiller_api::Method;

use super::*;
use crate::caller::{Caller, soon, until};
use crate::faults::{Fault, Way};

#[tokio::test]
async fn a_client_certificate_is_as_good_as_a_token() {
    let cluster = cluster().start().await;
    let client = &cluster.pki.client;
    let mut caller =
        Caller::with_certificate(&cluster, &client.certificate_pem, &client.key_pem).await;
    assert!(
        caller
            .grpc_web("GetVersion", b"")
            .await
            .unwrap()
            .decoded()
            .1
            .is_ok()
    );
    assert_eq!(cluster.apiserver().seen()[0].user, "edge");
}

#[tokio::test]
async fn a_dead_bridge_is_refused_by_the_apiserver_and_a_new_one_found() {
    let cluster = cluster().start().await;
    let mut caller = Caller::h2(&cluster).await;
    for _ in 0..2 {
        let works = caller.grpc_web("GetVersion", b"").await.unwrap();
        assert!(works.decoded().1.is_ok());
        soon(cluster.kill_bridge()).await;
        let (code, text) = caller.grpc_web("GetVersion", b"").await.unwrap().refusal();
        assert_eq!(code, 503);
        assert!(text.ends_with("connection refused"), "{text}");
        soon(cluster.restart_bridge()).await.unwrap();
    }
}

#[tokio::test]
async fn a_dead_tiller_is_unreachable_over_both_ways_and_comes_back_with_its_releases() {
    let cluster = cluster().with_release("web").start().await;
    let mut caller = Caller::h2(&cluster).await;
    for _ in 0..2 {
        let (messages, status) = caller
            .grpc_web("ListReleases", b"")
            .await
            .unwrap()
            .decoded();
        assert_eq!((messages.len(), status.is_ok()), (1, true));
        soon(cluster.kill_tiller()).await;
        let (_, status) = caller
            .grpc_web("ListReleases", b"")
            .await
            .unwrap()
            .decoded();
        assert_eq!(status.code, grpc_web::Code::Unavailable);
        assert!(
            status.message.starts_with("cannot reach Tiller"),
            "{status}"
        );
        let (_, text) = caller
            .grpc("ListReleases", b"", &[])
            .await
            .unwrap()
            .refusal();
        assert!(text.ends_with("connection refused"), "{text}");
        soon(cluster.restart_tiller()).await;
    }
}

#[tokio::test]
async fn a_request_that_kills_tiller_is_answered_by_the_bridge() {
    let cluster = cluster().start().await;
    let mut caller = Caller::h2(&cluster).await;
    // limit: -1
    let deadly = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    let (_, status) = caller
        .grpc_web("ListReleases", deadly)
        .await
        .unwrap()
        .decoded();
    assert_eq!(status.code, grpc_web::Code::Unavailable);
    soon(cluster.tiller().died()).await;
    soon(cluster.restart_tiller()).await;
    let (_, status) = caller
        .grpc_web("ListReleases", b"")
        .await
        .unwrap()
        .decoded();
    assert!(status.is_ok(), "{status}");
}

#[tokio::test]
async fn an_answer_cut_between_bridge_and_apiserver_breaks_and_does_not_end() {
    let cluster = cluster()
        .with_releases((0..10).map(|n| Seed {
            padding: 100_000,
            ..Seed::new(format!("r{n}"))
        }))
        .start()
        .await;
    let hop = &cluster.faults().apiserver_to_bridge;
    let way = Way::Down;
    for fault in [
        Fault::Cut {
            way,
            after: 300_000,
        },
        Fault::Reset {
            way,
            after: 300_000,
        },
    ] {
        for mut caller in [Caller::h1(&cluster).await, Caller::h2(&cluster).await] {
            hop.once(fault);
            let broken = caller.grpc_web("ListReleases", b"").await;
            assert!(broken.is_err(), "{fault:?}");
        }
    }
    assert_eq!(hop.traffic().struck, 4);
}

#[tokio::test]
async fn tiller_lost_in_mid_answer_is_told_in_the_trailer_frame() {
    let cluster = cluster()
        .with_releases((0..10).map(|n| Seed {
            padding: 100_000,
            ..Seed::new(format!("r{n}"))
        }))
        .start()
        .await;
    let hop = &cluster.faults().bridge_to_tiller;
    let after = 300_000;
    hop.once(Fault::Reset {
        way: Way::Down,
        after,
    });
    let mut caller = Caller::h2(&cluster).await;
    let (_, status) = caller
        .grpc_web("ListReleases", b"")
        .await
        .unwrap()
        .decoded();
    assert_eq!(status.code, grpc_web::Code::Unavailable);
    assert!(
        status
            .message
            .starts_with("the connection to Tiller was lost"),
        "{status}"
    );
}

#[tokio::test]
async fn a_caller_that_leaves_leaves_nothing_behind() {
    let cluster = cluster().start().await;
    let mut hold = cluster.tiller().pause(Method::GetVersion);
    for calls in 1..=2 {
        let mut caller = if calls == 1 {
            Caller::h1(&cluster).await
        } else {
            Caller::h2(&cluster).await
        };
        let calling = tokio::spawn(async move { caller.grpc_web("GetVersion", b"").await });
        soon(hold.reached(calls)).await;
        calling.abort();
        until(|| cluster.bridge_stats().calls_open == 0).await;
        until(|| cluster.faults().edge_to_apiserver.traffic().open == 0).await;
    }
    assert_eq!(cluster.bridge_stats().calls_cancelled, 2);
}

#[tokio::test]
async fn a_drained_bridge_finishes_its_calls() {
    let mut options = cluster();
    options.bridge.times.linger = Duration::ZERO;
    let cluster = std::sync::Arc::new(options.start().await);
    let mut hold = cluster.tiller().pause(Method::GetVersion);
    let mut caller = Caller::h2(&cluster).await;
    let calling = tokio::spawn(async move { caller.grpc_web("GetVersion", b"").await });
    soon(hold.reached(1)).await;
    let draining = tokio::spawn({
        let cluster = cluster.clone();
        async move { cluster.drain_bridge().await }
    });
    hold.release();
    assert!(soon(calling).await.unwrap().unwrap().decoded().1.is_ok());
    soon(draining).await.unwrap();
}

#[tokio::test]
async fn kubeconfigs_name_the_cluster_and_carry_everything() {
    let cluster = cluster().named("arn:aws:eks:x/y").start().await;
    let config = cluster.kubeconfig();
    assert!(config.contains(r#"current-context: "arn:aws:eks:x/y""#));
    assert!(config.contains(&format!("server: {}", cluster.server())));
    assert!(config.contains(r#"token: "edge-token""#));
    assert!(
        cluster
            .kubeconfig_with_certificate()
            .contains("client-key-data: ")
    );
}
