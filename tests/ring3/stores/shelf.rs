//! The stores, and an edge that is configured for them.

use std::fs;

use anyhow::{Context, Result};
use bytes::Bytes;
use real::{Chart, Edge, Registry, Style};
use sim::Store;
use sim::scenario::Client;
use sim::store::{Entry, archive, signed};
use tokio::sync::OnceCell;

use crate::stage::{Stage, caller, configuration};

/// The password of the repository `stable`.
pub(super) const PASSWORD: &str = "static-s3cret";
/// What failing stores say.
pub(super) const BODY: &str = "b0dy-s3cret";

/// How long a fetch may take, in seconds.
const TIMEOUT: u64 = 5;

/// How many versions the huge index has.
pub(super) const HUGE: usize = 100_000;

/// The versions of the chart `web` in the repository `stable` and in the registries.
pub(super) const VERSIONS: [&str; 7] = [
    "0.9.0",
    "1.2.3",
    "1.2.10",
    "1.10.0",
    "1.11.0+build.5",
    "2.0.0-rc.1",
    "2.0.0-rc.2",
];

// Below 32768: above, the system hands ports out to outgoing connections.
const GUARDED_PORT: u16 = 15000;
const OPEN_PORT: u16 = 15001;

static SHELF: OnceCell<Result<Shelf, String>> = OnceCell::const_new();

/// Everything that charts come from.
pub(super) struct Shelf {
    /// `stable`, over TLS with a login; also `verified`, where signatures are wanted.
    pub(super) store: Store,
    /// Where nobody should be sent.
    pub(super) victim: Store,
    /// `huge`.
    pub(super) huge: Store,
    /// `registry`, over TLS with tokens; also `signed-registry`, where signatures are wanted, `stranger`, with a wrong
    /// password, and `scratch`, beside it.
    pub(super) registry: Registry,
    /// `open`, plain and for everybody; also `pushed`, beside it, where signatures are wanted.
    pub(super) open: Registry,
    edge: Edge,
}

impl Shelf {
    pub(super) async fn of(stage: &Stage) -> &'static Self {
        let started = SHELF.get_or_init(|| async {
            Self::start(stage)
                .await
                .map_err(|error| format!("{error:#}"))
        });
        match started.await {
            Ok(shelf) => shelf,
            Err(error) => panic!("the stores do not start: {error}"),
        }
    }

    pub(super) fn caller(&self) -> Client {
        caller(&self.edge)
    }

    async fn start(stage: &Stage) -> Result<Self> {
        let folder = stage.cluster.folder();
        let store = sim::store().tls().login("edge", PASSWORD);
        let store = VERSIONS.iter().fold(store, |store, version| {
            store.entry(
                Entry::new("web", version, archive("web", version)).described("Pages & more"),
            )
        });
        let store = store
            .entry(Entry::new("database", "0.1.0", archive("database", "0.1.0")).keyword("sql"))
            .entry(
                Entry::new("website", "3.0.0", archive("website", "3.0.0")).described("A web site"),
            )
            .start()
            .await;
        // The chart of the signature replaces the other of that version.
        store.put(signed::entry());
        let victim = sim::store()
            .tls()
            .chart("web", "1.2.3", archive("web", "1.2.3"))
            .start()
            .await;
        let huge = sim::store()
            .filler(HUGE)
            .chart("web", "1.2.3", archive("web", "1.2.3"));
        let huge = huge.start().await;
        let (registry, open) = tokio::try_join!(
            Registry::start(folder, GUARDED_PORT),
            Registry::open(folder, OPEN_PORT),
        )?;
        fill(&registry).await?;
        fill(&open).await?;
        let config = Self::configuration(stage, [&store, &huge], [&registry, &open])?;
        let edge = stage
            .cluster
            .edge("stores-edge", "serve", "127.0.0.1:8082", &config)
            .await?;
        Ok(Self {
            store,
            victim,
            huge,
            registry,
            open,
            edge,
        })
    }

    fn configuration(
        stage: &Stage,
        [store, huge]: [&Store; 2],
        [registry, open]: [&Registry; 2],
    ) -> Result<String> {
        let file = |name: &str, content: &str| {
            let path = stage.cluster.folder().join(name);
            fs::write(&path, content).map(|()| path)
        };
        let password = file("stable-password", PASSWORD)?;
        let registry_password = file("registry-password", real::PASSWORD)?;
        let wrong = file("wrong-password", "wrong-s3cret")?;
        let ca = store.ca().context("no TLS")?;
        let login =
            format!("username = \"edge\"\npassword_file = {password:?}\nca_file = {ca:?}\n");
        let guarded = |password: &std::path::Path| {
            // The token server is not where the registry is.
            format!(
                "username = {:?}\npassword_file = {password:?}\nca_file = {:?}\naddresses = [\"127.0.0.1\"]\n",
                real::USER,
                registry.ca()
            )
        };
        let verified = format!("verify = true\nkeyring = {:?}\n", signed::keyring());
        let repository = |name: &str, url: &str, more: &str| {
            format!("[[repository]]\nname = {name:?}\nurl = {url:?}\n{more}\n")
        };
        let oci = |registry: &Registry, path: &str| format!("oci://{}/{path}", registry.address());
        let charts = format!("[charts]\nfresh = \"0s\"\ntimeout = \"{TIMEOUT}s\"\n\n");
        let repositories = [
            repository("stable", &store.url(), &login),
            repository("verified", &store.url(), &format!("{login}{verified}")),
            repository("huge", &huge.url(), ""),
            repository(
                "registry",
                &oci(registry, "team"),
                &guarded(&registry_password),
            ),
            repository(
                "signed-registry",
                &oci(registry, "team"),
                &format!("{}{verified}", guarded(&registry_password)),
            ),
            repository("stranger", &oci(registry, "team"), &guarded(&wrong)),
            repository(
                "scratch",
                &oci(registry, "scratch"),
                &guarded(&registry_password),
            ),
            repository(
                "pushed",
                &oci(open, "pushed"),
                &format!("plain_http = true\n{verified}"),
            ),
            repository("open", &oci(open, "team"), "plain_http = true\n"),
        ];
        let more = charts + &repositories.concat();
        Ok(configuration(&stage.cluster.contexts(), &more))
    }
}

/// The same versions as the repository `stable` has; by old and new Helms in turn.
async fn fill(registry: &Registry) -> Result<()> {
    for (number, version) in VERSIONS.iter().enumerate() {
        let style = if number % 2 == 0 {
            Style::Candidate
        } else {
            Style::Current
        };
        let signed = *version == signed::VERSION;
        let chart = Chart {
            repository: "team/web",
            version,
            archive: if signed {
                signed::archive()
            } else {
                archive("web", version)
            },
            provenance: signed.then(signed::provenance),
            style,
        };
        registry.push(&chart).await?;
    }
    let other = Chart {
        repository: "other/web",
        version: "9.0.0",
        archive: Bytes::from_static(b"not a chart"),
        provenance: None,
        style: Style::Current,
    };
    registry.push(&other).await.map(drop)
}
