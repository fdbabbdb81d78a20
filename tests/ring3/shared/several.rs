//! Two edges, what each may do, and what one that is gone may do no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use serde_json::json;
use tiller_edge::operations::{
    Admission, Admitted, Answer, Delivery, DeliveryId, JetStream, Lane, Query, State, Store,
    StoreError, Stored,
};
use tokio::time::sleep;

use super::kit::{LONG, admission, asked, claim, id, keyed, new, operation, shared, take_in};

/// How long an edge may be silent in a test before another takes over.
const SHORT: Duration = Duration::from_millis(700);

fn settled(
    mut operation: tiller_edge::operations::Operation,
) -> tiller_edge::operations::Operation {
    operation.state = State::Succeeded;
    operation
}

#[test]
fn what_one_edge_takes_in_the_other_carries_out_in_order() {
    shared(15_100, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        take_in(&one, "web", [1, 2]).await?;
        take_in(&other, "web", [3]).await?;
        for number in 1..=3 {
            let claim = claim(&other, LONG).await?;
            assert_eq!(claim.operation.id, id(number));
            assert!(one.claim(&asked(LONG)).await?.is_none());
            let done = settled(claim.operation.clone());
            other.finish(claim, done, Vec::new()).await?;
            let found = one.operation(&id(number)).await?.context("gone")?;
            assert_eq!(found.operation.state, State::Succeeded);
        }
        Ok(())
    });
}

#[test]
fn an_edge_that_is_silent_loses_its_operation_and_can_store_nothing() {
    shared(15_101, async |shared| {
        let (dying, other) = (shared.edge().await?, shared.edge().await?);
        take_in(&dying, "web", [1]).await?;
        let lost = claim(&dying, SHORT).await?;
        let mut running = lost.operation.clone();
        running.state = State::Running;
        dying.save(&lost, &running).await?;
        assert!(other.claim(&asked(LONG)).await?.is_none());

        let taken = claim(&other, LONG).await?;
        assert_eq!(taken.operation, running);
        assert!(taken.fence > lost.fence);
        let refused = [
            dying.save(&lost, &running).await,
            dying.renew(&lost).await,
            dying.finish(lost, settled(running), Vec::new()).await,
        ];
        for refused in refused {
            assert!(matches!(refused, Err(StoreError::Lost)), "{refused:?}");
        }
        let done = settled(taken.operation.clone());
        other.finish(taken, done, Vec::new()).await?;
        Ok(())
    });
}

#[test]
fn an_edge_that_renews_keeps_its_operation() {
    shared(15_102, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        take_in(&one, "web", [1]).await?;
        let kept = claim(&one, SHORT).await?;
        for _ in 0..6 {
            sleep(SHORT / 3).await;
            one.renew(&kept).await?;
            assert!(other.claim(&asked(LONG)).await?.is_none());
        }
        one.save(&kept, &kept.operation).await?;
        Ok(())
    });
}

#[test]
fn a_call_and_an_operation_keep_out_of_each_others_lane() {
    shared(15_103, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        let lane = operation(1, "web").lane;
        let hold = one.hold(&lane, LONG).await?.context("it is free")?;
        take_in(&other, "web", [1]).await?;
        assert!(other.claim(&asked(LONG)).await?.is_none());
        assert!(other.hold(&lane, LONG).await?.is_none());
        one.free(hold).await?;
        let claimed = claim(&other, SHORT).await?;
        assert!(one.hold(&lane, LONG).await?.is_none());

        // Whose edge is silent has lost the lane to the call.
        let held = loop {
            if let Some(hold) = one.hold(&lane, LONG).await? {
                break hold;
            }
            sleep(SHORT / 10).await;
        };
        let saved = other.save(&claimed, &claimed.operation).await;
        assert!(matches!(saved, Err(StoreError::Lost)), "{saved:?}");
        one.free(held).await?;
        assert_eq!(claim(&other, LONG).await?.operation.id, id(1));
        Ok(())
    });
}

#[test]
fn of_two_who_bring_the_same_key_at_once_one_is_taken_in() {
    shared(15_104, async |shared| {
        let edges = [shared.edge().await?, shared.edge().await?];
        for round in 0..20 {
            let name = format!("alice/key {round}");
            let admissions = edges.iter().enumerate().map(|(edge, store)| {
                let number = 1 + 2 * round + edge;
                store.admit(keyed(&name, new(operation(number, "web"))))
            });
            let admitted = try_join_all(admissions).await?.concat();
            let is_new = |admitted: &&Admitted| **admitted == Admitted::New;
            assert_eq!(admitted.iter().filter(is_new).count(), 1, "{admitted:?}");
            let key = edges[0].key(&name).await?.context("it is known")?;
            assert!(admitted.contains(&Admitted::Known(key)));
        }
        let all = Query {
            limit: 100,
            ..Query::default()
        };
        assert_eq!(edges[1].operations(&all).await?.len(), 20);
        Ok(())
    });
}

#[test]
fn however_many_edges_take_in_what_coalesces_one_waits() {
    shared(15_105, async |shared| {
        let edges = [shared.edge().await?, shared.edge().await?];
        for round in 0..10 {
            let admissions = edges.iter().enumerate().map(|(edge, store)| {
                let mut operation = operation(1 + 2 * round + edge, "web");
                operation.coalesce = true;
                store.admit(admission(vec![new(operation)]))
            });
            try_join_all(admissions).await?;
        }
        let waiting = Query {
            states: vec![State::Accepted],
            limit: 100,
            ..Query::default()
        };
        assert_eq!(edges[0].operations(&waiting).await?.len(), 1);
        let replaced = Query {
            states: vec![State::Superseded],
            ..waiting
        };
        assert_eq!(edges[0].operations(&replaced).await?.len(), 19);
        Ok(())
    });
}

#[test]
fn what_is_longer_than_a_message_comes_back_whole() {
    shared(15_106, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        let long = |byte: u8| Bytes::from(vec![byte; 3 << 20]);
        let mut first = new(operation(1, "web"));
        first.body = long(b'b');
        let mut delivery: Delivery = serde_json::from_value(json!({
            "id": "d.1",
            "hook": "harbor",
            "received_at": "2026-11-24T12:00:00Z",
            "headers": [],
            "outcome": {},
            "operations": [id(1)],
        }))?;
        delivery.payload = long(b'p');
        let mut wanted = admission(vec![first]);
        wanted.delivery = Some(delivery.clone());
        one.admit(wanted).await?;
        assert_eq!(other.body(&id(1)).await?, Some(long(b'b')));
        let found = other.delivery("harbor", &delivery.id).await?;
        assert_eq!(found.as_ref(), Some(&delivery));

        let claim = claim(&other, LONG).await?;
        let mut done = settled(claim.operation.clone());
        done.answer = Some(Answer {
            status: 200,
            headers: http::HeaderMap::new(),
            body: "a".repeat(3 << 20),
        });
        other.finish(claim, done.clone(), Vec::new()).await?;
        let Stored { operation, version } = one.operation(&id(1)).await?.context("gone")?;
        assert_eq!(operation, done);

        // What is written in place of it is no mixture of both.
        done.answer = None;
        done.state = State::Accepted;
        let operation = done.clone();
        one.change(Stored { operation, version }).await?;
        let found = other.operation(&id(1)).await?.context("gone")?;
        assert_eq!(found.operation, done);
        Ok(())
    });
}

#[test]
fn more_operations_than_are_written_at_once_are_taken_in_whole() {
    shared(15_107, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        let news = (1..=1_300)
            .map(|number| new(operation(number, &format!("web-{}", number % 7))))
            .collect::<Vec<_>>();
        for _ in 0..2 {
            one.admit(admission(news.clone())).await?;
        }
        let all = Query {
            limit: 2_000,
            ..Query::default()
        };
        assert_eq!(other.operations(&all).await?.len(), 1_300);
        assert_eq!(claim(&other, LONG).await?.operation.id, id(1));
        Ok(())
    });
}

#[test]
fn an_operation_that_is_carried_out_is_nobody_elses_to_change() {
    shared(15_108, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        take_in(&one, "web", [1]).await?;
        let seen = other.operation(&id(1)).await?.context("gone")?;
        let claimed = claim(&one, LONG).await?;
        for stored in [seen, other.operation(&id(1)).await?.context("gone")?] {
            let changed = other.change(stored).await;
            assert!(matches!(changed, Err(StoreError::Conflict)), "{changed:?}");
        }
        let waits = claimed.operation.clone();
        one.finish(claimed, waits, Vec::new()).await?;
        let mut stored = other.operation(&id(1)).await?.context("gone")?;
        stored.operation.state = State::Cancelled;
        other.change(stored).await?;
        assert!(one.claim(&asked(LONG)).await?.is_none());
        Ok(())
    });
}

#[test]
fn what_is_old_is_forgotten_everywhere() {
    shared(15_109, async |shared| {
        let (one, other) = (shared.edge().await?, shared.edge().await?);
        let mut old = new(operation(1, "web"));
        old.operation.state = State::Failed;
        old.operation.finished_at = Some("2026-01-01T00:00:00Z".parse()?);
        let delivery: Delivery = serde_json::from_value(json!({
            "id": "d1",
            "hook": "harbor",
            "received_at": "2026-01-01T00:00:00Z",
            "headers": [],
            "outcome": {},
            "operations": [id(1)],
        }))?;
        let wanted = Admission {
            delivery: Some(delivery),
            ..admission(vec![old.clone(), new(operation(2, "web"))])
        };
        one.admit(wanted).await?;
        assert_eq!(other.deliveries("harbor", None, 9).await?.len(), 1);
        other.sweep(Duration::from_secs(3600)).await?;
        assert_eq!(one.operation(&id(1)).await?, None);
        assert_eq!(one.body(&id(1)).await?, None);
        assert!(one.operation(&id(2)).await?.is_some());
        assert_eq!(one.deliveries("harbor", None, 9).await?, []);
        let found = one.delivery("harbor", &DeliveryId("d1".to_owned())).await?;
        assert_eq!(found, None);

        // What is sent again after that is taken in again.
        one.admit(admission(vec![old])).await?;
        assert!(other.operation(&id(1)).await?.is_some());
        Ok(())
    });
}

#[test]
fn no_two_workers_of_two_edges_are_ever_in_one_lane() {
    shared(15_110, async |shared| {
        let edges = [shared.edge().await?, shared.edge().await?];
        let log = Arc::new(Log::default());
        let workers = edges.iter().flat_map(|edge| [edge; 4]);
        let workers = workers.map(|edge| tokio::spawn(work(edge.clone(), log.clone())));
        let workers: Vec<_> = workers.collect();
        for round in 0..20 {
            let admissions = edges.iter().enumerate().map(|(edge, store)| async move {
                for lane in 0..5 {
                    let number = 1 + edge + 2 * (lane + 5 * round);
                    take_in(store, &format!("web-{lane}"), [number]).await?;
                }
                anyhow::Ok(())
            });
            try_join_all(admissions).await?;
        }
        for worker in workers {
            worker.await??;
        }
        log.check(5, 40);
        Ok(())
    });
}

/// What all workers did, in order.
#[derive(Debug, Default)]
struct Log {
    entries: Mutex<Vec<(Lane, tiller_edge::operations::OperationId, bool)>>,
}

impl Log {
    fn write(&self, operation: &tiller_edge::operations::Operation, begins: bool) -> usize {
        let mut entries = self.entries.lock().expect("nobody panics here");
        entries.push((operation.lane.clone(), operation.id.clone(), begins));
        entries.len()
    }

    /// Insists that in every lane each was begun when the one before it was over, so often, and none twice.
    fn check(&self, lanes: usize, each: usize) {
        let entries = self.entries.lock().expect("nobody panics here");
        let mut by_lane: HashMap<_, Vec<_>> = HashMap::new();
        for (lane, id, begins) in &*entries {
            by_lane.entry(lane).or_default().push((id, *begins));
        }
        assert_eq!(by_lane.len(), lanes);
        for entries in by_lane.values() {
            assert_eq!(entries.len(), 2 * each);
            let mut seen = std::collections::HashSet::new();
            for pair in entries.chunks(2) {
                let [(begun, true), (ended, false)] = pair else {
                    panic!("two at once: {pair:?}");
                };
                assert_eq!(begun, ended);
                assert!(seen.insert(*begun), "{begun} twice");
            }
        }
    }
}

/// Carries out whatever there is until 200 are over.
async fn work(store: Arc<JetStream>, log: Arc<Log>) -> Result<()> {
    let mut changes = store.changes();
    loop {
        while let Some(claim) = store.claim(&asked(LONG)).await? {
            log.write(&claim.operation, true);
            let mut running = claim.operation.clone();
            running.state = State::Running;
            store.save(&claim, &running).await?;
            // Before the lane is free.
            log.write(&running, false);
            store.finish(claim, settled(running), Vec::new()).await?;
        }
        let entries = log.entries.lock().expect("nobody panics here").len();
        if entries == 400 {
            return Ok(());
        }
        let changed = tokio::time::timeout(Duration::from_millis(200), changes.changed());
        drop(changed.await);
    }
}
