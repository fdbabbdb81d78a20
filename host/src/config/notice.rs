//! Who is told of operations that are over.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Config, Invalid, Network};
use crate::operations::State;

/// A receiver of notices: Standard Webhooks with a CloudEvent in each.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReceiverConfig {
    /// Its name, unique at this edge.
    pub name: String,
    /// Where notices go: `https://`, or `http://` where `addresses` or `private` say that it is nearby.
    pub url: String,
    /// Files with a secret each, `whsec_…` or the ed25519 key `whsk_…`. Every notice is signed with all of them, so that
    /// one can take the place of another. Read whenever a notice is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret_files: Vec<PathBuf>,
    /// The states of which it is told. Empty: `dead`, `failed` and `succeeded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<State>,
    /// The clusters of whose operations it is told, patterns. Empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// The authorities to trust in place of the operating system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether its own address may be in a private network or on loopback.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// The networks that its name may lead to although they are private, loopback or link-local.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Network>,
}

impl ReceiverConfig {
    /// The states of which it is told.
    #[must_use]
    pub fn states(&self) -> &[State] {
        const USUAL: [State; 3] = [State::Dead, State::Failed, State::Succeeded];
        if self.states.is_empty() {
            &USUAL
        } else {
            &self.states
        }
    }

    /// The files it names.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.secret_files.iter_mut().chain(&mut self.ca_file)
    }

    fn validate(&self, key: &str, refused: &mut Vec<Invalid>) {
        let mut refuse = |part: &str, why: &str| {
            refused.push(Invalid::new(format!("{key}.{part}"), why));
        };
        if self.name.is_empty() {
            refuse("name", "is missing; name the receiver");
        }
        match Url::parse(&self.url) {
            Ok(url) if url.scheme() == "https" && url.has_host() => {}
            Ok(url) if url.scheme() == "http" && url.has_host() => {
                if !self.private && self.addresses.is_empty() {
                    refuse(
                        "url",
                        "is http://, so that anybody on the way could read notices; write https://, or set `private` if it is nearby",
                    );
                }
            }
            _ => refuse("url", "is not an https:// URL"),
        }
        if self.secret_files.is_empty() {
            refuse(
                "secret_files",
                "is missing: without a signature nobody can tell a notice from a forgery; write a file with `whsec_` and 24 to 64 random bytes in base64",
            );
        }
        for (index, state) in self.states.iter().enumerate() {
            if !state.is_settled() || *state == State::Superseded {
                refuse(
                    &format!("states[{index}]"),
                    "is nothing that anybody is told of; write cancelled, dead, failed or succeeded",
                );
            }
        }
    }
}

impl Config {
    pub(super) fn validate_receivers(&self, refused: &mut Vec<Invalid>) {
        let mut names = BTreeSet::new();
        for (index, receiver) in self.receivers.iter().enumerate() {
            let key = format!("receiver[{index}]");
            if !names.insert(receiver.name.as_str()) {
                refused.push(Invalid::new(
                    format!("{key}.name"),
                    format!("another receiver is called `{}` already", receiver.name),
                ));
            }
            receiver.validate(&key, refused);
        }
    }
}
