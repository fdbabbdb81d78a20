//! `GET /clusters` and `GET /clusters/{cluster}`: what there is, and with `?check=true` whether it can be reached now.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use http::{Response, Uri};
use rest::problem::{Code, Problem};
use rest::relay::{Check, ClusterList, ClusterView, TillerView};
use tokio::time::Instant;

use super::probe::{self, Spoken};
use super::{Body, Caller, NotACall, Relay, RelayError, json};
use crate::clusters::{Cluster, Tiller};
use crate::config::Transport;

/// How long anything asked may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many clusters are asked at once.
const AT_ONCE: usize = 16;

impl Relay {
    pub(super) async fn inventory(&self, caller: &Caller, uri: &Uri) -> Response<Body> {
        let check = match uri.query() {
            None | Some("check=false") => false,
            Some("check=true") => true,
            Some(_) => return self.not_a_call(caller),
        };
        if uri.path() == "/clusters" {
            return json(&self.list(caller, check).await);
        }
        let name = uri
            .path()
            .strip_prefix("/clusters/")
            .filter(|name| !name.contains('/'))
            .and_then(rest::relay::decode_segment);
        let Some(name) = name else {
            return self.not_a_call(caller);
        };
        match self.cluster(&name) {
            Ok(cluster) if check => json(&checked(&cluster, caller).await),
            Ok(cluster) => json(&ClusterView {
                tillers: cluster.tillers().iter().map(Tiller::view).collect(),
                ..cluster.view()
            }),
            Err(error) => self.problem(caller, &error.problem(None).with_cluster(name)),
        }
    }

    async fn list(&self, caller: &Caller, check: bool) -> ClusterList {
        let items = if check {
            stream::iter(self.clusters.iter().cloned())
                .map(|cluster| async move { checked(&cluster, caller).await })
                .buffered(AT_ONCE)
                .collect()
                .await
        } else {
            self.clusters.iter().map(|cluster| cluster.view()).collect()
        };
        ClusterList { items }
    }

    fn not_a_call(&self, caller: &Caller) -> Response<Body> {
        self.problem(caller, &RelayError::NotACall(NotACall::Path).problem(None))
    }
}

async fn checked(cluster: &Cluster, caller: &Caller) -> ClusterView {
    let tillers = cluster
        .tillers()
        .iter()
        .map(|tiller| checked_tiller(cluster, tiller, caller));
    let (apiserver, tillers) = tokio::join!(checked_apiserver(cluster, caller), join_all(tillers));
    ClusterView {
        apiserver: Some(apiserver),
        tillers,
        ..cluster.view()
    }
}

async fn checked_apiserver(cluster: &Cluster, caller: &Caller) -> Check {
    let asked = Instant::now();
    let found = probe::apiserver(cluster, caller, asked + PATIENCE).await;
    check(asked, found.map_err(|error| error.problem(cluster)))
}

async fn checked_tiller(cluster: &Cluster, tiller: &Tiller, caller: &Caller) -> TillerView {
    let asked = Instant::now();
    let found = probe::tiller(cluster, tiller, caller, asked + PATIENCE).await;
    let (bridge, tiller_check) = match found {
        // The bridge passes on what Tiller says, so who hears Tiller has heard the bridge.
        Ok(Spoken::Tiller(said)) => (
            check(asked, Ok(String::new())),
            check(asked, said.map_err(|problem| *problem)),
        ),
        Ok(Spoken::Bridge(problem)) => {
            let works = problem.code != Code::BridgeError;
            let bridge = if works {
                Ok(String::new())
            } else {
                Err((*problem).clone())
            };
            (check(asked, bridge), check(asked, Err(*problem)))
        }
        Err(error) => {
            let problem = error.problem(cluster);
            (
                check(asked, Err(problem.clone())),
                check(asked, Err(problem)),
            )
        }
    };
    TillerView {
        bridge: (tiller.transport() == Transport::GrpcWeb).then_some(bridge),
        tiller: Some(tiller_check),
        ..tiller.view()
    }
}

/// A verdict with the time it took since `asked`; an empty version is none.
fn check(asked: Instant, found: Result<String, Problem>) -> Check {
    let latency_ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
    match found {
        Ok(version) => Check {
            ok: true,
            latency_ms,
            version: Some(version).filter(|version| !version.is_empty()),
            problem: None,
        },
        Err(problem) => Check {
            ok: false,
            latency_ms,
            version: None,
            problem: Some(problem),
        },
    }
}
