//! A registry, as far as charts are read from one.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LINK, LOCATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::super::reference::Digest;
use super::super::{DIGEST, Pull, Registry};
use crate::net::address::Origin;
use crate::net::credentials::{Credentials, Secret};
use crate::net::fetch::{Access, Fetcher};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
pub(super) const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
pub(super) const PROV: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// An archive of any size that the tests have, and no provenance file.
pub(super) fn pull() -> Pull {
    Pull {
        signed: false,
        limit: 1 << 20,
        deadline: deadline(),
    }
}

pub(super) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// One request to a server.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) authorization: Option<String>,
    pub(super) host: String,
}

pub(super) type Answer = Response<Full<Bytes>>;

pub(super) fn status(status: u16) -> Answer {
    let mut answer = Answer::new(Full::from("s3cret of the registry"));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

pub(super) fn ok(kind: &str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(Full::new(body.into()));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, kind.parse().unwrap());
    answer
}

pub(super) fn json_of(value: &Value) -> Answer {
    ok("application/json", value.to_string())
}

pub(super) fn redirect(to: &str) -> Answer {
    let mut answer = status(307);
    answer.headers_mut().insert(LOCATION, to.parse().unwrap());
    answer
}

/// A server on loopback, until it is dropped.
pub(super) struct Server {
    pub(super) url: Url,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let asked = Asked::of(&request);
                    log.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(asked.clone());
                    let answer = answer(&asked);
                    async move { Ok::<_, Infallible>(answer) }
                });
                connections.spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self {
            url: Url::parse(&url).unwrap(),
            asked,
            _tasks: tasks,
        }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }

    /// The paths that were asked for.
    pub(super) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }

    /// Access to it.
    pub(super) fn access(&self) -> Access {
        Access {
            private: true,
            ..Access::to(Origin::of(&self.url))
        }
    }

    /// Its charts below `/charts`, as `access` gets to them.
    pub(super) fn with(&self, access: Access) -> Registry {
        let base = self.url.join("charts").unwrap();
        Registry::new(Fetcher::new(access), &base).unwrap()
    }

    /// Its charts below `/charts`, for anyone.
    pub(super) fn registry(&self) -> Registry {
        self.with(self.access())
    }

    /// The same with a login.
    pub(super) fn with_login(&self, password: &str) -> Registry {
        self.with(Access {
            credentials: login(password),
            ..self.access()
        })
    }
}

pub(super) fn login(password: &str) -> Credentials {
    Credentials::Basic {
        username: "edge".to_owned(),
        password: Secret::Text(password.into()),
    }
}

impl Asked {
    fn of(request: &Request<Incoming>) -> Self {
        let header = |name| {
            let value = request.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        Self {
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            authorization: header(AUTHORIZATION),
            host: header(HOST).unwrap(),
        }
    }

    fn parameters(&self) -> HashMap<String, String> {
        let query = self.query.as_deref().unwrap_or_default();
        url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect()
    }
}

/// What is in a registry. Its one repository is `charts/web`.
#[derive(Clone, Default)]
pub(super) struct Store {
    /// By tag and by digest.
    pub(super) manifests: BTreeMap<String, (String, Bytes)>,
    pub(super) blobs: HashMap<String, Bytes>,
    pub(super) tags: Vec<String>,
    pub(super) catalog: Vec<String>,
    /// The password for tokens; an empty one lets anyone in. None: no token is needed.
    pub(super) password: Option<&'static str>,
}

impl Store {
    /// One with a chart of each of those versions.
    pub(super) fn with(tags: &[&str]) -> Self {
        let mut store = Self {
            catalog: vec!["charts/web".to_owned()],
            ..Self::default()
        };
        for tag in tags {
            store.push(tag, &[(CHART, archive(tag))]);
        }
        store
    }

    pub(super) fn descriptor(kind: &str, content: &[u8]) -> Value {
        json!({
            "mediaType": kind,
            "digest": Digest::of(content).to_string(),
            "size": content.len(),
        })
    }

    pub(super) fn blob(&mut self, kind: &str, content: Bytes) -> Value {
        let descriptor = Self::descriptor(kind, &content);
        self.blobs.insert(Digest::of(&content).to_string(), content);
        descriptor
    }

    /// Pushes a chart with those layers.
    pub(super) fn push(&mut self, tag: &str, layers: &[(&str, Bytes)]) -> Value {
        let layers: Vec<Value> = layers
            .iter()
            .map(|(kind, content)| self.blob(kind, content.clone()))
            .collect();
        let config = self.blob(CONFIG, Bytes::from_static(b"{}"));
        self.put(
            tag,
            MANIFEST,
            &json!({ "config": config, "layers": layers }),
        )
    }

    /// Puts a document in a tag's place.
    pub(super) fn put(&mut self, tag: &str, kind: &str, document: &Value) -> Value {
        let body = Bytes::from(document.to_string());
        let descriptor = Self::descriptor(kind, &body);
        let manifest = (kind.to_owned(), body);
        self.tags.push(tag.to_owned());
        self.manifests.insert(tag.to_owned(), manifest.clone());
        let digest = Digest::of(&manifest.1).to_string();
        self.manifests.insert(digest, manifest);
        descriptor
    }

    pub(super) fn answer(&self, asked: &Asked) -> Answer {
        if asked.path == "/token" {
            return self.token(asked);
        }
        let scope = match asked.path.as_str() {
            "/v2/_catalog" => "registry:catalog:*",
            _ => "repository:charts/web:pull",
        };
        let token = format!("Bearer for-{scope}");
        if self.password.is_some() && asked.authorization.as_ref() != Some(&token) {
            return challenge(&format!("http://{}/token", asked.host));
        }
        if asked.path == "/v2/_catalog" {
            return page(asked, "repositories", &self.catalog);
        }
        let Some(rest) = asked.path.strip_prefix("/v2/charts/web/") else {
            return status(404);
        };
        match rest.split_once('/') {
            Some(("tags", "list")) => page(asked, "tags", &self.tags),
            Some(("manifests", mark)) => match self.manifests.get(mark) {
                Some((kind, body)) => {
                    let mut answer = ok(kind, body.clone());
                    let digest = Digest::of(body).to_string();
                    answer.headers_mut().insert(DIGEST, digest.parse().unwrap());
                    answer
                }
                None => status(404),
            },
            Some(("blobs", digest)) => match self.blobs.get(digest) {
                Some(blob) => ok("application/octet-stream", blob.clone()),
                None => status(404),
            },
            _ => status(404),
        }
    }

    fn token(&self, asked: &Asked) -> Answer {
        let password = self.password.unwrap_or_default();
        let pair = BASE64_STANDARD.encode(format!("edge:{password}"));
        let expected = (!password.is_empty()).then(|| format!("Basic {pair}"));
        if expected.is_some() && asked.authorization != expected {
            return status(401);
        }
        let parameters = asked.parameters();
        assert_eq!(parameters["service"], "registry");
        json_of(&json!({ "token": format!("for-{}", parameters["scope"]), "expires_in": 300 }))
    }
}

/// What the archive of a tag is in a [`Store::with`] it.
pub(super) fn archive(tag: &str) -> Bytes {
    Bytes::from(format!("the archive of {tag}"))
}

/// The wish for a token of `realm`.
pub(super) fn challenge(realm: &str) -> Answer {
    let mut answer = status(401);
    let wish = format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"registry:all:*\"");
    answer
        .headers_mut()
        .insert(WWW_AUTHENTICATE, wish.parse().unwrap());
    answer
}

/// At most two items of a list.
fn page(asked: &Asked, key: &str, items: &[String]) -> Answer {
    let last = asked.parameters().get("last").cloned();
    let rest: Vec<&String> = items
        .iter()
        .skip_while(|item| last.as_ref().is_some_and(|last| *item != last))
        .skip(usize::from(last.is_some()))
        .collect();
    let page: Vec<&&String> = rest.iter().take(2).collect();
    let mut answer = json_of(&json!({ key: page }));
    if rest.len() > page.len() {
        let link = format!("<{}?last={}&n=2>; rel=\"next\"", asked.path, page[1]);
        answer.headers_mut().insert(LINK, link.parse().unwrap());
    }
    answer
}
