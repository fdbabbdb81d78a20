//! Repositories that fail.

use std::time::Duration;

use rest::problem::Code;
use serde_json::json;
use sim::store::{Fault, Part};

use crate::support::repositories::{of, repository, stable, webs, with_login};
use crate::support::{Stage, Transport, post, soon, stage};

const SECRET: &str = "b0dy-s3cret";

async fn refuses_without_showing(stage: &Stage, code: Code) {
    let problem = stage.refuses(&stable("web", ""), code).await;
    let shown = serde_json::to_string(&problem).expect("a problem");
    assert!(!shown.contains(SECRET), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_repository_answers_is_told_by_its_status_alone() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| charts.fresh = Duration::ZERO)
        .repository(repository("stable", &store))
        .start()
        .await;
    let body = format!("<html>{SECRET}</html>");
    for part in [Part::Index, Part::Archive] {
        for (status, code) in [
            (204, Code::RepositoryError),
            (400, Code::RepositoryError),
            (401, Code::RepositoryCredentialsRefused),
            (403, Code::RepositoryCredentialsRefused),
            (404, Code::RepositoryError),
            (429, Code::RepositoryError),
            (500, Code::RepositoryError),
            (503, Code::RepositoryError),
        ] {
            store.set(part, Fault::Answer(status, body.clone()));
            let problem = stage.refuses(&stable("web", ""), code).await;
            let shown = serde_json::to_string(&problem).expect("a problem");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(
                problem.detail.contains(&status.to_string()),
                "{}",
                problem.detail
            );
        }
        store.clear();
        stage
            .request(&stable(&format!("after-{part:?}").to_lowercase(), ""))
            .await
            .expect(201);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_none_is_the_repositorys_failure() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| charts.fresh = Duration::ZERO)
        .repository(repository("stable", &store))
        .start()
        .await;
    let index = store.index();
    for text in [
        "".to_owned(),
        format!("<html>{SECRET}</html>"),
        format!("- {SECRET}"),
        format!("apiVersion: v1\nentries: [{SECRET}]\n"),
        format!("apiVersion: v1\nentries: {{web: [{{version: {{a: {SECRET}}}}}]}}\n"),
        format!("apiVersion: v1\nentries: &a [*a, {SECRET}]\n"),
        "{".repeat(100_000),
    ] {
        store.set_index(text);
        refuses_without_showing(&stage, Code::RepositoryError).await;
    }
    store.set_index(index);
    store.set(
        Part::Archive,
        Fault::Answer(200, format!("<html>{SECRET}</html>")),
    );
    refuses_without_showing(&stage, Code::ChartUnverified).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_or_never_ends_is_the_repositorys_failure() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| {
            charts.fresh = Duration::ZERO;
            charts.index = tiller_edge::config::Size::MIB;
            charts.archive = tiller_edge::config::Size::MIB;
        })
        .repository(repository("stable", &store))
        .start()
        .await;
    for part in [Part::Index, Part::Archive] {
        for (fault, code) in [
            (Fault::Endless, Code::RepositoryError),
            (Fault::Truncate, Code::RepositoryUnreachable),
        ] {
            store.set(part, fault);
            stage.refuses(&stable("web", ""), code).await;
        }
        store.clear();
    }
    stage.request(&stable("web", "")).await.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_repository_has_until_its_deadline() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| {
            charts.fresh = Duration::ZERO;
            charts.timeout = Duration::from_secs(1);
        })
        .repository(repository("stable", &store))
        .start()
        .await;
    for part in [Part::Index, Part::Archive] {
        let mut hold = store.hold(part);
        stage
            .refuses(&stable("web", ""), Code::RepositoryTimedOut)
            .await;
        soon(hold.reached(1)).await;
        hold.release();
    }
    stage.request(&stable("web", "")).await.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_while_the_repository_is_slow_leaves_nothing() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for part in [Part::Index, Part::Archive] {
        let mut hold = store.hold(part);
        let ask = post(Transport::GrpcWeb.path("releases")).json(&stable("web", ""));
        let caller = stage.later(ask);
        soon(hold.reached(1)).await;
        caller.abort();
        _ = caller.await;
        stage.is_clean().await;
        hold.release();
    }
    stage.serves().await;
    stage.request(&stable("web", "")).await.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_is_gone_is_unreachable() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    drop(store);
    stage
        .refuses(&stable("web", ""), Code::RepositoryUnreachable)
        .await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_the_edge_does_not_trust_is_unreachable() {
    let store = webs(&["1.2.3"]).tls().start().await;
    let other = webs(&[]).tls().start().await;
    let mut strange = repository("stable", &store);
    strange.ca_file = other.ca();
    let stage = stage().repository(strange).start().await;
    stage
        .refuses(&stable("web", ""), Code::RepositoryUnreachable)
        .await;
    assert_eq!(store.asked(), []);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_the_edges_fault() {
    let store = webs(&["1.2.3"]).login("edge", "right").start().await;
    let wrong = with_login(repository("stable", &store), &store, ("edge", "wrong"));
    let none = repository("open", &store);
    let stage = stage().repository(wrong).repository(none).start().await;
    for name in ["stable", "open"] {
        let body = of("web", json!({ "repository": name, "name": "web" }));
        stage
            .refuses(&body, Code::RepositoryCredentialsRefused)
            .await;
    }
    store.file("password", "right").expect("written");
    stage.request(&stable("web", "")).await.expect(201);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_from_what_is_not_configured() {
    let store = webs(&["1.2.3", "2.0.0-rc.1"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for (repository, name, version, code) in [
        ("other", "web", "", Code::RepositoryNotConfigured),
        ("stable", "db", "", Code::ChartNotFound),
        ("stable", "web", ">2", Code::ChartNotFound),
        ("stable", "web", "^2", Code::ChartNotFound),
        ("stable", "web", "1.2.4", Code::ChartNotFound),
        ("stable", "we", "", Code::ChartNotFound),
    ] {
        let chart = json!({ "repository": repository, "name": name, "version": version });
        let problem = stage.refuses(&of("web", chart), code).await;
        assert!(!problem.detail.is_empty());
    }
    assert_eq!(store.asked_for(Part::Archive), []);
    stage.end().await;
}
