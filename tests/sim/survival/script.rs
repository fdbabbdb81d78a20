//! What is handed in.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::Dice;

/// The longest pause between two operations of a release, in milliseconds.
const LONGEST_PAUSE: u64 = 5_000;

/// Operations by release, each release's in the order in which they are handed in.
#[derive(Clone, Debug)]
pub struct Script {
    /// What decides everything random.
    pub seed: u64,
    /// The path of the releases' tiller, such as `/v1/clusters/sim`.
    pub tiller: String,
    /// The operations.
    pub releases: Vec<Vec<Operation>>,
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Its `Idempotency-Key`, which is also the value `marker` of what it installs.
    pub key: String,
    /// The release.
    pub release: String,
    /// What it does.
    pub deed: Deed,
    /// How long after the one before it is handed in.
    pub(super) after: Duration,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: Option<Value>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed {
    /// Installs the release, or upgrades it if it is there.
    Apply,
    /// Deletes the release and its records.
    Purge,
    /// Rolls back to the revision before.
    RollBack,
    /// Upgrades the release.
    Upgrade,
}

impl Script {
    /// So many operations on so many releases of `tiller`, with the chart in `archive`; Tiller may take a second for each.
    pub fn new(
        seed: u64,
        tiller: &str,
        releases: usize,
        operations: usize,
        archive: &[u8],
    ) -> Self {
        let mut dice = Dice::new(seed);
        let chart = json!({ "archive": BASE64_STANDARD.encode(archive) });
        let mut lanes = vec![Vec::new(); releases];
        for number in 0..operations {
            let lane = number % releases;
            let deed = match lanes[lane].len() {
                0 => Deed::Apply,
                _ => *dice.pick(&[
                    Deed::Apply,
                    Deed::Apply,
                    Deed::Purge,
                    Deed::RollBack,
                    Deed::Upgrade,
                    Deed::Upgrade,
                    Deed::Upgrade,
                    Deed::Upgrade,
                ]),
            };
            // Another script on the same cluster has other releases.
            let release = format!("survivor-{seed}-{lane}");
            let mut operation =
                Operation::new(format!("{seed}-{number}"), tiller, release, deed, &chart);
            // Some come in a burst and wait for each other, some meet what happens meanwhile.
            if dice.between(0, 2) == 0 {
                operation.after = Duration::from_millis(dice.between(0, LONGEST_PAUSE));
            }
            lanes[lane].push(operation);
        }
        Self {
            seed,
            tiller: tiller.to_owned(),
            releases: lanes,
        }
    }
}

impl Operation {
    fn new(key: String, tiller: &str, release: String, deed: Deed, chart: &Value) -> Self {
        let path = format!("{tiller}/releases/{release}");
        let apply = json!({
            "chart": chart,
            "namespace": "survival",
            "reset_values": true,
            "timeout": "1s",
            "values": { "marker": key },
        });
        let (method, path, body) = match deed {
            Deed::Apply => {
                let mut body = apply;
                body["install"] = true.into();
                ("PUT", path, Some(body))
            }
            Deed::Purge => ("DELETE", format!("{path}?purge=true&timeout=1s"), None),
            Deed::RollBack => (
                "POST",
                format!("{path}/rollback"),
                Some(json!({ "timeout": "1s" })),
            ),
            Deed::Upgrade => ("PUT", path, Some(apply)),
        };
        Self {
            key,
            release,
            deed,
            after: Duration::ZERO,
            method,
            path,
            body,
        }
    }
}
