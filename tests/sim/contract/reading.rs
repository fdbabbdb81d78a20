//! What is stored, as others ask for it and change it.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tiller_edge::operations::{
    Admission, Approval, DeliveryId, Operation, OperationId, Origin, Query, State, Store,
    StoreError, Stored,
};
use tokio::time::timeout;

use super::{Place, accept, admission, claim, delivery, eventually, key, operation, state};

async fn stored(store: &Arc<dyn Store>, id: &OperationId) -> Stored {
    let stored = store.operation(id).await.expect("read");
    stored.expect("it is there")
}

/// The names of what is asked for. A store that is shared may hear of what it stored a little later.
async fn listed(store: &Arc<dyn Store>, query: &Query, wanted: &[&Operation]) {
    let wanted: Vec<_> = wanted.iter().map(|each| each.id.clone()).collect();
    let mut seen = Vec::new();
    let same = eventually(async || {
        let found = store.operations(query).await.expect("read");
        seen = found.into_iter().map(|each| each.id).collect();
        (seen == wanted).then_some(())
    });
    same.await;
}

fn all() -> Query {
    Query {
        limit: 100,
        ..Query::default()
    }
}

fn is_conflict(result: Result<(), StoreError>) {
    assert!(matches!(result, Err(StoreError::Conflict)), "{result:?}");
}

pub async fn what_is_not_there_is_none(place: &impl Place) {
    let store = place.open().await;
    let id = operation("a").id;
    assert_eq!(store.operation(&id).await.expect("read"), None);
    assert_eq!(store.body(&id).await.expect("read"), None);
    assert_eq!(store.key("k").await.expect("read"), None);
    let delivery = store.delivery("harbor", &DeliveryId("d".to_owned())).await;
    assert_eq!(delivery.expect("read"), None);
    listed(&store, &all(), &[]).await;
}

pub async fn lists_have_the_newest_first_and_go_on_page_by_page(place: &impl Place) {
    let store = place.open().await;
    let five: Vec<_> = (0..5).map(|_| operation("a")).collect();
    accept(&store, &five.iter().collect::<Vec<_>>()).await;
    let [one, two, three, four, five] = &*five else {
        unreachable!("there are five");
    };
    listed(&store, &all(), &[five, four, three, two, one]).await;
    let mut page = Query {
        limit: 2,
        ..Query::default()
    };
    listed(&store, &page, &[five, four]).await;
    page.before = Some(four.id.clone());
    listed(&store, &page, &[three, two]).await;
    page.before = Some(two.id.clone());
    listed(&store, &page, &[one]).await;
}

pub async fn lists_are_of_what_is_asked_for(place: &impl Place) {
    let store = place.open().await;
    let mut hooked = operation("a");
    hooked.origin = Some(Origin {
        hook: "harbor".to_owned(),
        ..Origin::default()
    });
    let mut theirs = operation("b");
    "eve".clone_into(&mut theirs.actor.principal.name);
    let waiting = Operation {
        state: State::AwaitingApproval,
        ..operation("a")
    };
    accept(&store, &[&hooked, &theirs, &waiting]).await;
    let text = |text: &str| Some(text.to_owned());
    let none = Query {
        cluster: text("test"),
        ..all()
    };
    listed(&store, &none, &[]).await;
    let release = Query {
        cluster: text("prod"),
        release: text("a"),
        ..all()
    };
    listed(&store, &release, &[&waiting, &hooked]).await;
    let actor = Query {
        actor: text("eve"),
        ..all()
    };
    listed(&store, &actor, &[&theirs]).await;
    let hook = Query {
        hook: text("harbor"),
        ..all()
    };
    listed(&store, &hook, &[&hooked]).await;
    let states = Query {
        states: vec![State::Accepted, State::Running],
        ..all()
    };
    listed(&store, &states, &[&theirs, &hooked]).await;
    let both = Query {
        states: vec![State::AwaitingApproval],
        release: text("a"),
        ..all()
    };
    listed(&store, &both, &[&waiting]).await;
}

pub async fn notices_are_listed_only_where_they_are_asked_for(place: &impl Place) {
    let store = place.open().await;
    let request = operation("a");
    let mut notice = operation("b");
    notice.job = serde_json::from_value(json!({
        "kind": "notice",
        "receiver": "ops",
        "about": request.id,
    }))
    .expect("a notice");
    accept(&store, &[&request, &notice]).await;
    listed(&store, &all(), &[&request]).await;
    let with = Query {
        notices: true,
        ..all()
    };
    listed(&store, &with, &[&notice, &request]).await;
}

pub async fn a_change_is_stored_under_its_version(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    accept(&store, &[&one]).await;
    let before = stored(&store, &one.id).await;
    let mut changed = before.clone();
    changed.operation.state = State::Cancelled;
    store.change(changed.clone()).await.expect("changed");
    let after = stored(&store, &one.id).await;
    assert_eq!(after.operation, changed.operation);
    assert!(after.version > before.version);
    is_conflict(store.change(before).await);
    assert_eq!(state(&store, &one.id).await, State::Cancelled);
}

pub async fn what_is_carried_out_cannot_be_changed(place: &impl Place) {
    let store = place.open().await;
    let (one, other) = (operation("a"), operation("a"));
    accept(&store, &[&one, &other]).await;
    let mut changed = stored(&store, &one.id).await;
    let claim = claim(&store).await;
    assert_eq!(claim.operation.id, one.id);
    changed.operation.state = State::Cancelled;
    is_conflict(store.change(changed).await);
    let mut waiting = stored(&store, &other.id).await;
    waiting.operation.state = State::Cancelled;
    store.change(waiting).await.expect("nobody carries it out");
    let done = Operation {
        state: State::Succeeded,
        ..claim.operation.clone()
    };
    store
        .finish(claim, done, Vec::new())
        .await
        .expect("finished");
    assert_eq!(state(&store, &one.id).await, State::Succeeded);
    assert_eq!(state(&store, &other.id).await, State::Cancelled);
}

pub async fn what_is_approved_takes_its_turn(place: &impl Place) {
    let store = place.open().await;
    let unapproved = Operation {
        state: State::AwaitingApproval,
        approval: Approval::Needed,
        ..operation("a")
    };
    let later = operation("a");
    accept(&store, &[&unapproved]).await;
    accept(&store, &[&later]).await;
    let mut approved = stored(&store, &unapproved.id).await;
    approved.operation.state = State::Accepted;
    approved.operation.approval = Approval::Given {
        by: "eve".to_owned(),
        at: later.accepted_at,
    };
    store.change(approved).await.expect("approved");
    assert_eq!(claim(&store).await.operation.id, unapproved.id);
}

pub async fn what_is_resumed_takes_its_turn(place: &impl Place) {
    let store = place.open().await;
    let one = operation("a");
    accept(&store, &[&one]).await;
    let first = claim(&store).await;
    let dead = Operation {
        state: State::Dead,
        ..first.operation.clone()
    };
    store.finish(first, dead, Vec::new()).await.expect("dead");
    let mut resumed = stored(&store, &one.id).await;
    resumed.operation.state = State::Accepted;
    store.change(resumed).await.expect("resumed");
    assert_eq!(claim(&store).await.operation.id, one.id);
}

pub async fn deliveries_have_the_newest_first_and_go_on_page_by_page(place: &impl Place) {
    let store = place.open().await;
    for id in ["d-1", "d-2", "d-3"] {
        let admission = Admission {
            delivery: Some(delivery(id)),
            groups: Vec::new(),
        };
        store.admit(admission).await.expect("admitted");
    }
    let names = async |before: Option<&str>, limit| {
        let before = before.map(|id| DeliveryId(id.to_owned()));
        let found = store.deliveries("harbor", before.as_ref(), limit).await;
        let found = found.expect("read");
        assert!(found.iter().all(|each| each.payload.is_empty()));
        found.into_iter().map(|each| each.id.0).collect::<Vec<_>>()
    };
    eventually(async || (names(None, 5).await == ["d-3", "d-2", "d-1"]).then_some(())).await;
    assert_eq!(names(None, 2).await, ["d-3", "d-2"]);
    assert_eq!(names(Some("d-2"), 2).await, ["d-1"]);
    let other = store.deliveries("github", None, 5).await.expect("read");
    assert!(other.is_empty());
}

pub async fn a_sweep_forgets_what_is_settled_and_old(place: &impl Place) {
    let store = place.open().await;
    let (old, young) = (operation("a"), operation("b"));
    let mut old_key = key("old", &[&old]);
    old_key.expires_at = old.accepted_at - Duration::from_secs(1);
    let mut parts = admission(&[&old, &young]);
    parts.delivery = Some(delivery("d-1"));
    parts
        .groups
        .extend(
            [old_key, key("young", &[&young])].map(|key| tiller_edge::operations::Group {
                key: Some(key),
                operations: Vec::new(),
            }),
        );
    store.admit(parts).await.expect("admitted");
    for _ in 0..2 {
        let claim = claim(&store).await;
        let mut done = claim.operation.clone();
        done.state = State::Succeeded;
        let age = if done.id == old.id { 7200 } else { 0 };
        done.finished_at = Some(done.accepted_at - Duration::from_secs(age));
        store
            .finish(claim, done, Vec::new())
            .await
            .expect("finished");
    }
    let hour = Duration::from_secs(3600);
    eventually(async || {
        store.sweep(hour).await.expect("swept");
        let gone = store.operation(&old.id).await.expect("read").is_none();
        gone.then_some(())
    })
    .await;
    assert_eq!(store.body(&old.id).await.expect("read"), None);
    assert_eq!(state(&store, &young.id).await, State::Succeeded);
    assert!(store.key("young").await.expect("read").is_some());
    let kept = store
        .delivery("harbor", &DeliveryId("d-1".to_owned()))
        .await;
    assert!(kept.expect("read").is_some(), "it is not old");
}

pub async fn a_sweep_leaves_what_is_not_settled(place: &impl Place) {
    let store = place.open().await;
    let waits = operation("a");
    let unapproved = Operation {
        state: State::AwaitingApproval,
        ..operation("b")
    };
    accept(&store, &[&waits, &unapproved]).await;
    store.sweep(Duration::ZERO).await.expect("swept");
    assert_eq!(state(&store, &waits.id).await, State::Accepted);
    assert_eq!(state(&store, &unapproved.id).await, State::AwaitingApproval);
    assert_eq!(claim(&store).await.operation.id, waits.id);
}

pub async fn changes_are_told(place: &impl Place) {
    let store = place.open().await;
    let mut changes = store.changes();
    let patience = Duration::from_secs(20);
    let mut told = async || {
        let told = timeout(patience, changes.changed()).await;
        told.expect("in time").expect("it is open");
    };
    let one = operation("a");
    accept(&store, &[&one]).await;
    told().await;
    let claim = claim(&store).await;
    let done = Operation {
        state: State::Succeeded,
        ..claim.operation.clone()
    };
    store
        .finish(claim, done, Vec::new())
        .await
        .expect("finished");
    told().await;
}
