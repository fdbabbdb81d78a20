//! Charts by their URL.
//!
//! A caller chooses the URL, so the operator says first how it may begin. Nothing of the edge goes along: no login, no
//! certificate. That its host is on the list does not let it lead into private networks; `charts.addresses` does.

use rest::repositories::Source;
use url::Url;

use super::archive::{self, Archive, Shared};
use super::error::RepositoryError;
use super::oci::{Reference, Registry};
use crate::config::{ChartUrl, ChartsConfig, Network, Prefix, Scheme};
use crate::net::address::Origin;
use crate::net::fetch::{Access, Fetcher};

/// Fetches charts by their URL.
pub(super) struct Direct {
    places: Vec<Place>,
}

/// Where charts may be taken from.
struct Place {
    prefix: Prefix,
    kind: Kind,
}

enum Kind {
    Archives(Fetcher),
    /// It has a fetcher of its own, to which the registry's tokens are bound.
    Registry(Registry),
}

impl Direct {
    pub(super) fn new(config: &ChartsConfig) -> Self {
        // A configuration that was checked holds no other.
        let prefixes = config.urls.iter().filter_map(|url| url.parse().ok());
        Self {
            places: prefixes
                .filter_map(|prefix| Place::new(prefix, config))
                .collect(),
        }
    }

    /// The archive at `url`.
    pub(super) async fn archive(
        &self,
        shared: &Shared,
        url: &ChartUrl,
    ) -> Result<Archive, RepositoryError> {
        let place = self.places.iter().find(|place| place.prefix.covers(url));
        let place = place.ok_or_else(|| RepositoryError::UrlRefused(url.shown()))?;
        let mut memory = shared.place().await?;
        let (bytes, version, digest) = match &place.kind {
            Kind::Archives(fetcher) => {
                let deadline = shared.deadline();
                let bytes = shared.fetch(fetcher, &url.url, deadline).await?;
                let digest = archive::digest(&bytes).await?;
                (bytes, None, digest)
            }
            Kind::Registry(registry) => {
                let reference = Reference::of(&url.url).ok_or(RepositoryError::Reference)?;
                let pulled = registry
                    .pull_reference(&reference, shared.pull(false))
                    .await
                    .map_err(|error| RepositoryError::registry(&url.shown(), error))?;
                (pulled.archive, pulled.version, pulled.digest)
            }
        };
        memory.shrink(bytes.len());
        Ok(Archive {
            source: Source {
                version,
                url: Some(url.shown()),
                digest,
                ..Source::default()
            },
            bytes,
            place: memory,
        })
    }
}

impl Place {
    fn new(prefix: Prefix, config: &ChartsConfig) -> Option<Self> {
        let ChartUrl { scheme, url } = prefix.url();
        let mut root: Url = url.clone();
        root.set_path("");
        let fetcher = Fetcher::new(Access {
            networks: config.addresses.iter().map(|Network(net)| *net).collect(),
            ..Access::to(Origin::of(&root))
        });
        let kind = match scheme {
            Scheme::Http | Scheme::Https => Kind::Archives(fetcher),
            Scheme::Oci => Kind::Registry(Registry::new(fetcher, &root)?),
        };
        Some(Self { prefix, kind })
    }
}
