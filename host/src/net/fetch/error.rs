//! What can go wrong with one GET.

use std::error::Error;

use hyper_util::client::legacy::Error as ClientError;
use tracing::warn;
use url::Url;

use super::REDIRECTS;
use crate::net::address::Class;
use crate::net::dial::Refused;
use crate::net::{BoxError, CredentialsError, ProxyError, TlsError};

/// Why there is nothing to take. No text here holds more of a URL than its host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It leads to an address that the edge does not dial.
    #[error("`{host}` leads to {}, which the edge does not dial", class.name())]
    AddressRefused {
        /// The host.
        host: String,
        /// What is wrong with its address.
        class: Class,
    },
    /// A login would go out unencrypted to another host.
    #[error("its token service would be sent the login without https")]
    ClearTextLogin,
    /// There is no credential to send.
    #[error("there is no credential for it")]
    Credentials(#[from] CredentialsError),
    /// The time was up.
    #[error("it took longer than it may")]
    Deadline,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection to `{host}` was lost")]
    Lost {
        /// The host.
        host: String,
        /// What broke it.
        #[source]
        source: BoxError,
    },
    /// A redirect leads nowhere.
    #[error("it redirects to something that is not http:// or https://")]
    Redirect,
    /// A redirect would give up encryption.
    #[error("it redirects from https:// to http://")]
    RedirectToClearText,
    /// TLS cannot be set up.
    #[error("no TLS connection can be set up")]
    Tls(#[from] TlsError),
    /// It is larger than may be.
    #[error("it is larger than {limit} bytes")]
    TooLarge {
        /// What may be.
        limit: usize,
    },
    /// Redirects upon redirects.
    #[error("it redirects more than {REDIRECTS} times")]
    TooManyRedirects,
    /// No connection came up.
    #[error("`{host}` cannot be reached")]
    Unreachable {
        /// The host.
        host: String,
        /// What is in the way.
        #[source]
        source: BoxError,
    },
    /// It is not a URL that can be fetched.
    #[error("it is not an http:// or https:// URL with a host")]
    Url,
}

impl FetchError {
    pub(super) fn from_client(url: &Url, error: ClientError) -> Self {
        if let Some(refused) = cause::<Refused>(&error) {
            warn!(
                host = refused.host,
                address = %refused.address,
                "not dialling {}: `addresses` does not list it",
                refused.class.name()
            );
            return Self::AddressRefused {
                host: refused.host.clone(),
                class: refused.class,
            };
        }
        let unreachable = error.is_connect() || cause::<ProxyError>(&error).is_some();
        if unreachable {
            Self::Unreachable {
                host: host(url),
                source: error.into(),
            }
        } else {
            Self::lost(url, error)
        }
    }

    pub(super) fn lost(url: &Url, source: impl Into<BoxError>) -> Self {
        Self::Lost {
            host: host(url),
            source: source.into(),
        }
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
