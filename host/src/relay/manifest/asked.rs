//! What a message asks for, as far as it decides about objects.

use bytes::Bytes;
use prost::Message;
use tiller_api::Method;

use super::super::Relay;
use super::release::{self, Release};
use super::{ManifestError, Proposal};

/// What a message asks for, as far as it decides about objects.
#[derive(Debug)]
pub(super) struct Asked {
    name: String,
    /// The number of `dry_run` in it.
    pub(super) dry_run: u32,
    /// Whether there may be a release already.
    replaces: bool,
    /// Whether that is the one that is deployed, and not simply the newest.
    from_deployed: bool,
    pub(super) forced: bool,
    pub(super) recreates: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Install {
    #[prost(bool, tag = "3")]
    dry_run: bool,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(bool, tag = "7")]
    reuse_name: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Update {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "4")]
    dry_run: bool,
    #[prost(bool, tag = "6")]
    recreate: bool,
    #[prost(bool, tag = "11")]
    force: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rollback {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bool, tag = "2")]
    dry_run: bool,
    #[prost(bool, tag = "5")]
    recreate: bool,
    #[prost(bool, tag = "8")]
    force: bool,
}

impl Asked {
    /// None if nothing is made.
    pub(super) fn read(method: Method, message: &Bytes) -> Result<Option<Self>, ManifestError> {
        let unreadable = |_| ManifestError::Undecodable;
        let (asked, is_dry) = match method {
            Method::InstallRelease => {
                let install = Install::decode(message.clone()).map_err(unreadable)?;
                let asked = Self {
                    name: install.name,
                    dry_run: 3,
                    replaces: install.reuse_name,
                    from_deployed: false,
                    forced: false,
                    recreates: false,
                };
                (asked, install.dry_run)
            }
            Method::UpdateRelease => {
                let update = Update::decode(message.clone()).map_err(unreadable)?;
                let asked = Self {
                    name: update.name,
                    dry_run: 4,
                    replaces: true,
                    from_deployed: true,
                    forced: update.force,
                    recreates: update.recreate,
                };
                (asked, update.dry_run)
            }
            Method::RollbackRelease => {
                let rollback = Rollback::decode(message.clone()).map_err(unreadable)?;
                let asked = Self {
                    name: rollback.name,
                    dry_run: 2,
                    replaces: true,
                    from_deployed: false,
                    forced: rollback.force,
                    recreates: rollback.recreate,
                };
                (asked, rollback.dry_run)
            }
            _ => return Ok(None),
        };
        if is_dry {
            return Ok(None);
        }
        if asked.name.is_empty() {
            return Err(ManifestError::Unnamed);
        }
        Ok(Some(asked))
    }

    /// The revisions whose objects Tiller compares with the new ones, or deletes.
    pub(super) async fn current(
        &self,
        relay: &Relay,
        proposal: &Proposal<'_>,
    ) -> Result<Vec<Release>, ManifestError> {
        if !self.replaces {
            return Ok(Vec::new());
        }
        let newest = match release::newest(relay, proposal, &self.name).await {
            Ok(newest) => newest,
            Err(error) if error.is_not_found() && !self.from_deployed => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut current = Vec::new();
        if self.from_deployed && !newest.is_deployed() {
            current.extend(release::deployed(relay, proposal, &newest.name).await?);
        }
        current.push(newest);
        Ok(current)
    }
}
