//! What components are told about charts.

use rest::problem::Code;
use rest::repositories::{ChartList, RepositoryList, SOURCE, Source};

use super::*;
use crate::repositories::tests::{ARCHIVE, DIGEST, Rig as Shelf, Store, healthy, index, ok};

/// A relay to a cluster that is not there, `prod`, and to the repository `stable`.
fn relay(shelf: &Shelf) -> Relay {
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("config");
    let text = "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
                users: [{name: u, user: {token: t}}]\n\
                contexts: [{name: prod, context: {cluster: c, user: u}}]\n";
    fs::write(&kubeconfig, text).unwrap();
    let config = Config {
        kubeconfig: Some(kubeconfig),
        ..shelf.config.clone()
    };
    let clusters = Clusters::load(&config).unwrap();
    let repositories = Repositories::load(&config).unwrap();
    Relay::new(
        Arc::new(clusters),
        Arc::new(repositories),
        Arc::new(Audit::off()),
        &config,
    )
}

async fn get(relay: &Relay, path: &str) -> Response<Body> {
    let request = Request::get(format!("http://relay.internal{path}"))
        .body(whole(Bytes::new()))
        .unwrap();
    soon(relay.handle(&caller(), request)).await
}

async fn list<T: serde::de::DeserializeOwned>(relay: &Relay, path: &str) -> T {
    let answer = get(relay, path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    serde_json::from_slice(&read(answer).await.0).unwrap()
}

#[tokio::test]
async fn repositories_are_listed_without_asking_them() {
    let store = Store::http(healthy(|_| None)).await;
    let shelf = Shelf::new(&store).with_login();
    let list: RepositoryList = list(&relay(&shelf), "/repositories").await;
    assert_eq!(list.items.len(), 1);
    assert_eq!(list.items[0].name, "stable");
    assert_eq!(list.items[0].kind, "http");
    assert_eq!(list.items[0].url, format!("{}/stable", store.url()));
    assert!(store.seen().is_empty());
}

#[tokio::test]
async fn charts_and_versions_come_in_pages() {
    let versions: Vec<String> = (0..300).map(|minor| format!("1.{minor}.0")).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let text = index(&versions, "web.tgz", DIGEST);
    let store = Store::http(move |_| ok(text.clone())).await;
    let relay = relay(&Shelf::new(&store));
    let newest: ChartList = list(&relay, "/repositories/stable/charts").await;
    assert_eq!(newest.items.len(), 1);
    assert_eq!(newest.items[0].version, "1.299.0");
    assert_eq!(
        newest.items[0].digest.as_deref(),
        Some(&*format!("sha256:{DIGEST}"))
    );
    assert_eq!(newest.next, None);
    for path in [
        "/repositories/stable/charts?all=true&search=STABLE%2FWEB",
        "/repositories/stable/charts/web?",
    ] {
        let first: ChartList = list(&relay, path).await;
        assert_eq!(first.items.len(), 250);
        assert_eq!(first.items[0].version, "1.299.0");
        let next = first.next.unwrap();
        let rest: ChartList = list(&relay, &format!("{path}&cursor={next}")).await;
        assert_eq!((rest.items.len(), rest.next), (50, None));
        assert_eq!(rest.items[49].version, "1.0.0");
        let two: ChartList = list(&relay, &format!("{path}&limit=2")).await;
        assert_eq!(two.items.len(), 2);
    }
    let none: ChartList = list(&relay, "/repositories/stable/charts?search=nothing").await;
    assert!(none.items.is_empty());
    assert_eq!(store.seen().len(), 1);
}

#[tokio::test]
async fn an_archive_comes_whole_with_its_source() {
    let store = Store::http(healthy(|_| None)).await;
    let relay = relay(&Shelf::new(&store));
    let path = "/repositories/stable/charts/web/archive?version=1.0.0&cluster=prod";
    let answer = get(&relay, path).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/gzip");
    assert_eq!(
        answer.headers()["content-length"],
        ARCHIVE.len().to_string().as_str()
    );
    let source = Source::from_header(answer.headers()[SOURCE].as_bytes()).unwrap();
    assert_eq!(source.repository.as_deref(), Some("stable"));
    assert_eq!(source.version.as_deref(), Some("1.0.0"));
    assert_eq!(source.digest, format!("sha256:{DIGEST}"));
    assert_eq!(read(answer).await.0, ARCHIVE);
}

#[tokio::test]
async fn memory_is_held_until_an_archive_is_sent_or_given_up() {
    let store = Store::http(healthy(|_| None)).await;
    let shelf = Shelf::new(&store).with_limits(|charts| {
        // One fetch at a time, since each reserves the whole budget until its length is known.
        charts.archive = crate::config::Size::MIB * 300;
    });
    let mut config = shelf.config.clone();
    config.limits.queue = Duration::ZERO;
    let relay = relay(&Shelf {
        config,
        directory: shelf.directory,
    });
    let path = "/repositories/stable/charts/web/archive";
    let first = get(&relay, path).await;
    assert_eq!(first.status(), StatusCode::OK);
    let refused = problem(get(&relay, path).await).await;
    assert_eq!(refused.code, Code::EdgeBusy);
    drop(first);
    assert_eq!(get(&relay, path).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn questions_that_are_not_understood_are_not_relayed() {
    let store = Store::http(healthy(|_| None)).await;
    let relay = relay(&Shelf::new(&store));
    for (path, code) in [
        ("/repositories?check=true", Code::NotRelayed),
        ("/repositories/stable", Code::NotRelayed),
        ("/repositories/stable/charts?q=web", Code::NotRelayed),
        ("/repositories/stable/charts?all=yes", Code::NotRelayed),
        ("/repositories/stable/charts?limit=-1", Code::NotRelayed),
        (
            "/repositories/stable/charts?limit=1&limit=2",
            Code::NotRelayed,
        ),
        ("/repositories/stable/charts?version=1", Code::NotRelayed),
        ("/repositories/stable/charts?cursor=x", Code::InvalidRequest),
        (
            "/repositories/stable/charts/web/archive?url=x",
            Code::NotRelayed,
        ),
        ("/repositories/other/charts", Code::RepositoryNotConfigured),
        ("/repositories/stable/charts/app", Code::ChartNotFound),
        ("/archive", Code::InvalidRequest),
        (
            "/archive?url=https%3A%2F%2Fexample.com%2Fweb.tgz",
            Code::ChartSourceRefused,
        ),
    ] {
        let problem = problem(get(&relay, path).await).await;
        assert_eq!(problem.code, code, "{path}");
    }
}
