//! What a request must be before anything is done for it, and what of it goes no further than this edge.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Uri};
use rest::problem::{Code, Problem};
use secrecy::SecretString;

use crate::config::Limits;

use super::cors::Cors;

/// What concerns one connection only, besides whatever its `Connection` header names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Checks a request's head and makes it fit to be passed on: an absolute URI, no hop-by-hop header, and none that
/// carries the caller's credential, which is returned.
///
/// # Errors
///
/// The problem to answer with.
pub(super) fn admit<B>(
    request: &mut Request<B>,
    limits: &Limits,
    cors: &Cors,
) -> Result<Option<SecretString>, Problem> {
    let authority = authority(request)?;
    cors.check(request.method(), request.headers(), &authority)?;
    check_length(request.headers(), limits)?;
    let authorization = take_authorization(request.headers_mut())?;
    strip_hop_by_hop(request.headers_mut());
    request.headers_mut().remove(HOST);
    *request.uri_mut() = absolute(request.uri(), cors.scheme(), authority)?;
    Ok(authorization)
}

fn invalid(detail: &str) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

/// The host a request is for, told once or twice in the same words.
fn authority<B>(request: &Request<B>) -> Result<Authority, Problem> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(
            Authority::try_from(host.as_bytes())
                .map_err(|_| invalid("the Host header is not a host"))?,
        ),
        (Some(_), Some(_)) => return Err(invalid("there are several Host headers")),
    };
    match (request.uri().authority(), host) {
        (Some(named), Some(host)) if *named != host => {
            Err(invalid("the Host header is not the host of the URI"))
        }
        (Some(named), _) => Ok(named.clone()),
        (None, Some(host)) => Ok(host),
        (None, None) => Ok(Authority::from_static("localhost")),
    }
}

fn check_length(headers: &HeaderMap, limits: &Limits) -> Result<(), Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    match announced {
        Some(length) if length > limits.body.bytes() => Err(Problem::new(
            Code::BodyTooLarge,
            format!(
                "the request's body has {length} bytes; at most {} are taken",
                limits.body
            ),
        )),
        _ => Ok(()),
    }
}

fn take_authorization(headers: &mut HeaderMap) -> Result<Option<SecretString>, Problem> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let authorization = match (sent.next(), sent.next()) {
        (None, _) => None,
        (Some(value), None) => Some(
            value
                .to_str()
                .map_err(|_| invalid("the Authorization header is not ASCII text"))?
                .into(),
        ),
        (Some(_), Some(_)) => return Err(invalid("there are several Authorization headers")),
    };
    headers.remove(AUTHORIZATION);
    Ok(authorization)
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn absolute(uri: &Uri, scheme: &Scheme, authority: Authority) -> Result<Uri, Problem> {
    if !uri.path().starts_with('/') {
        return Err(invalid("the request has no path"));
    }
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(authority);
    Uri::from_parts(parts).map_err(|_| invalid("the request has no path"))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::Size;

    fn request(uri: &str, headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.parse().expect("a URI");
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, value.parse().expect("a value"));
        }
        request
    }

    fn admitted(uri: &str, headers: &[(&'static str, &str)]) -> Result<Request<()>, Code> {
        let mut request = request(uri, headers);
        admit(&mut request, &Limits::default(), &Cors::none())
            .map(|_| request)
            .map_err(|problem| problem.code)
    }

    #[test]
    fn the_uri_is_made_absolute_from_the_host_header() {
        for (uri, headers, expected) in [
            (
                "/v1?a=b",
                &[("host", "edge:8080")][..],
                "http://edge:8080/v1?a=b",
            ),
            ("http://edge/v1", &[("host", "edge")], "http://edge/v1"),
            ("http://edge/v1", &[], "http://edge/v1"),
            ("/v1", &[], "http://localhost/v1"),
        ] {
            let request = admitted(uri, headers).expect("admitted");
            assert_eq!(request.uri(), expected);
            assert!(request.headers().get(HOST).is_none());
        }
    }

    #[test]
    fn a_request_without_a_path_is_refused() {
        for uri in ["*", "edge:443"] {
            assert_eq!(
                admitted(uri, &[]).err(),
                Some(Code::InvalidRequest),
                "{uri}"
            );
        }
    }

    #[test]
    fn hosts_that_contradict_each_other_are_refused() {
        for (uri, headers) in [
            ("http://edge/v1", &[("host", "other")][..]),
            ("/v1", &[("host", "a"), ("host", "a")]),
            ("/v1", &[("host", "a b")]),
        ] {
            assert_eq!(admitted(uri, headers).err(), Some(Code::InvalidRequest));
        }
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "localhost:8080");
        for origin in ["https://evil.example", "null", "http://localhost:9090", "x"] {
            assert_eq!(
                admitted("/v1", &[host, ("origin", origin)]).err(),
                Some(Code::InvalidRequest),
                "{origin}"
            );
        }
        admitted("/v1", &[host, ("origin", "http://localhost:8080")]).expect("its own page");
    }

    #[test]
    fn the_credential_is_taken_out_and_told_to_nobody() {
        let mut request = request("/v1", &[("authorization", "Bearer s3cret")]);
        let taken = admit(&mut request, &Limits::default(), &Cors::none()).expect("admitted");
        assert!(request.headers().get(AUTHORIZATION).is_none());
        assert!(!format!("{taken:?}").contains("s3cret"));
        assert_eq!(taken.expect("there").expose_secret(), "Bearer s3cret");
        assert_eq!(
            admitted("/", &[("authorization", "a"), ("authorization", "b")]).err(),
            Some(Code::InvalidRequest)
        );
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let request = admitted(
            "/v1",
            &[
                ("connection", "close, X-Mine"),
                ("x-mine", "1"),
                ("x-other", "1"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "Basic abc"),
            ],
        )
        .expect("admitted");
        let left: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-other"]);
    }

    #[test]
    fn a_body_announced_too_large_is_refused_at_once() {
        let limits = Limits {
            body: Size::new(10),
            ..Limits::default()
        };
        let mut fits = request("/", &[("content-length", "10")]);
        admit(&mut fits, &limits, &Cors::none()).expect("admitted");
        let mut large = request("/", &[("content-length", "11")]);
        let problem = admit(&mut large, &limits, &Cors::none()).expect_err("refused");
        assert_eq!(problem.code, Code::BodyTooLarge);
    }
}
