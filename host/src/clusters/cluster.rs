//! One cluster of the edge: what callers may know of it, its Tillers, and sending requests to its APIServer.
//!
//! Whose credentials a request carries is decided here, once: [`Cluster::send`] is the only way for what a caller wants,
//! and the edge's own login is lent to questions about callers and about the edge itself, which this module's
//! neighbours ask.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, Uri};
use rest::relay::{ClusterView, TillerView};
use secrecy::SecretString;
use tokio::time::Instant;

use super::access::Access;
use super::behalf::Behalf;
use super::connection::{Connection, SendError, Upstream};
use super::credentials::{Credential, CredentialsError};
use super::login::{Login, send_with};
use super::subject::{Subject, Unsendable};
use crate::access::Principal;
use crate::config::{
    ClusterConfig, CredentialSource, DEFAULT_TILLER, KubernetesConfig, TillerConfig, Transport,
    matches,
};
use crate::grants::Place;
use crate::net::{Gauge, TlsSource};

/// One cluster: its name, its Tillers, and the connections to its APIServer.
pub struct Cluster {
    name: String,
    context: Option<String>,
    region: Option<String>,
    labels: BTreeMap<String, String>,
    namespace: Option<String>,
    server: Uri,
    tillers: Vec<Tiller>,
    authority: Authority,
    /// For what callers show by themselves: without a client certificate, which would win over their tokens.
    bare: Connection,
    /// Goes before the names of the cluster's own users; none if it may not say who callers are.
    prefix: Option<String>,
    checks_manifests: bool,
}

/// Who the APIServer takes the edge's requests for.
enum Authority {
    /// The caller, by its own credentials. The edge's own, if it has any, are for learning who that is.
    Caller { own: Option<Login> },
    /// The edge.
    Edge(Login),
    /// The caller, because the edge says so.
    Impersonate(Login),
}

impl Cluster {
    /// `context` is the kubeconfig's name for it, if it is in one; `kubernetes` says whether it may tell who callers
    /// are.
    pub(super) fn new(
        config: &ClusterConfig,
        kubernetes: Option<&KubernetesConfig>,
        context: Option<String>,
        access: Access,
        connect_timeout: Duration,
        open: &Gauge,
    ) -> Self {
        let Access {
            server,
            namespace,
            tls,
            proxy,
            mut user,
        } = access;
        let mut tillers: Vec<Tiller> = config.tillers.iter().map(Tiller::new).collect();
        if tillers.is_empty() {
            tillers.push(Tiller::new(&TillerConfig::default()));
        }
        tillers.sort_by_key(|tiller| tiller.name != DEFAULT_TILLER);
        let connection = |tls| Connection::new(tls, proxy.clone(), connect_timeout, open.clone());
        let bare = connection(tls.clone());
        let is_known = !user.is_anonymous();
        let tls = TlsSource {
            identity: user.identity.take(),
            ..tls
        };
        let login = Login::new(user, connection(tls));
        Self {
            name: config.name.clone(),
            context,
            region: config.region.clone(),
            labels: config.labels.clone(),
            namespace: config.namespace.clone().or(namespace),
            server,
            tillers,
            authority: match config.credentials {
                CredentialSource::Caller => Authority::Caller {
                    own: is_known.then_some(login),
                },
                CredentialSource::Impersonate => Authority::Impersonate(login),
                CredentialSource::Kubeconfig => Authority::Edge(login),
            },
            bare,
            prefix: kubernetes
                .filter(|kubernetes| {
                    let mut patterns = kubernetes.clusters.iter();
                    patterns.any(|pattern| matches(pattern, &config.name))
                })
                .map(|kubernetes| kubernetes.prefix.clone()),
            checks_manifests: config.manifest_authorisation,
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

    /// Its region.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Its labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// It, or one of its Tillers, as grants name it.
    #[must_use]
    pub fn place<'a>(&'a self, tiller: Option<&'a str>) -> Place<'a> {
        Place {
            cluster: &self.name,
            region: self.region.as_deref(),
            labels: &self.labels,
            tiller,
        }
    }

    /// Whose credentials the APIServer sees.
    #[must_use]
    pub fn credentials(&self) -> CredentialSource {
        match self.authority {
            Authority::Caller { .. } => CredentialSource::Caller,
            Authority::Edge(_) => CredentialSource::Kubeconfig,
            Authority::Impersonate(_) => CredentialSource::Impersonate,
        }
    }

    /// Whether the APIServer is shown the caller's own credentials.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        self.credentials() == CredentialSource::Caller
    }

    /// What goes before the names of the cluster's own users; none if it may not say who callers are.
    #[must_use]
    pub fn identity_prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }

    /// Whether what charts make is checked against the caller's permissions in the cluster.
    #[must_use]
    pub fn checks_manifests(&self) -> bool {
        self.checks_manifests
    }

    /// `principal` as the APIServer knows it.
    pub(crate) fn subject(&self, principal: &Principal) -> Result<Subject, Unsendable> {
        Subject::new(principal, self.prefix.as_deref().unwrap_or_default())
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

    /// Sends a caller's request to the APIServer, with credentials, and waits for the head of the answer until
    /// `deadline`.
    ///
    /// It is sent once, and once more only with another credential after a 401.
    pub(crate) async fn send(
        &self,
        behalf: &Behalf<'_>,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        match &self.authority {
            Authority::Caller { .. } => {
                let authorization = behalf
                    .authorization
                    .ok_or(CredentialsError::CallerSentNone)?;
                self.send_bare(authorization, outgoing, deadline).await
            }
            Authority::Edge(login) => login.send(&self.request(outgoing)?, deadline).await,
            Authority::Impersonate(login) => {
                let subject = self
                    .subject(behalf.principal)
                    .and_then(|subject| subject.headers())
                    .map_err(CredentialsError::from)?;
                let mut request = self.request(outgoing)?;
                request.headers_mut().extend(subject);
                login.send(&request, deadline).await
            }
        }
    }

    /// Sends a question of the edge's own, with its own credentials; none if it has none.
    pub(super) async fn send_as_edge(
        &self,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Option<Result<Response<Upstream>, SendError>> {
        let login = match &self.authority {
            Authority::Caller { own } => own.as_ref()?,
            Authority::Edge(login) | Authority::Impersonate(login) => login,
        };
        Some(match self.request(outgoing) {
            Ok(request) => login.send(&request, deadline).await,
            Err(error) => Err(error),
        })
    }

    /// Sends a request with nothing but the caller's own `Authorization`, whatever credentials are configured.
    pub(super) async fn send_bare(
        &self,
        authorization: &SecretString,
        outgoing: &Outgoing,
        deadline: Instant,
    ) -> Result<Response<Upstream>, SendError> {
        self.check_is_encrypted()?;
        let credential = Credential::of_caller(authorization)?;
        let request = self.request(outgoing)?;
        send_with(&self.bare, &credential, request, deadline).await
    }

    /// Whether what callers show may be sent there at all.
    pub(super) fn check_is_encrypted(&self) -> Result<(), SendError> {
        if self.server.scheme() == Some(&Scheme::HTTPS) {
            Ok(())
        } else {
            Err(CredentialsError::ClearText.into())
        }
    }

    fn request(&self, outgoing: &Outgoing) -> Result<Request<Bytes>, SendError> {
        let mut request = Request::builder()
            .method(outgoing.method.clone())
            .uri(self.uri(&outgoing.path)?)
            .body(outgoing.body.clone())
            .map_err(SendError::Request)?;
        *request.headers_mut() = outgoing.headers.clone();
        Ok(request)
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
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Caller { own } => f.debug_struct("Caller").field("own", own).finish(),
            Self::Edge(login) => f.debug_tuple("Edge").field(login).finish(),
            Self::Impersonate(login) => f.debug_tuple("Impersonate").field(login).finish(),
        }
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
