//! What is kept of indexes, and when their repositories are asked.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use rest::problem::Code;
use tokio::sync::Notify;

use super::*;

async fn names(repositories: &Repositories, name: &str) -> Result<Vec<String>, RepositoryError> {
    let charts = soon(repositories.charts(name, "", true, WHOLE)).await?;
    let names = charts.items.into_iter();
    Ok(names
        .map(|chart| format!("{} {}", chart.name, chart.version))
        .collect())
}

/// Lets `time` pass for the edge alone.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_index_is_fetched_once_for_all_who_ask_and_kept() {
    let asked = Arc::new(Notify::new());
    let answer = Arc::new(Notify::new());
    let (told, go) = (Arc::clone(&asked), Arc::clone(&answer));
    let store = Store::slow(move |_| {
        let (told, go) = (Arc::clone(&told), Arc::clone(&go));
        async move {
            told.notify_one();
            go.notified().await;
            ok(index(&["1.0.0"], "web.tgz", DIGEST))
        }
    })
    .await;
    let repositories = Rig::new(&store).load();
    let questions = join_all((0..20).map(|_| names(&repositories, "stable")));
    let release = async {
        asked.notified().await;
        answer.notify_one();
    };
    let (answers, ()) = soon(async { tokio::join!(questions, release) }).await;
    assert!(
        answers
            .into_iter()
            .all(|names| names.unwrap() == ["web 1.0.0"])
    );
    names(&repositories, "stable").await.unwrap();
    assert_eq!(paths(&store), ["/stable/index.yaml"]);
}

#[tokio::test]
async fn who_asked_first_may_leave() {
    let asked = Arc::new(Notify::new());
    let answer = Arc::new(Notify::new());
    let (told, go) = (Arc::clone(&asked), Arc::clone(&answer));
    let store = Store::slow(move |_| {
        let (told, go) = (Arc::clone(&told), Arc::clone(&go));
        async move {
            told.notify_one();
            go.notified().await;
            ok(index(&["1.0.0"], "web.tgz", DIGEST))
        }
    })
    .await;
    let repositories = Rig::new(&store).load();
    let ask = || {
        let repositories = Arc::clone(&repositories);
        tokio::spawn(async move { names(&repositories, "stable").await.unwrap() })
    };
    let first = ask();
    soon(asked.notified()).await;
    let second = ask();
    // Both run on this thread: once this has yielded the second waits with the first.
    tokio::task::yield_now().await;
    first.abort();
    assert!(soon(first).await.unwrap_err().is_cancelled());
    answer.notify_one();
    assert_eq!(soon(second).await.unwrap(), ["web 1.0.0"]);
    assert_eq!(store.seen().len(), 1);
}

#[tokio::test]
async fn an_index_is_asked_for_again_only_if_it_has_changed() {
    let changed = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&changed);
    let store = Store::http(move |seen| {
        let (tag, version) = match now.load(Ordering::Relaxed) {
            false => ("\"one\"", "1.0.0"),
            true => ("\"two\"", "2.0.0"),
        };
        if seen.header("if-none-match") == Some(tag) {
            return status(304, "");
        }
        let mut answer = ok(index(&[version], "web.tgz", DIGEST));
        answer.headers_mut().insert("etag", tag.parse().unwrap());
        let date = "Tue, 24 Nov 2026 10:00:00 GMT".parse().unwrap();
        answer.headers_mut().insert("last-modified", date);
        answer
    })
    .await;
    let repositories = Rig::new(&store).load();
    for expected in ["web 1.0.0", "web 1.0.0", "web 2.0.0"] {
        assert_eq!(names(&repositories, "stable").await.unwrap(), [expected]);
        pass(Duration::from_secs(299)).await;
        assert_eq!(names(&repositories, "stable").await.unwrap(), [expected]);
        pass(Duration::from_secs(1)).await;
        changed.store(store.seen().len() == 2, Ordering::Relaxed);
    }
    let asked: Vec<_> = store
        .seen()
        .iter()
        .map(|seen| {
            let date = seen.header("if-modified-since").is_some();
            (seen.header("if-none-match").map(str::to_owned), date)
        })
        .collect();
    let one = Some("\"one\"".to_owned());
    assert_eq!(asked, [(None, false), (one.clone(), true), (one, true)]);
}

#[tokio::test]
async fn a_failing_repository_is_left_alone_while_its_last_index_serves() {
    let broken = Arc::new(AtomicBool::new(false));
    let now = Arc::clone(&broken);
    let store = Store::http(healthy(move |_| {
        now.load(Ordering::Relaxed)
            .then(|| status(503, "nothing here"))
    }))
    .await;
    let repositories = Rig::new(&store).load();
    names(&repositories, "stable").await.unwrap();
    broken.store(true, Ordering::Relaxed);
    pass(Duration::from_secs(300)).await;
    for _ in 0..3 {
        names(&repositories, "stable").await.unwrap();
    }
    assert_eq!(store.seen().len(), 2);
    pass(Duration::from_secs(30)).await;
    names(&repositories, "stable").await.unwrap();
    assert_eq!(store.seen().len(), 3);
    pass(Duration::from_secs(2700)).await;
    let error = names(&repositories, "stable").await.unwrap_err();
    let (code, detail) = told(&error);
    assert_eq!(code, Code::RepositoryError);
    let url = format!("{}/stable", store.url());
    assert_eq!(
        detail,
        format!(
            "Looks like \"{url}\" is not a valid chart repository or cannot be reached: \
             its index.yaml is answered with 503 Service Unavailable"
        )
    );
    broken.store(false, Ordering::Relaxed);
    names(&repositories, "stable").await.unwrap();
}

#[tokio::test]
async fn the_index_that_was_not_used_for_longest_goes_first() {
    let fetches = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetches);
    let store = Store::http(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        ok(index(&["1.0.0"], "web.tgz", DIGEST))
    })
    .await;
    let mut rig = Rig::new(&store);
    let one = rig.config.repositories.remove(0);
    for name in ["a", "b", "c"] {
        rig.config.repositories.push(RepositoryConfig {
            name: name.to_owned(),
            ..one.clone()
        });
    }
    let text = index(&["1.0.0"], "web.tgz", DIGEST);
    let size = charts::index::Index::parse(text.as_bytes(), &Default::default())
        .unwrap()
        .size();
    let size = u64::try_from(size).unwrap();
    let repositories = rig
        .with_limits(|charts| charts.cache = crate::config::Size::new(size * 2))
        .load();
    for (name, expected) in [
        ("a", 1),
        ("b", 2),
        ("a", 2),
        ("c", 3),
        ("a", 3),
        ("b", 4),
        ("a", 4),
    ] {
        names(&repositories, name).await.unwrap();
        assert_eq!(fetches.load(Ordering::Relaxed), expected, "{name}");
    }
}

#[tokio::test]
async fn an_index_too_large_to_keep_is_used_all_the_same() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = Rig::new(&store)
        .with_limits(|charts| charts.cache = crate::config::Size::new(1))
        .load();
    for _ in 0..2 {
        names(&repositories, "stable").await.unwrap();
    }
    assert_eq!(store.seen().len(), 2);
}

#[tokio::test]
async fn what_is_no_index_is_not_repeated_to_callers() {
    for (answer, code) in [
        ((200, "entries: {s3cret: [s3cret"), Code::RepositoryError),
        ((404, "nothing here"), Code::RepositoryError),
        ((401, "nothing here"), Code::RepositoryCredentialsRefused),
        ((304, ""), Code::RepositoryError),
    ] {
        let store = Store::http(move |_| status(answer.0, answer.1)).await;
        let repositories = Rig::new(&store).with_login().load();
        let error = names(&repositories, "stable").await.unwrap_err();
        assert_eq!(told(&error).0, code);
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_read_is_not_looked_for_at_the_caller() {
    let store = Store::http(healthy(|_| None)).await;
    let rig = Rig::new(&store).with_login();
    let repositories = rig.load();
    std::fs::remove_file(rig.directory.path().join("password")).unwrap();
    let error = names(&repositories, "stable").await.unwrap_err();
    let (code, _) = told(&error);
    assert_eq!(code, Code::RepositoryCredentialsRefused);
    assert!(store.seen().is_empty());
}
