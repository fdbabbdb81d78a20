//! A plain HTTP client, and what it gets.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Between the parts of a form.
const BOUNDARY: &str = "----scenario";

/// What a segment of a path may not have as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Sends requests to one edge.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    patience: Duration,
    client: legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// For the edge at `base`; no request takes longer than `patience`.
    pub fn new(base: Uri, patience: Duration) -> Self {
        Self {
            base: base.to_string().trim_end_matches('/').to_owned(),
            patience,
            client: legacy::Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Where the edge is, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Gets a path.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`].
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send("GET", path, &[], None).await
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When there is none in time, or it breaks off. Any status is an answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Body>,
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = &body {
            request = request.header(header::CONTENT_TYPE, &body.content_type);
        }
        let content = body.map(|body| body.content).unwrap_or_default();
        let request = request.body(Full::new(content))?;
        timeout(self.patience, self.exchange(request))
            .await
            .with_context(|| format!("no answer within {:?}", self.patience))?
            .with_context(|| format!("{method} {path}"))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let (head, body) = self.client.request(request).await?.into_parts();
        let body = body
            .collect()
            .await
            .context("the answer broke off")?
            .to_bytes();
        let json = serde_json::from_slice(&body).ok();
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            json,
        })
    }
}

/// A request's body.
#[derive(Clone, Debug)]
pub struct Body {
    content_type: HeaderValue,
    content: Bytes,
}

impl Body {
    /// A JSON document.
    pub fn json(value: &Value) -> Self {
        Self {
            content_type: HeaderValue::from_static("application/json"),
            content: value.to_string().into(),
        }
    }

    /// A form with a chart's archive and, as the part `request`, fields.
    pub fn form(chart: &[u8], fields: Option<&Value>) -> Self {
        let mut content = Vec::with_capacity(chart.len() + 1024);
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"chart\"; filename=\"chart.tgz\"\r\n\
             content-type: application/gzip\r\n\r\n"
        );
        content.extend_from_slice(head.as_bytes());
        content.extend_from_slice(chart);
        if let Some(fields) = fields {
            let part = format!(
                "\r\n--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"request\"\r\n\
                 content-type: application/json\r\n\r\n{fields}"
            );
            content.extend_from_slice(part.as_bytes());
        }
        content.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        Self {
            content_type: HeaderValue::try_from(content_type)
                .expect("a boundary of letters and hyphens"),
            content: content.into(),
        }
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    json: Option<Value>,
}

impl Answer {
    /// The body, if it is a JSON document.
    pub fn json(&self) -> Option<&Value> {
        self.json.as_ref()
    }

    /// A header, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(f, "{} {:.2000}", self.status, body)
    }
}

/// The field `chart` with an archive in it.
pub(super) fn archive_json(archive: &[u8]) -> Value {
    json!({ "archive": BASE64_STANDARD.encode(archive) })
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}
