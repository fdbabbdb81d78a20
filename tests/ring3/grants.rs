//! The table of who may do what, row by row against the real cluster: what is allowed is done by a real Tiller, and what is
//! not allowed leaves no trace in it.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use real::{Edge, User};
use serde_json::json;
use sim::Store;
use sim::scenario::{Body, Client};
use sim::store::archive;
use sim::table::{self, BLUE, FIXTURES, Row, Table, upload};
use tiller_edge::config::Config;

use crate::stage::{Stage, alone, caller, expect, root};

/// Where the administrator reaches the two Tillers that every cluster of the table has.
const TILLERS: [(&str, &str); 2] = [("default", "default"), (BLUE, "native")];

#[test]
fn every_row_of_the_table_goes_as_it_says() {
    alone(async |stage| {
        let table = Table::load()?;
        let world = World::start(stage, &table).await?;
        let ended = world.run(&table).await;
        world.clean(&table).await?;
        ended
    });
}

struct World<'s> {
    stage: &'s Stage,
    known: Edge,
    open: Edge,
    _store: Store,
}

impl<'s> World<'s> {
    async fn start(stage: &'s Stage, table: &Table) -> Result<Self> {
        let store = sim::store().chart("web", "1.2.3", archive("web", "1.2.3"));
        let store = store.start().await;
        let contexts = stage.cluster.contexts();
        let place = |_: &str| (contexts.clone(), User::Edge.context().to_owned());
        let known = Config {
            manifest: root().join("spin.toml"),
            ..table.edge(place, &store.url())
        };
        let start = async |name, address, config: &Config| {
            let config = toml::to_string(config)?;
            stage.cluster.edge(name, "serve", address, &config).await
        };
        let world = Self {
            stage,
            known: start("table-edge", "127.0.0.1:8097", &known).await?,
            open: start("open-edge", "127.0.0.1:8098", &table::open(&known)).await?,
            _store: store,
        };
        try_join_all(FIXTURES.iter().map(|fixture| world.install(table, fixture))).await?;
        Ok(world)
    }

    /// Refused rows first, then those that only look, each against a state in which nothing may have moved.
    async fn run(&self, table: &Table) -> Result<()> {
        let mut wrong = Vec::new();
        let before = self.state().await?;
        let (changing, others): (Vec<&Row>, Vec<&Row>) = table
            .rows
            .iter()
            .partition(|row| row.is_allowed() && row.changes());
        let (looking, refused): (Vec<&Row>, Vec<&Row>) =
            others.into_iter().partition(|row| row.is_allowed());
        for (rows, what) in [(refused, "refused"), (looking, "looked at")] {
            for row in rows {
                let answer = row.ask(&self.client(row)).await?;
                wrong.extend(row.check(&answer).err().map(|error| format!("{error:#}")));
            }
            let after = self.state().await?;
            ensure!(
                before == after,
                "what was {what} has changed: {:?}\n{}",
                before.symmetric_difference(&after),
                wrong.join("\n")
            );
        }
        let mut before = before;
        for row in changing {
            let answer = row.ask(&self.client(row)).await?;
            wrong.extend(row.check(&answer).err().map(|error| format!("{error:#}")));
            let after = self.state().await?;
            let changed = before.symmetric_difference(&after);
            let names: BTreeSet<&str> = changed.map(|(_, name, ..)| name.as_str()).collect();
            // Releases here have no tests, so that there is nothing to be seen of their being run.
            let is_test = row.deed == table::Deed::Test;
            let expected = (!is_test).then_some(row.release.as_str());
            if names != expected.into_iter().collect() {
                wrong.push(format!("{} changed {names:?}", row.told()));
            }
            before = after;
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    fn client(&self, row: &Row) -> Client {
        caller(if row.is_local() {
            &self.open
        } else {
            &self.known
        })
    }

    /// Every revision of every release of both Tillers, with its status.
    async fn state(&self) -> Result<BTreeSet<(String, String, i64, String)>> {
        let mut state = BTreeSet::new();
        for (_, tiller) in TILLERS {
            let path = format!(
                "/v1/clusters/real/tillers/{tiller}/releases?revisions=all&status=deployed&status=deleted\
                 &status=superseded&status=failed&status=pending-install&status=pending-upgrade\
                 &status=pending-rollback&status=deleting&status=unknown"
            );
            let answer = self.stage.caller().get(&path).await?;
            expect(200, &answer);
            let items = answer
                .json()
                .and_then(|json| json["items"].as_array())
                .with_context(|| format!("no items: {answer}"))?;
            for item in items {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let revision = item["revision"].as_i64().unwrap_or_default();
                state.insert((tiller.to_owned(), text("name"), revision, text("status")));
            }
        }
        Ok(state)
    }

    async fn install(&self, table: &Table, fixture: &table::Fixture) -> Result<()> {
        let releases = releases(fixture.tiller);
        let fields = json!({ "name": fixture.name, "namespace": fixture.namespace });
        let administrator = self.stage.caller();
        let body = Body::form(&upload()?, Some(&fields));
        let installed = administrator
            .send("POST", &releases, &[], Some(body))
            .await?;
        expect(201, &installed);
        if table.rows.iter().any(|row| row.rolls_back(fixture)) {
            let body = Body::form(&upload()?, Some(&json!({})));
            let path = format!("{releases}/{}", fixture.name);
            let upgraded = administrator.send("PUT", &path, &[], Some(body)).await?;
            expect(200, &upgraded);
        }
        Ok(())
    }

    async fn clean(&self, table: &Table) -> Result<()> {
        let fixtures = FIXTURES
            .iter()
            .map(|fixture| (fixture.tiller, fixture.name.to_owned()));
        let made = table
            .rows
            .iter()
            .filter(|row| row.is_allowed() && row.changes() && row.release.starts_with("new-"))
            .map(|row| ("default", row.release.clone()));
        for (tiller, release) in fixtures.chain(made) {
            let path = format!("{}/{release}?purge=true", releases(tiller));
            self.stage.caller().send("DELETE", &path, &[], None).await?;
        }
        for edge in [&self.known, &self.open] {
            edge.process().terminate().await?;
        }
        Ok(())
    }
}

/// The administrator's path to the releases of a tiller of the table.
fn releases(tiller: &str) -> String {
    let named = |(name, _): &&(&str, &str)| *name == tiller;
    let tiller = TILLERS.iter().find(named).map_or(tiller, |(_, real)| real);
    format!("/v1/clusters/real/tillers/{tiller}/releases")
}
