//! Telling others of operations that are over.
//!
//! A notice is a CloudEvent in its structured form, signed as Standard Webhooks says with every secret of its receiver. It
//! is an operation itself, so that it is on disk before the one it tells of is over, is tried until the receiver has
//! it, and somebody can have a dead one sent again. Its name is the `webhook-id` of every attempt: a receiver that is told
//! twice can know it.
//!
//! <https://www.standardwebhooks.com>, <https://github.com/cloudevents/spec>.

mod event;
mod sign;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

pub use self::sign::NoKey;
use self::sign::SigningKey;
use crate::config::{Config, Network, ReceiverConfig, matches};
use crate::net::address::Origin;
use crate::net::credentials::Secret;
use crate::net::fetch::{Access, FetchError, Fetcher};
use crate::net::{Causes, CredentialsError};
use crate::operations::{Operation, OperationId};

/// How long a receiver may take to say that it has a notice. Senders wait for 15 to 30 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest pause that a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Those who are told.
#[derive(Debug, Default)]
pub struct Notices {
    receivers: BTreeMap<String, Receiver>,
    /// What sends the events, in their words.
    source: String,
}

struct Receiver {
    config: ReceiverConfig,
    url: Url,
    secrets: Vec<PathBuf>,
    fetcher: Fetcher,
}

/// What became of one attempt.
#[derive(Debug)]
pub enum Sent {
    /// The receiver has it.
    Done,
    /// The receiver wants no more of them, or there is no such receiver any more.
    Gone(String),
    /// It is to be tried again, not before so long.
    Later {
        /// How long the receiver wants to be left alone, if it says so.
        after: Option<Duration>,
        /// Why.
        why: String,
    },
}

impl Notices {
    /// The receivers of `config`, which was checked.
    #[must_use]
    pub fn load(config: &Config) -> Self {
        let region = config.region.as_deref().unwrap_or_default();
        Self {
            receivers: config
                .receivers
                .iter()
                .filter_map(|config| Some((config.name.clone(), Receiver::new(config)?)))
                .collect(),
            source: format!("/tiller-edge/{}", rest::relay::encode_segment(region)),
        }
    }

    /// The receivers that are told of `operation`, now that it is over.
    pub fn of<'a>(&'a self, operation: &'a Operation) -> impl Iterator<Item = &'a str> {
        self.receivers
            .values()
            .filter(|receiver| receiver.cares_for(operation))
            .map(|receiver| receiver.config.name.as_str())
    }

    /// Sends the notice `id` of `operation`, which callers see as `view`, to `receiver`, once.
    pub async fn send(
        &self,
        id: &OperationId,
        receiver: &str,
        operation: &Operation,
        view: Value,
    ) -> Sent {
        let Some(receiver) = self.receivers.get(receiver) else {
            return Sent::Gone(format!("there is no receiver `{receiver}` any more"));
        };
        let body = event::of(operation, &self.source, view);
        match receiver.post(id, Timestamp::now(), body.into()).await {
            Ok(sent) => sent,
            Err(error) => Sent::Later {
                after: None,
                why: Causes(&error).to_string(),
            },
        }
    }
}

impl Receiver {
    fn new(config: &ReceiverConfig) -> Option<Self> {
        let url = Url::parse(&config.url).ok()?;
        let fetcher = Fetcher::new(Access {
            private: config.private,
            networks: config.addresses.iter().map(|Network(net)| *net).collect(),
            authorities: config.ca_file.clone(),
            ..Access::to(Origin::of(&url))
        });
        Some(Self {
            url,
            secrets: config.secret_files.clone(),
            config: config.clone(),
            fetcher,
        })
    }

    /// Nobody is told of notices, or telling would never end.
    fn cares_for(&self, operation: &Operation) -> bool {
        let Some(plan) = operation.job.plan() else {
            return false;
        };
        let clusters = &self.config.clusters;
        self.config.states().contains(&operation.state)
            && (clusters.is_empty()
                || clusters
                    .iter()
                    .any(|pattern| matches(pattern, &plan.cluster)))
    }

    async fn post(
        &self,
        id: &OperationId,
        at: Timestamp,
        body: Bytes,
    ) -> Result<Sent, NoticeError> {
        let deadline = Instant::now() + PATIENCE;
        let headers = self.headers(id, at, &body).await?;
        let answer = self
            .fetcher
            .post(self.url.clone(), headers, body, deadline)
            .await?;
        Ok(match answer.status {
            status if status.is_success() => Sent::Done,
            StatusCode::GONE => Sent::Gone("the receiver answers 410: it wants no more".to_owned()),
            status => Sent::Later {
                after: retry_after(&answer.headers),
                why: format!("the receiver answers {}", status.as_u16()),
            },
        })
    }

    async fn headers(
        &self,
        id: &OperationId,
        at: Timestamp,
        body: &[u8],
    ) -> Result<HeaderMap, NoticeError> {
        let mut signatures = Vec::new();
        for file in &self.secrets {
            let secret = Secret::File(file.clone()).read().await?;
            let key = SigningKey::parse(&secret).map_err(|source| NoticeError::Key {
                file: file.clone(),
                source,
            })?;
            signatures.push(key.sign(id.as_str(), at.as_second(), body));
        }
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/cloudevents+json; charset=utf-8"),
        );
        for (name, value) in [
            ("webhook-id", id.to_string()),
            ("webhook-timestamp", at.as_second().to_string()),
            ("webhook-signature", signatures.join(" ")),
        ] {
            // They are letters, digits, `+/=,-` and blanks.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver")
            .field("name", &self.config.name)
            .finish_non_exhaustive()
    }
}

/// How long a receiver wants to be left alone; a date is not understood and counts as nothing said.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
enum NoticeError {
    /// There is no answer.
    #[error("the receiver does not answer")]
    Fetch(#[from] FetchError),
    /// The file holds no key.
    #[error("{file} holds no key", file = file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: NoKey,
    },
    /// The secret cannot be read.
    #[error("the receiver's secret cannot be read")]
    Secret(#[from] CredentialsError),
}

#[cfg(test)]
mod tests;
