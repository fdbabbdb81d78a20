//! Who may do what, and what is written about it.

mod audit;
mod certificates;
mod cors;
mod explain;
mod kubernetes;
mod limits;
mod namespaces;
mod oidc;
mod programs;
mod secrets;
mod table;
mod tls;
mod tokens;

use std::path::Path;

use tiller_edge::config::Config;

use crate::support::{Ask, Plan, stage};

/// The tokens of [`people`]; their hashes are in [`PEOPLE`].
const ALICE: &str = "te_alice-0123456789";
const BOB: &str = "te_bob-0123456789";

/// Alice runs the shop, Bob looks at the bank, and nobody touches the ledger.
const PEOPLE: &str = r#"
[[token]]
name = "alice"
groups = ["shop-team"]
hash = "sha256:2304bc014a6e9803488f098280b606d11dc63aebfbddb012817c315661c05fca"

[[token]]
name = "bob"
hash = "sha256:853bf10fa9eb66c5718308b5474b4defc90c5fb2715b54450f1588db7ee72349"

[[grant]]
name = "shop"
groups = ["shop-team"]
actions = ["*"]
namespaces = ["shop"]

[[grant]]
name = "bank-readers"
principals = ["bob"]
actions = ["read"]
clusters = ["sim"]
namespaces = ["bank"]

[[refusal]]
name = "inventory"
reason = "stocktaking until Monday"
groups = ["shop-team"]
releases = ["stock-*"]
"#;

/// An edge that knows Alice and Bob, with its audit log in `audit.log`.
fn people() -> Plan {
    stage().configure(|config, home| {
        let rules = Config::parse(PEOPLE, Path::new("people.toml"));
        let rules = rules.unwrap_or_else(|error| panic!("{error}"));
        config.tokens = rules.tokens;
        config.grants = rules.grants;
        config.refusals = rules.refusals;
        config.audit.file = Some(home.join("audit.log"));
    })
}

/// The request with that token.
fn by(token: &str, ask: Ask) -> Ask {
    ask.header("authorization", &format!("Bearer {token}"))
}
