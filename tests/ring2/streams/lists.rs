//! Lists of ten thousand releases.

use std::time::Duration;

use serde_json::Value;
use sim::tiller::Point;
use tiller_api::Method;
use tiller_edge::config::Size;

use super::FORMS;
use crate::support::{Answer, Ask, Stage, Transport, get, releases, soon, stage, until};

const RELEASES: usize = 10_000;

/// So many releases of that weight each, and an edge whose sandboxes have little memory.
async fn ten_thousand(padding: usize, memory: Size) -> Stage {
    stage()
        .cluster(|cluster| cluster.with_releases(releases::heavy(RELEASES, padding)))
        .limits(|limits| limits.memory = memory)
        .start()
        .await
}

fn list(transport: Transport, form: &str) -> Ask {
    get(transport.path("releases")).header("accept", form)
}

/// The names in a list that is whole.
fn names(answer: &Answer, form: &str) -> Vec<String> {
    let text = answer.text();
    let items: Vec<Value> = match form {
        "application/json" => {
            let mut list = answer.json();
            assert!(list.get("error").is_none() && list.get("next").is_none());
            serde_json::from_value(list["items"].take()).expect("items")
        }
        "application/x-ndjson" => text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect(),
        _ => {
            let items = text
                .strip_suffix("event: end\ndata: {}\n\n")
                .expect("an end");
            items
                .split_terminator("\n\n")
                .map(|event| event.strip_prefix("data: ").expect("an item"))
                .map(|item| serde_json::from_str(item).expect("JSON"))
                .collect()
        }
    };
    let name = |item: &Value| item["name"].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}

fn expected() -> impl Iterator<Item = String> {
    (0..RELEASES).map(|number| format!("r{number:05}"))
}

/// They are so small that a real Tiller packs more into a message than it can send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_release_is_there_once_in_every_form() {
    let stage = ten_thousand(5_000, Size::MIB * 32).await;
    for transport in Transport::BOTH {
        for form in FORMS {
            let answer = stage.send(list(transport, form)).await.expect(200);
            assert_eq!(answer.header("content-type"), form);
            let names = names(&answer, form);
            assert!(names.into_iter().eq(expected()), "{transport:?} {form}");
        }
    }
    stage.end().await;
}

/// 200 MB through a sandbox that has room for three of Tiller's messages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_weighs_more_than_a_sandbox_goes_through_it() {
    let stage = ten_thousand(20_000, Size::MIB * 64).await;
    for transport in Transport::BOTH {
        let before = stage.cluster.faults().edge_to_apiserver.traffic().down;
        let answer = stage.send(list(transport, FORMS[1])).await.expect(200);
        assert!(names(&answer, FORMS[1]).into_iter().eq(expected()));
        let passed = stage.cluster.faults().edge_to_apiserver.traffic().down - before;
        assert!(passed > 200_000_000, "{passed}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_item_comes_before_the_last_is_sent() {
    let stage = stage()
        .cluster(|cluster| cluster.with_releases(releases::in_two_messages()))
        .start()
        .await;
    let tiller = stage.cluster.tiller();
    for transport in Transport::BOTH {
        for form in FORMS {
            let mut hold = tiller.hold(Method::ListReleases, Point::Message(1));
            let mut answer = stage.open(list(transport, form)).await;
            soon(hold.reached(1)).await;
            answer.reaches(|seen| seen.contains("r00000")).await;
            assert!(!answer.seen().contains("r00002"));
            hold.release();
            let answer = answer.rest().await.expect("whole");
            assert!(names(&answer, form).into_iter().eq(expected().take(4)));
        }
    }
    stage.end().await;
}

/// A caller that takes nothing stops Tiller, and is left alone after a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_nobody_takes_is_not_fetched() {
    const WEIGHT: usize = 10_000;
    for transport in Transport::BOTH {
        let stage = stage()
            .limits(|limits| limits.stall = Duration::from_millis(500))
            .start()
            .await;
        for number in 0..RELEASES {
            let release = releases::wordy(&format!("r{number:05}"), WEIGHT);
            stage.cluster.tiller().put(&release);
        }
        let answer = stage.open(get(transport.path("releases"))).await;
        until("given up", || stage.edge().stats().sandbox.live == 0).await;
        let passed = stage.cluster.faults().edge_to_apiserver.traffic().down;
        let all = (RELEASES * WEIGHT) as u64;
        assert!(passed < all * 3 / 4, "{passed} bytes for nobody");
        answer.rest().await.expect_err("broken");
        stage.end().await;
    }
}
