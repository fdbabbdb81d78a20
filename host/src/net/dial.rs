//! Opening a connection to where something is fetched from, if that may be.
//!
//! The name is resolved here, once; every address it has is judged, and those that pass are dialled and no others. A
//! second look at the name, as between a check and a library's own connect, could give another answer.
//!
//! A proxy resolves the name itself, so through one the judgement is weaker: an address in the URL is judged, and so
//! are the addresses the name has here, all of which must pass. Where the name does not resolve here the proxy's own
//! rules are what there is.

use std::convert::Infallible;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower::{Service, service_fn};
use url::{Host, Url};

use super::address::{Class, Origin, Reach};
use super::{BoxError, Counted, Gauge, Proxies, Transport, tuned};

/// How long a name, TCP and a proxy may take together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Dials what `reach` admits.
#[derive(Clone)]
pub(super) struct Dial {
    reach: Arc<Reach>,
    proxies: Arc<Proxies>,
    open: Gauge,
}

impl Dial {
    /// `open` counts the connections.
    pub(super) fn new(reach: Arc<Reach>, proxies: Arc<Proxies>, open: Gauge) -> Self {
        Self {
            reach,
            proxies,
            open,
        }
    }

    async fn dial(self, server: Uri) -> Result<Counted, BoxError> {
        let url = Url::parse(&server.to_string())?;
        let origin = Origin::of(&url).ok_or(NoHost)?;
        let host = url.host().ok_or(NoHost)?;
        let port = url.port_or_known_default().ok_or(NoHost)?;
        match self.proxies.proxy(&server)? {
            Some(proxy) => {
                let known = addresses(&host, port).await.unwrap_or_default();
                for address in known {
                    self.admit(&host, &origin, address)?;
                }
                let server = with_port(&url, port)?;
                Transport::new(Some(&proxy), self.open).call(server).await
            }
            None => {
                let known = addresses(&host, port).await?;
                let admitted = self.admitted(&host, &origin, known)?;
                Ok(Counted::new(connect(server, admitted).await?, &self.open))
            }
        }
    }

    /// Those that may be dialled; an error if there is none.
    fn admitted(
        &self,
        host: &Host<&str>,
        origin: &Origin,
        addresses: Vec<IpAddr>,
    ) -> Result<Vec<IpAddr>, BoxError> {
        let mut admitted = Vec::new();
        let mut refused = None;
        for address in addresses {
            match self.admit(host, origin, address) {
                Ok(()) => admitted.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            Some(refusal) if admitted.is_empty() => Err(refusal.into()),
            _ => Ok(admitted),
        }
    }

    fn admit(&self, host: &Host<&str>, origin: &Origin, address: IpAddr) -> Result<(), Refused> {
        self.reach.admits(origin, address).map_err(|class| Refused {
            host: host.to_string(),
            class,
            address,
        })
    }
}

impl Service<Uri> for Dial {
    type Response = Counted;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Counted, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let dialling = self.clone().dial(server);
        Box::pin(async move {
            timeout(PATIENCE, dialling)
                .await
                .map_err(|_| Slow { after: PATIENCE })?
        })
    }
}

/// The addresses of `host` in the resolver's order.
async fn addresses(host: &Host<&str>, port: u16) -> Result<Vec<IpAddr>, BoxError> {
    let found: Vec<IpAddr> = match host {
        Host::Ipv4(address) => vec![(*address).into()],
        Host::Ipv6(address) => vec![(*address).into()],
        Host::Domain(name) => lookup_host((*name, port))
            .await
            .map_err(Unresolved)?
            .map(|address| address.ip())
            .collect(),
    };
    Ok(found)
}

/// The root of `url` with its port: what asks a proxy for a tunnel takes 443 for a port that is not written.
fn with_port(url: &Url, port: u16) -> Result<Uri, http::Error> {
    Uri::builder()
        .scheme(url.scheme())
        .authority(format!("{}:{port}", url.host_str().unwrap_or_default()))
        .path_and_query("/")
        .build()
}

/// A connection to one of `addresses`, and none other: what the URI holds is an address that was judged, or a name for
/// which they stand.
async fn connect(server: Uri, addresses: Vec<IpAddr>) -> Result<TokioIo<TcpStream>, BoxError> {
    let resolver = service_fn(move |_: Name| {
        let addresses = addresses.clone().into_iter();
        ready(Ok::<_, Infallible>(
            addresses.map(|address| SocketAddr::new(address, 0)),
        ))
    });
    Ok(tuned(HttpConnector::new_with_resolver(resolver))
        .call(server)
        .await?)
}

/// The address is not one that the edge dials. The text leaves the address out: where an internal name leads is not
/// for callers.
#[derive(Debug, thiserror::Error)]
#[error("`{host}` leads to {}", class.name())]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) class: Class,
    pub(super) address: IpAddr,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no host in it")]
struct NoHost;

/// Nothing answered in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {after:?}")]
struct Slow {
    after: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("its name does not resolve")]
struct Unresolved(#[source] std::io::Error);
