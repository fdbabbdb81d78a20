//! Who gets to see which credential, and how often a token is asked for.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::registry::{challenge, json_of, login, ok, redirect, status};
use super::*;
use crate::net::credentials::{Credentials, Secret};
use crate::net::fetch::Access;

fn guarded(password: &'static str) -> Store {
    let mut store = Store::with(&["1.0.0", "1.1.0"]);
    store.password = Some(password);
    store
}

#[tokio::test]
async fn one_token_serves_until_it_ends() {
    let server = serve(guarded("s3cret")).await;
    let registry = server.with_login("s3cret");
    for wanted in ["1.0.0", "1.1.0", ""] {
        registry.pull("web", wanted, pull()).await.unwrap();
    }
    registry.catalog(deadline()).await.unwrap();
    registry.catalog(deadline()).await.unwrap();
    let tokens: Vec<Asked> = server.asked();
    let tokens = tokens.iter().filter(|asked| asked.path == "/token");
    let scopes: Vec<&str> = tokens
        .map(|asked| asked.query.as_deref().unwrap())
        .collect();
    assert_eq!(
        scopes,
        [
            "service=registry&scope=repository%3Acharts%2Fweb%3Apull",
            "service=registry&scope=registry%3Acatalog%3A*"
        ]
    );
}

#[tokio::test]
async fn without_a_login_a_token_is_asked_for_all_the_same() {
    let server = serve(guarded("")).await;
    server.registry().pull("web", "", pull()).await.unwrap();
    let asked = server.asked();
    let token = asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(token.authorization, None);
}

#[tokio::test]
async fn a_wrong_login_is_refused_by_the_token_service() {
    let server = serve(guarded("s3cret")).await;
    for registry in [server.with_login("wr0ng"), server.registry()] {
        let error = registry.pull("web", "1.0.0", pull()).await.unwrap_err();
        assert!(
            matches!(error, OciError::TokenStatus(StatusCode::UNAUTHORIZED)),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("wr0ng"));
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_replaced_once() {
    let store = guarded("");
    let good = AtomicUsize::new(0);
    let refused = AtomicUsize::new(0);
    let server = Server::start(move |asked: &Asked| {
        let current = good.load(Ordering::Relaxed);
        if asked.path == "/token" {
            return json_of(&json!({ "access_token": format!("t{current}") }));
        }
        if asked.path.ends_with("/tags/list") {
            // From here on the token is another.
            good.store(1, Ordering::Relaxed);
        }
        let token = format!("Bearer t{}", good.load(Ordering::Relaxed));
        if asked.authorization.as_ref() != Some(&token) {
            refused.fetch_add(1, Ordering::Relaxed);
            return challenge(&format!("http://{}/token", asked.host));
        }
        let mut open = store.clone();
        open.password = None;
        open.answer(asked)
    })
    .await;
    let registry = server.registry();
    registry.pull("web", "1.0.0", pull()).await.unwrap();
    registry.versions("web", deadline()).await.unwrap();
    registry.pull("web", "1.0.0", pull()).await.unwrap();
    let tokens = server
        .paths()
        .iter()
        .filter(|path| *path == "/token")
        .count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn a_registry_that_takes_no_token_is_not_asked_for_ever() {
    let server = Server::start(|asked: &Asked| match asked.path.as_str() {
        "/token" => json_of(&json!({ "token": "s3cret" })),
        _ => challenge(&format!("http://{}/token", asked.host)),
    })
    .await;
    let registry = server.registry();
    let error = registry.pull("web", "1.0.0", pull()).await.unwrap_err();
    assert!(matches!(error, OciError::Denied { .. }), "{error}");
    assert_eq!(server.paths().len(), 3);
}

#[tokio::test]
async fn a_login_goes_to_a_registry_that_wants_it_itself() {
    let store = Store::with(&["1.0.0"]);
    let server = Server::start(move |asked: &Asked| match asked.authorization.as_deref() {
        Some("Basic ZWRnZTpzM2NyZXQ=") => store.answer(asked),
        _ => status(401),
    })
    .await;
    let registry = server.with_login("s3cret");
    registry.pull("web", "1.0.0", pull()).await.unwrap();
    let error = server.registry().pull("web", "1.0.0", pull()).await;
    assert!(matches!(error, Err(OciError::Denied { .. })));
}

#[tokio::test]
async fn a_configured_token_is_shown_as_it_is() {
    let store = Store::with(&["1.0.0"]);
    let server = Server::start(move |asked: &Asked| match asked.authorization.as_deref() {
        Some("Bearer s3cret") => store.answer(asked),
        _ => status(401),
    })
    .await;
    let access = Access {
        credentials: Credentials::Bearer(Secret::Text("s3cret".into())),
        ..server.access()
    };
    server
        .with(access)
        .pull("web", "1.0.0", pull())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_foreign_token_service_gets_no_login_in_clear_text() {
    let foreign = Server::start(|_: &Asked| json_of(&json!({ "token": "x" }))).await;
    let realm = foreign.url.clone();
    let server = Server::start(move |_: &Asked| challenge(realm.as_str())).await;
    let access = Access {
        credentials: login("s3cret"),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..server.access()
    };
    let error = server
        .with(access)
        .pull("web", "1.0.0", pull())
        .await
        .unwrap_err();
    assert!(matches!(error, OciError::TokenService(_)), "{error}");
    assert!(foreign.asked().is_empty());

    // By https it would, were it not on loopback.
    let realm = foreign.url.as_str().replace("http:", "https:");
    let server = Server::start(move |_: &Asked| challenge(&realm)).await;
    let error = server
        .with_login("s3cret")
        .pull("web", "1.0.0", pull())
        .await;
    assert!(
        matches!(
            error,
            Err(OciError::Fetch {
                source: FetchError::AddressRefused { .. },
                ..
            })
        ),
        "it is on loopback"
    );
    assert!(foreign.asked().is_empty());
}

#[tokio::test]
async fn where_the_registry_redirects_to_names_no_token_service() {
    let foreign = Server::start(|asked: &Asked| match asked.path.as_str() {
        "/token" => json_of(&json!({ "token": "x" })),
        _ => challenge(&format!("http://{}/token", asked.host)),
    })
    .await;
    let elsewhere = foreign.url.join("x").unwrap();
    let server = Server::start(move |_: &Asked| redirect(elsewhere.as_str())).await;
    let access = Access {
        credentials: login("s3cret"),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..server.access()
    };
    let error = server
        .with(access)
        .pull("web", "1.0.0", pull())
        .await
        .unwrap_err();
    assert!(matches!(error, OciError::Denied { .. }), "{error}");
    assert_eq!(foreign.paths(), ["/x"]);
    assert_eq!(foreign.asked()[0].authorization, None);
}

#[tokio::test]
async fn an_answer_without_a_token_is_an_error_that_shows_nothing_of_it() {
    for body in [
        "",
        "s3cret",
        "{}",
        "{\"token\":\"\"}",
        "{\"token\":\"s3cret\\ninjected: x\"}",
        "{\"token\":[\"s3cret\"]}",
    ] {
        let server = Server::start(move |asked: &Asked| match asked.path.as_str() {
            "/token" => ok("application/json", body),
            _ => challenge(&format!("http://{}/token", asked.host)),
        })
        .await;
        let error = server
            .registry()
            .pull("web", "1.0.0", pull())
            .await
            .unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(matches!(error, OciError::Protocol { .. }), "{body}: {text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
}
