//! What requirements.yaml does to a chart before Tiller gets it.
//!
//! Tiller knows nothing of requirements: it deploys every sub-chart it is sent. So the client leaves out those that
//! conditions and tags disable, gives others the names that they have as aliases, and copies what parents import from
//! their sub-charts' values. This does it as Helm 2.17 does, in the same two passes over the same graph: a sub-chart
//! that no requirements.yaml lists is one chart, however many aliases its parent has, and what one pass over it
//! changed the next one sees.
//!
//! Where Helm gives up silently, below the top, so does this. Where Helm crashes there is an error, and where a
//! chart multiplies itself there is one of [`Limits`].

mod enabled;
mod error;
mod file;
mod graph;
mod import;
mod lookup;

use std::collections::HashSet;

use tiller_api::hapi::chart::{Chart, Config};

pub use self::error::RequirementsError;
use self::graph::Graph;
use crate::Limits;

/// The file's name, in the directory of its chart.
pub(crate) const REQUIREMENTS: &str = "requirements.yaml";
/// The name of the file that says which versions its maker had.
pub(crate) const LOCK: &str = "requirements.lock";
/// Bytes of text that are read in one step.
const TEXT: usize = 16;

/// Refuses a chart that lacks a sub-chart which its requirements.yaml names.
///
/// This looks at names only, and at the top chart only. A sub-chart must be there even if it is going to be disabled.
///
/// # Errors
///
/// [`RequirementsError::Missing`], or another one if requirements.yaml cannot be read.
pub fn check(chart: &Chart, limits: &Limits) -> Result<(), RequirementsError> {
    let Some(requirements) = file::read(chart, limits)? else {
        return Ok(());
    };
    let present: HashSet<&str> = chart
        .dependencies
        .iter()
        .filter_map(|dependency| dependency.metadata.as_ref())
        .map(|metadata| metadata.name.as_str())
        .collect();
    let missing: Vec<String> = requirements
        .into_iter()
        .map(|requirement| requirement.name)
        .filter(|name| !present.contains(name.as_str()))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(RequirementsError::Missing(missing))
    }
}

/// Leaves out disabled sub-charts, renames those with aliases, and imports values.
///
/// `user` are the caller's values, which decide about conditions and tags. Values that are imported come from the
/// charts alone. A chart without any requirements.yaml stays as it is, and so does any chart on an error.
///
/// # Errors
///
/// [`RequirementsError`].
pub fn process(chart: &mut Chart, user: &Config, limits: &Limits) -> Result<(), RequirementsError> {
    let mut graph = Graph::new(chart, limits)?;
    if !graph.has_requirements() {
        return Ok(());
    }
    enabled::process(&mut graph, user)?;
    import::process(&mut graph)?;
    let processed = graph.to_chart()?;
    *chart = processed;
    Ok(())
}
