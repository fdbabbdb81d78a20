//! The scenario that ring 2 runs against the simulated cluster, with the same
//! golden answers, against the real one. Not over both transports at once: the
//! releases of the two Tillers share the cluster's objects.

use anyhow::{Context, Result};
use sim::scenario::{self, Options};

use crate::stage::{Stage, alone};

#[test]
fn scenario_through_the_bridge() {
    alone(async |stage| run(stage, "default").await);
}

#[test]
fn scenario_natively() {
    alone(async |stage| run(stage, "native").await);
}

async fn run(stage: &Stage, tiller: &str) -> Result<()> {
    let options = Options {
        tiller: Some(tiller.to_owned()),
        // Only the simulated cluster's answers are ever accepted as golden.
        update: false,
        ..Options::default()
    };
    let base = stage.edge.url().parse()?;
    let report = scenario::run(&base, "real", &options).await?;
    report.check().with_context(|| format!("tiller {tiller}"))
}
