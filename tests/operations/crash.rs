//! Processes that are killed while they write.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;

use futures::future::join_all;
use sim::contract::{accept, bounded, claim, operation, state};
use sim::survival::Dice;
use tiller_edge::operations::{Operation, OperationId, Query, State, Store};

use crate::support::{Folder, child, given, open};

/// How often it is killed.
const ROUNDS: usize = 12;

/// How many write at once.
const WRITERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_acknowledged_before_a_kill_is_there() {
    let folder = Folder::new();
    let mut dice = Dice::new(0x6b69_6c6c);
    let mut acknowledged = BTreeSet::new();
    for _ in 0..ROUNDS {
        let lines = dice.between(1, 400);
        acknowledged.extend(killed_after(lines, &folder));
        bounded(is_all_there(&folder, &acknowledged)).await;
    }
    assert!(acknowledged.len() > ROUNDS, "it wrote");
}

/// Has a child accept and finish operations until it has said so that often, and kills it; what it said until it died.
fn killed_after(lines: u64, folder: &Folder) -> Vec<(OperationId, State)> {
    let mut child = child(
        "crash::child_that_accepts_until_it_is_killed",
        &[],
        &folder.file(),
    )
    .stdout(Stdio::piped())
    .spawn()
    .map(Killed)
    .expect("it starts");
    let out = child.0.stdout.take().expect("it is piped");
    let mut said = Vec::new();
    for line in BufReader::new(out).lines() {
        let line = line.expect("text");
        // A line that was cut off by the kill was never said.
        if let Some((id, state)) = line.strip_suffix('.').and_then(|line| line.split_once(' '))
            && let Ok(id) = id.parse()
        {
            let state = State::ALL.into_iter().find(|each| each.as_str() == state);
            said.push((id, state.expect("a state")));
        }
        if said.len() as u64 == lines {
            child.0.kill().expect("it is there");
        }
    }
    assert!(said.len() as u64 >= lines, "it went on until it was killed");
    said
}

async fn is_all_there(folder: &Folder, acknowledged: &BTreeSet<(OperationId, State)>) {
    let store = open(&folder.file());
    let mut last: Vec<&(OperationId, State)> = Vec::new();
    for said in acknowledged {
        // Of one that was finished too, only the end counts.
        if last.last().is_some_and(|(id, _)| *id == said.0) {
            last.pop();
        }
        last.push(said);
    }
    for (id, said) in last {
        let found = state(&store, id).await;
        // It may have got further than was said.
        let is_further = *said == State::Accepted && found == State::Succeeded;
        assert!(found == *said || is_further, "{id}: {found:?} for {said:?}");
        assert!(store.body(id).await.expect("read").is_some(), "{id}");
    }
    store.close().await;
}

/// Killed whatever happens to the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may be over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "whatever_was_acknowledged_before_a_kill_is_there runs and kills it"]
async fn child_that_accepts_until_it_is_killed() {
    let store = open(&given());
    let writers = (0..WRITERS).map(|number| write(Arc::clone(&store), number));
    join_all(writers).await;
}

async fn write(store: Arc<dyn Store>, number: usize) {
    loop {
        let operation = operation(&format!("r{number}"));
        accept(&store, &[&operation]).await;
        say(&operation);
        let claim = claim(&store).await;
        let done = Operation {
            state: State::Succeeded,
            ..claim.operation.clone()
        };
        let said = done.clone();
        store
            .finish(claim, done, Vec::new())
            .await
            .expect("finished");
        say(&said);
    }
}

/// One write for the line, so that none is cut in two by another.
fn say(operation: &Operation) {
    let line = format!("\n{} {}.\n", operation.id, operation.state.as_str());
    let mut out = std::io::stdout().lock();
    // Whoever reads it may have killed this process already.
    let _ = out.write_all(line.as_bytes());
    let _ = out.flush();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_carried_out_when_the_process_died_can_be_claimed_at_once() {
    let folder = Folder::new();
    let killed = killed_after(1, &folder);
    assert!(!killed.is_empty());
    bounded(async {
        let store = open(&folder.file());
        let waiting = store
            .operations(&Query {
                states: vec![State::Accepted],
                limit: 1000,
                ..Query::default()
            })
            .await
            .expect("read");
        for _ in &waiting {
            let claim = claim(&store).await;
            let done = Operation {
                state: State::Succeeded,
                ..claim.operation.clone()
            };
            let again = store.finish(claim, done, Vec::new());
            again.await.expect("finished");
        }
        store.close().await;
    })
    .await;
}
