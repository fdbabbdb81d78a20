//! Opening one connection to an APIServer: TCP or a proxy, then TLS with ALPN.
//!
//! Every connection is counted from the moment TCP is up until its socket is closed, so that a leak shows in the
//! relay's statistics. The whole of it (name resolution, TCP, proxy, TLS) has one time limit: a host that accepts and
//! then says nothing must not hold a call until the call's own deadline.

use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper_rustls::{
    DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder,
    MaybeHttpsStream,
};
use rustls::pki_types::ServerName;
use tower::Service;

use crate::net::{BoxError, Counted, Gauge, Proxy, Transport};

/// Opens connections to one cluster.
#[derive(Clone)]
pub(crate) struct Connector {
    https: HttpsConnector<Transport>,
    timeout: Duration,
}

impl Connector {
    /// A connector for the one cluster that `tls`, `server_name` and `proxy` belong to. `server_name` replaces the
    /// host of the URL in the handshake; `timeout` bounds everything up to the end of the TLS handshake.
    pub(crate) fn new(
        tls: rustls::ClientConfig,
        server_name: Option<ServerName<'static>>,
        proxy: Option<&Proxy>,
        timeout: Duration,
        open: Gauge,
    ) -> Self {
        let builder = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http();
        let builder = match server_name {
            Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
            None => builder.with_server_name_resolver(DefaultServerNameResolver::default()),
        };
        Self {
            https: builder
                .enable_all_versions()
                .wrap_connector(Transport::new(proxy, open)),
            timeout,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Counted>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.https.call(server);
        let timeout = self.timeout;
        Box::pin(async move {
            tokio::time::timeout(timeout, connecting)
                .await
                .map_err(|_| ConnectTimeout { after: timeout })?
        })
    }
}

/// The connection did not come up in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {after:?}")]
struct ConnectTimeout {
    after: Duration,
}
