//! One request, answered: who may, what there is, and what is wrong today.

use std::io;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;

use super::fault::Gate;
use super::{Access, Asked, BASE, Content, Fault, Part, State, Validators, entry, lock};

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What [`Fault::Endless`] repeats.
static NOTHING: [u8; 16 << 10] = [0; 16 << 10];

pub(super) fn answer(state: &State, request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let headers = request.headers();
    let response = respond(state, request.method(), path, headers);
    lock(&state.asked).push(Asked {
        path: path.to_owned(),
        query: request.uri().query().map(str::to_owned),
        authorization: headers.contains_key(header::AUTHORIZATION),
        conditional: headers.contains_key(header::IF_NONE_MATCH)
            || headers.contains_key(header::IF_MODIFIED_SINCE),
        status: response.status().as_u16(),
    });
    response
}

fn respond(state: &State, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    let part = Part::of(path);
    match state.faults.fault(part) {
        Some(Fault::Answer(status, body)) => {
            let status = StatusCode::from_u16(status).expect("a test's own status");
            return plain(status, body);
        }
        Some(Fault::Redirect(url)) => {
            let mut response = plain(StatusCode::FOUND, String::new());
            let url = HeaderValue::try_from(url).expect("a test's own URL");
            response.headers_mut().insert(header::LOCATION, url);
            return response;
        }
        _ => {}
    }
    if !state.access.admits(headers) {
        let mut response = plain(StatusCode::UNAUTHORIZED, "Unauthorized\n".to_owned());
        let scheme = match state.access {
            Access::Bearer(_) => "Bearer",
            _ => "Basic realm=\"charts\"",
        };
        let scheme = HeaderValue::from_static(scheme);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
        return response;
    }
    if method != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, String::new());
    }
    let content = lock(&state.content);
    if path != format!("{BASE}/index.yaml") {
        return match content.files.get(path) {
            Some(file) => state.send(part, file.clone()),
            None => plain(StatusCode::NOT_FOUND, "404 page not found\n".to_owned()),
        };
    }
    let validators = content.validators(state.validators);
    let mut response = if is_fresh(headers, &validators) {
        let mut response = plain(StatusCode::NOT_MODIFIED, String::new());
        response.headers_mut().clear();
        response
    } else {
        state.send(part, content.index.clone())
    };
    response.headers_mut().extend(validators);
    response
}

impl Access {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let wanted = match self {
            Self::Anybody => return true,
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Login(user, password) => {
                let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {login}")
            }
        };
        headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value == &wanted)
    }
}

impl Content {
    fn validators(&self, which: Validators) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if matches!(which, Validators::Both | Validators::ETag) {
            let tag = format!("\"{}\"", entry::digest(self.changes.to_string().as_bytes()));
            let tag = HeaderValue::try_from(tag).expect("hex in quotes");
            headers.insert(header::ETAG, tag);
        }
        if matches!(which, Validators::Both | Validators::LastModified) {
            let (minute, second) = (self.changes / 60 % 60, self.changes % 60);
            let time = format!("Wed, 28 Oct 2020 14:{minute:02}:{second:02} GMT");
            let time = HeaderValue::try_from(time).expect("a date");
            headers.insert(header::LAST_MODIFIED, time);
        }
        headers
    }
}

/// `If-None-Match` counts alone where both are sent (RFC 9110, 13.2.2).
fn is_fresh(asked: &HeaderMap, validators: &HeaderMap) -> bool {
    let (condition, validator) = if asked.contains_key(header::IF_NONE_MATCH) {
        (header::IF_NONE_MATCH, header::ETAG)
    } else {
        (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)
    };
    validators.contains_key(&validator) && asked.get(condition) == validators.get(validator)
}

impl State {
    /// A 200 with this body, or with what the part's fault makes of it.
    fn send(&self, part: Part, mut body: Bytes) -> Response<Body> {
        let length = body.len();
        let fault = self.faults.fault(part);
        if fault == Some(Fault::Tamper) {
            let mut bytes = body.to_vec();
            if let Some(byte) = bytes.get_mut(length / 2) {
                *byte ^= 1;
            }
            body = bytes.into();
        }
        let gates = self.faults.gates(part);
        let (told, body) = match fault {
            Some(Fault::Endless) => (None, endless(body)),
            Some(Fault::Length) => (Some(length.saturating_sub(1)), whole(body)),
            Some(Fault::Truncate) => (Some(length), halved(&body)),
            _ if gates.is_empty() => (Some(length), whole(body)),
            _ => (Some(length), held(body, gates)),
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let kind = match part {
            Part::Archive => "application/gzip",
            Part::Index => "application/x-yaml",
            Part::Provenance => "text/plain; charset=utf-8",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(length) = told {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }
}

fn plain(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(
        Full::from(body)
            .map_err(|never| match never {})
            .boxed_unsync(),
    );
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// In one piece whose length the body itself does not tell, so that `content-length` can be anything.
fn whole(body: Bytes) -> Body {
    pieces(stream::iter([Ok(body)]))
}

fn halved(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let broken = io::Error::other("the rest is not sent");
    // The first half is on its way before the connection breaks.
    let rest = stream::once(async {
        tokio::task::yield_now().await;
        Err(broken)
    });
    pieces(stream::iter([Ok(half)]).chain(rest))
}

fn endless(body: Bytes) -> Body {
    let rest = stream::repeat(Bytes::from_static(&NOTHING)).map(Ok);
    pieces(stream::iter([Ok(body)]).chain(rest))
}

fn held(mut body: Bytes, gates: Vec<Gate>) -> Body {
    let first = body.split_to(body.len().min(1));
    let rest = stream::once(async move {
        for gate in &gates {
            gate.pass().await;
        }
        Ok(body)
    });
    pieces(stream::iter([Ok(first)]).chain(rest))
}

fn pieces(pieces: impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}
