//! What a notice says.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::operations::Operation;

/// What the types of all events begin with.
const TYPE: &str = "tiller-edge.operation.";

/// The CloudEvent that tells of `operation`, which callers see as `view`. An operation comes to rest in one state more
/// than once only if somebody has it resumed, so the attempts are part of the event's name.
pub(super) fn of(operation: &Operation, source: &str, view: Value) -> String {
    let subject = operation.job.plan().map(|plan| {
        let release = plan.release.as_deref().unwrap_or_default();
        format!("clusters/{}/releases/{release}", plan.cluster)
    });
    let time = operation.finished_at.unwrap_or_else(Timestamp::now);
    json!({
        "specversion": "1.0",
        "id": format!("{}/{}/{}", operation.id, operation.attempts, operation.state.as_str()),
        "source": source,
        "type": format!("{TYPE}{}", operation.state.as_str()),
        "subject": subject,
        "time": time.to_string(),
        "datacontenttype": "application/json",
        "data": view,
    })
    .to_string()
}
