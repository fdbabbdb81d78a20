//! Who carries operations out: so many at once, in the order in which the store gives them away.
//!
//! One task claims for all, so that what it knows of clusters holds. It looks for work whenever something was stored and,
//! since what is due later is announced by nobody, from time to time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::carry::{carry, expired, told};
use super::clusters::Clusters;
use super::engine::{Core, Phase};
use super::{Asked, Claim, Operation, Query, State, StoreError, Stored};
use crate::ingress::RequestId;
use crate::net::Causes;

/// Carries out what is stored until the engine ends and all of it is left in order.
pub(super) async fn work(core: Arc<Core>) {
    let clusters = Arc::<Clusters>::default();
    let worker = format!("{}-{}", std::process::id(), RequestId::generate());
    let mut changes = core.store.changes();
    let mut phases = core.phases();
    let mut running = JoinSet::new();
    let mut aside = JoinSet::new();
    aside.spawn(keep_clean(Arc::clone(&core)));
    loop {
        changes.borrow_and_update();
        let is_working = *phases.borrow_and_update() == Phase::Working;
        while is_working && running.len() < core.config.workers {
            let asked = Asked {
                worker: worker.clone(),
                lease: core.config.lease,
                except: clusters.except(core.config.per_cluster),
            };
            match core.store.claim(&asked).await {
                Ok(Some(claim)) => start(&core, &clusters, claim, &mut running),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(error = %Causes(&error), "no operation can be claimed");
                    break;
                }
            }
        }
        if !is_working && running.is_empty() {
            return;
        }
        tokio::select! {
            Ok(()) = changes.changed() => {}
            Ok(()) = phases.changed() => {}
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "carrying out an operation failed for a fault of this program");
                }
            }
            () = sleep(LOOK) => {}
        }
    }
}

fn start(core: &Arc<Core>, clusters: &Arc<Clusters>, claim: Claim, running: &mut JoinSet<()>) {
    let plan = claim.operation.job.plan();
    let entered = plan.map(|plan| clusters.enter(&plan.cluster));
    let (core, clusters) = (Arc::clone(core), Arc::clone(clusters));
    running.spawn(async move {
        carry(core, clusters, claim).await;
        drop(entered);
    });
}

/// Forgets what was kept long enough, and gives up what nobody approved in time.
async fn keep_clean(core: Arc<Core>) {
    let mut due = interval(SWEEP);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let swept = async {
            core.store.sweep(core.config.keep).await?;
            give_up_unapproved(&core).await
        };
        if let Err(error) = swept.await {
            tracing::warn!(error = %Causes(&error), "operations that are over are not forgotten");
        }
    }
}

async fn give_up_unapproved(core: &Core) -> Result<(), StoreError> {
    let query = Query {
        states: vec![State::AwaitingApproval],
        notices: true,
        limit: PAGE,
        ..Query::default()
    };
    let now = Timestamp::now();
    let late = |operation: &Operation| operation.expires_at <= now;
    for operation in core
        .store
        .operations(&query)
        .await?
        .into_iter()
        .filter(late)
    {
        let Some(Stored {
            mut operation,
            version,
        }) = core.store.operation(&operation.id).await?
        else {
            continue;
        };
        if operation.state != State::AwaitingApproval {
            continue;
        }
        let problem = expired(&operation).with_hint("nobody approved it in time");
        operation.settle(State::Dead, told(&problem), now);
        match core.store.change(Stored { operation, version }).await {
            // Somebody did something about it meanwhile.
            Ok(()) | Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// How often it is looked for what is due by now.
const LOOK: Duration = Duration::from_millis(250);

/// How often what is over is looked through.
const SWEEP: Duration = Duration::from_secs(60);

/// How many that wait for an approval are looked at each time.
const PAGE: usize = 1000;
