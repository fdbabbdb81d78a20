//! Reaching other hosts: what connections to clusters, chart repositories and identity providers have in common.
//!
//! How a proxy is chosen, whom TLS trusts, how a socket is opened and counted, and one GET with its rules and limits.
//! Which host may be reached with which credential is for those who use it.

pub(crate) mod address;
mod causes;
pub(crate) mod credentials;
mod dial;
pub(crate) mod fetch;
mod proxy;
mod tls;
mod transport;

use std::error::Error;

pub(crate) use self::causes::Causes;
pub use self::credentials::CredentialsError;
pub use self::proxy::ProxyError;
pub(crate) use self::proxy::{Proxies, Proxy};
pub use self::tls::TlsError;
pub(crate) use self::tls::{Identity, IdentitySource, Pem, TlsMaterial, TlsSource, certificates};
pub(crate) use self::transport::{Counted, Gauge, Held, Transport, tuned};

/// What a connection fails with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
