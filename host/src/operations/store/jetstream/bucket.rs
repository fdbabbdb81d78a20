//! A bucket: named values in one stream, each with a revision.
//!
//! Several values are written at once or not at all, each only if it is as the writer believes ("atomic batch publish",
//! which servers have since 2.12). Nothing waits longer than [`PATIENCE`], whatever the servers do; and what was not
//! acknowledged may have been written all the same, so everything that is written can be written again.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{
    HeaderMap, NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_TTL,
};
use async_nats::jetstream::stream::{InfoError, LastRawMessageErrorKind, Stream};
use async_nats::{Client, Request};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::record::Pieces;
use crate::operations::StoreError;

/// How long a call may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long one exchange with a server may take.
pub(super) const EXCHANGE: Duration = Duration::from_secs(4);

/// How many values are written at once at most: what servers take by default.
pub(super) const MOST_WRITES: usize = 1000;

/// How long it is remembered that a value was removed, so that everybody hears of it.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Servers take 50 batches at a time, of all edges together.
const MOST_BATCHES: usize = 8;

/// So many messages are read at a time.
const MOST_READS: usize = 16;

/// What of a message's size goes to its subject and headers.
const OVERHEAD: usize = 4096;

const LONGEST_PIECE: usize = 512 * 1024;

/// Tells that a value was removed, to this edge and to NATS' own tools.
const OPERATION: &str = "KV-Operation";

const REMOVED: &str = "DEL";

/// A bucket and the connection to its servers.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) stream: Stream,
    /// What all subjects begin with.
    prefix: String,
    connected: watch::Receiver<bool>,
    batches: Arc<Semaphore>,
}

/// A value, or that it was removed.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) revision: u64,
    /// None if it was removed.
    pub(super) bytes: Option<Bytes>,
}

/// Something to be written.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) name: String,
    /// None if it is to be removed.
    bytes: Option<Bytes>,
    /// The revision that is there, 0 if there is none; None if that does not matter.
    expected: Option<u64>,
    /// For how long it stays.
    lasts: Option<Duration>,
}

impl Write {
    /// Writes `bytes` under `name`.
    pub(super) const fn new(name: String, bytes: Bytes) -> Self {
        Self {
            name,
            bytes: Some(bytes),
            expected: None,
            lasts: None,
        }
    }

    /// Removes what is there.
    pub(super) const fn removal(name: String) -> Self {
        Self {
            name,
            bytes: None,
            expected: None,
            lasts: Some(REMEMBERED),
        }
    }

    /// Only if that revision is there; 0 for none.
    pub(super) const fn over(mut self, revision: u64) -> Self {
        self.expected = Some(revision);
        self
    }

    /// For so long.
    pub(super) fn lasting(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }

    /// How much is sent.
    pub(super) fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len) + self.name.len()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(revision) = self.expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, revision.to_string());
        }
        if let Some(lasts) = self.lasts {
            headers.insert(NATS_MESSAGE_TTL, format!("{}s", lasts.as_secs().max(1)));
        }
        if self.bytes.is_none() {
            headers.insert(OPERATION, REMOVED);
        }
        headers
    }
}

/// Why nothing was written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Something is not as the writer believes.
    Conflict,
    /// It is not even known whether nothing was written.
    Store(StoreError),
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Bucket {
    pub(super) fn new(
        client: Client,
        stream: Stream,
        prefix: String,
        connected: watch::Receiver<bool>,
    ) -> Self {
        Self {
            client,
            stream,
            prefix,
            connected,
            batches: Arc::new(Semaphore::new(MOST_BATCHES)),
        }
    }

    /// The subject of what is called so.
    pub(super) fn subject(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// What a subject is the one of.
    pub(super) fn name<'s>(&self, subject: &'s str) -> Option<&'s str> {
        subject.strip_prefix(&self.prefix)
    }

    /// Writes all of it or nothing. Gives back the revision of the first; those of the others follow one by one.
    ///
    /// # Errors
    ///
    /// [`WriteError::Conflict`] if nothing was written because something is not as expected.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<u64, WriteError> {
        let Ok(_permit) = self.batches.acquire().await else {
            return Err(refuses("it is closed").into());
        };
        self.connection().await?;
        let count = writes.len() as u64;
        let batch = self.client.new_inbox();
        let batch = batch.rsplit('.').next().unwrap_or_default();
        let mut left = writes.len();
        for (write, number) in writes.into_iter().zip(1_u64..) {
            left -= 1;
            let mut headers = write.headers();
            if count > 1 {
                headers.insert(NATS_BATCH_ID, batch);
                headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
            }
            let subject = self.subject(&write.name);
            let payload = write.bytes.unwrap_or_default();
            if left > 0 {
                let sent = self.client.publish_with_headers(subject, headers, payload);
                sent.await
                    .map_err(|error| away("nothing can be sent", error))?;
                continue;
            }
            if count > 1 {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            let request = Request::new()
                .headers(headers)
                .payload(payload)
                .timeout(Some(EXCHANGE));
            let answer = self.client.send_request(subject, request).await;
            let answer = answer.map_err(|error| away("nothing was acknowledged", error))?;
            return acknowledged(&answer.payload).map(|last| last + 1 - count);
        }
        Ok(0)
    }

    /// What is there under `name`, as whoever writes it has it.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Value>, StoreError> {
        self.connection().await?;
        let subject = self.subject(name);
        match self.stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(Value {
                revision: message.sequence,
                bytes: present(&message.headers).then_some(message.payload),
            })),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(away("nothing can be read", error)),
        }
    }

    /// What is there under `name`, read as JSON, with its revision.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Option<(u64, T)>, StoreError> {
        let Some(value) = self.read(name).await? else {
            return Ok(None);
        };
        let Some(bytes) = value.bytes else {
            return Ok(None);
        };
        Ok(Some((value.revision, parse(name, &bytes)?)))
    }

    /// Its revision, 0 if it is not there and was not lately.
    pub(super) async fn revision(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.read(name).await?.map_or(0, |value| value.revision))
    }

    /// Cuts something long in pieces that fit in messages.
    pub(super) fn pieces(&self, name: &str, bytes: &Bytes) -> Vec<Write> {
        let most = self.client.max_payload().saturating_sub(OVERHEAD);
        let most = most.clamp(1, LONGEST_PIECE);
        let starts = (0..bytes.len()).step_by(most).enumerate();
        starts
            .map(|(number, start)| {
                let end = bytes.len().min(start + most);
                Write::new(format!("{name}.{number}"), bytes.slice(start..end))
            })
            .collect()
    }

    /// The whole of what was cut in pieces; none if one is not there.
    pub(super) async fn whole(
        &self,
        name: &str,
        count: usize,
    ) -> Result<Option<Bytes>, StoreError> {
        let pieces = stream::iter(0..count)
            .map(|number| async move { self.read(&format!("{name}.{number}")).await })
            .buffered(MOST_READS);
        let pieces: Vec<_> = pieces.try_collect().await?;
        let mut whole = BytesMut::new();
        for piece in pieces {
            let Some(bytes) = piece.and_then(|value| value.bytes) else {
                return Ok(None);
            };
            whole.extend_from_slice(&bytes);
        }
        Ok(Some(whole.freeze()))
    }

    /// Forgets everything whose name begins with `name` and a point. Nobody is told.
    pub(super) async fn purge(&self, name: &str) -> Result<(), StoreError> {
        self.connection().await?;
        let subject = self.subject(&format!("{name}.>"));
        let purged = self.stream.purge().filter(subject).await;
        purged
            .map(drop)
            .map_err(|error| away("nothing can be removed", error))
    }

    /// Forgets one version of something long, if it is there. Left behind it is in nobody's way.
    pub(super) async fn forget(&self, rest: Option<Pieces>, name: impl Fn(&str) -> String) {
        if let Some(pieces) = rest {
            drop(self.purge(&name(&pieces.version)).await);
        }
    }

    /// The names of all that begins with `name` and a point.
    pub(super) async fn names(&self, name: &str) -> Result<Vec<String>, StoreError> {
        self.connection().await?;
        let cannot = |error: InfoError| away("nothing can be listed", error);
        let subject = self.subject(&format!("{name}.>"));
        let subjects = self.stream.info_with_subjects(subject).await;
        let subjects: Vec<_> = subjects
            .map_err(cannot)?
            .try_collect()
            .await
            .map_err(cannot)?;
        Ok(subjects
            .iter()
            .filter_map(|(subject, _)| self.name(subject).map(str::to_owned))
            .collect())
    }

    /// Waits until there is a connection, so that nothing is sent long after its sender has given up.
    async fn connection(&self) -> Result<(), StoreError> {
        let mut connected = self.connected.clone();
        let waited = connected.wait_for(|connected| *connected).await;
        waited
            .map(drop)
            .map_err(|error| away("the connection is closed", error))
    }
}

/// Whether a message is a value, and not that one was removed or ran out.
pub(super) fn present(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_none() && headers.get(MARKER).is_none()
}

/// Stands in what a server writes itself in place of a value that ran out.
const MARKER: &str = "Nats-Marker-Reason";

/// Reads what stands under `name`.
pub(super) fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged {
        what: format!(
            "`{name}` in the bucket is none of this edge's; remove it with `nats kv del`"
        ),
        source: Some(error.into()),
    })
}

/// Lets nobody wait for longer than [`PATIENCE`].
pub(super) async fn within<T>(
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let done = timeout(PATIENCE, call).await;
    done.unwrap_or_else(|late| Err(away("NATS does not answer in time", late)))
}

/// The store cannot be reached.
pub(super) fn away(what: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable {
        what: what.to_owned(),
        source: Some(source.into()),
    }
}

/// The store can be reached, and takes nothing.
pub(super) fn refuses(what: impl Into<String>) -> StoreError {
    StoreError::Unavailable {
        what: what.into(),
        source: None,
    }
}

/// The revision that a server says the last message has.
fn acknowledged(answer: &[u8]) -> Result<u64, WriteError> {
    let answer: Ack = serde_json::from_slice(answer)
        .map_err(|error| away("NATS answers what is no answer", error))?;
    match answer.error {
        None => Ok(answer.seq),
        Some(Refused { err_code, .. }) if WRONG_REVISION.contains(&err_code) => {
            Err(WriteError::Conflict)
        }
        Some(Refused { description, .. }) => {
            Err(refuses(format!("NATS says: {description}")).into())
        }
    }
}

/// Another revision is there, or is just being written; or not the whole batch arrived, there being too many.
const WRONG_REVISION: [u64; 3] = [10071, 10164, 10176];

#[derive(Deserialize)]
struct Ack {
    #[serde(default)]
    seq: u64,
    error: Option<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}
