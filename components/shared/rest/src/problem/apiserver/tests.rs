//! Every row of what the APIServer, and what is not the APIServer, answers.

use http::HeaderValue;

use super::*;
use crate::problem::Blame;

const INSTALL: Method = Method::InstallRelease;
const JSON: Option<&str> = Some("application/json");
const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
const HTML: Option<&str> = Some("text/html");

fn classify(method: Method, status: u16, content_type: Option<&str>, body: &str) -> Problem {
    let mut headers = HeaderMap::new();
    if let Some(value) = content_type {
        headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
    }
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        body: body.as_bytes(),
    };
    from_apiserver(method, &answer)
}

fn status_json(code: u16, kind: &str, message: &str) -> String {
    serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "details": {"kind": kind, "name": "x"}, "code": code,
    })
    .to_string()
}

#[test]
fn refusals_of_the_apiserver_are_proven_not_applied() {
    for (status, kind, message, code) in [
        (
            400,
            "",
            "invalid service request \"ftp:a:b\"",
            Code::ClusterError,
        ),
        (400, "", "address not allowed", Code::ClusterError),
        (401, "", "Unauthorized", Code::ClusterCredentialsRefused),
        (
            403,
            "services",
            "services \"x:http\" is forbidden: User \"u\" cannot create resource \"services/proxy\" in API group \"\" in the namespace \"ns\"",
            Code::ClusterForbidden,
        ),
        (
            404,
            "services",
            "services \"x\" not found",
            Code::EndpointNotFound,
        ),
        (
            404,
            "endpoints",
            "endpoints \"x\" not found",
            Code::EndpointNotFound,
        ),
        (404, "pods", "pods \"x\" not found", Code::EndpointNotFound),
        (
            404,
            "namespaces",
            "namespaces \"x\" not found",
            Code::EndpointNotFound,
        ),
        (
            404,
            "",
            "the server could not find the requested resource",
            Code::ClusterError,
        ),
        (
            405,
            "",
            "the server does not allow this method on the requested resource",
            Code::ClusterError,
        ),
        (
            406,
            "",
            "only the following media types are accepted",
            Code::ClusterError,
        ),
        (
            415,
            "",
            "the body of the request was in an unknown format",
            Code::ClusterError,
        ),
        (
            429,
            "",
            "too many requests, please try again later",
            Code::ClusterBusy,
        ),
        (
            503,
            "",
            "no endpoints available for service \"x:port\"",
            Code::EndpointNotReady,
        ),
        (
            503,
            "",
            "no endpoints available for service \"x\"",
            Code::EndpointNotReady,
        ),
        (
            503,
            "",
            "no service port 99 found for service \"x\"",
            Code::EndpointNotFound,
        ),
    ] {
        let problem = classify(INSTALL, status, JSON, &status_json(status, kind, message));
        assert_eq!(problem.code, code, "{message}");
        assert_eq!(problem.outcome, Outcome::NotApplied, "{message}");
        assert_eq!(problem.detail, message);
    }
}

#[test]
fn failures_of_the_apiserver_prove_nothing() {
    for (status, content_type, body, code) in [
        (
            500,
            JSON,
            status_json(500, "", "etcdserver: request timed out"),
            Code::ClusterError,
        ),
        (
            503,
            JSON,
            status_json(
                503,
                "",
                "the server is currently unable to handle the request",
            ),
            Code::ClusterBusy,
        ),
        (
            504,
            JSON,
            status_json(504, "", "Timeout: request did not complete"),
            Code::ClusterError,
        ),
        (
            500,
            TEXT,
            "Internal Server Error: \"/api/v1/namespaces\": boom".into(),
            Code::ClusterError,
        ),
        (
            500,
            TEXT,
            "This request caused apiserver to panic. Look in the logs for details.\n".into(),
            Code::ClusterError,
        ),
    ] {
        let problem = classify(INSTALL, status, content_type, &body);
        assert_eq!(problem.code, code, "{body}");
        assert_eq!(problem.outcome, Outcome::Unknown, "{body}");
    }
}

/// The four forms in which Kubernetes has said that it cannot reach a backend.
fn forms(cause: &str) -> [(&'static str, u16, Option<&'static str>, String); 4] {
    [
        (
            "up to 1.15",
            503,
            None,
            format!(
                "Error: '{cause}'\nTrying to reach: 'http://10.0.0.9:8080/hapi.services.tiller.ReleaseService/InstallRelease'"
            ),
        ),
        (
            "1.16 to 1.18",
            503,
            TEXT,
            format!("Error trying to reach service: '{cause}'"),
        ),
        (
            "1.19 and 1.20",
            500,
            JSON,
            status_json(500, "", &format!("error trying to reach service: {cause}")),
        ),
        (
            "from 1.21",
            503,
            JSON,
            status_json(503, "", &format!("error trying to reach service: {cause}")),
        ),
    ]
}

#[test]
fn every_version_says_that_the_backend_is_unreachable_and_what_that_proves() {
    use Outcome::{NotApplied, Unknown};
    for (cause, outcome) in [
        (
            "dial tcp 10.0.0.9:8080: connect: connection refused",
            NotApplied,
        ),
        ("dial tcp 10.0.0.9:8080: i/o timeout", NotApplied),
        (
            "dial tcp: lookup bridge on 10.96.0.10:53: no such host",
            NotApplied,
        ),
        (
            "proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
            NotApplied,
        ),
        (
            "tls: first record does not look like a TLS handshake",
            NotApplied,
        ),
        ("remote error: tls: bad certificate", NotApplied),
        ("x509: certificate signed by unknown authority", NotApplied),
        ("net/http: TLS handshake timeout", NotApplied),
        (
            r#"net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04\x00\x00""#,
            NotApplied,
        ),
        (
            r#"net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0""#,
            Unknown,
        ),
        ("EOF", Unknown),
        ("unexpected EOF", Unknown),
        (
            "read tcp 10.0.0.1:4->10.0.0.9:8080: read: connection reset by peer",
            Unknown,
        ),
        (
            "write tcp 10.0.0.1:4->10.0.0.9:8080: write: broken pipe",
            Unknown,
        ),
        ("http: server closed idle connection", Unknown),
        ("context canceled", Unknown),
        ("read tcp 10.0.0.1:4->10.0.0.9:8080: i/o timeout", Unknown),
    ] {
        for (version, status, content_type, body) in forms(cause) {
            let problem = classify(INSTALL, status, content_type, &body);
            assert_eq!(
                problem.code,
                Code::EndpointUnreachable,
                "{version}: {cause}"
            );
            assert_eq!(problem.outcome, outcome, "{version}: {cause}");
            assert!(
                problem.detail.contains(cause),
                "{version}: {}",
                problem.detail
            );
        }
    }
}

#[test]
fn tillers_own_port_is_recognised_by_its_settings_frame() {
    let cause = r#"net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04""#;
    for (version, status, content_type, body) in forms(cause) {
        let hint = classify(INSTALL, status, content_type, &body).hint;
        assert!(
            hint.is_some_and(|hint| hint.contains("no bridge")),
            "{version}"
        );
    }
}

#[test]
fn strangers_are_told_apart_and_their_words_kept_out() {
    use Outcome::{NotApplied, Unknown};
    let page = "<html><body>secret-session-4711</body></html>";
    for (status, content_type, code, outcome) in [
        (200, HTML, Code::IntermediaryError, Unknown),
        (302, HTML, Code::IntermediaryError, NotApplied),
        (401, HTML, Code::IntermediaryError, NotApplied),
        (403, HTML, Code::IntermediaryError, NotApplied),
        (404, None, Code::IntermediaryError, NotApplied),
        (408, HTML, Code::IntermediaryError, Unknown),
        (413, HTML, Code::IntermediaryError, NotApplied),
        (429, HTML, Code::ClusterBusy, NotApplied),
        (499, HTML, Code::IntermediaryError, Unknown),
        (500, TEXT, Code::IntermediaryError, Unknown),
        (502, HTML, Code::IntermediaryError, Unknown),
        (503, HTML, Code::IntermediaryError, Unknown),
        (504, HTML, Code::IntermediaryError, Unknown),
        (503, JSON, Code::IntermediaryError, Unknown),
    ] {
        let problem = classify(INSTALL, status, content_type, page);
        assert_eq!(problem.code, code, "{status}");
        assert_eq!(problem.outcome, outcome, "{status}");
        let json = String::from_utf8(problem.to_json().to_vec()).unwrap();
        assert!(!json.contains("secret-session"), "{json}");
    }
}

#[test]
fn a_json_document_that_is_no_status_is_a_strangers() {
    for body in [
        "{}",
        "[]",
        r#"{"kind":"Status","apiVersion":"v2"}"#,
        "not json",
        "",
    ] {
        let problem = classify(INSTALL, 503, JSON, body);
        assert_eq!(problem.code, Code::IntermediaryError, "{body}");
    }
}

#[test]
fn a_shutting_down_apiserver_says_when_to_come_back() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    let problem = from_apiserver(
        INSTALL,
        &Answer {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: &headers,
            body: b"The apiserver is shutting down, please try again later.\n",
        },
    );
    assert_eq!(problem.code, Code::ClusterBusy);
    assert_eq!(problem.retry_after, Some(5));
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(problem.detail.starts_with("The apiserver is shutting down"));
}

#[test]
fn a_tls_port_reached_without_tls_is_named() {
    let problem = classify(
        INSTALL,
        400,
        TEXT,
        "Client sent an HTTP request to an HTTPS server.\n",
    );
    assert_eq!(problem.code, Code::IntermediaryError);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(problem.hint.unwrap().contains("grpc"));
}

#[test]
fn the_bridges_mark_tells_its_answers_from_the_apiservers() {
    let mut headers = HeaderMap::new();
    headers.insert(
        crate::relay::ANSWERED_BY,
        HeaderValue::from_static("bridge"),
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    for (status, outcome) in [(401, Outcome::NotApplied), (500, Outcome::Unknown)] {
        let problem = from_apiserver(
            INSTALL,
            &Answer {
                status: StatusCode::from_u16(status).unwrap(),
                headers: &headers,
                body: b"wrong key\n",
            },
        );
        assert_eq!(problem.code, Code::BridgeError);
        assert_eq!(problem.detail, "wrong key");
        assert_eq!(problem.outcome, outcome);
    }
}

#[test]
fn a_failed_read_is_never_in_doubt() {
    for (version, status, content_type, body) in forms("EOF") {
        let problem = classify(Method::ListReleases, status, content_type, &body);
        assert_eq!(problem.outcome, Outcome::NotApplied, "{version}");
    }
}

#[test]
fn the_edge_is_to_blame_for_its_credentials() {
    let body = status_json(403, "services", "forbidden");
    assert_eq!(classify(INSTALL, 403, JSON, &body).blame(), Blame::Edge);
}

#[test]
fn grpc_is_known_by_its_status_or_its_content_type() {
    let mut headers = HeaderMap::new();
    assert!(!is_grpc(&headers));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    assert!(!is_grpc(&headers));
    headers.insert("grpc-status", HeaderValue::from_static("0"));
    assert!(is_grpc(&headers));
    headers.clear();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc-web+proto"),
    );
    assert!(is_grpc(&headers));
}

#[test]
fn an_excerpt_is_one_short_line() {
    let body = "a\r\nb\u{1b}[31m".repeat(1000);
    let line = excerpt(body.as_bytes());
    assert!(line.len() <= EXCERPT);
    assert!(!line.contains(char::is_control));
    assert_eq!(excerpt(&[0xff, b'x']), "\u{fffd}x");
}
