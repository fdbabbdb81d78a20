//! A NATS server with JetStream, in which edges share their operations.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::http;
use crate::process::Process;

/// What clients log in with.
const USER: &str = "edge";

/// The password of that user.
const PASSWORD: &str = "verysecret";

/// A server as a process, which has on disk whatever it acknowledges; it ends when it is dropped.
pub struct Nats {
    process: Process,
    address: String,
    password: PathBuf,
}

impl Nats {
    /// Starts one on that port of loopback.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn start(folder: &Path, port: u16) -> Result<Self> {
        let home = folder.join(format!("nats-{port}"));
        let storage = home.join("storage");
        fs::create_dir_all(&storage)?;
        let file = home.join("nats.conf");
        let password = home.join("password");
        fs::write(&password, PASSWORD)?;
        let config = format!(
            "listen: 127.0.0.1:{port}\n\
             jetstream {{ store_dir: {storage:?}, sync_interval: always }}\n\
             authorization {{ user: {USER}, password: {PASSWORD} }}\n"
        );
        fs::write(&file, config)?;
        let process = Process::new("nats-server", "nats-server", &home)
            .argument("--config")
            .argument(file);
        let nats = Self {
            process,
            address: format!("127.0.0.1:{port}"),
            password,
        };
        nats.heal().await?;
        Ok(nats)
    }

    /// Starts it if it does not run, with what it had stored, and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it ends, or takes more than two minutes.
    pub async fn heal(&self) -> Result<()> {
        if !self.process.runs().await {
            self.process.start().await?;
        }
        self.process
            .ready(async || http::listens(&self.address).await)
            .await
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What an edge's configuration says to keep its operations in that bucket.
    pub fn config(&self, bucket: &str) -> String {
        format!(
            "[operations.jetstream]\nservers = [\"nats://{}\"]\nbucket = {bucket:?}\nuser = {USER:?}\n\
             password_file = {:?}\n",
            self.address, self.password
        )
    }

    /// The process, to be killed, frozen and looked into.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
