//! How often an index is fetched.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rest::problem::Code;
use sim::store::{Entry, Part, Store, Validators, archive};

use crate::support::repositories::{repository, stable, webs};
use crate::support::{Plan, stage};

/// Each request for the index: whether it was conditional, and the status.
fn indexes(store: &Store) -> Vec<(bool, u16)> {
    let asked = store.asked_for(Part::Index);
    asked
        .iter()
        .map(|asked| (asked.conditional, asked.status))
        .collect()
}

fn never_fresh(store: &Store) -> Plan {
    stage()
        .charts(|charts| charts.fresh = Duration::ZERO)
        .repository(repository("stable", store))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_index_is_downloaded_once_and_then_only_asked_about() {
    let store = webs(&["1.2.3"]).filler(10_000).start().await;
    assert!(store.index().len() > 4_000_000);
    let stage = never_fresh(&store).start().await;
    let mut took = Vec::new();
    for number in 0..3 {
        let asked = Instant::now();
        stage
            .request(&stable(&format!("web-{number}"), "^1"))
            .await
            .expect(201);
        took.push(asked.elapsed());
    }
    assert_eq!(indexes(&store), [(false, 200), (true, 304), (true, 304)]);
    assert!(took[2] < Duration::from_secs(2), "{took:?}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_index_is_not_asked_about() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for number in 0..3 {
        stage
            .request(&stable(&format!("web-{number}"), ""))
            .await
            .expect(201);
    }
    assert_eq!(indexes(&store), [(false, 200)]);
    assert_eq!(store.asked_for(Part::Archive).len(), 3);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_has_changed_is_used_from_then_on() {
    for validators in [
        Validators::Both,
        Validators::ETag,
        Validators::LastModified,
        Validators::None,
    ] {
        let store = webs(&["1.2.3"]).validators(validators).start().await;
        let stage = never_fresh(&store).start().await;
        stage.request(&stable("one", "^1")).await.expect(201);
        store.put(Entry::new("web", "1.3.0", archive("web", "1.3.0")));
        let answer = stage.request(&stable("two", "^1")).await.expect(201);
        assert_eq!(answer.json()["source"]["version"], "1.3.0");
        let conditional = validators != Validators::None;
        assert_eq!(indexes(&store), [(false, 200), (conditional, 200)]);
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_downloads_an_index_once() {
    let store = webs(&["1.2.3"]).filler(2_000).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    let bodies: Vec<_> = (0..8)
        .map(|number| stable(&format!("web-{number}"), ""))
        .collect();
    let answers = join_all(bodies.iter().map(|body| stage.request(body))).await;
    for answer in answers {
        answer.expect(201);
    }
    assert_eq!(indexes(&store), [(false, 200)]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_beyond_the_limit_is_refused() {
    let store = webs(&["1.2.3"]).filler(5_000).start().await;
    let stage = stage()
        .charts(|charts| charts.index = tiller_edge::config::Size::MIB)
        .repository(repository("stable", &store))
        .start()
        .await;
    let problem = stage
        .refuses(&stable("web", ""), Code::RepositoryError)
        .await;
    let said = format!("{} {:?}", problem.detail, problem.hint);
    assert!(
        said.contains("charts.index") || said.contains("1 MiB"),
        "{said}"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_that_do_not_fit_together_take_turns() {
    let one = webs(&["1.2.3"]).filler(2_000).start().await;
    let other = webs(&["1.2.3"]).filler(2_000).start().await;
    let stage = stage()
        .charts(|charts| charts.cache = tiller_edge::config::Size::KIB * 64)
        .repository(repository("stable", &one))
        .repository(repository("other", &other))
        .start()
        .await;
    for number in 0..4 {
        let repository = ["stable", "other"][number % 2];
        let chart = serde_json::json!({ "repository": repository, "name": "web" });
        let body = crate::support::repositories::of(&format!("web-{number}"), chart);
        stage.request(&body).await.expect(201);
    }
    stage.end().await;
}
