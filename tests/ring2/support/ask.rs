//! Requests: `post(RELEASES).json(&body).over(Protocol::H2)`.

use std::convert::Infallible;

use bytes::Bytes;
use futures::Stream;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::Value;

use super::pki::Secure;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a caller speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    H1,
    H2,
}

/// A request to be.
pub(crate) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) protocol: Protocol,
    pub(super) secure: Option<Secure>,
}

pub(crate) fn get(path: impl Into<String>) -> Ask {
    Ask::new(Method::GET, path)
}

pub(crate) fn post(path: impl Into<String>) -> Ask {
    Ask::new(Method::POST, path)
}

pub(crate) fn options(path: impl Into<String>) -> Ask {
    Ask::new(Method::OPTIONS, path)
}

pub(crate) fn put(path: impl Into<String>) -> Ask {
    Ask::new(Method::PUT, path)
}

pub(crate) fn delete(path: impl Into<String>) -> Ask {
    Ask::new(Method::DELETE, path)
}

impl Ask {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: whole(Bytes::new()),
            protocol: Protocol::H1,
            secure: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header's value");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// With a body of that media type.
    pub(crate) fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = whole(body.into());
        self.header("content-type", media_type)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With a body that comes in pieces, its length untold.
    pub(crate) fn pieces(
        mut self,
        media_type: &str,
        pieces: impl Stream<Item = Bytes> + Send + 'static,
    ) -> Self {
        let frames = pieces.map(|piece| Ok(Frame::data(piece)));
        self.body = StreamBody::new(frames).boxed_unsync();
        self.header("content-type", media_type)
    }

    pub(crate) fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Over TLS.
    pub(crate) fn secured(mut self, secure: &Secure) -> Self {
        self.secure = Some(secure.clone());
        self
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}
