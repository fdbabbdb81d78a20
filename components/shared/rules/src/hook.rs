//! What the host tells the component of the hook whose delivery it reads.

use serde::{Deserialize, Serialize};

use crate::{Event, Provider, Rule};

/// The path at the relay where the component asks for its [`Hook`].
pub const HOOK: &str = "/hook";

/// The path at the component to which the host sends a [`Quest`].
pub const DISCOVER: &str = "/discover";

/// The hook whose delivery is read: nothing by which deliveries are verified.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Who sends its deliveries.
    pub provider: Provider,
    /// Its rules, in their order.
    pub rules: Vec<Rule>,
}

/// The question which releases of a cluster a rule is about.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quest {
    /// The rule; it has a `discover`.
    pub rule: Rule,
    /// The cluster that is looked through.
    pub cluster: String,
    /// What happened.
    pub event: Event,
}

/// Which releases a rule is about.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// How many releases were looked at.
    pub looked: usize,
    /// How many others could not be looked at, since the hook may not see their values.
    #[serde(default)]
    pub withheld: usize,
    /// Those that have something to do with the image, and why they are or are not upgraded.
    #[serde(default)]
    pub releases: Vec<Candidate>,
    /// What is to be done, in this order: requests only.
    #[serde(default)]
    pub wanted: Vec<crate::Wanted>,
}

/// A release that has something to do with the image.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The release.
    pub release: String,
    /// Whether it is upgraded.
    pub fits: bool,
    /// Why, for people.
    pub why: String,
}
