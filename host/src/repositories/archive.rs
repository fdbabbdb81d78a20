//! Archives, and what must be true of one before a byte of it leaves here.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use rest::repositories::{Provenance, Source};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use url::Url;

use super::error::RepositoryError;
use super::index::Indexes;
use super::memory::{Memory, Place};
use super::oci::Pull;
use super::provenance::{Keyring, PROVENANCE};
use crate::config::ChartsConfig;
use crate::net::fetch::{Authorization, Fetched, Fetcher, Get};

/// An archive that may be installed.
#[derive(Debug)]
pub(crate) struct Archive {
    /// The archive as it was fetched.
    pub(crate) bytes: Bytes,
    /// Where it came from.
    pub(crate) source: Source,
    /// Its place in memory, to be held as long as it.
    pub(crate) place: Place,
}

/// What all fetching has in common.
pub(super) struct Shared {
    pub(super) config: ChartsConfig,
    pub(super) memory: Arc<Memory>,
    pub(super) indexes: Arc<Indexes>,
}

impl Shared {
    /// A place for an archive.
    pub(super) async fn place(&self) -> Result<Place, RepositoryError> {
        Ok(self.memory.reserve(self.config.archive.length()).await?)
    }

    /// What to take of a registry's chart, beginning now.
    pub(super) fn pull(&self, signed: bool) -> Pull {
        Pull {
            signed,
            limit: self.config.archive.length(),
            deadline: self.deadline(),
        }
    }

    /// When a fetch that begins now must be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.config.timeout
    }

    /// The archive at `url`.
    pub(super) async fn fetch(
        &self,
        fetcher: &Fetcher,
        url: &Url,
        deadline: Instant,
    ) -> Result<Bytes, RepositoryError> {
        let limit = self.config.archive.length();
        let fetched = get(fetcher, url, limit, deadline).await?;
        match fetched.status {
            StatusCode::OK => Ok(fetched.body),
            status => Err(RepositoryError::Status {
                url: shown(url),
                status,
            }),
        }
    }
}

/// Who signed `archive`, which came from `url`, according to the provenance file beside it.
pub(super) async fn signer(
    fetcher: &Fetcher,
    url: &Url,
    archive: &Bytes,
    keyring: &Arc<Keyring>,
    deadline: Instant,
) -> Result<Provenance, RepositoryError> {
    // As Helm: behind all of the URL, a query included.
    let beside = Url::parse(&format!("{url}.prov")).unwrap_or_else(|_| url.clone());
    let fetched = get(fetcher, &beside, PROVENANCE, deadline).await?;
    if fetched.status != StatusCode::OK {
        return Err(RepositoryError::Unsigned {
            url: format!("{}.prov", shown(url)),
            status: fetched.status,
        });
    }
    verify(keyring, fetched.body, basename(url), archive).await
}

/// Who signed `archive` under the name `basename`, according to `prov`.
pub(super) async fn verify(
    keyring: &Arc<Keyring>,
    prov: Bytes,
    basename: String,
    archive: &Bytes,
) -> Result<Provenance, RepositoryError> {
    let (keyring, archive) = (Arc::clone(keyring), archive.clone());
    spawn_blocking(move || keyring.verify(&prov, &basename, &archive, SystemTime::now()))
        .await
        .map_err(|_| RepositoryError::Internal)?
        .map_err(RepositoryError::Unverified)
}

/// `sha256:` and the digest of `archive` in hex.
pub(super) async fn digest(archive: &Bytes) -> Result<String, RepositoryError> {
    let archive = archive.clone();
    let digest = spawn_blocking(move || Sha256::digest(&archive))
        .await
        .map_err(|_| RepositoryError::Internal)?;
    Ok(format!("sha256:{digest:x}"))
}

/// A digest of an index as [`digest`] spells it: there the prefix may be missing, and the case is of no importance.
pub(super) fn spelled(told: &str) -> String {
    let told = told.trim().to_ascii_lowercase();
    if told.contains(':') {
        told
    } else {
        format!("sha256:{told}")
    }
}

/// A URL as callers may see it.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail for URLs only that cannot have a user.
    url.set_username("").ok();
    url.set_password(None).ok();
    url.into()
}

async fn get(
    fetcher: &Fetcher,
    url: &Url,
    limit: usize,
    deadline: Instant,
) -> Result<Fetched, RepositoryError> {
    let get = Get {
        url: url.clone(),
        accept: "",
        authorization: Authorization::Own,
        if_none_match: None,
        if_modified_since: None,
        limit,
        deadline,
    };
    fetcher
        .get(get)
        .await
        .map_err(|source| RepositoryError::Fetch {
            url: shown(url),
            source,
        })
}

/// The name that a provenance file calls the archive at `url` by.
fn basename(url: &Url) -> String {
    let last = url.path().rsplit('/').next().unwrap_or_default();
    percent_decode_str(last).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_digest_is_compared_whatever_its_spelling() {
        let digest = digest(&Bytes::from_static(b"abc")).await.unwrap();
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest, format!("sha256:{hex}"));
        for told in [
            hex.to_owned(),
            hex.to_uppercase(),
            digest.clone(),
            format!("SHA256:{hex}"),
        ] {
            assert_eq!(spelled(&told), digest);
        }
        for told in ["", "sha256:", "sha512:00", &hex[1..]] {
            assert_ne!(spelled(told), digest);
        }
    }

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        let url = Url::parse("https://u:s3cret@example.com/a%2Fb/web-1%2B2.tgz?sig=s3cret#s3cret");
        let url = url.unwrap();
        assert_eq!(shown(&url), "https://example.com/a%2Fb/web-1%2B2.tgz");
        assert_eq!(basename(&url), "web-1+2.tgz");
    }
}
