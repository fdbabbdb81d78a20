//! Reaching other hosts: what connections to clusters and to chart repositories have in common.
//!
//! How a proxy is chosen, whom TLS trusts, how a socket is opened and counted. Which host may be reached with which
//! credential is for those who use it.

mod causes;
mod proxy;
mod tls;
mod transport;

use std::error::Error;

pub(crate) use self::causes::Causes;
pub use self::proxy::ProxyError;
pub(crate) use self::proxy::{Proxies, Proxy};
pub use self::tls::TlsError;
pub(crate) use self::tls::{Identity, IdentitySource, Pem, TlsMaterial, TlsSource};
pub(crate) use self::transport::{Counted, Gauge, Held, Transport, tuned};

/// What a connection fails with.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;
