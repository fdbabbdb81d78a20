//! Who is let in, how often, and what becomes of the credential.

use std::path::Path;

use http::HeaderMap;
use rest::problem::Outcome;

use super::*;
use crate::access::{Identity, TokenHash};
use crate::config::Config;

const TOKEN: &str = "te_s3cret-of-alice";
const OTHER: &str = "te_s3cret-of-bob";
/// Of no issuer that the edge knows.
const FOREIGN: &str = "eyJhbGciOiJSUzI1NiJ9.e30.s3cret";

/// Answers who is calling, and with which credential left.
#[derive(Default)]
struct Who;

impl Handler for Who {
    fn opens(&self, path: &str) -> bool {
        path.starts_with("/open/")
    }

    async fn handle(&self, caller: Caller, request: Request<Body>) -> Response<Body> {
        let who = match &caller.identity {
            Identity::Known(principal) => format!("{} by {}", principal.name, principal.method),
            Identity::PerCluster => "somebody".to_owned(),
        };
        let authorization = caller
            .authorization
            .as_ref()
            .map_or("nothing", |secret| secret.expose_secret());
        assert!(caller.peer.is_some_and(|peer| peer.ip().is_loopback()));
        assert!(request.headers().get("authorization").is_none());
        Response::new(body(format!("{who} with {authorization}")))
    }
}

/// An ingress that knows two tokens, with `more` in its configuration.
async fn guarded(more: &str) -> Ingress<Who> {
    let text = format!(
        "[[token]]\nname = \"alice\"\nhash = \"{}\"\n[[token]]\nname = \"bob\"\nhash = \"{}\"\n{more}",
        TokenHash::of(TOKEN),
        TokenHash::of(OTHER),
    );
    let config = Config::parse(&text, Path::new("edge.toml")).expect("valid");
    let setup = Setup {
        access: Arc::new(Access::load(&config).expect("loads")),
        rate: Arc::new(Rate::new(&config.rate)),
        ..Setup::local(config.limits)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Ingress::start(listener, Arc::new(Who), setup).expect("starts")
}

async fn ask(ingress: &Ingress<Who>, path: &str, token: Option<&str>) -> Response<Bytes> {
    let stream = soon(TcpStream::connect(ingress.addr()))
        .await
        .expect("connects");
    let (mut sender, connection) = soon(http1::handshake(TokioIo::new(stream)))
        .await
        .expect("h1");
    tokio::spawn(connection);
    let mut request = get(path);
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a value");
        request.headers_mut().insert("authorization", value);
    }
    whole(soon(sender.send_request(request)).await).await
}

fn has_no_secret(headers: &HeaderMap, body: &Bytes) {
    let said = format!("{headers:?} {}", String::from_utf8_lossy(body));
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test]
async fn a_token_of_this_edge_goes_no_further() {
    let edge = guarded("").await;
    let answer = ask(&edge, "/", Some(TOKEN)).await;
    assert_eq!(answer.body(), "alice by token with nothing");
}

#[tokio::test]
async fn a_token_of_a_cluster_is_kept_for_the_cluster() {
    let edge = guarded("[kubernetes]").await;
    let answer = ask(&edge, "/", Some(FOREIGN)).await;
    let expected = format!("somebody with Bearer {FOREIGN}");
    assert_eq!(answer.body(), &expected);
}

#[tokio::test]
async fn whoever_is_not_known_gets_no_further_and_is_told_how() {
    let edge = guarded("").await;
    for (token, challenge) in [
        (None, r#"Bearer realm="tiller-edge""#),
        (
            Some("te_s3cret-of-nobody"),
            r#"Bearer realm="tiller-edge", error="invalid_token""#,
        ),
        (
            Some(FOREIGN),
            r#"Bearer realm="tiller-edge", error="invalid_token""#,
        ),
    ] {
        let answer = ask(&edge, "/", token).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()["www-authenticate"], challenge);
        let problem = problem(&answer);
        assert_eq!(problem.code, Code::Unauthenticated);
        assert_eq!(problem.outcome, Outcome::NotApplied);
        assert_eq!(
            problem.request_id.as_deref(),
            answer.headers()["x-request-id"].to_str().ok()
        );
        has_no_secret(answer.headers(), answer.body());
    }
}

#[tokio::test]
async fn health_is_told_to_everybody() {
    let edge = guarded("[rate]\nprincipal = \"1/h\"").await;
    for _ in 0..3 {
        for path in ["/healthz", "/readyz"] {
            let answer = ask(&edge, path, None).await;
            assert_eq!(answer.status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn whoever_calls_too_often_is_told_when_to_come_back() {
    let edge = guarded("[kubernetes]\n[rate]\nprincipal = \"1/h burst 2\"").await;
    for token in [TOKEN, OTHER, FOREIGN, "another.clusters.s3cret"] {
        for _ in 0..2 {
            let answer = ask(&edge, "/", Some(token)).await;
            assert_eq!(answer.status(), StatusCode::OK);
        }
        let answer = ask(&edge, "/", Some(token)).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let problem = problem(&answer);
        assert_eq!(problem.code, Code::RateLimited);
        let seconds = problem.retry_after.expect("told");
        assert!((3500..=3600).contains(&seconds), "{seconds}");
        assert_eq!(answer.headers()["retry-after"], seconds.to_string());
        has_no_secret(answer.headers(), answer.body());
    }
    // What is turned away is nobody's share.
    for _ in 0..4 {
        let answer = ask(&edge, "/", None).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn where_the_handler_finds_out_nobody_is_known_and_the_credential_is_left() {
    let edge = guarded("").await;
    for (token, left) in [
        (None, "nothing".to_owned()),
        (Some(TOKEN), format!("Bearer {TOKEN}")),
        (Some("made up"), "Bearer made up".to_owned()),
    ] {
        let answer = ask(&edge, "/open/door", token).await;
        assert_eq!(answer.body(), &format!("hook: by hook with {left}"));
    }
    for path in ["/open", "/", "//open/door"] {
        assert_eq!(ask(&edge, path, None).await.status(), 401, "{path}");
    }
}
