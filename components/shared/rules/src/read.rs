//! Payloads to events.
//!
//! Who sends a delivery has proven to know a secret and nothing more, so a payload is hostile until it is read: it is
//! bounded in values and events, a name in it is a short text without control characters or not there, and what does not
//! have the form that its provider documents is an event of the kind `other`, which a rule may still tell by its payload.
//! Nothing in a payload is an error but that it is none.
//!
//! The formats are the providers' own documentation's; where an older version sends another form, both are read.

mod acr;
mod bitbucket;
mod cloudevents;
mod delivery;
mod distribution;
mod docker_hub;
mod generic;
mod github;
mod gitlab;
mod harbor;
mod image;
mod jfrog;
mod nexus;
mod pubsub;
mod quay;

use http::HeaderMap;

use self::delivery::Delivery;
use crate::{Event, Provider};

/// How many events a delivery may have.
pub const MAX_EVENTS: usize = 1000;

/// How much payload the events of a delivery may have together, in bytes: 16 MiB, or one payload of any size. An event
/// takes its part of the payload along, and what is common to all of them is repeated.
const MAX_BYTES: usize = 16 << 20;

/// Why a delivery cannot be read, for its sender.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is not what the provider sends.
    #[error("{0}")]
    Malformed(String),
    /// Its content type is one that cannot be read.
    #[error("its content type `{0}` is none that is read here")]
    MediaType(String),
    /// It has too many events.
    #[error("it has more than {MAX_EVENTS} events, or more than 16 MiB of them")]
    TooMuch,
}

/// What a delivery says happened. Events that mean nothing here are among them, as [`Kind::Other`](crate::Kind::Other).
///
/// # Errors
///
/// If it is not what the provider sends, or too much.
pub fn read(provider: Provider, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, ReadError> {
    let delivery = Delivery { headers, body };
    let events = match provider {
        Provider::Acr => acr::read(&delivery),
        Provider::Bitbucket => bitbucket::read(&delivery),
        Provider::Cloudevents => cloudevents::read(&delivery),
        Provider::Distribution => distribution::read(&delivery),
        Provider::DockerHub => docker_hub::read(&delivery),
        Provider::Github => github::read(&delivery),
        Provider::Gitlab => gitlab::read(&delivery),
        Provider::Harbor => harbor::read(&delivery),
        Provider::Hmac => generic::read(&delivery),
        Provider::Jfrog => jfrog::read(&delivery),
        Provider::Nexus => nexus::read(&delivery),
        Provider::Pubsub => pubsub::read(&delivery),
        Provider::Quay => quay::read(&delivery),
        Provider::StandardWebhooks => generic::read_standard(&delivery),
        Provider::Watch => generic::read_events(&delivery),
    }?;
    if events.len() > MAX_EVENTS {
        return Err(ReadError::TooMuch);
    }
    Ok(events)
}
