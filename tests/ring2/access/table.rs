//! The table of who may do what, row by row through a whole edge: what is allowed reaches the Tiller that it is for, and
//! what is not allowed reaches none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sim::scenario::Client;
use sim::store::archive;
use sim::table::{self, Deed, FIXTURES, Row, Table};
use sim::tiller::Seed;
use sim::{Cluster, Store, cluster};
use tiller_api::hapi::release::status::Code;
use tiller_edge::edge::Edge;
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Stage, soon, stage};

/// Two clusters: the one called so, and another that stands for all the others.
struct World {
    stage: Stage,
    others: Cluster,
    open: Edge,
    _store: Store,
}

async fn world(table: &Table) -> World {
    let others = soon(releases(cluster().named("others")).start()).await;
    let kubeconfig = others.kubeconfig();
    let store = sim::store().chart("web", "1.2.3", archive("web", "1.2.3"));
    let store = soon(store.start()).await;
    let url = store.url();
    let table = table.clone();
    let stage = stage()
        .cluster(|one| releases(one.named("one")))
        .configure(move |config, home| {
            fs::write(home.join("others"), kubeconfig).expect("written");
            let of_table = table.edge(|name| place(name, home), &url);
            config.tokens = of_table.tokens;
            config.anonymous = of_table.anonymous;
            config.grants = of_table.grants;
            config.refusals = of_table.refusals;
            config.clusters = of_table.clusters;
            config.repositories = of_table.repositories;
            config.audit.file = Some(home.join("audit.log"));
            let open = toml::to_string(&table::open(config)).expect("a configuration");
            fs::write(home.join("open.toml"), open).expect("written");
        })
        .start()
        .await;
    let open = fs::read_to_string(stage.home().join("open.toml")).expect("written");
    let mut open: tiller_edge::config::Config = toml::from_str(&open).expect("a configuration");
    open.audit.file = Some(stage.home().join("open.log"));
    open.operations.file = Some(stage.home().join("open.db"));
    let open = soon(Edge::start(open)).await.expect("it starts");
    World {
        stage,
        others,
        open,
        _store: store,
    }
}

fn place(cluster: &str, home: &Path) -> (std::path::PathBuf, String) {
    if cluster == "one" {
        (home.join("kubeconfig"), "one".to_owned())
    } else {
        (home.join("others"), "others".to_owned())
    }
}

fn releases(cluster: sim::Options) -> sim::Options {
    let revision = |fixture: &table::Fixture, revision, status| Seed {
        namespace: fixture.namespace.to_owned(),
        revision,
        status,
        chart: ("web".to_owned(), "1.0.0".to_owned()),
        ..Seed::new(fixture.name)
    };
    let seeds = FIXTURES.iter().flat_map(|fixture| {
        [
            revision(fixture, 1, Code::Superseded),
            revision(fixture, 2, Code::Deployed),
        ]
    });
    cluster.with_releases(seeds)
}

impl World {
    fn client(&self, row: &Row) -> Client {
        let edge = if row.is_local() {
            self.open.addr()
        } else {
            self.stage.edge().addr()
        };
        Client::new(format!("http://{edge}").parse().expect("a URL"), PATIENCE)
    }

    /// How often each cluster's Tiller was called so since it was last asked.
    fn calls(&self, row: &Row) -> BTreeMap<&'static str, usize> {
        let count = |cluster: &Cluster| {
            let calls = cluster.tiller().calls();
            cluster.tiller().forget_calls();
            calls
                .iter()
                .filter(|call| call.method() == Some(row.deed.method()))
                .count()
        };
        let own = count(&self.stage.cluster);
        let others = count(&self.others);
        BTreeMap::from([("one", own), ("others", others)])
    }

    /// What is stored, on both.
    fn records(&self) -> [usize; 2] {
        [&self.stage.cluster, &self.others].map(|cluster| cluster.tiller().records())
    }

    /// The audit lines of both edges.
    fn audited(&self) -> Vec<Value> {
        ["audit.log", "open.log"]
            .into_iter()
            .flat_map(|file| {
                let log = fs::read_to_string(self.stage.home().join(file)).unwrap_or_default();
                log.lines()
                    .map(|line| serde_json::from_str(line).expect("JSON"))
                    .collect::<Vec<Value>>()
            })
            .collect()
    }

    async fn end(self) {
        assert!(soon(self.open.drain(Duration::from_secs(30))).await);
        self.stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_the_table_is_carried_out_or_refused_as_it_says() {
    let table = Table::load().expect("the table");
    let world = world(&table).await;
    let mut wrong = Vec::new();
    for row in &table.rows {
        let records = world.records();
        let answer = soon(row.ask(&world.client(row))).await.expect("an answer");
        if let Err(error) = row.check(&answer) {
            wrong.push(format!("{error:#}"));
        }
        wrong.extend(trace(row, &world, records));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let unwritten = || {
        let lines = world.audited();
        let rows = table.rows.iter().filter(|row| !is_audited(row, &lines));
        rows.map(Row::told).collect::<Vec<_>>()
    };
    let written = timeout(PATIENCE, async {
        while !unwritten().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(written.await.is_ok(), "{:#?}", unwritten());
    world.end().await;
}

/// What a row left in the clusters that it should not have, or did not leave.
fn trace(row: &Row, world: &World, records: [usize; 2]) -> Option<String> {
    let calls = world.calls(row);
    let target = if row.cluster == "one" {
        "one"
    } else {
        "others"
    };
    let other = if row.cluster == "one" {
        "others"
    } else {
        "one"
    };
    let changed = world.records() != records;
    let is_right = if row.is_allowed() {
        // A component may look first and look again.
        let reached = if row.deed.action().is_mutation() {
            calls[target] == 1
        } else {
            calls[target] >= 1
        };
        reached && calls[other] == 0 && (row.changes() || !changed)
    } else {
        // The relay may have asked where the release is, in the cluster it is asked for.
        let asked = row.deed.action().is_mutation() && calls[target] > 0;
        !asked && calls[other] == 0 && !changed
    };
    (!is_right).then(|| format!("{}: {calls:?}, changed: {changed}", row.told()))
}

/// Every change is begun and ended in the audit log, and every refusal is there, each with who and why.
fn is_audited(row: &Row, lines: &[Value]) -> bool {
    let id = row.request_id();
    let events = |event: &str| {
        lines
            .iter()
            .filter(|line| line["request_id"] == id.as_str() && line["event"] == event)
            .collect::<Vec<_>>()
    };
    let rule = row.decided.trim_start_matches(['-', '!']);
    let named = |line: &&&Value| {
        line["principal"]["name"] == row.who.as_str()
            && line["rule"].as_str().unwrap_or_default() == rule
    };
    match row.code.as_deref() {
        None if row.changes() => {
            // Of those who may do it everywhere, nobody asks where it is.
            let everywhere = ["root", "local"].contains(&rule) && row.deed != Deed::Install;
            let begun = events("begin");
            begun.iter().filter(named).count() == 1
                && events("end").iter().filter(named).count() == 1
                && (everywhere || begun[0]["namespace"] == row.namespace.as_str())
        }
        None => events("begin").is_empty() && events("refused").is_empty(),
        Some("not_allowed") => {
            events("begin").is_empty() && events("refused").iter().any(|line| named(&line))
        }
        Some("unauthenticated") => events("refused").len() == 1,
        Some(_) => events("begin").is_empty(),
    }
}
