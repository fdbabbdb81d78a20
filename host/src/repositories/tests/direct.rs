//! Charts by their URL.

use rest::problem::Code;

use super::*;

fn rig(store: &Store, urls: &[&str]) -> Rig {
    Rig::new(store).with_login().with_limits(|charts| {
        charts.urls = urls
            .iter()
            .map(|url| format!("{}{url}", store.url()))
            .collect();
        charts.addresses = loopback();
    })
}

#[tokio::test]
async fn a_url_on_the_list_is_fetched_without_a_login() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = rig(&store, &["/stable/"]).load();
    let url = format!("{}/stable/web.tgz", store.url());
    let found = soon(repositories.url(&format!("{url}?sig=s3cret"))).await;
    let found = found.unwrap();
    assert_eq!(found.bytes, ARCHIVE);
    assert_eq!(
        found.source,
        ::rest::repositories::Source {
            url: Some(url),
            digest: format!("sha256:{DIGEST}"),
            ..Default::default()
        }
    );
    let seen = &store.seen()[0];
    assert_eq!(seen.uri, "/stable/web.tgz?sig=s3cret");
    assert_eq!(seen.header("authorization"), None);
}

#[tokio::test]
async fn a_url_beside_the_list_is_not() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = rig(&store, &["/stable"]).load();
    for (path, code) in [
        ("/stables/web.tgz?sig=s3cret", Code::ChartSourceRefused),
        ("/web.tgz", Code::ChartSourceRefused),
        ("/stable/../web.tgz", Code::InvalidRequest),
        ("/stable/%2e%2e/web.tgz", Code::InvalidRequest),
        ("/stable/web.tgz#s3cret", Code::InvalidRequest),
    ] {
        let error = soon(repositories.url(&format!("{}{path}", store.url()))).await;
        assert_eq!(told(&error.unwrap_err()).0, code, "{path}");
    }
    for url in [
        "",
        "web.tgz",
        "file:///etc/passwd",
        "https://edge:s3cret@example.com/web.tgz",
    ] {
        let error = soon(repositories.url(url)).await;
        assert_eq!(told(&error.unwrap_err()).0, Code::InvalidRequest, "{url}");
    }
    assert!(store.seen().is_empty());
}

#[tokio::test]
async fn a_url_on_the_list_may_not_lead_to_this_host() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = rig(&store, &["/stable"])
        .with_limits(|charts| charts.addresses.clear())
        .load();
    let url = format!("{}/stable/web.tgz", store.url());
    let error = soon(repositories.url(&url)).await.unwrap_err();
    assert_eq!(told(&error).0, Code::RepositoryAddressRefused);
    assert!(store.seen().is_empty());
}
