//! The log: one line a request and what an operator must know, on standard error.
//!
//! Libraries that print whole HTTP headers or URLs at their finest levels are held at `info`, whatever level is asked
//! for: a header or a query may be somebody's credential.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, ParseError, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Registry, fmt};

use crate::config::{LogConfig, LogFormat};

/// Crates that log headers, frames or URLs.
const TALKATIVE: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "kube_client",
    "rustls",
    "wasmtime_wasi",
    "wasmtime_wasi_http",
];

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is no level and no filter.
    #[error("log.level is not a level or a filter: `{level}`")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Something else in this process logs already.
    #[error("the process has a log already")]
    Taken(#[source] TryInitError),
}

/// Starts the log of this process.
///
/// # Errors
///
/// When the level cannot be understood, or the process logs already.
pub fn start(config: &LogConfig) -> Result<(), LogError> {
    subscriber(config, io::stderr, io::stderr().is_terminal())?
        .try_init()
        .map_err(LogError::Taken)
}

/// What [`start`] starts, with another place to write to.
///
/// # Errors
///
/// When the level cannot be understood.
pub fn subscriber<W>(
    config: &LogConfig,
    writer: W,
    ansi: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = filter(&config.level)
        .map_err(|source| LogError::Level {
            level: config.level.clone(),
            source,
        })?
        .and(filter_fn(is_harmless));
    let layer = fmt::layer().with_writer(writer);
    let layer = match config.format {
        LogFormat::Human => layer.with_ansi(ansi).with_target(false).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    };
    Ok(Registry::default().with(layer.with_filter(filter)))
}

/// Reads a level or filter directives.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::INFO || !TALKATIVE.contains(&root)
}
