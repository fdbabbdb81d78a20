//! The edge's log, for a test that runs on one thread and so has the log for itself.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tiller_edge::config::{LogConfig, LogFormat};
use tiller_edge::log;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything that the program would log at that level, from now on.
    pub(crate) fn of(level: &str) -> (Self, DefaultGuard) {
        let log = Self::default();
        let config = LogConfig {
            format: LogFormat::Json,
            level: level.to_owned(),
        };
        let subscriber = log::subscriber(&config, log.clone(), false).expect("a level");
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        let bytes = self.0.lock().expect("no panic");
        String::from_utf8(bytes.clone()).expect("UTF-8")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Insists that none of the secrets is in the text.
#[track_caller]
pub(crate) fn has_none_of(text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(line) = text.lines().find(|line| line.contains(secret)) {
            panic!("{secret} is in: {line}");
        }
    }
}
