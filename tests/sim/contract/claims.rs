//! Who carries out what, and for how long.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::sync::Arc;
use std::time::Duration;

use tiller_edge::operations::{Claim, Operation, OperationId, State, Store, StoreError};

use super::wants::new;
use super::{Place, accept, claim, eventually, lane, operation, reopened, state, worker};

/// So short that it is over when somebody asks again.
const BRIEF: Duration = Duration::from_millis(50);

const MINUTE: Duration = Duration::from_secs(60);

async fn nothing(store: &Arc<dyn Store>) {
    let claim = store.claim(&worker(MINUTE)).await.expect("asked");
    assert!(claim.is_none(), "{claim:?}");
}

async fn finish(store: &Arc<dyn Store>, claim: Claim, state: State) {
    let done = Operation {
        state,
        ..claim.operation.clone()
    };
    store
        .finish(claim, done, Vec::new())
        .await
        .expect("finished");
}

/// A claim that is over, and the one that took its place.
async fn taken_over(store: &Arc<dyn Store>) -> (Claim, Claim) {
    let first = store.claim(&worker(BRIEF)).await.expect("asked");
    let first = first.expect("there is one");
    let second = eventually(async || store.claim(&worker(MINUTE)).await.expect("asked")).await;
    (first, second)
}

fn is_lost(result: Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::Lost)), "{result:?}");
}

pub async fn nothing_can_be_claimed_where_nothing_is(place: &impl Place) {
    nothing(&place.open().await).await;
}

pub async fn a_lane_is_carried_out_in_the_order_of_acceptance(place: &impl Place) {
    let store = place.open().await;
    let mut names: Vec<_> = (0..5).map(|_| operation("a")).collect();
    // The order of acceptance, not that of names.
    names.reverse();
    for operation in &names {
        accept(&store, &[operation]).await;
    }
    for operation in &names {
        let claim = claim(&store).await;
        assert_eq!(claim.operation, *operation);
        finish(&store, claim, State::Succeeded).await;
    }
    nothing(&store).await;
}

pub async fn one_operation_of_a_lane_is_carried_out_at_a_time(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    accept(&store, &[&one, &other]).await;
    let first = claim(&store).await;
    nothing(&store).await;
    finish(&store, first, State::Failed).await;
    assert_eq!(claim(&store).await.operation.id, other.id);
}

pub async fn lanes_do_not_wait_for_each_other(place: &impl Place) {
    let store = place.open().await;
    let operations: Vec<_> = ["a", "b", "c"].map(operation).into();
    accept(&store, &operations.iter().collect::<Vec<_>>()).await;
    let mut claimed = Vec::new();
    for _ in &operations {
        claimed.push(claim(&store).await.operation.id);
    }
    claimed.sort();
    let all: Vec<OperationId> = operations.into_iter().map(|each| each.id).collect();
    assert_eq!(claimed, all);
    nothing(&store).await;
}

pub async fn nothing_is_claimed_at_clusters_that_are_left_out(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let mut asked = worker(MINUTE);
    asked.except = vec!["prod".to_owned()];
    assert!(store.claim(&asked).await.expect("asked").is_none());
    asked.except = vec!["test".to_owned()];
    assert!(store.claim(&asked).await.expect("asked").is_some());
}

pub async fn what_is_not_due_keeps_its_lane_waiting(place: &impl Place) {
    let store = place.open().await;
    let mut later = operation("a");
    later.not_before = Some(later.accepted_at + Duration::from_millis(300));
    accept(&store, &[&later, &operation("a")]).await;
    nothing(&store).await;
    let first = eventually(async || store.claim(&worker(MINUTE)).await.expect("asked")).await;
    assert_eq!(first.operation.id, later.id);
}

pub async fn what_is_put_off_for_much_too_long_is_due(place: &impl Place) {
    let store = place.open().await;
    let mut later = operation("a");
    // As it looks after the clock was set back.
    later.not_before = Some(later.accepted_at + Duration::from_secs(3 * 3600));
    accept(&store, &[&later]).await;
    assert_eq!(claim(&store).await.operation.id, later.id);
}

pub async fn what_waits_for_approval_keeps_nobody_waiting(place: &impl Place) {
    let store = place.open().await;
    let unapproved = Operation {
        state: State::AwaitingApproval,
        ..operation("a")
    };
    let other = operation("a");
    accept(&store, &[&unapproved, &other]).await;
    let claim = claim(&store).await;
    assert_eq!(claim.operation.id, other.id);
    finish(&store, claim, State::Succeeded).await;
    nothing(&store).await;
}

pub async fn what_is_settled_keeps_nobody_waiting(place: &impl Place) {
    let store = place.open().await;
    let operations: Vec<_> = (0..6).map(|_| operation("a")).collect();
    accept(&store, &operations.iter().collect::<Vec<_>>()).await;
    let ends = [
        State::Succeeded,
        State::Failed,
        State::Dead,
        State::Cancelled,
    ];
    for (operation, end) in operations.iter().zip(ends) {
        let claim = claim(&store).await;
        assert_eq!(claim.operation.id, operation.id);
        finish(&store, claim, end).await;
    }
    let unknown = claim(&store).await;
    let id = unknown.operation.id.clone();
    finish(&store, unknown, State::Unknown).await;
    assert_eq!(
        claim(&store).await.operation.id,
        id,
        "what is not known of keeps its lane"
    );
}

pub async fn a_claim_that_is_renewed_is_kept(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let lease = Duration::from_secs(2);
    let claim = store.claim(&worker(lease)).await.expect("asked");
    let claim = claim.expect("there is one");
    let begun = tokio::time::Instant::now();
    eventually(async || {
        store.renew(&claim).await.expect("it is kept");
        nothing(&store).await;
        (begun.elapsed() > lease + lease / 2).then_some(())
    })
    .await;
}

pub async fn a_claim_that_is_over_can_be_taken_over(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    accept(&store, &[&one]).await;
    let (first, second) = taken_over(&store).await;
    assert_eq!(first.operation.id, second.operation.id);
    assert!(first.fence < second.fence);
    finish(&store, second, State::Succeeded).await;
    assert_eq!(state(&store, &one.id).await, State::Succeeded);
}

pub async fn who_lost_a_claim_can_store_nothing(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    accept(&store, &[&one]).await;
    let (first, second) = taken_over(&store).await;
    let running = Operation {
        state: State::Running,
        ..first.operation.clone()
    };
    is_lost(store.renew(&first).await);
    is_lost(store.save(&first, &running).await);
    let child = operation("b");
    let children = vec![new(&child)];
    is_lost(store.finish(first, running.clone(), children).await);
    assert_eq!(state(&store, &one.id).await, State::Accepted);
    assert_eq!(store.operation(&child.id).await.expect("read"), None);
    store.save(&second, &running).await.expect("it is the one");
}

pub async fn a_claim_without_an_heir_still_stores(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("b"));
    accept(&store, &[&one]).await;
    let claim = store.claim(&worker(BRIEF)).await.expect("asked");
    let claim = claim.expect("there is one");
    accept(&store, &[&other]).await;
    let begun = tokio::time::Instant::now();
    eventually(async || (begun.elapsed() > BRIEF * 2).then_some(())).await;
    store.renew(&claim).await.expect("nobody else has it");
    finish(&store, claim, State::Succeeded).await;
    assert_eq!(state(&store, &one.id).await, State::Succeeded);
}

pub async fn a_fence_grows_with_every_claim(place: &impl Place) {
    let mut store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let mut last = 0;
    for round in 0..6 {
        let claim = claim(&store).await;
        assert!(claim.fence > last, "{} after {last}", claim.fence);
        last = claim.fence;
        finish(&store, claim, State::Accepted).await;
        if round % 2 == 0 {
            store = reopened(place, store).await;
        }
    }
}

pub async fn what_was_saved_is_there_after_a_restart_and_can_be_claimed(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a"), &operation("a")]).await;
    let claim = store.claim(&worker(BRIEF)).await.expect("asked");
    let claim = claim.expect("there is one");
    let running = Operation {
        state: State::Running,
        attempts: 1,
        started_at: Some(claim.operation.accepted_at),
        note: Some("on its way".to_owned()),
        ..claim.operation.clone()
    };
    store.save(&claim, &running).await.expect("saved");
    let store = reopened(place, store).await;
    let again = eventually(async || store.claim(&worker(MINUTE)).await.expect("asked")).await;
    assert_eq!(again.operation, running);
}

pub async fn a_claim_of_before_a_restart_is_lost(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let old = store.claim(&worker(BRIEF)).await.expect("asked");
    let old = old.expect("there is one");
    let store = reopened(place, store).await;
    let next = eventually(async || store.claim(&worker(MINUTE)).await.expect("asked")).await;
    is_lost(store.save(&old, &old.operation).await);
    store.save(&next, &next.operation).await.expect("saved");
}

pub async fn a_finished_claim_is_over(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let claim = claim(&store).await;
    let again = claim.clone();
    finish(&store, claim, State::Succeeded).await;
    is_lost(store.save(&again, &again.operation).await);
    is_lost(store.renew(&again).await);
}

pub async fn what_is_put_off_by_finishing_keeps_its_place(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    accept(&store, &[&one, &other]).await;
    let first = claim(&store).await;
    let later = Operation {
        not_before: Some(first.operation.accepted_at + Duration::from_secs(600)),
        ..first.operation.clone()
    };
    store
        .finish(first, later, Vec::new())
        .await
        .expect("put off");
    nothing(&store).await;
    let stored = store.operation(&one.id).await.expect("read");
    let mut stored = stored.expect("it is there");
    stored.operation.not_before = None;
    store.change(stored).await.expect("changed");
    assert_eq!(claim(&store).await.operation.id, one.id);
}

pub async fn children_are_there_when_their_parent_is_finished(place: &impl Place) {
    let store = place.open().await;
    let (parent, child) = (operation("a"), operation("b"));
    accept(&store, &[&parent]).await;
    let claim = claim(&store).await;
    let done = Operation {
        state: State::Succeeded,
        children: vec![child.id.clone()],
        ..claim.operation.clone()
    };
    let children = vec![new(&child)];
    store
        .finish(claim, done.clone(), children)
        .await
        .expect("finished");
    let store = reopened(place, store).await;
    let parent = store.operation(&parent.id).await.expect("read");
    assert_eq!(parent.expect("it is there").operation, done);
    assert_eq!(super::claim(&store).await.operation, child);
    let body = store.body(&child.id).await.expect("read");
    assert_eq!(body.expect("it is there"), child.id.as_str());
}

pub async fn a_lane_that_is_held_is_nobody_elses(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a"), &operation("b")]).await;
    let hold = store.hold(&lane("a"), MINUTE).await.expect("asked");
    let hold = hold.expect("nobody has it");
    let second = store.hold(&lane("a"), MINUTE).await.expect("asked");
    assert!(second.is_none());
    assert_eq!(claim(&store).await.operation.lane, lane("b"));
    nothing(&store).await;
    store.free(hold).await.expect("freed");
    assert_eq!(claim(&store).await.operation.lane, lane("a"));
}

pub async fn a_hold_that_is_over_keeps_nobody_waiting(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a")]).await;
    let hold = store.hold(&lane("a"), BRIEF).await.expect("asked");
    assert!(hold.is_some());
    eventually(async || store.claim(&worker(MINUTE)).await.expect("asked")).await;
    let elsewhere = store.hold(&lane("b"), BRIEF).await.expect("asked");
    assert!(elsewhere.is_some());
    eventually(async || store.hold(&lane("b"), MINUTE).await.expect("asked")).await;
}

pub async fn a_hold_is_not_had_while_an_operation_is_carried_out(place: &impl Place) {
    let store = place.open().await;
    accept(&store, &[&operation("a"), &operation("a")]).await;
    let first = claim(&store).await;
    let hold = store.hold(&lane("a"), MINUTE).await.expect("asked");
    assert!(hold.is_none());
    finish(&store, first, State::Succeeded).await;
    let hold = store.hold(&lane("a"), MINUTE).await.expect("asked");
    assert!(hold.is_some(), "what only waits has nothing to lose");
}

pub async fn freeing_what_somebody_else_holds_by_now_does_nothing(place: &impl Place) {
    let store = place.open().await;
    let first = store.hold(&lane("a"), BRIEF).await.expect("asked");
    let first = first.expect("nobody has it");
    eventually(async || store.hold(&lane("a"), MINUTE).await.expect("asked")).await;
    store.free(first).await.expect("it has none");
    let third = store.hold(&lane("a"), MINUTE).await.expect("asked");
    assert!(third.is_none());
}
