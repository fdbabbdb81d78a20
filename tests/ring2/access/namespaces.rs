//! Callers of one namespace: what they neither see nor change of another, by whatever way they ask.

use std::path::Path;

use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use sim::tiller::Seed;
use tiller_api::Method;
use tiller_api::hapi::release::status::Code as Status;
use tiller_edge::config::Config;

use super::{ALICE, BOB, PEOPLE, by};
use crate::support::charts::{self, with};
use crate::support::repositories::{repository, stable, webs};
use crate::support::{Ask, Plan, Protocol, Stage, Transport, delete, get, post, put, stage};

/// Alice and Bob with other grants.
fn granting(grants: &'static str) -> Plan {
    stage().configure(move |config, _| {
        let people = Config::parse(PEOPLE, Path::new("people.toml")).expect("valid");
        let rules = Config::parse(grants, Path::new("grants.toml")).expect("valid");
        config.tokens = people.tokens;
        config.grants = rules.grants;
    })
}

/// Alice may do everything in the shop. Bob may not see values there.
const SHOP: &str = r#"
[[grant]]
principals = ["alice"]
actions = ["*"]
namespaces = ["shop"]

[[grant]]
principals = ["bob"]
actions = ["read", "upgrade", "rollback", "uninstall"]
namespaces = ["shop"]
"#;

fn seed(name: &str, namespace: &str, revision: i32, status: Status) -> Seed {
    Seed {
        namespace: namespace.to_owned(),
        revision,
        status,
        ..Seed::new(name)
    }
}

/// A release that is deployed at its second revision.
fn two(name: &str, namespace: &str) -> [Seed; 2] {
    [
        seed(name, namespace, 1, Status::Superseded),
        seed(name, namespace, 2, Status::Deployed),
    ]
}

/// How many calls that change something Tiller has seen.
fn changes(stage: &Stage) -> usize {
    let mutations = Method::ALL
        .into_iter()
        .filter(|method| method.is_mutation());
    mutations
        .map(|method| stage.cluster.tiller().count(method))
        .sum()
}

/// Every way to read a release.
fn reads(release: &str, transport: Transport) -> impl Iterator<Item = Ask> {
    let path = transport.path(&format!("releases/{release}"));
    [
        "",
        "?revision=1",
        "/status",
        "/status?revision=1",
        "/history",
        "/history?max=1",
        "/manifest",
        "/values",
        "/values?all=true",
        "/hooks",
        "/notes",
        "/chart",
        "?fields=manifest",
    ]
    .into_iter()
    .map(move |part| get(format!("{path}{part}")))
}

/// Every way to change one.
fn mutations(release: &str, transport: Transport) -> Vec<Ask> {
    let path = transport.path(&format!("releases/{release}"));
    let chart = json!({ "chart": charts::field(&charts::archive("web")) });
    let install = with(chart.clone(), json!({ "install": true }));
    let replaced = with(charts::install(release), json!({ "replace": true }));
    vec![
        put(path.clone()).json(&chart),
        put(path.clone()).json(&install),
        put(path.clone()).json(&with(chart, json!({ "dry_run": true }))),
        post(format!("{path}/rollback")).json(&json!({})),
        post(format!("{path}/rollback")).json(&json!({ "revision": 1 })),
        post(format!("{path}/tests")).json(&json!({})),
        delete(path.clone()),
        delete(format!("{path}?purge=true")),
        post(transport.path("releases")).json(&replaced),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_of_one_namespace_neither_reads_nor_changes_a_release_of_another() {
    let releases = [two("vault", "bank"), two("web", "shop")].concat();
    let stage = granting(SHOP)
        .cluster(|cluster| cluster.with_releases(releases))
        .start()
        .await;
    for transport in Transport::BOTH {
        let asks = reads("vault", transport).chain(mutations("vault", transport));
        for ask in asks {
            let answer = stage.send(by(ALICE, ask)).await;
            assert!(!answer.text().contains("bank"), "{answer}");
            answer.refused(Code::NotAllowed, Outcome::NotApplied);
        }
        for ask in reads("web", transport) {
            stage.send(by(ALICE, ask)).await.expect(200);
        }
    }
    assert_eq!(changes(&stage), 0);
    let path = Transport::GrpcWeb.path("releases/web");
    let chart = json!({ "chart": charts::field(&charts::archive("web")) });
    stage
        .send(by(ALICE, put(path.clone()).json(&chart)))
        .await
        .expect(200);
    let back = post(format!("{path}/rollback")).json(&json!({ "revision": 2 }));
    stage.send(by(ALICE, back)).await.expect(200);
    stage
        .send(by(ALICE, delete(format!("{path}?purge=true"))))
        .await
        .expect(200);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_that_is_not_there_is_not_found_and_may_be_installed() {
    let stage = granting(SHOP).start().await;
    for transport in Transport::BOTH {
        let asks = reads("none", transport).chain(mutations("none", transport));
        // The last one installs it, and the second would.
        for (number, ask) in asks
            .enumerate()
            .filter(|(number, _)| ![14, 21].contains(number))
        {
            let answer = stage.send(by(ALICE, ask)).await;
            let status = answer.status.as_u16();
            assert_eq!(status, 404, "{number}: {answer}");
        }
    }
    assert_eq!(changes(&stage), 0);
    let path = Transport::GrpcWeb.path("releases/web");
    let install = with(charts::install("web"), json!({ "install": true }));
    stage
        .send(by(ALICE, put(path.clone()).json(&install)))
        .await
        .expect(201);
    stage.send(by(ALICE, get(path.clone()))).await.expect(200);
    stage.send(by(ALICE, delete(path))).await.expect(200);
    let replaced = with(charts::install("web"), json!({ "replace": true }));
    let releases = Transport::Grpc.path("releases");
    stage
        .send(by(ALICE, post(releases).json(&replaced)))
        .await
        .expect(201);
    stage.end().await;
}

/// A release that was replaced in another namespace has revisions in both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_release_in_two_namespaces_each_side_sees_its_own_and_changes_what_it_alone_has() {
    let moved = [
        seed("web", "bank", 1, Status::Superseded),
        seed("web", "shop", 2, Status::Superseded),
        seed("web", "shop", 3, Status::Deployed),
    ];
    // Tiller would upgrade the revision that is deployed.
    let split = [
        seed("split", "bank", 1, Status::Deployed),
        seed("split", "shop", 2, Status::Failed),
    ];
    let stage = granting(SHOP)
        .cluster(|cluster| cluster.with_releases(moved.into_iter().chain(split)))
        .start()
        .await;
    let path = |what: &str| Transport::GrpcWeb.path(&format!("releases/{what}"));
    let history = stage
        .send(by(ALICE, get(path("web/history"))))
        .await
        .expect(200)
        .json();
    let revisions: Vec<_> = history["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["revision"].as_i64())
        .collect();
    assert_eq!(revisions, [Some(3), Some(2)]);
    let refused = |code: Code| (code, Outcome::NotApplied);
    for what in [
        "web?revision=1",
        "web/status?revision=1",
        "web/values?revision=1",
    ] {
        let (code, outcome) = refused(Code::NotAllowed);
        stage
            .send(by(ALICE, get(path(what))))
            .await
            .refused(code, outcome);
    }
    let across = post(path("web/rollback")).json(&json!({ "revision": 1 }));
    stage
        .send(by(ALICE, across))
        .await
        .refused(Code::NotAllowed, Outcome::NotApplied);
    let chart = json!({ "chart": charts::field(&charts::archive("web")) });
    for ask in [
        put(path("split")).json(&chart),
        post(path("split/rollback")).json(&json!({ "revision": 2 })),
        delete(path("split?purge=true")),
    ] {
        stage
            .send(by(ALICE, ask))
            .await
            .refused(Code::NotAllowed, Outcome::NotApplied);
    }
    assert_eq!(changes(&stage), 0);
    let within = post(path("web/rollback")).json(&json!({ "revision": 2 }));
    stage.send(by(ALICE, within)).await.expect(200);
    stage.end().await;
}

/// So many releases, of which every third is in the shop.
fn crowd(count: usize, padding: usize) -> impl Iterator<Item = Seed> {
    (0..count).map(move |number| Seed {
        padding,
        ..seed(
            &format!("r{number:04}"),
            if number % 3 == 0 { "shop" } else { "bank" },
            1,
            Status::Deployed,
        )
    })
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("a list");
    items
        .iter()
        .map(|item| {
            assert_eq!(item["namespace"], "shop");
            item["name"].as_str().expect("a name").to_owned()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_every_release_of_ones_own_once_and_end() {
    let stage = granting(SHOP)
        .cluster(|cluster| cluster.with_releases(crowd(400, 0)))
        .start()
        .await;
    let own: Vec<String> = (0..400)
        .step_by(3)
        .map(|number| format!("r{number:04}"))
        .collect();
    for query in [
        "limit=7",
        "limit=50",
        "limit=133",
        "limit=7&order=desc",
        "limit=20&revisions=all",
        "limit=30&sort=updated",
        "limit=30&sort=chart&order=desc",
    ] {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = Transport::GrpcWeb.path(&format!("releases?{query}{cursor}"));
            let page = stage.send(by(ALICE, get(path))).await.expect(200).json();
            found.extend(names(&page));
            assert!(found.len() <= own.len(), "{query}: endless");
            let Some(next) = page["next"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        found.sort();
        assert_eq!(found, own, "{query}");
    }
    let foreign = Transport::GrpcWeb.path("releases?namespace=bank");
    let answer = stage.send(by(ALICE, get(foreign))).await;
    answer.refused(Code::NotAllowed, Outcome::NotApplied);
    let nothing = Transport::GrpcWeb.path("releases?filter=r0001");
    let list = stage.send(by(ALICE, get(nothing))).await.expect(200).json();
    assert_eq!(list, json!({ "items": [] }));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_comes_in_many_messages_streams_what_is_ones_own() {
    let stage = granting(SHOP)
        .cluster(|cluster| cluster.with_releases(crowd(12, 5 << 20)))
        .start()
        .await;
    for (token, transport, protocol) in [
        (ALICE, Transport::GrpcWeb, Protocol::H1),
        (BOB, Transport::Grpc, Protocol::H2),
    ] {
        let ask = get(transport.path("releases")).header("accept", "application/x-ndjson");
        let answer = stage.send(by(token, ask.over(protocol))).await.expect(200);
        let names: Vec<_> = answer
            .text()
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a release"))
            .map(|release| release["name"].as_str().map(ToOwned::to_owned))
            .collect();
        let own = ["r0000", "r0003", "r0006", "r0009"].map(|name| Some(name.to_owned()));
        assert_eq!(names, own);
    }
    stage.end().await;
}

const SECRET: &str = "s3cret-c0de";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_values_sees_none_in_any_view() {
    let stage = granting(SHOP).start().await;
    let secret = json!({ "values": { "password": SECRET, "replicas": 1 } });
    let releases = Transport::GrpcWeb.path("releases");
    let install = post(releases).json(&with(charts::install("web"), secret.clone()));
    stage.send(by(ALICE, install)).await.expect(201);
    for transport in Transport::BOTH {
        let path = transport.path("releases/web");
        let shown = stage.send(by(ALICE, get(path.clone()))).await.expect(200);
        assert_eq!(shown.json()["config"]["password"], SECRET);
        for ask in reads("web", transport) {
            let answer = stage.send(by(BOB, ask)).await;
            assert!(!answer.text().contains(SECRET), "{answer}");
            if answer.status.as_u16() != 200 {
                answer.refused(Code::ValuesWithheld, Outcome::NotApplied);
            }
        }
        let shown = stage
            .send(by(BOB, get(path.clone())))
            .await
            .expect(200)
            .json();
        assert_eq!(shown["withheld"], true);
        assert!(shown.get("config").is_none());
        let list = stage
            .send(by(BOB, get(transport.path("releases"))))
            .await
            .expect(200);
        assert!(!list.text().contains(SECRET), "{list}");
        let chart =
            json!({ "chart": charts::field(&charts::archive("web")), "reuse_values": true });
        for ask in [
            put(format!("{path}?fields=manifest,config_yaml")).json(&chart),
            put(path.clone()).json(&with(chart.clone(), json!({ "dry_run": true }))),
            post(format!("{path}/rollback?fields=manifest")).json(&json!({})),
        ] {
            let answer = stage.send(by(BOB, ask)).await.expect(200);
            assert!(!answer.text().contains(SECRET), "{answer}");
            assert_eq!(answer.json()["withheld"], true);
        }
    }
    let path = Transport::GrpcWeb.path("releases/web");
    let answer = stage.send(by(BOB, delete(path))).await.expect(200);
    assert!(!answer.text().contains(SECRET), "{answer}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_installed_from_where_it_may_be_and_not_from_elsewhere() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = granting(
        r#"
        [[grant]]
        principals = ["alice"]
        actions = ["install", "upgrade"]
        namespaces = ["shop"]
        charts = ["stable/web"]

        [[grant]]
        principals = ["bob"]
        actions = ["install"]
        namespaces = ["shop"]
        charts = ["other/*", "upload"]
        "#,
    )
    .repository(repository("stable", &store))
    .start()
    .await;
    let releases = Transport::GrpcWeb.path("releases");
    let install = |token, body: &Value| by(token, post(releases.clone()).json(body));
    stage
        .send(install(ALICE, &stable("web", "1.2.3")))
        .await
        .expect(201);
    let answer = stage.send(install(ALICE, &charts::install("app"))).await;
    let problem = answer.refused(Code::NotAllowed, Outcome::NotApplied);
    assert!(
        problem.detail.ends_with("with chart `upload`"),
        "{}",
        problem.detail
    );
    let answer = stage.send(install(BOB, &stable("app", "1.2.3"))).await;
    let problem = answer.refused(Code::NotAllowed, Outcome::NotApplied);
    assert!(
        problem.detail.contains("`read-charts`"),
        "{}",
        problem.detail
    );
    stage
        .send(install(BOB, &charts::install("app")))
        .await
        .expect(201);
    for (token, count) in [(ALICE, 1), (BOB, 0)] {
        let list = stage
            .send(by(token, get("/v1/repositories")))
            .await
            .expect(200)
            .json();
        assert_eq!(list["items"].as_array().map(Vec::len), Some(count));
    }
    stage.end().await;
}
