//! Two hundred requests at once, good and bad, over everything there is.

use std::time::Duration;

use futures::future::join_all;
use rest::problem::Outcome;
use tiller_api::Method;
use tiller_edge::config::Size;

use crate::support::{
    Ask, PATIENCE, Protocol, Stage, Transport, charts, delete, get, post, releases, stage, until,
};

/// What a request is for, and whether its caller stays.
enum Wish {
    /// It must succeed.
    Good(Ask),
    /// It must end.
    Bad(Ask),
    /// Its caller leaves as soon as something is under way.
    Forsaken(Ask),
}

fn wish(number: usize) -> Wish {
    // Every wish comes in every way.
    let (round, kind) = (number / 10, number % 10);
    let transport = Transport::BOTH[round % 2];
    let protocol = [Protocol::H1, Protocol::H2][round / 2 % 2];
    let hostile = ["spin", "allocate", "trap", "trap-mid-stream"][round / 4 % 4];
    let over = |ask: Ask| ask.over(protocol);
    let releases = transport.path("releases");
    let install = charts::install(&format!("web-{number}"));
    match kind {
        0 => Wish::Good(over(get(releases))),
        1 => Wish::Good(over(post(releases).json(&install))),
        2 => Wish::Good(over(get(transport.path("version")))),
        3 => Wish::Good(over(get(transport.path("releases/r00007/manifest")))),
        4 => Wish::Good(over(get("/v1/clusters?check=true"))),
        5 => Wish::Bad(over(delete(transport.path("releases/nobody")))),
        6 => Wish::Bad(over(get(format!("/guests/{hostile}")))),
        7 => Wish::Bad(over(post(releases).body("application/json", "{"))),
        8 => Wish::Forsaken(over(get(releases))),
        _ => Wish::Forsaken(over(post(releases).json(&install))),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_leave_nothing_and_stop_nobody() {
    let stage = stage()
        .cluster(|cluster| cluster.with_releases(releases::heavy(20, 20_000)))
        .limits(|limits| {
            limits.cpu = Duration::from_millis(300);
            limits.memory = Size::MIB * 16;
            limits.queue = PATIENCE;
        })
        .start()
        .await;
    join_all((0..200).map(|number| served(&stage, number))).await;
    stage.is_clean().await;
    let installed = (0..200).filter(|number| number % 10 == 1).count();
    let installs = stage.cluster.tiller().count(Method::InstallRelease);
    let forsaken = (0..200).filter(|number| number % 10 == 9).count();
    assert!((installed..=installed + forsaken).contains(&installs));
    stage.serves().await;
    stage.end().await;
}

async fn served(stage: &Stage, number: usize) {
    match wish(number) {
        Wish::Good(ask) => {
            let answer = stage.send(ask).await;
            assert!(answer.status.is_success(), "{number}: {answer}");
        }
        Wish::Bad(ask) => {
            if let Ok(answer) = stage.attempt(ask).await {
                let problem = answer.problem();
                assert_eq!(problem.outcome, Outcome::NotApplied, "{number}: {answer}");
            }
        }
        Wish::Forsaken(ask) => {
            let before = stage.edge().stats().sandbox.started;
            let busy = until("busy", || stage.edge().stats().sandbox.started > before);
            tokio::select! {
                _ = stage.attempt(ask) => {}
                () = busy => {}
            }
        }
    }
}
