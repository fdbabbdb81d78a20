//! What a registry may do wrong, or on purpose.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::LINK;

use super::super::paging::{FIRST, PAGES};
use super::registry::{json_of, ok, redirect, status};
use super::*;
use crate::net::fetch::Access;

/// What becomes of a pull when `answer` answers in place of a registry that is all right.
async fn pull_with(
    answer: impl Fn(&Store, &Asked) -> Option<registry::Answer> + Send + Sync + 'static,
) -> OciError {
    let store = Store::with(&["1.0.0"]);
    let server = Server::start(move |asked: &Asked| {
        answer(&store, asked).unwrap_or_else(|| store.answer(asked))
    })
    .await;
    let error = server
        .registry()
        .pull("web", "1.0.0", pull())
        .await
        .unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(!text.contains("s3cret"), "{text}");
    error
}

fn is_blob(asked: &Asked) -> bool {
    asked.path.contains("/blobs/")
}

#[tokio::test]
async fn an_archive_is_what_its_digest_says() {
    for body in ["", "the archive of 1.0.1", "the archive of 1.0.0 and more"] {
        let error = pull_with(move |_, asked| is_blob(asked).then(|| ok("x/y", body))).await;
        assert!(matches!(error, OciError::Digest(ARCHIVE)), "{error}");
    }
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_says() {
    let error = pull_with(|store, asked| {
        let mut answer = store.answer(asked);
        let other = Digest::of(b"another").to_string();
        answer.headers_mut().insert(DIGEST, other.parse().unwrap());
        Some(answer)
    })
    .await;
    assert!(matches!(error, OciError::Digest(MANIFEST_NAME)), "{error}");

    let server = serve(Store::with(&["1.0.0"])).await;
    let other = Server::start({
        let store = Store::with(&["1.0.0"]);
        move |_: &Asked| ok(MANIFEST, store.manifests["1.0.0"].1.clone())
    })
    .await;
    let reference = format!("charts/web@{}", Digest::of(b"another"));
    let reference = Reference::of(&server.url.join(&reference).unwrap()).unwrap();
    let pulled = other.registry().pull_reference(&reference, pull()).await;
    assert!(matches!(pulled, Err(OciError::Digest(MANIFEST_NAME))));
}

#[tokio::test]
async fn what_is_larger_than_may_be_is_not_fetched() {
    let server = serve(Store::with(&["1.0.0"])).await;
    let small = Pull { limit: 5, ..pull() };
    let pulled = server.registry().pull("web", "1.0.0", small).await;
    assert!(matches!(pulled, Err(OciError::TooLarge { limit: 5 })));
    assert_eq!(server.paths().len(), 1, "the manifest says it");

    let error = pull_with(|_, _| Some(ok(MANIFEST, vec![b' '; super::super::MANIFEST + 1]))).await;
    assert!(
        matches!(
            error,
            OciError::Fetch {
                source: FetchError::TooLarge { .. },
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_chart_is_refused() {
    for (kind, body) in [
        (MANIFEST, "{}"),
        (MANIFEST, "<html>s3cret</html>"),
        (INDEX, "{\"manifests\":[]}"),
        ("text/html", "s3cret"),
        ("text/html", "{}"),
    ] {
        let error = pull_with(move |_, _| Some(ok(kind, body))).await;
        assert!(
            matches!(
                error,
                OciError::NotAChart(_)
                    | OciError::Protocol {
                        what: MANIFEST_NAME,
                        ..
                    }
            ),
            "{kind} {body}: {error}"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_passed_on_as_such() {
    for code in [401, 403] {
        let error = pull_with(move |_, _| Some(status(code))).await;
        assert!(
            matches!(error, OciError::Denied { status, .. } if status == code),
            "{error}"
        );
    }
    for code in [204, 400, 429, 500] {
        let error = pull_with(move |_, _| Some(status(code))).await;
        assert!(
            matches!(error, OciError::Status { status, .. } if status == code),
            "{error}"
        );
    }
    let error = pull_with(|_, asked| is_blob(asked).then(|| status(404))).await;
    assert!(
        matches!(error, OciError::Status { what: ARCHIVE, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_registry_without_a_catalog_says_so() {
    for code in [400, 401, 403, 404, 405, 501] {
        let server = Server::start(move |_: &Asked| status(code)).await;
        let error = server.registry().catalog(deadline()).await.unwrap_err();
        assert!(
            matches!(error, OciError::NoCatalog(status) if status == code),
            "{error}"
        );
    }
    let server = Server::start(|_: &Asked| json_of(&json!({ "repositories": null }))).await;
    let none: [&str; 0] = [];
    assert_eq!(server.registry().catalog(deadline()).await.unwrap(), none);
}

#[tokio::test]
async fn smaller_pages_are_taken_where_large_ones_are_not_given() {
    let store = Store::with(&["1.0.0", "1.1.0", "1.2.0"]);
    let server = Server::start(move |asked: &Asked| match asked.query.as_deref() {
        Some(FIRST) => status(400),
        _ => store.answer(asked),
    })
    .await;
    let versions = server.registry().versions("web", deadline()).await.unwrap();
    assert_eq!(versions, ["1.2.0", "1.1.0", "1.0.0"]);
}

#[tokio::test]
async fn a_list_without_end_is_given_up() {
    let page = AtomicUsize::new(0);
    let server = Server::start(move |_: &Asked| {
        let mut answer = json_of(&json!({ "tags": ["1.0.0"] }));
        let link = format!(
            "</v2/charts/web/tags/list?last={}>; rel=\"next\"",
            page.fetch_add(1, Ordering::Relaxed)
        );
        answer.headers_mut().insert(LINK, link.parse().unwrap());
        answer
    })
    .await;
    let error = server
        .registry()
        .versions("web", deadline())
        .await
        .unwrap_err();
    assert!(matches!(error, OciError::TooMany(TAGS)), "{error}");
    assert_eq!(server.paths().len(), PAGES);

    let server = Server::start(|_: &Asked| {
        let mut answer = json_of(&json!({ "tags": ["1.0.0"] }));
        let link = "</v2/charts/web/tags/list?n=1000>; rel=\"next\"";
        answer.headers_mut().insert(LINK, link.parse().unwrap());
        answer
    })
    .await;
    let error = server
        .registry()
        .versions("web", deadline())
        .await
        .unwrap_err();
    assert!(
        matches!(error, OciError::Protocol { what: TAGS, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn the_next_page_is_never_elsewhere() {
    let other = serve(Store::with(&["9.9.9"])).await;
    let (store, elsewhere) = (Store::with(&["1.0.0", "1.1.0", "1.2.0"]), other.url.clone());
    let server = Server::start(move |asked: &Asked| {
        let mut answer = store.answer(asked);
        let link = answer.headers_mut().remove(LINK);
        if let Some(link) = link {
            let link = link
                .to_str()
                .unwrap()
                .replace("</", &format!("<{elsewhere}"));
            answer.headers_mut().insert(LINK, link.parse().unwrap());
        }
        answer
    })
    .await;
    let versions = server.registry().versions("web", deadline()).await.unwrap();
    assert_eq!(versions, ["1.2.0", "1.1.0", "1.0.0"]);
    assert!(other.paths().is_empty());
}

#[tokio::test]
async fn archives_elsewhere_are_fetched_without_a_token() {
    let other = Server::start(|_: &Asked| ok("x/y", archive("1.0.0"))).await;
    let mut store = Store::with(&["1.0.0"]);
    store.password = Some("s3cret");
    let elsewhere = other.url.clone();
    let server = Server::start(move |asked: &Asked| match store.answer(asked) {
        answer if answer.status() == 200 && is_blob(asked) => redirect(elsewhere.as_str()),
        answer => answer,
    })
    .await;
    let access = Access {
        credentials: registry::login("s3cret"),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..server.access()
    };
    let pulled = server.with(access).pull("web", "1.0.0", pull()).await;
    assert_eq!(pulled.unwrap().archive, archive("1.0.0"));
    let asked = other.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].authorization, None);

    let pulled = server
        .with_login("s3cret")
        .pull("web", "1.0.0", pull())
        .await;
    assert!(
        matches!(
            pulled,
            Err(OciError::Fetch {
                source: FetchError::AddressRefused { .. },
                ..
            })
        ),
        "it is on loopback"
    );
}
