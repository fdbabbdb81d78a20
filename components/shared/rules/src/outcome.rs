//! What a delivery comes to: the component's answer to the host.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Kind;

/// What a delivery comes to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Why nothing happens, where nothing does: a ping, an event that hooks do not act on, no rule fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it says happened.
    #[serde(default)]
    pub events: Vec<Seen>,
}

/// An event, and what every rule says to it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// What happened.
    pub kind: Kind,
    /// The same for people, such as `image-pushed harbor.example.com/shop/web:1.2`.
    pub summary: String,
    /// By what the event is known again within its hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What the rules say, in their order.
    pub verdicts: Vec<Verdict>,
    /// What is to be done, in this order.
    #[serde(default)]
    pub wanted: Vec<Wanted>,
}

/// What a rule says to an event.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// Whether the event is one it is about.
    pub fits: bool,
    /// Why, for people: the condition that does not hold, or what is to be done.
    pub why: String,
}

/// Something that is to be done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Wanted {
    /// The releases of a cluster that the rule is about have to be found first.
    Discovery {
        /// The rule.
        rule: String,
        /// The cluster that is looked through.
        cluster: String,
        /// What happened.
        event: Value,
    },
    /// A request of the REST interface.
    Request {
        /// The rule.
        rule: String,
        /// `DELETE`, `POST` or `PUT`.
        method: String,
        /// Path and query.
        target: String,
        /// The body, JSON.
        body: Value,
        /// What it comes to.
        plan: rest::plan::Plan,
        /// Whether a newer one may take its place while it waits.
        coalesce: bool,
        /// Whether somebody has to approve it first.
        approve: bool,
    },
}
