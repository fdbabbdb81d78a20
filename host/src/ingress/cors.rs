//! Which web pages may have a browser call this edge.
//!
//! A browser sends what a page asks for with whatever it holds for this edge: its place on the network, a client
//! certificate. So a request that says it comes from a page is refused unless the page is this edge's own or its origin is
//! configured. Browsers say so in `Origin` on everything but plain reads; where there is none, `Sec-Fetch-Site` may still
//! tell that a change was asked for by another site.
//!
//! The answers to preflights are ours, and so is every `Access-Control-*` header: a component has no say in who may read
//! its answers.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, ORIGIN, VARY,
};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use rest::problem::{Code, Problem};

use crate::config::{Config, Origin, OriginPattern};

/// What every preflight is told; the API has no others.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE");

/// What a page may read of an answer's head, besides what every page may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("etag, location, retry-after, www-authenticate, x-request-id");

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which web pages may call.
#[derive(Clone, Debug)]
pub struct Cors {
    /// What callers reach this edge by.
    scheme: Scheme,
    origins: Vec<OriginPattern>,
    headers: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

impl Cors {
    /// As `config` says.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let cors = &config.cors;
        let patterns = cors.origins.iter();
        Self {
            scheme: if config.tls.is_https() {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            origins: patterns
                .filter_map(|origin| OriginPattern::parse(origin))
                .collect(),
            headers: HeaderValue::try_from(cors.headers.join(", "))
                .ok()
                .filter(|headers| !headers.is_empty()),
            credentials: cors.credentials,
            max_age: HeaderValue::from(cors.max_age.as_secs()),
        }
    }

    /// No page of another origin, and clear text.
    #[must_use]
    pub fn none() -> Self {
        Self::new(&Config::default())
    }

    /// What callers reach this edge by.
    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Refuses a request to `authority` that a page of some other origin makes.
    pub(super) fn check(
        &self,
        method: &Method,
        headers: &HeaderMap,
        authority: &Authority,
    ) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else {
            return check_site(method, headers);
        };
        let own = Origin::new(self.scheme.as_str(), authority.as_str());
        let origin = one(headers, origin);
        if origin.is_some() && origin == own || origin.is_some_and(|origin| self.allows(&origin)) {
            return Ok(());
        }
        Err(foreign())
    }

    /// The answer to a request that only asks what a page may ask for. [`Cors::check`] has let it pass.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<()>> {
        let headers = request.headers();
        let asks = request.method() == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let told = answer.headers_mut();
        told.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        told.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        if let Some(headers) = &self.headers {
            told.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
        Some(answer)
    }

    /// Tells a browser whether the page at `origin`, the header of the request, may read an answer.
    pub(super) fn mark(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        if self.origins.is_empty() {
            return;
        }
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = origin.filter(|origin| {
            let origin = origin.to_str().ok().and_then(Origin::parse);
            origin.is_some_and(|origin| self.allows(&origin))
        }) else {
            return;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.credentials {
            answer.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }

    fn allows(&self, origin: &Origin) -> bool {
        self.origins.iter().any(|allowed| allowed.matches(origin))
    }
}

/// Takes away what a component says about who may read its answer.
pub(super) fn strip(answer: &mut HeaderMap) {
    let named: Vec<HeaderName> = answer
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in named {
        answer.remove(name);
    }
}

/// The origin, if there is no second.
fn one(headers: &HeaderMap, origin: &HeaderValue) -> Option<Origin> {
    let is_one = headers.get_all(ORIGIN).iter().count() == 1;
    let origin = origin.to_str().ok().filter(|_| is_one)?;
    Origin::parse(origin)
}

/// What a browser does on its own account, or for a page of this edge, may change something.
fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    let is_ours = |site: &HeaderValue| site == "same-origin" || site == "none";
    if reads || headers.get_all(SEC_FETCH_SITE).iter().all(is_ours) {
        Ok(())
    } else {
        Err(foreign())
    }
}

fn foreign() -> Problem {
    Problem::new(
        Code::InvalidRequest,
        "requests from pages of other origins are refused",
    )
    .with_hint("the operator adds an origin to `cors.origins` in the edge's configuration")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CorsConfig, TlsConfig};

    const PAGE: &str = "https://console.example.com";

    fn cors(change: impl FnOnce(&mut Config)) -> Cors {
        let mut config = Config {
            cors: CorsConfig {
                origins: vec![PAGE.to_owned(), "https://*.apps.example.com".to_owned()],
                ..CorsConfig::default()
            },
            ..Config::default()
        };
        change(&mut config);
        Cors::new(&config)
    }

    fn headers(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_static(name);
                (name, value.parse().expect("a value"))
            })
            .collect()
    }

    fn passes(cors: &Cors, method: Method, told: &[(&'static str, &str)]) -> bool {
        let edge = Authority::from_static("edge.example.com:8443");
        cors.check(&method, &headers(told), &edge).is_ok()
    }

    #[test]
    fn the_edges_own_pages_pass_by_its_own_scheme_only() {
        let (https, http) = (
            "https://edge.example.com:8443",
            "http://edge.example.com:8443",
        );
        let clear = Cors::none();
        let behind = cors(|config| {
            config.tls = TlsConfig {
                terminated: true,
                ..TlsConfig::default()
            };
        });
        for method in [Method::GET, Method::POST] {
            assert!(passes(&clear, method.clone(), &[("origin", http)]));
            assert!(!passes(&clear, method.clone(), &[("origin", https)]));
            assert!(passes(&behind, method.clone(), &[("origin", https)]));
            assert!(!passes(&behind, method.clone(), &[("origin", http)]));
        }
    }

    #[test]
    fn pages_of_configured_origins_pass_and_no_others() {
        let cors = cors(|_| {});
        for origin in [PAGE, "https://a.apps.example.com"] {
            assert!(passes(&cors, Method::POST, &[("origin", origin)]));
            assert!(!passes(&Cors::none(), Method::POST, &[("origin", origin)]));
        }
        for origin in [
            "null",
            "https://evil.example",
            "https://apps.example.com",
            "",
        ] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                assert!(!passes(&cors, method, &[("origin", origin)]), "{origin}");
            }
        }
        let mut twice = headers(&[("origin", PAGE)]);
        twice.append(ORIGIN, HeaderValue::from_static(PAGE));
        let edge = Authority::from_static("edge.example.com");
        cors.check(&Method::GET, &twice, &edge)
            .expect_err("refused");
    }

    #[test]
    fn a_change_that_another_site_asked_for_is_refused_without_an_origin_too() {
        let cors = cors(|_| {});
        for (site, may_change) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
            ("else", false),
        ] {
            let told = [("sec-fetch-site", site)];
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                assert_eq!(passes(&cors, method, &told), may_change, "{site}");
            }
            assert!(passes(&cors, Method::GET, &told), "{site}");
        }
        assert!(passes(&cors, Method::POST, &[]));
    }

    #[test]
    fn a_preflight_is_told_what_may_be_sent() {
        let cors = cors(|config| config.cors.credentials = true);
        let mut request = Request::new(());
        *request.method_mut() = Method::OPTIONS;
        *request.headers_mut() = headers(&[
            ("origin", PAGE),
            ("access-control-request-method", "DELETE"),
        ]);
        let mut answer = cors.preflight(&request).expect("an answer");
        cors.mark(request.headers().get(ORIGIN), answer.headers_mut());
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        for (name, value) in [
            ("access-control-allow-origin", PAGE),
            (
                "access-control-allow-methods",
                "GET, HEAD, POST, PUT, DELETE",
            ),
            (
                "access-control-allow-headers",
                "authorization, content-type, if-match, x-request-id",
            ),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "600"),
            ("vary", "origin"),
        ] {
            assert_eq!(answer.headers()[name], value, "{name}");
        }
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_METHOD);
        assert!(cors.preflight(&request).is_none());
    }

    #[test]
    fn answers_are_for_those_that_were_named() {
        let mut answer = headers(&[("vary", "accept")]);
        cors(|_| {}).mark(None, &mut answer);
        assert_eq!(answer.get_all(VARY).iter().count(), 2);
        assert_eq!(answer.len(), 2);

        let evil = HeaderValue::from_static("https://evil.example");
        let mut answer = HeaderMap::new();
        cors(|_| {}).mark(Some(&evil), &mut answer);
        assert_eq!(answer.keys().collect::<Vec<_>>(), [VARY]);

        let mut answer = HeaderMap::new();
        cors(|_| {}).mark(Some(&HeaderValue::from_static(PAGE)), &mut answer);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], PAGE);
        assert!(
            answer[ACCESS_CONTROL_EXPOSE_HEADERS]
                .to_str()
                .is_ok_and(|exposed| exposed.contains("x-request-id"))
        );
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));

        let mut answer = HeaderMap::new();
        Cors::none().mark(Some(&HeaderValue::from_static(PAGE)), &mut answer);
        assert!(answer.is_empty());
    }

    #[test]
    fn what_a_component_says_of_it_is_taken_away() {
        let mut answer = headers(&[
            ("access-control-allow-origin", "*"),
            ("access-control-allow-credentials", "true"),
            ("etag", "\"1\""),
        ]);
        strip(&mut answer);
        assert_eq!(answer.len(), 1);
    }
}
