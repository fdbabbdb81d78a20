//! Single GETs: where the credential goes, where redirects may lead, how much and how long is waited for.

use std::time::Duration;

use futures::stream;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use super::store::at_once;
use super::*;
use crate::net::address::Origin;
use crate::net::credentials::{Credentials, Secret};
use crate::net::fetch::{Access, Authorization, FetchError, Fetched, Fetcher, Get};
use crate::net::{Causes, Proxies};
use crate::relay::tests::apiserver::Authority;
use crate::relay::tests::proxies::Proxy;

fn access(store: &Store) -> Access {
    Access {
        private: true,
        credentials: Credentials::Basic {
            username: "edge".to_owned(),
            password: Secret::Text("s3cret".into()),
        },
        ..Access::to(Origin::of(&Url::parse(&store.url()).unwrap()))
    }
}

/// The same, and what it leads to may be on loopback.
fn wide(store: &Store) -> Access {
    Access {
        networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..access(store)
    }
}

async fn get(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    get_as(fetcher, url, Authorization::Own).await
}

async fn get_as(
    fetcher: &Fetcher,
    url: &str,
    authorization: Authorization<'_>,
) -> Result<Fetched, FetchError> {
    let get = Get {
        url: Url::parse(url).unwrap(),
        accept: "",
        authorization,
        if_none_match: None,
        if_modified_since: None,
        limit: 1000,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    soon(fetcher.get(get)).await
}

#[tokio::test]
async fn a_request_says_no_more_than_it_must() {
    let store = Store::http(|_| ok(ARCHIVE)).await;
    let fetcher = Fetcher::new(access(&store));
    let url = format!("{}/a%2Fb?x=%20y#fragment", store.url()).replace("//", "//other:pass@");
    let fetched = get(&fetcher, &url).await.unwrap();
    assert_eq!(fetched.body, ARCHIVE);
    let seen = &store.seen()[0];
    assert_eq!(seen.uri, "/a%2Fb?x=%20y");
    let mut names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host", "user-agent"]);
    assert_eq!(seen.header("authorization"), Some(LOGIN));
    assert!(
        seen.header("user-agent")
            .unwrap()
            .starts_with("tiller-edge/")
    );
}

#[tokio::test]
async fn a_credential_goes_to_the_configured_origin_only() {
    let other = Store::http(|_| ok(ARCHIVE)).await;
    let away = other.url();
    let own = Store::http(move |_| redirect(&format!("{away}/there"))).await;
    let fetcher = Fetcher::new(wide(&own));
    let token = SecretString::from("s3cret");
    for authorization in [Authorization::Own, Authorization::Bearer(&token)] {
        let fetched = get_as(&fetcher, &own.url(), authorization).await.unwrap();
        assert_eq!(fetched.url.as_str(), format!("{}/there", other.url()));
    }
    get(&fetcher, &other.url()).await.unwrap();
    get_as(&fetcher, &other.url(), Authorization::Bearer(&token))
        .await
        .unwrap();
    assert_eq!(own.seen()[0].header("authorization"), Some(LOGIN));
    assert_eq!(own.seen()[1].header("authorization"), Some("Bearer s3cret"));
    assert_eq!(other.seen().len(), 4);
    for seen in other.seen() {
        assert_eq!(seen.header("authorization"), None);
    }
}

#[tokio::test]
async fn a_redirect_that_comes_back_brings_no_credential() {
    let home = Arc::<Mutex<String>>::default();
    let back = Arc::clone(&home);
    let other = Store::http(move |_| redirect(&format!("{}/two", back.lock().unwrap()))).await;
    let away = other.url();
    let own = Store::http(move |seen| match seen.path() {
        "/one" => redirect("/same"),
        "/same" => redirect(&away),
        _ => ok(ARCHIVE),
    })
    .await;
    *home.lock().unwrap() = own.url();
    let fetcher = Fetcher::new(wide(&own));
    get(&fetcher, &format!("{}/one", own.url())).await.unwrap();
    let sent: Vec<_> = own
        .seen()
        .iter()
        .map(|seen| (seen.uri.clone(), seen.header("authorization").is_some()))
        .collect();
    assert_eq!(
        sent,
        [
            ("/one".to_owned(), true),
            ("/same".to_owned(), true),
            ("/two".to_owned(), false)
        ]
    );
}

#[tokio::test]
async fn a_login_for_a_token_service_needs_https_or_the_own_origin() {
    let other = Store::http(|_| ok(ARCHIVE)).await;
    let own = Store::http(|_| ok(ARCHIVE)).await;
    let fetcher = Fetcher::new(wide(&own));
    let refused = get_as(&fetcher, &other.url(), Authorization::Basic).await;
    assert!(matches!(refused, Err(FetchError::ClearTextLogin)));
    assert!(other.seen().is_empty());
    get_as(&fetcher, &own.url(), Authorization::Basic)
        .await
        .unwrap();
    assert_eq!(own.seen()[0].header("authorization"), Some(LOGIN));
}

#[tokio::test]
async fn a_redirect_to_loopback_is_not_followed() {
    let other = Store::http(|_| ok(ARCHIVE)).await;
    let away = other.url();
    let own = Store::http(move |seen| match seen.path() {
        "/name" => redirect(&away.replace("127.0.0.1", "localhost")),
        "/mapped" => redirect(&away.replace("127.0.0.1", "[::ffff:127.0.0.1]")),
        "/number" => redirect(&away.replace("127.0.0.1", "2130706433")),
        "/metadata" => redirect("http://169.254.169.254/latest/meta-data/"),
        _ => redirect(&away),
    })
    .await;
    let fetcher = Fetcher::new(access(&own));
    for path in ["", "/name", "/mapped", "/number", "/metadata"] {
        let error = get(&fetcher, &format!("{}{path}", own.url())).await;
        assert!(
            matches!(error, Err(FetchError::AddressRefused { .. })),
            "{path} {error:?}"
        );
    }
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn redirects_end() {
    let store = Store::http(|seen| {
        let hops: u32 = seen.uri.trim_start_matches('/').parse().unwrap();
        match hops {
            0 => ok(ARCHIVE),
            _ => redirect(&format!("/{}", hops - 1)),
        }
    })
    .await;
    let fetcher = Fetcher::new(access(&store));
    get(&fetcher, &format!("{}/5", store.url())).await.unwrap();
    let error = get(&fetcher, &format!("{}/6", store.url())).await;
    assert!(matches!(error, Err(FetchError::TooManyRedirects)));
}

#[tokio::test]
async fn encryption_is_not_given_up_and_other_schemes_are_none() {
    let clear = Store::http(|_| ok(ARCHIVE)).await;
    let away = clear.url();
    let own = Store::https(move |seen| match seen.path() {
        "/file" => redirect("file:///etc/passwd"),
        "/none" => redirect("http://"),
        _ => redirect(&away),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, own.authority().unwrap().pem()).unwrap();
    let fetcher = Fetcher::new(Access {
        authorities: Some(ca),
        ..wide(&own)
    });
    let error = get(&fetcher, &own.url()).await;
    assert!(matches!(error, Err(FetchError::RedirectToClearText)));
    for path in ["/file", "/none"] {
        let error = get(&fetcher, &format!("{}{path}", own.url())).await;
        assert!(matches!(error, Err(FetchError::Redirect)), "{error:?}");
    }
    assert!(clear.seen().is_empty());
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_configured_origin_only() {
    let authority = Arc::new(Authority::new());
    let other = Store::start(Some(Arc::clone(&authority)), at_once(|_| ok(ARCHIVE))).await;
    let away = other.url();
    let own = Store::start(
        Some(Arc::clone(&authority)),
        at_once(move |seen| match seen.path() {
            "/away" => redirect(&away),
            _ => ok(ARCHIVE),
        }),
    )
    .await;
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let (certificate, key) = authority.issue("edge");
    let fetcher = Fetcher::new(Access {
        authorities: Some(file("ca.pem", &authority.pem())),
        identity: Some((file("cert.pem", &certificate), file("key.pem", &key))),
        ..wide(&own)
    });
    get(&fetcher, &format!("{}/away", own.url())).await.unwrap();
    assert!(own.seen()[0].certified);
    assert!(!other.seen()[0].certified);
    // A file that has vanished leaves what was read in use; one that has changed is used at once.
    std::fs::remove_file(directory.path().join("key.pem")).unwrap();
    get(&fetcher, &own.url()).await.unwrap();
    file("key.pem", "no key");
    let error = get(&fetcher, &own.url()).await;
    assert!(matches!(error, Err(FetchError::Tls(_))), "{error:?}");
}

#[tokio::test]
async fn an_unknown_authority_is_no_connection() {
    let store = Store::https(|_| ok(ARCHIVE)).await;
    let fetcher = Fetcher::new(access(&store));
    let error = get(&fetcher, &store.url()).await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error:?}");
    assert!(Causes(&error).to_string().contains("certificate"));
    assert!(store.seen().is_empty());
}

#[tokio::test]
async fn size_is_told_or_counted() {
    let store = Store::http(|seen| match seen.path() {
        "/exact" => ok(vec![b'x'; 1000]),
        "/told" => ok(vec![b'x'; 1001]),
        "/refused" => {
            let mut answer = ok(vec![b'x'; 1 << 20]);
            *answer.status_mut() = http::StatusCode::NOT_FOUND;
            answer
        }
        _ => {
            let pieces = (0..1001).map(|_| Ok(Frame::data("x".into())));
            Response::new(BodyExt::boxed_unsync(StreamBody::new(stream::iter(pieces))))
        }
    })
    .await;
    let fetcher = Fetcher::new(access(&store));
    let at = |path: &str| format!("{}{path}", store.url());
    assert_eq!(get(&fetcher, &at("/exact")).await.unwrap().body.len(), 1000);
    for path in ["/told", "/counted"] {
        let error = get(&fetcher, &at(path)).await;
        assert!(
            matches!(error, Err(FetchError::TooLarge { limit: 1000 })),
            "{error:?}"
        );
    }
    let refused = get(&fetcher, &at("/refused")).await.unwrap();
    assert_eq!(refused.status, 404);
    assert!(refused.body.len() <= 64 << 10);
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_given_up() {
    let store = Store::http(|seen| match seen.path() {
        "/body" => Response::new(BodyExt::boxed_unsync(StreamBody::new(stream::pending()))),
        _ => ok(ARCHIVE),
    })
    .await;
    let silent = Store::slow(|_| std::future::pending()).await;
    for url in [format!("{}/body", store.url()), silent.url()] {
        let fetcher = Fetcher::new(wide(&store));
        let get = Get {
            url: Url::parse(&url).unwrap(),
            accept: "",
            authorization: Authorization::Own,
            if_none_match: None,
            if_modified_since: None,
            limit: 1000,
            deadline: Instant::now() + Duration::from_millis(200),
        };
        let error = soon(fetcher.get(get)).await;
        assert!(matches!(error, Err(FetchError::Deadline)), "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_is_given_the_name_and_no_forbidden_address() {
    let proxy = Proxy::http().await;
    let fetcher = Fetcher::new(Access {
        proxies: Proxies::all(&format!("http://{}", proxy.addr())),
        ..Access::to(None)
    });
    for url in [
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
    ] {
        let error = get(&fetcher, url).await;
        assert!(
            matches!(error, Err(FetchError::AddressRefused { .. })),
            "{url} {error:?}"
        );
    }
    assert!(proxy.asked().is_empty());
    get(&fetcher, "http://charts.invalid/web.tgz")
        .await
        .unwrap_err();
    let asked = proxy.asked();
    assert!(
        asked[0].starts_with("CONNECT charts.invalid:80 "),
        "{asked:?}"
    );
}
