//! Many operations at a cluster that does not answer.

use std::time::Duration;

use futures::future::join_all;
use futures::stream::{self, StreamExt};
use sim::contract::{Place, accept, bounded, claim, operation, worker};
use tiller_edge::operations::{Operation, State};
use tokio::time::Instant;

use crate::support::Folder;

const LANES: usize = 50;

const WAITING: usize = 30_000;

/// Wide of the mark on any machine; what it takes is a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_wait_the_next_is_found_at_once() {
    bounded(async {
        let store = Folder::new().open().await;
        let operations: Vec<_> = (0..WAITING)
            .map(|number| operation(&format!("r{}", number % LANES)))
            .collect();
        stream::iter(operations.chunks(100))
            .for_each_concurrent(8, async |some| {
                accept(&store, &some.iter().collect::<Vec<_>>()).await;
            })
            .await;
        let begun = Instant::now();
        let mut slowest = Duration::ZERO;
        for _ in 0..4 {
            let mut claims = Vec::new();
            for _ in 0..LANES {
                let asked = Instant::now();
                claims.push(claim(&store).await);
                slowest = slowest.max(asked.elapsed());
            }
            let minute = worker(Duration::from_secs(60));
            assert!(store.claim(&minute).await.expect("asked").is_none());
            let finished = claims.into_iter().map(|claim| {
                let done = Operation {
                    state: State::Succeeded,
                    ..claim.operation.clone()
                };
                store.finish(claim, done, Vec::new())
            });
            for finished in join_all(finished).await {
                finished.expect("finished");
            }
        }
        println!("slowest claim {slowest:?}, 200 in {:?}", begun.elapsed());
        assert!(slowest < PATIENCE, "{slowest:?}");
        store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_with_others_is_not_kept_waiting_by_them() {
    const AT_ONCE: usize = 64;
    const EACH: usize = 30;
    bounded(async {
        let store = Folder::new().open().await;
        let begun = Instant::now();
        let writers = (0..AT_ONCE).map(async |number| {
            let mut slowest = Duration::ZERO;
            for _ in 0..EACH {
                let operation = operation(&format!("r{number}"));
                let asked = Instant::now();
                accept(&store, &[&operation]).await;
                slowest = slowest.max(asked.elapsed());
            }
            slowest
        });
        let slowest = join_all(writers).await.into_iter().max();
        let slowest = slowest.expect("there are writers");
        println!(
            "slowest {slowest:?}, {} in {:?}",
            AT_ONCE * EACH,
            begun.elapsed()
        );
        assert!(slowest < PATIENCE, "{slowest:?}");
        store.close().await;
    })
    .await;
}
