//! What only who has the file open can do to it.

use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::lanes::{Head, Lanes};
use super::*;
use crate::operations::OperationId;

const MINUTE: Duration = Duration::from_secs(60);

fn store(folder: &TempDir) -> Sqlite {
    Sqlite::open(&folder.path().join("operations.db")).expect("it opens")
}

fn head(seq: i64, cluster: &str, due: i64) -> Head {
    Head {
        seq,
        id: OperationId::new(Timestamp::UNIX_EPOCH, [0; 10]),
        cluster: cluster.to_owned(),
        due,
    }
}

#[test]
fn the_oldest_that_is_due_is_the_next() {
    let mut lanes = Lanes::new(1);
    let now = Instant::now();
    for (name, seq, cluster, due) in [("a", 3, "x", 0), ("b", 1, "y", 0), ("c", 2, "x", 500)] {
        let lane = Lane::other("test", &[name]);
        lanes.put(&lane, Some(head(seq, cluster, due)));
    }
    let mut seq = |millis, except: &[String]| {
        let next = lanes.next(now, millis, except);
        next.map(|(_, head)| head.seq)
    };
    assert_eq!(seq(499, &[]), Some(1));
    assert_eq!(seq(499, &["y".to_owned()]), Some(3));
    assert_eq!(seq(500, &["y".to_owned()]), Some(2));
    assert_eq!(seq(500, &["x".to_owned(), "y".to_owned()]), None);
}

#[test]
fn a_lease_that_no_clock_reaches_is_taken_for_a_day() {
    let mut lanes = Lanes::new(1);
    let lane = Lane::other("test", &["a"]);
    let now = Instant::now();
    lanes.lease(&lane, None, now, Duration::MAX);
    assert!(lanes.is_taken(&lane, now + MINUTE));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_nobodys() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let lane = Lane::other("test", &["a"]);
    for _ in 0..100 {
        // Whoever asks is gone before the answer, or while it is on its way.
        if let Ok(held) = timeout(Duration::ZERO, store.hold(&lane, MINUTE)).await
            && let Some(hold) = held.expect("asked")
        {
            store.free(hold).await.expect("freed");
        }
    }
    let free = async {
        loop {
            if let Some(hold) = store.hold(&lane, MINUTE).await.expect("asked") {
                return hold;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(MINUTE / 2, free).await.expect("it is given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_fails_takes_nothing_of_the_others_with_it() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let fails = store.write(|desk| {
        desk.sql.execute("UPDATE state SET edition = 77", [])?;
        Err::<(), _>(Fault::Conflict)
    });
    let works = store.write(|desk| {
        desk.sql.execute("UPDATE state SET open = 5", [])?;
        Ok(())
    });
    let (fails, works) = tokio::join!(fails, works);
    assert!(matches!(fails, Err(StoreError::Conflict)), "{fails:?}");
    works.expect("it is apart");
    let state = store.read(|desk| {
        let state = desk
            .sql
            .query_row("SELECT edition, open FROM state", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            });
        Ok(state?)
    });
    assert_eq!(state.await.expect("read"), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_the_transaction_is_told_to_all_and_forgotten_afterwards() {
    let folder = TempDir::new().expect("a folder");
    let store = store(&folder);
    let ends = store.write(|desk| {
        desk.sql.execute_batch("ROLLBACK")?;
        Err::<(), _>(Fault::from(rusqlite::Error::InvalidQuery))
    });
    let other = store.write(|desk| {
        desk.sql.execute("UPDATE state SET open = 5", [])?;
        Ok(())
    });
    let (ends, _) = tokio::join!(ends, other);
    assert!(matches!(ends, Err(StoreError::Unavailable { .. })));
    store.write(|_| Ok(())).await.expect("it goes on");
}
