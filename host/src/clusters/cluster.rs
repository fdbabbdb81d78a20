//! One cluster of the edge: what callers may know of it, its Tillers, and sending requests to its APIServer.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use rest::relay::{ClusterView, TillerView};
use secrecy::SecretString;
use tokio::time::{Instant, timeout_at};

use super::access::Access;
use super::connection::{Connection, SendError, Upstream};
use super::credentials::{Credential, Credentials};
use crate::config::{ClusterConfig, DEFAULT_TILLER, TillerConfig, Transport};
use crate::net::Gauge;

/// One cluster: its name, its Tillers, and the connections to its APIServer.
pub struct Cluster {
    name: String,
    context: Option<String>,
    region: Option<String>,
    labels: BTreeMap<String, String>,
    namespace: Option<String>,
    server: Uri,
    tillers: Vec<Tiller>,
    credentials: Credentials,
    impersonation: HeaderMap,
    connection: Connection,
}

impl Cluster {
    /// `context` is the kubeconfig's name for it, if it is in one.
    pub(super) fn new(
        config: &ClusterConfig,
        context: Option<String>,
        access: Access,
        connect_timeout: Duration,
        open: Gauge,
    ) -> Self {
        let mut tillers: Vec<Tiller> = config.tillers.iter().map(Tiller::new).collect();
        if tillers.is_empty() {
            tillers.push(Tiller::new(&TillerConfig::default()));
        }
        tillers.sort_by_key(|tiller| tiller.name != DEFAULT_TILLER);
        Self {
            name: config.name.clone(),
            context,
            region: config.region.clone(),
            labels: config.labels.clone(),
            namespace: config.namespace.clone().or(access.namespace),
            server: access.server,
            tillers,
            credentials: access.credentials,
            impersonation: access.impersonation,
            connection: Connection::new(access.tls, access.proxy, connect_timeout, open),
        }
    }

    /// Its name at this edge.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubeconfig's context, unless the edge runs in the cluster.
    #[must_use]
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The APIServer's URL.
    #[must_use]
    pub fn server(&self) -> &Uri {
        &self.server
    }

    /// Its Tillers, the default one first.
    #[must_use]
    pub fn tillers(&self) -> &[Tiller] {
        &self.tillers
    }

    /// The Tiller of that name; with none the default one.
    #[must_use]
    pub fn tiller(&self, name: Option<&str>) -> Option<&Tiller> {
        let name = name.unwrap_or(DEFAULT_TILLER);
        self.tillers.iter().find(|tiller| tiller.name == name)
    }

    /// Whether the APIServer is shown the caller's own credentials.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        matches!(self.credentials, Credentials::Caller)
    }

    /// What callers may know of it, without its Tillers.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        ClusterView {
            name: self.name.clone(),
            region: self.region.clone(),
            labels: self.labels.clone(),
            server: self.server.to_string().trim_end_matches('/').to_owned(),
            namespace: self.namespace.clone(),
            ..ClusterView::default()
        }
    }

    /// Sends a request to the APIServer, with credentials, and waits for the head of the answer until `deadline`;
    /// `caller` is the caller's own `Authorization`.
    ///
    /// A 401 comes before the APIServer has done anything with the request, so if there is another credential or client
    /// certificate then, the request is sent once more with it. Nothing else is ever sent twice.
    pub(crate) async fn send(
        &self,
        caller: Option<&SecretString>,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        let too_late = |_| SendError::Deadline { sent: false };
        let credential = timeout_at(deadline, self.credentials.current(caller))
            .await
            .map_err(too_late)??;
        let response = self.send_as(&credential, outgoing, deadline).await?;
        if !is_refusal(&response) {
            return Ok(response);
        }
        let renewed = timeout_at(deadline, self.renew(credential))
            .await
            .map_err(too_late)??;
        match renewed {
            None => Ok(response),
            Some(renewed) => {
                drop(response);
                self.send_as(&renewed, outgoing, deadline).await
            }
        }
    }

    /// With what to send again after `refused` was, if with anything.
    async fn renew(&self, refused: Credential) -> Result<Option<Credential>, SendError> {
        Ok(match self.credentials.renew(&refused).await? {
            None if self.connection.has_new_certificates().await => Some(refused),
            renewed => renewed,
        })
    }

    async fn send_as(
        &self,
        credential: &Credential,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        let mut request = Request::builder()
            .method(outgoing.method.clone())
            .uri(self.uri(&outgoing.path)?)
            .body(Full::new(outgoing.body.clone()))
            .map_err(SendError::Request)?;
        let headers = request.headers_mut();
        headers.extend(outgoing.headers.clone());
        headers.extend(self.impersonation.clone());
        if let Some(authorization) = &credential.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        self.connection
            .send(request, credential.identity.as_ref(), deadline)
            .await
    }

    /// `path` under the path that the APIServer is served at.
    fn uri(&self, path: &str) -> Result<Uri, SendError> {
        let prefix = self.server.path().trim_end_matches('/');
        let mut parts = self.server.clone().into_parts();
        parts.path_and_query = Some(
            format!("{prefix}{path}")
                .parse()
                .map_err(|error| SendError::Request(http::Error::from(error)))?,
        );
        Uri::from_parts(parts).map_err(|error| SendError::Request(error.into()))
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .field("server", &self.server)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// A request to an APIServer, but for credentials.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// From the APIServer's root: `/api/v1/…`.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// One Tiller of a cluster.
#[derive(Clone, Debug)]
pub struct Tiller {
    name: String,
    namespace: String,
    service: String,
    port: String,
    transport: Transport,
}

impl Tiller {
    /// As configured, defaults applied.
    #[must_use]
    pub fn new(config: &TillerConfig) -> Self {
        Self {
            name: config.name.clone(),
            namespace: config.namespace.clone(),
            service: config.service().to_owned(),
            port: config.port().to_owned(),
            transport: config.transport,
        }
    }

    /// Its name in the cluster.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace of its service.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// How it is reached.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The APIServer's name for the way to it, as RBAC's `resourceNames` must spell it: `tiller-bridge:grpc-web`,
    /// `https:tiller-deploy:tiller`.
    #[must_use]
    pub fn resource_name(&self) -> String {
        let Self { service, port, .. } = self;
        match self.transport {
            // Only with TLS do the APIServer and Tiller agree on HTTP/2, which gRPC needs.
            Transport::Grpc => format!("https:{service}:{port}"),
            Transport::GrpcWeb => format!("{service}:{port}"),
        }
    }

    /// The path of a call to it, from the APIServer's root.
    #[must_use]
    pub fn path(&self, method: tiller_api::Method) -> String {
        format!(
            "/api/v1/namespaces/{}/services/{}/proxy{}",
            self.namespace,
            self.resource_name(),
            method.path()
        )
    }

    /// What callers may know of it.
    #[must_use]
    pub fn view(&self) -> TillerView {
        TillerView {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            port: self.port.clone(),
            transport: match self.transport {
                Transport::Grpc => "grpc",
                Transport::GrpcWeb => "grpc-web",
            }
            .to_owned(),
            ..TillerView::default()
        }
    }
}

/// Whether the APIServer did not accept the credentials. What has a gRPC status was said further on.
fn is_refusal(response: &Response<Upstream>) -> bool {
    response.status() == StatusCode::UNAUTHORIZED && !response.headers().contains_key("grpc-status")
}
