//! Calls to the relay: one right, the others each wrong in one respect.

use std::env;

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body_util::Full;
use spin_sdk::http::{IntoResponse, Request, send};

use crate::{Answer, refused};

/// A `ListReleasesRequest` with `limit: 10`, framed.
const LIST: &[u8] = b"\0\0\0\0\x02\x08\x0a";

type Outgoing = http::Request<Full<Bytes>>;

/// Where a behaviour's calls go.
pub(crate) struct Call {
    base: String,
    pub(crate) cluster: String,
}

impl Call {
    /// The relay of the environment, and the cluster of the query.
    pub(crate) fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let cluster = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("cluster="));
        Self {
            base: env::var("TILLER_EDGE_RELAY").unwrap_or_default(),
            cluster: cluster.unwrap_or("sim").to_owned(),
        }
    }

    /// A right call.
    pub(crate) fn list(&self) -> Outgoing {
        self.with_body(LIST)
    }

    fn with_body(&self, body: &'static [u8]) -> Outgoing {
        self.to(
            &self.base,
            "hapi.services.tiller.ReleaseService/ListReleases",
            body,
        )
    }

    fn to(&self, base: &str, rest: &str, body: &'static [u8]) -> Outgoing {
        http::Request::post(format!("{base}/clusters/{}/{rest}", self.cluster))
            .header("content-type", "application/grpc-web+proto")
            .header("content-length", body.len())
            .header("x-helm-api-client", "v2.0.0+unreleased")
            .body(Full::new(Bytes::from_static(body)))
            .expect("a test names its cluster in URL-safe letters")
    }
}

/// The right call.
pub(crate) async fn list(request: Request) -> Answer {
    pass(Call::of(&request).list()).await
}

/// A host that is not the relay.
pub(crate) async fn foreign_authority(request: Request) -> Answer {
    let call = Call::of(&request);
    let rest = "hapi.services.tiller.ReleaseService/ListReleases";
    pass(call.to("http://metadata.internal", rest, LIST)).await
}

/// The relay's authority, but a Host header that names another.
pub(crate) async fn foreign_host_header(request: Request) -> Answer {
    let header = ("host", "metadata.internal");
    pass(headed(Call::of(&request).list(), header)).await
}

/// A gRPC method that is not one of Tiller's.
pub(crate) async fn foreign_method(request: Request) -> Answer {
    let call = Call::of(&request);
    pass(call.to(
        &call.base,
        "hapi.services.tiller.ReleaseService/Shell",
        LIST,
    ))
    .await
}

/// A path that climbs out of the cluster's and into its APIServer's.
pub(crate) async fn foreign_path(request: Request) -> Answer {
    let call = Call::of(&request);
    let rest = "hapi.services.tiller.ReleaseService/../../../../api/v1/secrets";
    pass(call.to(&call.base, rest, LIST)).await
}

/// Headers by which an APIServer would take the call for somebody else's.
pub(crate) async fn forge_audit_headers(request: Request) -> Answer {
    let mut call = Call::of(&request).list();
    for (name, value) in [
        ("impersonate-user", "system:admin"),
        ("x-remote-user", "system:admin"),
        ("x-request-id", "forged"),
        ("audit-id", "forged"),
        ("cookie", "session=forged"),
    ] {
        call = headed(call, (name, value));
    }
    pass(call).await
}

/// A credential of its own choice.
pub(crate) async fn forge_authorization(request: Request) -> Answer {
    let header = ("authorization", "Bearer forged");
    pass(headed(Call::of(&request).list(), header)).await
}

/// GET instead of POST.
pub(crate) async fn get(request: Request) -> Answer {
    let mut call = Call::of(&request).list();
    *call.method_mut() = Method::GET;
    pass(call).await
}

/// A content type that a browser would send.
pub(crate) async fn html(request: Request) -> Answer {
    let header = ("content-type", "text/html");
    pass(headed(Call::of(&request).list(), header)).await
}

/// No message.
pub(crate) async fn no_frame(request: Request) -> Answer {
    pass(Call::of(&request).with_body(b"")).await
}

/// Trailers where the message belongs.
pub(crate) async fn trailer_frame(request: Request) -> Answer {
    pass(Call::of(&request).with_body(b"\x80\0\0\0\x02\x08\x0a")).await
}

/// A frame that promises more than it holds.
pub(crate) async fn truncated_frame(request: Request) -> Answer {
    pass(Call::of(&request).with_body(b"\0\0\0\0\x05\x08\x0a")).await
}

/// A second message behind the first.
pub(crate) async fn two_frames(request: Request) -> Answer {
    pass(Call::of(&request).with_body(b"\0\0\0\0\x02\x08\x0a\0\0\0\0\x02\x08\x0a")).await
}

/// Passes on what the relay answers.
async fn pass(call: Outgoing) -> Answer {
    match send(call).await {
        Ok(answer) => answer.into_response(),
        Err(error) => refused(error),
    }
}

fn headed(mut call: Outgoing, (name, value): (&'static str, &'static str)) -> Outgoing {
    call.headers_mut()
        .insert(name, HeaderValue::from_static(value));
    call
}
