//! What every store has to do, done by this one: each case in a bucket of its own.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use real::Nats;
use sim::contract::Place;
use tempfile::TempDir;
use tiller_edge::config::{Config, JetStreamConfig};
use tiller_edge::operations::{JetStream, Store};
use tokio::runtime::Runtime;

const PORT: u16 = 15_130;

// A process belongs to the runtime that it starts in; every case has one of its own.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("the system has threads"));

static SERVER: LazyLock<(Nats, TempDir)> = LazyLock::new(|| {
    let starting = thread::spawn(|| {
        RUNTIME.block_on(async {
            let folder = tempfile::tempdir()?;
            let nats = Nats::start(folder.path(), PORT).await?;
            anyhow::Ok((nats, folder))
        })
    });
    let started = starting.join().expect("it does not panic");
    started.expect("the server starts")
});

static BUCKETS: AtomicUsize = AtomicUsize::new(0);

/// A bucket in a server.
struct Bucket {
    config: JetStreamConfig,
}

impl Bucket {
    fn new() -> Self {
        let (nats, _) = &*SERVER;
        let number = BUCKETS.fetch_add(1, Ordering::Relaxed);
        let config = nats.config(&format!("case-{number}"));
        let config = Config::parse(&config, Path::new("/edge.toml")).expect("it is valid");
        Self {
            config: config.operations.jetstream.expect("it is there"),
        }
    }
}

impl Place for Bucket {
    async fn open(&self) -> Arc<dyn Store> {
        let store = JetStream::connect(&self.config).await;
        Arc::new(store.expect("the server answers"))
    }
}

sim::contract!(Bucket::new());
