//! The way to the servers, and the bucket they have or make.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{self, DiscardPolicy, PersistenceMode, StorageType, Stream};
use async_nats::{Client, ConnectOptions, Event, jetstream};
use tokio::fs;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use tracing::{info, warn};

use super::JetStream;
use super::bucket::{Bucket, EXCHANGE, PATIENCE, away, refuses, within};
use super::mirror::Mirror;
use crate::config::JetStreamConfig;
use crate::operations::StoreError;

impl JetStream {
    /// Connects to the servers, makes the bucket if it is not there, and reads what stands in it. Once connected it
    /// reconnects by itself, for as long as it takes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if no server can be reached within five seconds, or lets this edge in, or if what
    /// there is under the bucket's name is no such bucket.
    pub async fn connect(config: &JetStreamConfig) -> Result<Self, StoreError> {
        let (told, connected) = watch::channel(true);
        let options = options(config).await?.event_callback(move |event| {
            match event {
                Event::Connected => drop(told.send_replace(true)),
                Event::Disconnected | Event::Closed => drop(told.send_replace(false)),
                Event::ServerError(_) | Event::ClientError(_) => {
                    warn!(%event, "the connection to NATS");
                }
                Event::LameDuckMode | Event::Draining | Event::SlowConsumer(_) => (),
            }
            async {}
        });
        let connecting = timeout(PATIENCE, options.connect(&config.servers));
        let client = connecting
            .await
            .map_err(|late| away("no NATS server answers in time", late))?
            .map_err(|error| away("no NATS server can be reached", error))?;
        if !client.is_server_compatible(2, 12, 0) {
            return Err(refuses(format!(
                "the NATS server is of version {}; it takes 2.12 or newer to write several values at once",
                client.server_info().version
            )));
        }
        let stream = within(bucket(&client, config)).await?;
        let prefix = format!("$KV.{}.", config.bucket);
        let bucket = Bucket::new(client, stream, prefix, connected);
        let mirror = Arc::new(Mirror::default());
        let store = Self {
            follower: tokio::spawn(mirror.clone().follow(bucket.clone())),
            bucket,
            mirror,
            claiming: Mutex::new(()),
        };
        let reading = timeout(LOADING, store.mirror.barrier(&store.bucket)).await;
        reading.map_err(|late| away("reading what is in the bucket takes too long", late))??;
        Ok(store)
    }
}

async fn options(config: &JetStreamConfig) -> Result<ConnectOptions, StoreError> {
    let mut options = ConnectOptions::new()
        .name("tiller-edge")
        .connection_timeout(EXCHANGE)
        .request_timeout(Some(EXCHANGE))
        .ping_interval(PING)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let doubled = SOON * 2_u32.saturating_pow(u32::try_from(attempts).unwrap_or(u32::MAX));
            doubled.min(LATEST)
        });
    if let Some(file) = &config.credentials_file {
        let read = options.credentials_file(file).await;
        options = read.map_err(|error| unreadable(file, error))?;
    }
    if let Some(file) = &config.nkey_file {
        options = options.nkey(secret(file).await?);
    }
    if let Some(file) = &config.token_file {
        options = options.token(secret(file).await?);
    }
    if let (Some(user), Some(file)) = (&config.user, &config.password_file) {
        options = options.user_and_password(user.clone(), secret(file).await?);
    }
    if let Some(file) = &config.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let (Some(certificate), Some(key)) = (&config.cert_file, &config.key_file) {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    // Before anything secret is sent.
    let encrypted = [&config.ca_file, &config.cert_file]
        .into_iter()
        .any(Option::<PathBuf>::is_some);
    Ok(options.require_tls(encrypted))
}

/// The bucket's stream, which is made if it is not there.
async fn bucket(client: &Client, config: &JetStreamConfig) -> Result<Stream, StoreError> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(EXCHANGE);
    let name = format!("KV_{}", config.bucket);
    let stream = match context.get_stream(&name).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), GetStreamErrorKind::JetStream(_)) => {
            let made = context.get_or_create_stream(wanted(name, config)).await;
            made.map_err(|error| away("the bucket is not there and cannot be made", error))?
        }
        Err(error) => return Err(away("the bucket cannot be read", error)),
    };
    let found = &stream.cached_info().config;
    for (fits, what) in [
        (found.allow_atomic_publish, "allow_atomic: true"),
        (found.allow_message_ttl, "allow_msg_ttl: true"),
        (
            found.max_messages_per_subject == 1,
            "max_msgs_per_subject: 1",
        ),
        (found.discard == DiscardPolicy::New, "discard: new"),
        (found.max_age.is_zero(), "max_age: 0"),
        (found.storage == StorageType::File, "storage: file"),
        (
            found.persist_mode != Some(PersistenceMode::Async),
            "persist_mode: default",
        ),
    ] {
        if !fits {
            return Err(refuses(format!(
                "the bucket `{}` needs `{what}`; change its stream {}, or name another bucket",
                config.bucket, found.name
            )));
        }
    }
    if found.num_replicas != config.replicas {
        warn!(
            bucket = config.bucket,
            replicas = found.num_replicas,
            wanted = config.replicas,
            "the bucket has another number of replicas than is configured"
        );
    }
    info!(
        bucket = config.bucket,
        replicas = found.num_replicas,
        "operations are kept in NATS; what it acknowledges is on disk if its sync_interval is always"
    );
    Ok(stream)
}

/// As NATS' own tools make buckets, and with what else is needed.
fn wanted(name: String, config: &JetStreamConfig) -> stream::Config {
    stream::Config {
        name,
        description: Some("operations of tiller-edge".to_owned()),
        subjects: vec![format!("$KV.{}.>", config.bucket)],
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: config.replicas,
        max_bytes: -1,
        max_messages: -1,
        max_message_size: -1,
        max_consumers: -1,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        allow_message_ttl: true,
        allow_atomic_publish: true,
        ..stream::Config::default()
    }
}

async fn secret(file: &Path) -> Result<String, StoreError> {
    let text = fs::read_to_string(file).await;
    let text = text.map_err(|error| unreadable(file, error))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn unreadable(file: &Path, error: io::Error) -> StoreError {
    away(&format!("{} cannot be read", file.display()), error)
}

/// How long reading a bucket may take at the start.
const LOADING: Duration = Duration::from_secs(60);

/// A server that does not answer two of them is given up.
const PING: Duration = Duration::from_secs(5);

const SOON: Duration = Duration::from_millis(20);

const LATEST: Duration = Duration::from_secs(2);
