//! Watches against a repository on loopback.

use std::sync::Mutex;

use futures::future::BoxFuture;
use http::{Request, Response};
use rest::plan::Plan;
use rules::{Outcome, Seen, Wanted as Asked};
use tempfile::TempDir;

use super::*;
use crate::audit::Audit;
use crate::hooks::{Parts, whole};
use crate::operations::{Ids, Query, Serve, Sqlite};
use crate::relay::tests::soon;
use crate::relay::{Body, Caller};
use crate::repositories::tests::{Store as Server, ok, status};
use http_body_util::BodyExt;

/// A component that wants an upgrade for every event, and remembers what it was shown.
#[derive(Default)]
struct Component {
    shown: Mutex<Vec<Event>>,
}

impl Serve for Component {
    fn serve(&self, caller: Caller, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            assert!(caller.authorization.is_none());
            assert_eq!(request.uri().path(), "/hooks/charts");
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let events: Vec<Event> = serde_json::from_slice(&body).unwrap();
            self.shown.lock().unwrap().extend(events.iter().cloned());
            let outcome = Outcome {
                reason: None,
                events: events.iter().map(wanted).collect(),
            };
            Response::new(whole(serde_json::to_vec(&outcome).unwrap().into()))
        })
    }
}

fn wanted(event: &Event) -> Seen {
    Seen {
        kind: event.kind,
        summary: event.summary(),
        key: event.key.clone(),
        wanted: vec![Asked::Request {
            rule: "web".into(),
            method: "PUT".into(),
            target: "/v1/clusters/prod/releases/web".into(),
            body: json!({}),
            plan: Plan {
                action: "upgrade".into(),
                cluster: "prod".into(),
                release: Some("web".into()),
                timeout: 300,
                ..Plan::default()
            },
            coalesce: false,
            approve: false,
        }],
        ..Seen::default()
    }
}

/// A watch of a repository whose index can be changed.
struct Rig {
    hooks: Arc<Hooks>,
    repositories: Arc<Repositories>,
    watch: Watch,
    component: Arc<Component>,
    store: Arc<dyn Store>,
    index: Arc<Mutex<String>>,
    _server: Server,
    _home: TempDir,
}

const RULE: &str = "[[watch.rule]]\nname = \"web\"\ntarget = { clusters = [\"prod\"], release = \"web\" }\n\
                    upgrade.set = { \"chart\" = \"event.tag\" }\n";

async fn rig(lines: &str) -> Rig {
    let index = Arc::<Mutex<String>>::default();
    let served = Arc::clone(&index);
    let server = Server::http(move |seen| match seen.path() {
        "/index.yaml" => ok(served.lock().unwrap().clone()),
        _ => status(404, ""),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let text = format!(
        "[charts]\ncache = 1\n[[repository]]\nname = \"stable\"\nurl = {:?}\n\
         [[watch]]\nname = \"charts\"\nrepository = \"stable\"\n{lines}{RULE}",
        server.url()
    );
    let config = Config::parse(&text, std::path::Path::new("edge.toml")).unwrap();
    let component = Arc::<Component>::default();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&home.path().join("db")).unwrap());
    let hooks = Hooks::load(
        &config,
        Parts {
            server: component.clone(),
            store: Some(Arc::clone(&store)),
            ids: Arc::new(Ids::after(None)),
            audit: Arc::new(Audit::off()),
        },
    );
    let hooks = Arc::new(hooks.unwrap());
    Rig {
        watch: Watch {
            config: config.watches[0].clone(),
            hook: Arc::clone(hooks.find("charts").unwrap()),
            place: "stable".into(),
        },
        repositories: Arc::new(Repositories::load(&config).unwrap()),
        hooks,
        component,
        store,
        index,
        _server: server,
        _home: home,
    }
}

impl Rig {
    /// What the repository has from now on: charts with a version and a digest each.
    fn has(&self, charts: &[(&str, &str, char)]) {
        let mut text = "apiVersion: v1\nentries:\n".to_owned();
        for (name, version, digest) in charts {
            let digest = digest.to_string().repeat(64);
            text.push_str(&format!(
                "  {name}:\n  - name: {name}\n    version: {version}\n    digest: {digest}\n    urls: [a.tgz]\n"
            ));
        }
        *self.index.lock().unwrap() = text;
    }

    async fn look(&self) {
        soon(self.hooks.look(&self.watch, &self.repositories))
            .await
            .unwrap();
    }

    fn shown(&self) -> Vec<String> {
        let shown = self.component.shown.lock().unwrap();
        shown.iter().map(Event::summary).collect()
    }

    async fn operations(&self) -> usize {
        let query = Query {
            limit: 100,
            ..Query::default()
        };
        soon(self.store.operations(&query)).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_is_there_at_first_is_not_new_and_what_comes_is() {
    let rig = rig("").await;
    rig.has(&[("web", "1.0.0", 'a')]);
    rig.look().await;
    rig.look().await;
    assert_eq!(rig.shown(), [""; 0]);
    rig.has(&[("db", "0.1.0", 'b'), ("web", "1.0.0", 'a')]);
    rig.look().await;
    rig.look().await;
    assert_eq!(rig.shown(), ["chart-pushed stable/db:0.1.0"]);
    assert_eq!(rig.operations().await, 1);
    let event = rig.component.shown.lock().unwrap()[0].clone();
    assert_eq!(
        event.image.unwrap().digest.unwrap(),
        format!("sha256:{}", "b".repeat(64))
    );
}

#[tokio::test]
async fn another_digest_is_another_thing() {
    let rig = rig("").await;
    rig.has(&[("web", "1.0.0", 'a')]);
    rig.look().await;
    rig.has(&[("web", "1.0.0", 'c')]);
    rig.look().await;
    assert_eq!(rig.shown(), ["chart-pushed stable/web:1.0.0"]);
    let event = rig.component.shown.lock().unwrap()[0].clone();
    assert_eq!(
        event.payload["previous"],
        format!("sha256:{}", "a".repeat(64))
    );
}

#[tokio::test]
async fn what_was_taken_in_and_not_remembered_is_known_again() {
    let rig = rig("").await;
    rig.has(&[("web", "1.0.0", 'a')]);
    rig.look().await;
    let before = soon(rig.watch.remembered(&*rig.store))
        .await
        .unwrap()
        .unwrap();
    rig.has(&[("web", "1.1.0", 'b')]);
    rig.look().await;
    // As if the edge had ended before it wrote down what it saw.
    let now = Timestamp::now();
    soon(
        rig.hooks
            .remember(&rig.watch, &*rig.store, now, &before.listing),
    )
    .await
    .unwrap();
    rig.look().await;
    assert_eq!(rig.shown().len(), 2);
    assert_eq!(rig.operations().await, 1);
}

#[tokio::test]
async fn only_what_is_watched_is_looked_at() {
    let rig = rig("charts = [\"w*\"]\nversions = [\"1.*\"]\n").await;
    rig.has(&[]);
    rig.look().await;
    rig.has(&[
        ("db", "1.0.0", 'a'),
        ("web", "1.0.0", 'b'),
        ("worker", "2.0.0", 'c'),
    ]);
    rig.look().await;
    assert_eq!(rig.shown(), ["chart-pushed stable/web:1.0.0"]);
}

#[tokio::test]
async fn one_looks_at_a_time() {
    let rig = rig("").await;
    rig.has(&[("web", "1.0.0", 'a')]);
    rig.look().await;
    rig.has(&[("web", "1.1.0", 'b')]);
    let lane = Lane::other("watch", &["charts"]);
    let hold = soon(rig.store.hold(&lane, LOOK)).await.unwrap().unwrap();
    rig.look().await;
    assert_eq!(rig.shown(), [""; 0]);
    soon(rig.store.free(hold)).await.unwrap();
    rig.look().await;
    assert_eq!(rig.shown().len(), 1);
}

#[tokio::test]
async fn a_repository_that_fails_takes_nothing_away() {
    let rig = rig("").await;
    rig.has(&[("web", "1.0.0", 'a')]);
    rig.look().await;
    *rig.index.lock().unwrap() = "no index: [".to_owned();
    let looked = soon(rig.hooks.look(&rig.watch, &rig.repositories)).await;
    // A repository that fails is served from its last index for a while.
    if let Err(error) = looked {
        assert!(matches!(error, WatchError::Repository(_)), "{error}");
    }
    rig.has(&[("web", "1.0.0", 'a'), ("web2", "1.0.0", 'b')]);
    soon(async {
        while rig.shown().is_empty() {
            rig.look().await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(rig.shown(), ["chart-pushed stable/web2:1.0.0"]);
}

#[test]
fn a_watch_that_makes_no_sense_is_refused_at_the_start() {
    let config = |lines: &str| {
        let text = format!(
            "[[repository]]\nname = \"charts\"\nurl = \"https://charts.example.com\"\n\
             [[repository]]\nname = \"registry\"\nurl = \"oci://registry.example.com/shop\"\n\
             [[watch]]\nname = \"w\"\n{lines}\n{RULE}"
        );
        Config::parse(&text, std::path::Path::new("edge.toml"))
    };
    assert!(config("repository = \"registry\"\nimages = [\"web\"]").is_ok());
    for (lines, part) in [
        ("repository = \"none\"", "watch[0].repository"),
        (
            "repository = \"charts\"\ninterval = \"1s\"",
            "watch[0].interval",
        ),
        (
            "repository = \"charts\"\nimages = [\"web\"]",
            "watch[0].images",
        ),
        ("repository = \"registry\"", "watch[0].charts"),
        (
            "repository = \"registry\"\nimages = [\"w*\"]",
            "watch[0].images",
        ),
    ] {
        let error = config(lines).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}
