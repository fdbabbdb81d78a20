//! Something ends in the middle of a call: the answer is clear, says whether
//! the call may have taken effect, and comes long before anybody gives up.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use real::{Process, User};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::stage::{HASTE, Stage, alone, caller, expect, expect_problem, install, purge, text};

const RELEASES: &str = "/v1/clusters/real/releases";

/// From the end of whatever ends to the answer.
const CLEAR: Duration = Duration::from_secs(15);

#[test]
fn tiller_dies_in_the_middle_of_an_install() {
    alone(async |stage| interrupted(stage, "dies-tiller", stage.cluster.tiller().process()).await);
}

#[test]
fn the_bridge_dies_in_the_middle_of_an_install() {
    alone(async |stage| interrupted(stage, "dies-bridge", stage.cluster.bridge()).await);
}

#[test]
fn the_apiserver_dies_in_the_middle_of_an_install() {
    alone(async |stage| interrupted(stage, "dies-apiserver", stage.cluster.apiserver()).await);
}

#[test]
fn the_caller_leaves_in_the_middle_and_nothing_is_left_behind() {
    alone(async |stage| {
        let name = "leaves";
        {
            let patient = caller(&stage.hasty);
            let call = install(&patient, name, "workload", slow());
            // Dropping the call closes the caller's connection.
            tokio::select! {
                answer = call => bail!("an install that waits was answered: {}", answer?),
                begun = begun(stage, name) => begun?,
            }
        }
        // An edge that ends at once had nothing under way.
        let started = Instant::now();
        let status = stage.hasty.process().terminate().await?;
        ensure!(status.success(), "the edge ends with {status}");
        ensure!(
            started.elapsed() < Duration::from_secs(HASTE),
            "something was still under way"
        );
        let log = stage.hasty.process().log();
        ensure!(
            log.contains("abandoned"),
            "no line of the log tells it:\n{log}"
        );
        // Tiller cannot be stopped from what it has begun.
        recovered(stage, name).await
    });
}

#[test]
fn a_tiller_that_hangs_costs_a_read_its_deadline_and_no_more() {
    alone(async |stage| {
        let tiller = stage.cluster.tiller().process();
        tiller.freeze().await?;
        let started = Instant::now();
        let answer = caller(&stage.hasty).get(RELEASES).await;
        let took = started.elapsed();
        tiller.thaw().await?;
        let answer = answer?;
        expect(504, &answer);
        assert_eq!(text(&answer, "/code"), "deadline_exceeded", "{answer}");
        assert_eq!(text(&answer, "/outcome"), "not_applied", "{answer}");
        ensure!(took < Duration::from_secs(HASTE + 2), "it took {took:?}");
        expect(200, &stage.caller().get(RELEASES).await?);
        Ok(())
    });
}

#[test]
fn a_tiller_that_hangs_leaves_a_mutations_outcome_unknown() {
    alone(async |stage| {
        let tiller = stage.cluster.tiller().process();
        tiller.freeze().await?;
        let answer = install(&caller(&stage.hasty), "hangs", "web", json!({})).await;
        tiller.thaw().await?;
        let answer = answer?;
        expect(504, &answer);
        assert_eq!(text(&answer, "/code"), "deadline_exceeded", "{answer}");
        assert_eq!(text(&answer, "/outcome"), "unknown", "{answer}");
        recovered(stage, "hangs").await
    });
}

#[test]
fn a_tiller_that_is_down_takes_nothing() {
    alone(async |stage| {
        let tiller = stage.cluster.tiller().process();
        refused(stage, tiller, "tiller_unreachable").await
    });
}

#[test]
fn a_bridge_that_is_down_takes_nothing() {
    alone(async |stage| refused(stage, stage.cluster.bridge(), "endpoint_unreachable").await);
}

#[test]
fn an_apiserver_that_is_down_takes_nothing() {
    alone(async |stage| refused(stage, stage.cluster.apiserver(), "cluster_unreachable").await);
}

/// Kills a process while an install waits in Tiller for pods that nobody
/// makes; the install is answered at once, and what is healed serves again.
async fn interrupted(stage: &Stage, name: &str, victim: &Process) -> Result<()> {
    let patient = stage.caller();
    let call = install(&patient, name, "workload", slow());
    let kill = async {
        begun(stage, name).await?;
        victim.kill().await?;
        anyhow::Ok(Instant::now())
    };
    let answered = async { call.await.map(|answer| (answer, Instant::now())) };
    let ((answer, answered), killed) = tokio::try_join!(answered, kill)?;
    let took = answered.saturating_duration_since(killed);
    ensure!(took < CLEAR, "the answer took {took:?}");
    assert!(answer.status >= 500, "{answer}");
    assert_eq!(text(&answer, "/outcome"), "unknown", "{answer}");
    assert!(
        ["cluster", "tiller"].contains(&text(&answer, "/blame")),
        "{answer}"
    );
    recovered(stage, name).await
}

/// Installs while a process is down.
async fn refused(stage: &Stage, down: &Process, code: &str) -> Result<()> {
    down.kill().await?;
    let answer = install(&stage.caller(), "down", "web", json!({})).await?;
    expect(503, &answer);
    expect_problem(&answer, code, "cluster", "not_applied");
    stage.heal().await?;
    let path = format!("{RELEASES}/down");
    expect(404, &stage.caller().get(&path).await?);
    Ok(())
}

/// Waits until Tiller has made the release's Deployment.
async fn begun(stage: &Stage, name: &str) -> Result<()> {
    let wait = async {
        loop {
            let asked = stage
                .cluster
                .kubectl(User::Admin, &["get", "deployment", name])
                .await?;
            if asked.success {
                return anyhow::Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), wait)
        .await
        .context("the install does not begin")?
}

/// The next requests are served, and what the interrupted one left can be
/// removed.
async fn recovered(stage: &Stage, name: &str) -> Result<()> {
    stage.heal().await?;
    let caller = stage.caller();
    let remove = async {
        loop {
            let path = format!("{RELEASES}/{name}?purge=true");
            let answer = caller.send("DELETE", &path, &[], None).await?;
            match answer.status {
                // Tiller goes on with what it has begun: until then there may be nothing yet.
                200 | 404 => return anyhow::Ok(()),
                _ => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    timeout(Duration::from_secs(60), remove)
        .await
        .context("the release cannot be removed")??;
    let name = format!("{name}-after");
    expect(201, &install(&caller, &name, "web", json!({})).await?);
    purge(&caller, &name).await
}

/// Half a minute in which an install waits.
fn slow() -> serde_json::Value {
    json!({ "wait": true, "timeout": "30s" })
}
