//! `GET /clusters` and `GET /clusters/{cluster}`: what there is, and with `?check=true` whether it can be reached now.

use std::time::Duration;

use futures::StreamExt;
use futures::future::{self, join_all};
use futures::stream;
use http::{Response, Uri};
use rest::problem::{Code, Problem};
use rest::relay::{Check, ClusterList, ClusterView, TillerView};
use tokio::time::Instant;

use super::principal::principal;
use super::probe::{self, Spoken};
use super::{Body, Caller, NotACall, Relay, json};
use crate::access::Principal;
use crate::clusters::{Cluster, Tiller};
use crate::config::Transport;
use crate::grants::Action;

/// How long anything asked may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many clusters are asked at once.
const AT_ONCE: usize = 16;

impl Relay {
    pub(super) async fn inventory(&self, caller: &Caller, uri: &Uri) -> Response<Body> {
        let check = match uri.query() {
            None | Some("check=false") => false,
            Some("check=true") => true,
            Some(_) => return self.not_a_call(caller, NotACall::Query).await,
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
            return self.not_a_call(caller, NotACall::Path).await;
        };
        match self.seen(caller, &name).await {
            Ok((principal, cluster)) => {
                let tillers = self.tillers(&principal, &cluster);
                let view = if check {
                    checked(&cluster, tillers, caller, &principal).await
                } else {
                    ClusterView {
                        tillers: tillers.map(Tiller::view).collect(),
                        ..cluster.view()
                    }
                };
                json(&view)
            }
            Err(error) => {
                let problem = error.problem(None).with_cluster(name);
                if error.is_refusal() {
                    self.turned_away(caller, Action::Read.as_str(), &problem)
                        .await;
                }
                self.problem(caller, &problem)
            }
        }
    }

    /// The clusters where the caller may do anything.
    async fn list(&self, caller: &Caller, check: bool) -> ClusterList {
        let items = stream::iter(self.clusters.iter().cloned())
            .map(|cluster| async move {
                let principal = principal(self, caller, &cluster).await.ok()?;
                if !self.policy.sees(&principal, &cluster.place(None)) {
                    return None;
                }
                if !check {
                    return Some(cluster.view());
                }
                let tillers = self.tillers(&principal, &cluster);
                Some(checked(&cluster, tillers, caller, &principal).await)
            })
            .buffered(AT_ONCE)
            .filter_map(future::ready);
        ClusterList {
            items: items.collect().await,
        }
    }

    /// The Tillers of `cluster` where `principal` may do anything.
    fn tillers<'c>(
        &self,
        principal: &Principal,
        cluster: &'c Cluster,
    ) -> impl Iterator<Item = &'c Tiller> {
        cluster.tillers().iter().filter(|tiller| {
            self.policy
                .sees(principal, &cluster.place(Some(tiller.name())))
        })
    }
}

async fn checked(
    cluster: &Cluster,
    tillers: impl Iterator<Item = &Tiller>,
    caller: &Caller,
    principal: &Principal,
) -> ClusterView {
    let tillers = tillers.map(|tiller| checked_tiller(cluster, tiller, caller, principal));
    let (apiserver, tillers) = tokio::join!(
        checked_apiserver(cluster, caller, principal),
        join_all(tillers)
    );
    ClusterView {
        apiserver: Some(apiserver),
        tillers,
        ..cluster.view()
    }
}

async fn checked_apiserver(cluster: &Cluster, caller: &Caller, principal: &Principal) -> Check {
    let asked = Instant::now();
    let found = probe::apiserver(cluster, caller, principal, asked + PATIENCE).await;
    check(asked, found.map_err(|error| error.problem(cluster)))
}

async fn checked_tiller(
    cluster: &Cluster,
    tiller: &Tiller,
    caller: &Caller,
    principal: &Principal,
) -> TillerView {
    let asked = Instant::now();
    let found = probe::tiller(cluster, tiller, caller, principal, asked + PATIENCE).await;
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
