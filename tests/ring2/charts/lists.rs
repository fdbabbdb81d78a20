//! What callers can look up before they install.

use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use sim::Store;
use sim::store::{Entry, archive};

use crate::support::repositories::{repository, with_login};
use crate::support::{Answer, Stage, stage};

async fn shop() -> (Store, Stage) {
    let entry = |name: &str, version: &str| Entry::new(name, version, archive(name, version));
    let login = ("edge", "s3cret");
    let store = sim::store()
        .login(login.0, login.1)
        .entry(entry("web", "1.2.3"))
        .entry(entry("web", "1.10.0").described("Serves pages"))
        .entry(entry("web", "2.0.0-rc.1"))
        .entry(entry("database", "0.1.0").keyword("SQL").deprecated())
        .entry(entry("early", "1.0.0-alpha"))
        .start()
        .await;
    let stable = with_login(repository("stable", &store), &store, login);
    let stage = stage()
        .repository(stable)
        .repository(repository("other", &store))
        .start()
        .await;
    (store, stage)
}

#[track_caller]
fn charts(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let items = json["items"]
        .as_array()
        .unwrap_or_else(|| panic!("no items: {answer}"));
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    items
        .iter()
        .map(|item| format!("{} {}", text(item, "name"), text(item, "version")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repositories_are_listed_without_their_credentials() {
    let (store, stage) = shop().await;
    let listed = stage.get("/v1/repositories").await.expect(200);
    let view =
        |name: &str| json!({ "name": name, "url": store.url(), "kind": "http", "verify": false });
    assert_eq!(
        listed.json()["items"],
        json!([view("other"), view("stable")])
    );
    assert_eq!(store.asked(), []);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn charts_are_searched_as_helm_searches() {
    let (_store, stage) = shop().await;
    for (query, found) in [
        ("", vec!["database 0.1.0", "web 1.10.0"]),
        ("?search=WEB", vec!["web 1.10.0"]),
        ("?search=pages", vec!["web 1.10.0"]),
        ("?search=sql", vec!["database 0.1.0"]),
        ("?search=stable/web", vec!["web 1.10.0"]),
        ("?search=nothing", vec![]),
        (
            "?search=web&all=true",
            vec!["web 2.0.0-rc.1", "web 1.10.0", "web 1.2.3"],
        ),
    ] {
        let path = format!("/v1/repositories/stable/charts{query}");
        let answer = stage.get(path).await.expect(200);
        assert_eq!(charts(&answer), found, "{query}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_listed_newest_first_and_in_pages() {
    let (_store, stage) = shop().await;
    let all = ["web 2.0.0-rc.1", "web 1.10.0", "web 1.2.3"];
    let base = "/v1/repositories/stable/charts/web";
    let whole = stage.get(base).await.expect(200);
    assert_eq!(charts(&whole), all);
    let first = &whole.json()["items"][1];
    assert_eq!(first["description"], "Serves pages");
    assert!(
        first["digest"]
            .as_str()
            .is_some_and(|digest| digest.starts_with("sha256:")),
        "{first}"
    );

    let mut seen = Vec::new();
    let mut path = format!("{base}?limit=2");
    for pages in 1.. {
        let page = stage.get(&path).await.expect(200);
        seen.extend(charts(&page));
        let json = page.json();
        let Some(next) = json["next"].as_str() else {
            assert_eq!(pages, 2);
            break;
        };
        path = format!("{base}?limit=2&cursor={next}");
    }
    assert_eq!(seen, all);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_inspected_whole() {
    let (store, stage) = shop().await;
    for (wanted, version) in [
        ("1.2.3", "1.2.3"),
        ("%5E1.2", "1.10.0"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        let path = format!("/v1/repositories/stable/charts/web/{wanted}");
        let shown = stage.get(path).await.expect(200).json();
        assert_eq!(shown["metadata"]["name"], "web");
        assert_eq!(shown["metadata"]["version"], version);
        assert_eq!(shown["values"], "greeting: hello\n");
        assert_eq!(shown["readme"], "# Read me\n");
        assert_eq!(shown["source"]["version"], version);
        assert_eq!(shown["source"]["url"], store.archive_url("web", version));
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_not_found() {
    let (_store, stage) = shop().await;
    for (path, code) in [
        ("no/charts", Code::RepositoryNotConfigured),
        ("no/charts/web", Code::RepositoryNotConfigured),
        ("no/charts/web/1.2.3", Code::RepositoryNotConfigured),
        ("stable/charts/no", Code::ChartNotFound),
        ("stable/charts/web/9.9.9", Code::ChartNotFound),
        ("stable/charts/web/1.2.3/more", Code::RouteNotFound),
        ("stable/charts?limit=0", Code::InvalidRequest),
        ("stable/charts?limit=x", Code::InvalidRequest),
        ("stable/charts?other=1", Code::InvalidRequest),
        ("other/charts", Code::RepositoryCredentialsRefused),
    ] {
        let answer = stage.get(format!("/v1/repositories/{path}")).await;
        answer.refused(code, Outcome::NotApplied);
    }
    stage.end().await;
}
