//! One GET to a chart repository, a registry, an identity provider or wherever they lead.
//!
//! What comes from there decides what is asked next (an index holds URLs, a registry names a token service, every
//! server may redirect), so nothing it says is trusted with more than it needs: redirects are followed here, by hand,
//! each address is judged before it is dialled, and the credential and client certificate go to the configured origin
//! alone. Size is counted as it arrives and time to the last byte.
//!
//! No `Accept-Encoding` is sent, as Helm sends none: an archive is compressed already, and some servers would send it
//! unpacked.

mod error;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use ipnet::IpNet;
use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};
use url::Url;

pub(crate) use self::error::FetchError;
use super::address::{Origin, Reach};
use super::credentials::{self, Credentials};
use super::dial::Dial;
use super::{Causes, Gauge, IdentitySource, Pem, Proxies, TlsMaterial, TlsSource};

/// What this edge calls itself.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tiller-edge/", env!("CARGO_PKG_VERSION")));

/// How many redirects one GET follows.
const REDIRECTS: usize = 5;

/// What is read of the body of an answer that is none: enough for a registry's list of errors.
const UNWANTED: usize = 64 << 10;

/// What is set aside for a body before any of it has come.
const FIRST: usize = 256 << 10;

/// Below common balancers' 60 s, so that no GET meets a connection that the other side has just given up.
const IDLE: Duration = Duration::from_secs(50);

type HttpClient = Client<HttpsConnector<Dial>, Full<Bytes>>;

/// How a host is reached.
#[derive(Debug)]
pub(crate) struct Access {
    /// Where its credentials go and nowhere else; none: there is no such place.
    pub(crate) origin: Option<Origin>,
    /// Whether the origin may be in a private network or on loopback.
    pub(crate) private: bool,
    /// The networks that may be reached beside the Internet.
    pub(crate) networks: Vec<IpNet>,
    /// A file with the only authorities to trust; none: the operating system's.
    pub(crate) authorities: Option<PathBuf>,
    /// Files with a client certificate and its key.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// The credentials.
    pub(crate) credentials: Credentials,
    /// The proxies on the way.
    pub(crate) proxies: Proxies,
}

impl Access {
    /// Access to the Internet with no credential.
    pub(crate) fn to(origin: Option<Origin>) -> Self {
        Self {
            origin,
            private: false,
            networks: Vec::new(),
            authorities: None,
            identity: None,
            credentials: Credentials::Anonymous,
            proxies: Proxies::from_environment(),
        }
    }
}

/// Fetches for one repository or provider.
pub(crate) struct Fetcher {
    origin: Option<Origin>,
    reach: Arc<Reach>,
    credentials: Credentials,
    tls: TlsSource,
    proxies: Arc<Proxies>,
    open: Gauge,
    live: Mutex<Option<Live>>,
}

/// The connections, and the TLS files they were made with.
struct Live {
    material: TlsMaterial,
    clients: Clients,
}

#[derive(Clone)]
struct Clients {
    /// With the client certificate, for the origin.
    own: HttpClient,
    /// Without.
    other: HttpClient,
}

/// One GET.
pub(crate) struct Get<'a> {
    /// What to get. User information and fragment are not sent.
    pub(crate) url: Url,
    /// The value of `Accept`; empty: none.
    pub(crate) accept: &'a str,
    /// Which credential goes along.
    pub(crate) authorization: Authorization<'a>,
    /// The value of `If-None-Match`.
    pub(crate) if_none_match: Option<&'a str>,
    /// The value of `If-Modified-Since`.
    pub(crate) if_modified_since: Option<&'a str>,
    /// The largest body, in bytes.
    pub(crate) limit: usize,
    /// When it must be over, to the last byte.
    pub(crate) deadline: Instant,
}

/// Which credential a GET carries. None of them outlives a redirect to another origin.
pub(crate) enum Authorization<'a> {
    /// The configured one, if the URL has the configured origin.
    Own,
    /// This token, if the URL has the configured origin.
    Bearer(&'a SecretString),
    /// The configured login, for a token service: by https, or at the configured origin.
    Basic,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// 200, 304, or something that is no success: the last one's meaning is the asker's to find.
    pub(crate) status: StatusCode,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// Its body; cut short if `status` is not 200. Not to be shown to anyone.
    pub(crate) body: Bytes,
    /// What was got, redirects followed.
    pub(crate) url: Url,
}

impl Fetcher {
    /// A fetcher with connections of its own.
    pub(crate) fn new(access: Access) -> Self {
        Self {
            reach: Arc::new(Reach {
                origin: access.origin.clone().filter(|_| access.private),
                networks: access.networks,
            }),
            origin: access.origin,
            credentials: access.credentials,
            tls: TlsSource {
                authorities: access.authorities.map(Pem::File),
                identity: access.identity.map(|(certificate, key)| IdentitySource {
                    certificate: Pem::File(certificate),
                    key: Pem::File(key),
                }),
                insecure: false,
                server_name: None,
            },
            proxies: Arc::new(access.proxies),
            open: Gauge::default(),
            live: Mutex::new(None),
        }
    }

    /// Gets it. Statuses other than 200 and 304 are answers too.
    ///
    /// # Errors
    ///
    /// When there is no answer, or not one that may be taken.
    pub(crate) async fn get(&self, get: Get<'_>) -> Result<Fetched, FetchError> {
        let started = Instant::now();
        let host = get.url.host_str().unwrap_or_default().to_owned();
        let fetched = timeout_at(get.deadline, self.follow(get))
            .await
            .unwrap_or(Err(FetchError::Deadline));
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &fetched {
            Ok(fetched) => debug!(
                host,
                status = fetched.status.as_u16(),
                bytes = fetched.body.len(),
                milliseconds,
                "fetched"
            ),
            Err(error) => debug!(host, error = %Causes(error), milliseconds, "not fetched"),
        }
        fetched
    }

    /// Sends `body` to `url`, and nowhere else: a redirect is an answer. It may have been taken although there is no answer.
    ///
    /// # Errors
    ///
    /// When there is no answer within `deadline`.
    pub(crate) async fn post(
        &self,
        mut url: Url,
        headers: HeaderMap,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let origin = prepare(&mut url)?;
        let posted = async {
            let clients = self.clients().await?;
            let client = if self.is_own(&origin) {
                clients.own
            } else {
                clients.other
            };
            let mut request = Request::post(url.as_str())
                .body(Full::new(body))
                .map_err(|_| FetchError::Url)?;
            *request.headers_mut() = headers;
            request.headers_mut().insert(USER_AGENT, AGENT);
            let answer = client
                .request(request)
                .await
                .map_err(|source| FetchError::from_client(&url, source))?;
            read(url, answer, UNWANTED).await
        };
        timeout_at(deadline, posted)
            .await
            .unwrap_or(Err(FetchError::Deadline))
    }

    async fn follow(&self, get: Get<'_>) -> Result<Fetched, FetchError> {
        let clients = self.clients().await?;
        let mut url = get.url.clone();
        let mut origin = prepare(&mut url)?;
        let mut authorization = self
            .authorization(&get.authorization, &url, &origin)
            .await?;
        for _ in 0..=REDIRECTS {
            let client = if self.is_own(&origin) {
                &clients.own
            } else {
                &clients.other
            };
            let request = request(&url, &get, authorization.as_ref())?;
            let answer = client
                .request(request)
                .await
                .map_err(|source| FetchError::from_client(&url, source))?;
            let Some(mut next) = redirect(&url, &answer)? else {
                return read(url, answer, get.limit).await;
            };
            let next_origin = prepare(&mut next)?;
            if next_origin != origin {
                authorization = None;
            }
            (url, origin) = (next, next_origin);
        }
        Err(FetchError::TooManyRedirects)
    }

    fn is_own(&self, origin: &Origin) -> bool {
        self.origin.as_ref() == Some(origin)
    }

    async fn authorization(
        &self,
        wanted: &Authorization<'_>,
        url: &Url,
        origin: &Origin,
    ) -> Result<Option<HeaderValue>, FetchError> {
        let own = self.is_own(origin);
        match wanted {
            Authorization::Own if own => Ok(self.credentials.header().await?),
            Authorization::Bearer(token) if own => Ok(Some(credentials::bearer(token)?)),
            Authorization::Own | Authorization::Bearer(_) => Ok(None),
            Authorization::Basic if own || url.scheme() == "https" => {
                Ok(self.credentials.login().await?)
            }
            Authorization::Basic => Err(FetchError::ClearTextLogin),
        }
    }

    /// Connections with the TLS files as they are now; those read last where they cannot be read any more.
    async fn clients(&self) -> Result<Clients, FetchError> {
        let mut live = self.live.lock().await;
        let material = match (self.tls.load().await, &*live) {
            (Ok(material), Some(live)) if material == live.material => {
                return Ok(live.clients.clone());
            }
            (Ok(material), _) => material,
            (Err(error), Some(live)) => {
                warn!(error = %Causes(&error), "keeping the TLS material read before");
                return Ok(live.clients.clone());
            }
            (Err(error), None) => return Err(error.into()),
        };
        let other = self.client(self.tls.client_config(&material, None)?);
        let own = match material.identity.as_deref() {
            Some(identity) => self.client(self.tls.client_config(&material, Some(identity))?),
            None => other.clone(),
        };
        let clients = Clients { own, other };
        *live = Some(Live {
            material,
            clients: clients.clone(),
        });
        Ok(clients)
    }

    fn client(&self, tls: rustls::ClientConfig) -> HttpClient {
        let dial = Dial::new(
            Arc::clone(&self.reach),
            Arc::clone(&self.proxies),
            self.open.clone(),
        );
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dial);
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector)
    }
}

/// Takes out of `url` what is not sent.
fn prepare(url: &mut Url) -> Result<Origin, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Url);
    }
    url.set_fragment(None);
    url.set_username("").map_err(|()| FetchError::Url)?;
    url.set_password(None).map_err(|()| FetchError::Url)?;
    Origin::of(url).ok_or(FetchError::Url)
}

fn request(
    url: &Url,
    get: &Get<'_>,
    authorization: Option<&HeaderValue>,
) -> Result<Request<Full<Bytes>>, FetchError> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = url.as_str().parse::<Uri>().map_err(|_| FetchError::Url)?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, AGENT);
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value.clone());
    }
    let accept = Some(get.accept).filter(|accept| !accept.is_empty());
    for (name, value) in [
        (ACCEPT, accept),
        (IF_NONE_MATCH, get.if_none_match),
        (IF_MODIFIED_SINCE, get.if_modified_since),
    ] {
        add(headers, name, value);
    }
    Ok(request)
}

/// Adds what can be written; an `ETag` that cannot be sent back makes the request an unconditional one.
fn add(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

/// Where `answer` sends the asker of `url`; none if it does not.
fn redirect(url: &Url, answer: &Response<Incoming>) -> Result<Option<Url>, FetchError> {
    let target = match answer.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => answer.headers().get(LOCATION),
        _ => None,
    };
    let Some(target) = target else {
        return Ok(None);
    };
    let next = target
        .to_str()
        .ok()
        .and_then(|target| url.join(target).ok())
        .ok_or(FetchError::Redirect)?;
    match (url.scheme(), next.scheme()) {
        ("https", "http") => Err(FetchError::RedirectToClearText),
        (_, "http" | "https") => Ok(Some(next)),
        _ => Err(FetchError::Redirect),
    }
}

async fn read(url: Url, answer: Response<Incoming>, limit: usize) -> Result<Fetched, FetchError> {
    let (head, mut body) = answer.into_parts();
    let wanted = head.status == StatusCode::OK;
    let told: Option<usize> = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if wanted && told.is_some_and(|told| told > limit) {
        return Err(FetchError::TooLarge { limit });
    }
    let limit = if wanted { limit } else { UNWANTED };
    let mut read = BytesMut::with_capacity(told.unwrap_or_default().min(limit).min(FIRST));
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            // What is said beside a refusal may be left unfinished.
            Err(_) if !wanted => break,
            Err(source) => return Err(FetchError::lost(&url, source)),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - read.len() {
            if wanted {
                return Err(FetchError::TooLarge { limit });
            }
            break;
        }
        read.extend_from_slice(&data);
    }
    Ok(Fetched {
        status: head.status,
        headers: head.headers,
        body: read.freeze(),
        url,
    })
}
