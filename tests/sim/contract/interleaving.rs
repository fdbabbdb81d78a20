//! Whatever happens in whichever order.
//!
//! A seed decides what two workers, callers and people do one after the other. A model beside the store knows what has to
//! hold: in a lane, one at a time, in the order of acceptance, and whatever was accepted comes to its end.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tiller_edge::operations::{Claim, Lane, OperationId, State, Store};

use super::{Place, accept, eventually, operation, reopened, worker};
use crate::survival::Dice;

const RELEASES: [&str; 4] = ["a", "b", "c", "d"];

/// How much is done.
const DEEDS: usize = 400;

const LEASE: Duration = Duration::from_secs(600);

/// What has to be so.
#[derive(Default)]
struct Model {
    /// What waits or is carried out in each lane, in order.
    lanes: BTreeMap<Lane, VecDeque<OperationId>>,
    /// What each came to.
    ends: HashMap<OperationId, State>,
}

pub async fn whatever_two_workers_do_nothing_is_lost_or_out_of_order(place: &impl Place) {
    let mut store = place.open().await;
    let mut dice = Dice::new(0x6f70_6572);
    let mut model = Model::default();
    let mut workers: [Vec<Claim>; 2] = [Vec::new(), Vec::new()];
    for deed in 0..DEEDS {
        let worker = usize::from(dice.between(0, 2) == 1);
        let (one, other) = workers.split_at_mut(1);
        let (own, others) = if worker == 0 {
            (&mut one[0], &other[0])
        } else {
            (&mut other[0], &one[0])
        };
        match dice.between(0, 10) {
            0..3 => model.accept(&store, dice.pick::<&str>(&RELEASES)).await,
            3..6 => model.claim(&store, own, others).await,
            6..8 => model.finish(&store, own, &mut dice).await,
            8 => model.save(&store, own).await,
            _ => model.cancel(&store, own, others, &mut dice).await,
        }
        if deed % 100 == 99 {
            // Whoever carries something out goes on with it, or whoever comes next.
            for claim in workers.iter_mut().flat_map(|claims| claims.drain(..)) {
                let operation = claim.operation.clone();
                store
                    .finish(claim, operation, Vec::new())
                    .await
                    .expect("given back");
            }
            store = reopened(place, store).await;
        }
    }
    let [mut rest, others] = workers;
    rest.extend(others);
    while model.lanes.values().any(|lane| !lane.is_empty()) {
        model.claim(&store, &mut rest, &[]).await;
        model.finish(&store, &mut rest, &mut dice).await;
    }
    for (id, end) in &model.ends {
        assert_eq!(super::state(&store, id).await, *end, "{id}");
    }
}

impl Model {
    async fn accept(&mut self, store: &Arc<dyn Store>, release: &str) {
        let operation = operation(release);
        accept(store, &[&operation]).await;
        let lane = self.lanes.entry(operation.lane.clone()).or_default();
        lane.push_back(operation.id);
    }

    async fn claim(&mut self, store: &Arc<dyn Store>, own: &mut Vec<Claim>, others: &[Claim]) {
        let is_taken = |lane: &Lane| {
            let mut claims = own.iter().chain(others);
            claims.any(|claim| claim.operation.lane == *lane)
        };
        let asked = worker(LEASE);
        let mut waiting = self.lanes.iter().filter(|(_, queue)| !queue.is_empty());
        if waiting.all(|(lane, _)| is_taken(lane)) {
            let claim = store.claim(&asked).await.expect("asked");
            assert!(claim.is_none(), "nothing is left: {claim:?}");
            return;
        }
        let claim = eventually(async || store.claim(&asked).await.expect("asked")).await;
        let lane = &claim.operation.lane;
        assert!(!is_taken(lane), "two claims in {lane:?}");
        assert_eq!(self.lanes[lane].front(), Some(&claim.operation.id));
        own.push(claim);
    }

    async fn finish(&mut self, store: &Arc<dyn Store>, own: &mut Vec<Claim>, dice: &mut Dice) {
        if own.is_empty() {
            return;
        }
        let index = dice.between(0, own.len() as u64);
        let claim = own.swap_remove(usize::try_from(index).expect("few"));
        let ends = [
            State::Succeeded,
            State::Failed,
            State::Dead,
            State::Accepted,
            State::Unknown,
        ];
        let mut done = claim.operation.clone();
        done.state = *dice.pick(&ends);
        if done.state.is_settled() {
            self.settle(&done.lane, &done.id, done.state);
        }
        store
            .finish(claim, done, Vec::new())
            .await
            .expect("finished");
    }

    async fn save(&self, store: &Arc<dyn Store>, own: &mut [Claim]) {
        if let Some(claim) = own.first_mut() {
            claim.operation.state = State::Running;
            claim.operation.attempts += 1;
            store.save(claim, &claim.operation).await.expect("saved");
        }
    }

    /// Somebody calls off anything that is there, if that can be done.
    async fn cancel(
        &mut self,
        store: &Arc<dyn Store>,
        own: &[Claim],
        others: &[Claim],
        dice: &mut Dice,
    ) {
        let all: Vec<_> = self.lanes.values().flatten().cloned().collect();
        if all.is_empty() {
            return;
        }
        let id = dice.pick(&all);
        let stored = store.operation(id).await.expect("read");
        let mut stored = stored.expect("nothing is lost");
        stored.operation.state = State::Cancelled;
        let lane = stored.operation.lane.clone();
        let mut claims = own.iter().chain(others);
        let is_claimed = claims.any(|claim| claim.operation.id == *id);
        let changed = store.change(stored).await;
        assert_eq!(changed.is_err(), is_claimed, "{changed:?}");
        if changed.is_ok() {
            self.settle(&lane, id, State::Cancelled);
        }
    }

    fn settle(&mut self, lane: &Lane, id: &OperationId, end: State) {
        if let Some(queue) = self.lanes.get_mut(lane) {
            queue.retain(|each| each != id);
        }
        self.ends.insert(id.clone(), end);
    }
}
