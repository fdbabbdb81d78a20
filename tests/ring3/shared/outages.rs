//! A server that is killed, frozen and started again under the edges that use it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tiller_edge::operations::{JetStream, Query, State, Store, StoreError};
use tokio::time::{Instant, sleep};

use super::kit::{LONG, admission, claim, id, new, operation, shared, take_in};

/// How long a call may take while no server answers.
const BOUND: Duration = Duration::from_secs(6);

/// How long a store may take to notice that the server is back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Insists that nothing is taken in, and that this is said soon.
async fn refuses(store: &JetStream, number: usize) -> Result<()> {
    let begun = Instant::now();
    let admitted = store
        .admit(admission(vec![new(operation(number, "web"))]))
        .await;
    let Err(StoreError::Unavailable { .. }) = admitted else {
        anyhow::bail!("not refused: {admitted:?}");
    };
    ensure!(begun.elapsed() < BOUND, "after {:?}", begun.elapsed());
    Ok(())
}

/// Waits until the store takes something in again.
async fn until_taken_in(store: &JetStream, number: usize) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while take_in(store, "web", [number]).await.is_err() {
        ensure!(Instant::now() < until, "it does not come back");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[test]
fn whatever_was_acknowledged_survives_a_killed_server() {
    shared(15_120, async |shared| {
        let store = shared.edge().await?;
        let nats = &shared.nats;
        let mut acknowledged = Vec::new();
        let mut number = 0;
        for _ in 0..5 {
            let taking_in = async {
                loop {
                    number += 1;
                    let news = vec![new(operation(number, &format!("web-{}", number % 3)))];
                    match store.admit(admission(news)).await {
                        Ok(_) => acknowledged.push(number),
                        Err(StoreError::Unavailable { .. }) => return anyhow::Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
            };
            let killing = async {
                sleep(Duration::from_millis(300)).await;
                nats.process().kill().await
            };
            let (taken_in, killed) = tokio::join!(taking_in, killing);
            taken_in?;
            killed?;
            nats.heal().await?;
            number += 1;
            until_taken_in(&store, number).await?;
            acknowledged.push(number);
        }
        let fresh = shared.edge().await?;
        for store in [&store, &fresh] {
            for number in &acknowledged {
                let found = store.operation(&id(*number)).await?;
                ensure!(
                    found.is_some(),
                    "{number} of {} is lost",
                    acknowledged.len()
                );
            }
        }
        ensure!(acknowledged.len() > 50, "only {}", acknowledged.len());
        Ok(())
    });
}

#[test]
fn without_a_server_calls_fail_soon_and_go_on_by_themselves() {
    shared(15_121, async |shared| {
        let store = shared.edge().await?;
        take_in(&store, "web", [1]).await?;
        let claim = claim(&store, LONG).await?;
        shared.nats.process().kill().await?;
        refuses(&store, 2).await?;
        let begun = Instant::now();
        let saved = store.save(&claim, &claim.operation).await;
        ensure!(
            matches!(saved, Err(StoreError::Unavailable { .. })),
            "{saved:?}"
        );
        let listed = store.operations(&Query::default()).await;
        ensure!(
            matches!(listed, Err(StoreError::Unavailable { .. })),
            "{listed:?}"
        );
        ensure!(begun.elapsed() < 2 * BOUND);

        shared.nats.heal().await?;
        until_taken_in(&store, 3).await?;
        // Who has the lane has it still.
        let mut done = claim.operation.clone();
        done.state = State::Succeeded;
        store.finish(claim, done, Vec::new()).await?;
        let next = super::kit::claim(&store, LONG).await?;
        ensure!(next.operation.id > id(1));
        Ok(())
    });
}

#[test]
fn a_server_that_hangs_is_no_reason_to_hang() {
    shared(15_122, async |shared| {
        let store = shared.edge().await?;
        shared.nats.process().freeze().await?;
        refuses(&store, 1).await?;
        shared.nats.process().thaw().await?;
        until_taken_in(&store, 2).await?;
        let found = store.operation(&id(2)).await?;
        found.context("it is there").map(drop)
    });
}

#[test]
fn nobody_starts_without_a_server() {
    shared(15_123, async |shared| {
        shared.nats.process().kill().await?;
        let Err(error) = shared.edge().await else {
            anyhow::bail!("it started");
        };
        ensure!(format!("{error:#}").contains("NATS"), "{error:#}");
        Ok(())
    });
}
