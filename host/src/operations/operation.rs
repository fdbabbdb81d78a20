//! What is known of an operation.

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use rest::plan::Plan;
use rest::relay::DEFAULT_TILLER;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{OperationId, Step};
use crate::access::Principal;

/// A request that is carried out later, and what became of it. Its body is stored beside it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Operation {
    /// Its name.
    pub id: OperationId,
    /// How far it is.
    pub state: State,
    /// What is to be done.
    pub job: Job,
    /// Those that are in one lane are carried out one after the other.
    pub lane: Lane,
    /// For whom.
    pub actor: Actor,
    /// Where it came from, if not from a caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The request that it was accepted with.
    pub request_id: String,
    /// Whether a newer one of its lane may take its place while it waits, if that one has the mark too.
    #[serde(default)]
    pub coalesce: bool,
    /// Whether somebody has to approve it first.
    #[serde(default)]
    pub approval: Approval,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When it began to be carried out for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it came to rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Before that it is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// After that it is not begun any more.
    pub expires_at: Timestamp,
    /// How often it was begun.
    #[serde(default)]
    pub attempts: u32,
    /// The changing calls that it has made, in order. Dry runs and reads are not among them.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Whether its outcome was found in Tiller's history, its answer having been lost.
    #[serde(default)]
    pub reconciled: bool,
    /// Its answer, as a synchronous caller would have got it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What is being waited for, or why the last attempt failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// By which newer one it was replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<OperationId>,
    /// What it led to.
    #[serde(default)]
    pub children: Vec<OperationId>,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Waits for its turn.
    Accepted,
    /// Waits for somebody to approve it; others of its lane do not wait for it.
    AwaitingApproval,
    /// Called off before it began.
    Cancelled,
    /// Given up: it expired, or what became of it could not be found out. Somebody may have it resumed.
    Dead,
    /// Not done, and Tiller or the edge said why.
    Failed,
    /// Being carried out.
    Running,
    /// Done.
    Succeeded,
    /// Replaced by a newer one before it began.
    Superseded,
    /// Its answer was lost; Tiller's history is being read.
    Unknown,
}

impl State {
    /// All of them, by name.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::AwaitingApproval,
        Self::Cancelled,
        Self::Dead,
        Self::Failed,
        Self::Running,
        Self::Succeeded,
        Self::Superseded,
        Self::Unknown,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AwaitingApproval => "awaiting-approval",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }

    /// Whether nothing more happens to it by itself.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Cancelled | Self::Dead | Self::Failed | Self::Succeeded | Self::Superseded
        )
    }

    /// Whether those of its lane that were accepted later wait for it.
    #[must_use]
    pub const fn is_in_turn(self) -> bool {
        matches!(self, Self::Accepted | Self::Running | Self::Unknown)
    }
}

/// What is to be done.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Job {
    /// Finding the releases of a cluster that a rule is about, each of which becomes a request.
    Discovery {
        /// The hook or watch whose rule it is.
        hook: String,
        /// The rule.
        rule: String,
        /// The cluster that is looked through.
        cluster: String,
        /// What happened, as the rules have it.
        event: Value,
    },
    /// Telling a receiver what became of an operation.
    Notice {
        /// The receiver's name in the configuration.
        receiver: String,
        /// The operation.
        about: OperationId,
    },
    /// A request of the REST interface.
    Request {
        /// Everything of it but its body.
        head: Head,
        /// What it comes to.
        plan: Plan,
    },
}

impl Job {
    /// What a request comes to.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Request { plan, .. } => Some(plan),
            Self::Discovery { .. } | Self::Notice { .. } => None,
        }
    }
}

/// A request, but for its body: what of its head has to do with what it asks for.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Head {
    /// `DELETE`, `POST` or `PUT`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// `content-type`, `if-match` and `accept`, where they were sent.
    #[serde(default, with = "headers")]
    pub headers: HeaderMap,
}

/// The order in which operations are carried out holds within a lane: a release of a tiller, in most cases.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Lane(String);

impl Lane {
    /// The lane of a release.
    #[must_use]
    pub fn release(cluster: &str, tiller: Option<&str>, release: &str) -> Self {
        let tiller = tiller.unwrap_or(DEFAULT_TILLER);
        let parts = [cluster, tiller, release].map(rest::relay::encode_segment);
        Self(format!("release/{}", parts.join("/")))
    }

    /// The lane that a store has under that text.
    pub(crate) const fn stored(text: String) -> Self {
        Self(text)
    }

    /// A lane of another kind; `kind` is none of a release's.
    #[must_use]
    pub fn other(kind: &str, parts: &[&str]) -> Self {
        let parts: Vec<_> = parts
            .iter()
            .copied()
            .map(rest::relay::encode_segment)
            .collect();
        Self(format!("{kind}/{}", parts.join("/")))
    }

    /// Whether it is the lane of one release.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.0.starts_with("release/")
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For whom an operation is carried out: what of a principal may be stored. What it may do is looked up when it runs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Actor {
    /// Who.
    #[serde(flatten)]
    pub principal: Principal,
    /// The only cluster at which the name means anything, where a cluster said whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// What made an operation.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Origin {
    /// The hook or watch.
    pub hook: String,
    /// The delivery, in the provider's words where it names them.
    pub delivery: String,
    /// The rule.
    pub rule: String,
    /// The operation whose child it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<OperationId>,
}

/// Whether somebody has to approve an operation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "approval")]
pub enum Approval {
    /// Somebody did.
    Given {
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody has to.
    Needed,
    /// Nobody has to.
    #[default]
    None,
}

/// An answer, whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// `content-type`, `location` and `etag`, where there are any.
    #[serde(default, with = "headers")]
    pub headers: HeaderMap,
    /// Its body: JSON, or lines of JSON.
    pub body: String,
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// Headers as a list of pairs. Values that are not ASCII are left out.
mod headers {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        headers: &HeaderMap,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let pairs: Vec<(&str, &str)> = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        pairs.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<HeaderMap, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
        Ok(pairs
            .into_iter()
            .filter_map(|(name, value)| {
                let name = HeaderName::try_from(name).ok()?;
                Some((name, HeaderValue::try_from(value).ok()?))
            })
            .collect())
    }
}
