//! What is taken in, and what is known already.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tiller_edge::operations::{Admission, Admitted, Group, Key, Operation, State, Store};

use super::wants::new;
use super::{Place, accept, admission, claim, delivery, key, operation, reopened, state};

fn keyed(key: &Key, operations: &[&Operation]) -> Group {
    Group {
        key: Some(key.clone()),
        operations: operations.iter().copied().map(new).collect(),
    }
}

async fn admit(store: &Arc<dyn Store>, groups: Vec<Group>) -> Vec<Admitted> {
    let admission = Admission {
        delivery: None,
        groups,
    };
    store.admit(admission).await.expect("admitted")
}

fn coalescing(release: &str) -> Operation {
    Operation {
        coalesce: true,
        ..operation(release)
    }
}

async fn is_whole(store: &Arc<dyn Store>, operation: &Operation) {
    let stored = store.operation(&operation.id).await.expect("read");
    assert_eq!(stored.expect("it is there").operation, *operation);
    let body = store.body(&operation.id).await.expect("read");
    assert_eq!(body.expect("it is there"), operation.id.as_str());
}

pub async fn what_was_admitted_is_there(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("b"));
    accept(&store, &[&one, &other]).await;
    is_whole(&store, &one).await;
    is_whole(&store, &other).await;
}

pub async fn what_was_admitted_is_there_after_a_restart(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("b"));
    accept(&store, &[&one, &other]).await;
    let store = reopened(place, store).await;
    is_whole(&store, &one).await;
    is_whole(&store, &other).await;
}

pub async fn admitting_the_same_twice_admits_it_once(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    accept(&store, &[&one, &other]).await;
    let mut claim = claim(&store).await;
    assert_eq!(claim.operation.id, one.id);
    claim.operation.state = State::Succeeded;
    let done = claim.operation.clone();
    store
        .finish(claim, done, Vec::new())
        .await
        .expect("finished");
    accept(&store, &[&one, &other]).await;
    assert_eq!(state(&store, &one.id).await, State::Succeeded);
    let next = super::claim(&store).await;
    assert_eq!(next.operation.id, other.id);
}

pub async fn a_group_whose_key_is_known_is_left_out_and_the_others_are_not(place: &impl Place) {
    let store = place.open().await;
    let (one, again, other) = (operation("a"), operation("a"), operation("b"));
    let first = key("k", &[&one]);
    let groups = vec![keyed(&first, &[&one])];
    assert_eq!(admit(&store, groups).await, [Admitted::New]);
    let groups = vec![
        keyed(&key("k", &[&again]), &[&again]),
        keyed(&key("l", &[&other]), &[&other]),
    ];
    assert_eq!(
        admit(&store, groups).await,
        [Admitted::Known(first), Admitted::New]
    );
    assert_eq!(store.operation(&again.id).await.expect("read"), None);
    is_whole(&store, &other).await;
}

pub async fn a_key_is_known_with_what_it_led_to_after_a_restart(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    let key = key("k", &[&one]);
    admit(&store, vec![keyed(&key, &[&one])]).await;
    assert_eq!(
        store.key("k").await.expect("read").as_ref(),
        Some(&key),
        "before"
    );
    let store = reopened(place, store).await;
    assert_eq!(store.key("k").await.expect("read"), Some(key), "after");
    assert_eq!(store.key("other").await.expect("read"), None);
}

pub async fn a_key_that_has_expired_is_not_known(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    let past = SystemTime::now() - Duration::from_secs(1);
    let old = Key {
        expires_at: past.try_into().expect("a time"),
        ..key("k", &[&one])
    };
    admit(&store, vec![keyed(&old, &[&one])]).await;
    assert_eq!(store.key("k").await.expect("read"), None);
    let new = key("k", &[&other]);
    let admitted = admit(&store, vec![keyed(&new, &[&other])]).await;
    assert_eq!(admitted, [Admitted::New]);
    assert_eq!(store.key("k").await.expect("read"), Some(new));
}

pub async fn a_key_is_replaced_by_who_knows_what_it_stands_for(place: &impl Place) {
    let store = place.open().await;
    let (one, other, late) = (operation("a"), operation("a"), operation("a"));
    admit(&store, vec![keyed(&key("k", &[&one]), &[&one])]).await;
    let replacing = |with: &Operation| Key {
        replaces: Some(vec![one.id.clone()]),
        ..key("k", &[with])
    };
    let second = replacing(&other);
    let admitted = admit(&store, vec![keyed(&second, &[&other])]).await;
    assert_eq!(admitted, [Admitted::New]);
    let admitted = admit(&store, vec![keyed(&replacing(&late), &[&late])]).await;
    let [Admitted::Known(known)] = &*admitted else {
        panic!("it stands for another by now: {admitted:?}");
    };
    assert_eq!(known.operations, std::slice::from_ref(&other.id));
    assert_eq!(store.operation(&late.id).await.expect("read"), None);
}

pub async fn of_two_at_once_with_one_key_one_is_new(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    let (first, second) = (key("k", &[&one]), key("k", &[&other]));
    let (first, second) = tokio::join!(
        admit(&store, vec![keyed(&first, &[&one])]),
        admit(&store, vec![keyed(&second, &[&other])]),
    );
    let (stored, left_out) = match (&*first, &*second) {
        ([Admitted::New], [Admitted::Known(known)]) => {
            assert_eq!(known.operations, std::slice::from_ref(&one.id));
            (one, other)
        }
        ([Admitted::Known(known)], [Admitted::New]) => {
            assert_eq!(known.operations, std::slice::from_ref(&other.id));
            (other, one)
        }
        neither => panic!("{neither:?}"),
    };
    is_whole(&store, &stored).await;
    assert_eq!(store.operation(&left_out.id).await.expect("read"), None);
}

pub async fn a_newer_one_takes_the_place_of_those_that_wait(place: &impl Place) {
    let store = place.open().await;
    let (one, elsewhere) = (coalescing("a"), coalescing("b"));
    let unapproved = Operation {
        state: State::AwaitingApproval,
        ..coalescing("a")
    };
    accept(&store, &[&one]).await;
    accept(&store, &[&elsewhere]).await;
    accept(&store, &[&unapproved]).await;
    assert_eq!(state(&store, &one.id).await, State::Superseded);
    let newest = coalescing("a");
    accept(&store, &[&newest]).await;
    for (old, by) in [(&one, &unapproved), (&unapproved, &newest)] {
        let old = store.operation(&old.id).await.expect("read");
        let old = old.expect("it is there").operation;
        assert_eq!(old.state, State::Superseded);
        assert_eq!(old.superseded_by.as_ref(), Some(&by.id));
        assert!(old.finished_at.is_some());
    }
    assert_eq!(state(&store, &elsewhere.id).await, State::Accepted);
    let claimed = [claim(&store).await, claim(&store).await].map(|claim| claim.operation.id);
    assert!(claimed.contains(&newest.id) && claimed.contains(&elsewhere.id));
}

pub async fn the_newest_of_one_admission_takes_the_place_of_the_others(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (coalescing("a"), coalescing("a"));
    accept(&store, &[&one, &other]).await;
    assert_eq!(state(&store, &one.id).await, State::Superseded);
    assert_eq!(claim(&store).await.operation.id, other.id);
}

pub async fn one_that_does_not_coalesce_is_not_replaced(place: &impl Place) {
    let store = place.open().await;
    let (plain, newest) = (operation("a"), coalescing("a"));
    accept(&store, &[&plain]).await;
    accept(&store, &[&newest]).await;
    let last = operation("a");
    accept(&store, &[&last]).await;
    for operation in [&plain, &newest, &last] {
        assert_eq!(state(&store, &operation.id).await, State::Accepted);
    }
}

pub async fn what_was_begun_is_not_replaced(place: &impl Place) {
    let store = place.open().await;
    let one = coalescing("a");
    accept(&store, &[&one]).await;
    let claim = claim(&store).await;
    let newest = coalescing("a");
    accept(&store, &[&newest]).await;
    assert_eq!(state(&store, &one.id).await, State::Accepted);
    let begun = Operation {
        started_at: Some(one.accepted_at),
        attempts: 1,
        ..claim.operation.clone()
    };
    store
        .finish(claim, begun, Vec::new())
        .await
        .expect("put off");
    accept(&store, &[&coalescing("a")]).await;
    assert_eq!(state(&store, &one.id).await, State::Accepted);
    assert_eq!(state(&store, &newest.id).await, State::Superseded);
}

pub async fn a_delivery_is_kept_with_its_payload(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    let mut delivery = delivery("d-1");
    delivery.operations = vec![one.id.clone()];
    let admission = Admission {
        delivery: Some(delivery.clone()),
        ..admission(&[&one])
    };
    store.admit(admission).await.expect("admitted");
    let store = reopened(place, store).await;
    let stored = store.delivery("harbor", &delivery.id).await;
    assert_eq!(stored.expect("read"), Some(delivery.clone()));
    let elsewhere = store.delivery("github", &delivery.id).await;
    assert_eq!(elsewhere.expect("read"), None);
}
