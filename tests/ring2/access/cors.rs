//! Web pages of other origins: what a browser is told, and what never gets as far as a component.

use http::HeaderMap;
use rest::problem::{Code, Outcome};
use tiller_edge::config::CorsConfig;

use super::{BOB, by, people};
use crate::support::{Ask, Plan, Protocol, delete, get, options, post, put, stage};

const PAGE: &str = "https://console.example.com";

fn welcoming() -> Plan {
    people().configure(|config, _| {
        config.cors = CorsConfig {
            origins: vec![PAGE.to_owned(), "https://*.apps.example.com".to_owned()],
            ..CorsConfig::default()
        };
    })
}

fn preflight(origin: &str, method: &str) -> Ask {
    options("/v1/clusters/sim/releases/web")
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization")
}

fn told(headers: &HeaderMap) -> Vec<&str> {
    let names = headers.keys().map(|name| name.as_str());
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_is_answered_before_anybody_is_known_and_reaches_no_component() {
    let stage = welcoming().start().await;
    for protocol in [Protocol::H1, Protocol::H2] {
        for origin in [PAGE, "https://one.apps.example.com"] {
            let answer = stage.send(preflight(origin, "DELETE").over(protocol)).await;
            let answer = answer.expect(204);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(
                answer
                    .header("access-control-allow-methods")
                    .contains("DELETE")
            );
            assert!(
                answer
                    .header("access-control-allow-headers")
                    .contains("authorization")
            );
            assert_eq!(answer.header("access-control-max-age"), "600");
            assert_eq!(answer.header("vary"), "origin");
            assert!(
                !answer
                    .headers
                    .contains_key("access-control-allow-credentials")
            );
            assert!(answer.body.is_empty());
        }
    }
    assert_eq!(stage.edge().stats().sandbox.started, 0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_were_named_may_read_answers_and_problems() {
    let stage = welcoming().start().await;
    let page = |ask: Ask| ask.header("origin", PAGE);
    for (ask, status) in [
        (by(BOB, get("/v1/clusters/sim")), 200),
        (get("/v1/clusters/sim"), 401),
        (by(BOB, get("/nonsense")), 404),
    ] {
        let answer = stage.send(page(ask)).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
        let exposed = answer.header("access-control-expose-headers");
        for name in ["etag", "location", "retry-after", "x-request-id"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        let vary = answer.headers.get_all("vary");
        assert!(vary.iter().any(|vary| vary == "origin"));
    }
    // Caches must keep apart what those are told that come from no page.
    let answer = stage
        .send(by(BOB, get("/v1/clusters/sim")))
        .await
        .expect(200);
    assert_eq!(told(&answer.headers), [""; 0]);
    let vary = answer.headers.get_all("vary");
    assert!(vary.iter().any(|vary| vary == "origin"));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_were_not_named_are_refused_whatever_they_ask_for() {
    let release = "/v1/clusters/sim/releases/web";
    for plan in [stage(), welcoming()] {
        let stage = plan.start().await;
        for origin in [
            "https://evil.example",
            "null",
            "http://console.example.com",
            "https://apps.example.com",
        ] {
            for ask in [
                preflight(origin, "GET"),
                by(BOB, get(release)).header("origin", origin),
                by(BOB, post(format!("{release}/tests"))).header("origin", origin),
                by(BOB, put(release)).header("origin", origin),
                by(BOB, delete(release)).header("origin", origin),
            ] {
                let answer = stage.send(ask).await;
                answer.refused(Code::InvalidRequest, Outcome::NotApplied);
                assert_eq!(told(&answer.headers), [""; 0], "{origin}");
            }
        }
        assert_eq!(stage.edge().stats().sandbox.started, 0);
        assert!(stage.cluster.apiserver().seen().is_empty());
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_another_site_asked_for_is_refused_without_an_origin_too() {
    let stage = stage().start().await;
    let release = "/v1/clusters/sim/releases/web";
    for (site, is_refused) in [
        ("cross-site", true),
        ("same-site", true),
        ("same-origin", false),
        ("none", false),
    ] {
        for ask in [post(format!("{release}/tests")), delete(release)] {
            let answer = stage.send(ask.header("sec-fetch-site", site)).await;
            let code = answer.problem().code;
            let expected = if is_refused {
                Code::InvalidRequest
            } else {
                Code::ReleaseNotFound
            };
            assert_eq!(code, expected, "{site}");
        }
        let read = get("/v1/clusters").header("sec-fetch-site", site);
        stage.send(read).await.expect(200);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_are_for_pages_only_where_that_is_configured() {
    let stage = welcoming()
        .configure(|config, _| config.cors.credentials = true)
        .start()
        .await;
    let answers = [
        preflight(PAGE, "GET"),
        by(BOB, get("/v1/clusters")).header("origin", PAGE),
    ];
    for ask in answers {
        let answer = stage.send(ask).await;
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    }
    stage.end().await;
}
