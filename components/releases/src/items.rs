//! Lists as they are written, item by item, in three forms.
//!
//! Once the first byte is out there is no other status to answer with, so an error becomes the last thing
//! in the list: a member `error` after the items in JSON, an item of type `error` in the others. A list
//! that just ends is complete.

use bytes::Bytes;
use client::{Failure, Scope};
use futures::{SinkExt, channel::mpsc::Sender};
use http::{HeaderValue, Response, StatusCode, header};
use rest::{
    negotiate::{JSON, ListFormat},
    problem::{Code, Problem},
    view::TestSummary,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{body::Body, reply};

/// Pieces are sent when they have this many bytes, or when the next would have to be waited for.
const PIECE: usize = 16 << 10;

/// Writes a list.
pub(crate) struct Items {
    format: ListFormat,
    scope: Scope,
    pieces: Sender<Bytes>,
    buffer: Vec<u8>,
    any: bool,
}

/// What comes after the items.
pub(crate) enum End {
    /// Where the next page begins.
    Next(String),
    /// Nothing.
    Plain,
    /// How a test run went.
    Summary(TestSummary),
}

/// The last line, where items are lines.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Last {
    Error { error: Value },
    Next { next: String },
    Summary(TestSummary),
}

/// The answer with a list that `write` writes.
pub(crate) fn answer<F>(
    format: ListFormat,
    scope: Scope,
    write: impl FnOnce(Items) -> F,
) -> Response<Body>
where
    F: Future<Output = ()> + 'static,
{
    let body = Body::made_by(|pieces| {
        write(Items {
            format,
            scope,
            pieces,
            buffer: match format {
                ListFormat::Json => b"{\"items\":[".to_vec(),
                ListFormat::EventStream | ListFormat::NdJson => Vec::new(),
            },
            any: false,
        })
    });
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    if format == ListFormat::EventStream {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// The answer with a list that the relay made of `what`: in JSON as it is, else item by item.
pub(crate) fn relayed(
    format: ListFormat,
    scope: Scope,
    document: Bytes,
    what: &str,
) -> Result<Response<Body>, Failure> {
    if format == ListFormat::Json {
        return Ok(reply::bytes(StatusCode::OK, JSON, document));
    }
    let list: List = serde_json::from_slice(&document).map_err(|error| {
        Problem::new(
            Code::NotRelayed,
            format!("the relay's list of {what} cannot be read: {error}"),
        )
    })?;
    Ok(answer(format, scope, |mut items| async move {
        for item in &list.items {
            items.item(item).await;
        }
        items.end(list.next.map_or(End::Plain, End::Next)).await;
    }))
}

/// Members of items that this version does not know pass as they are.
#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
    #[serde(default)]
    next: Option<String>,
}

impl Items {
    /// Writes an item.
    pub(crate) async fn item(&mut self, item: &impl Serialize) {
        match self.format {
            ListFormat::Json if self.any => self.buffer.push(b','),
            ListFormat::EventStream => self.buffer.extend_from_slice(b"data: "),
            ListFormat::Json | ListFormat::NdJson => {}
        }
        self.any = true;
        self.write(item);
        match self.format {
            ListFormat::Json => {}
            ListFormat::NdJson => self.buffer.push(b'\n'),
            ListFormat::EventStream => self.buffer.extend_from_slice(b"\n\n"),
        }
        if self.buffer.len() >= PIECE {
            self.flush().await;
        }
    }

    /// Sends what is written.
    pub(crate) async fn flush(&mut self) {
        if !self.buffer.is_empty() {
            let piece = std::mem::take(&mut self.buffer).into();
            // The receiver is gone only when this future is about to be.
            let _ = self.pieces.send(piece).await;
        }
    }

    /// Ends the list as complete.
    pub(crate) async fn end(mut self, end: End) {
        match (self.format, end) {
            (ListFormat::Json, End::Plain) => self.buffer.extend_from_slice(b"]}"),
            (ListFormat::Json, End::Next(next)) => self.close("next", &next),
            (ListFormat::Json, End::Summary(summary)) => self.close("summary", &summary),
            (ListFormat::NdJson, End::Plain) => {}
            (ListFormat::NdJson, End::Next(next)) => self.item(&Last::Next { next }).await,
            (ListFormat::NdJson, End::Summary(summary)) => {
                self.item(&Last::Summary(summary)).await;
            }
            (ListFormat::EventStream, End::Plain) => self.event("end", &json!({})),
            (ListFormat::EventStream, End::Next(next)) => {
                self.event("end", &json!({"next": next}));
            }
            (ListFormat::EventStream, End::Summary(summary)) => {
                self.event("summary", &summary);
                self.event("end", &json!({}));
            }
        }
        self.flush().await;
    }

    /// Ends the list with an error.
    pub(crate) async fn fail(mut self, failure: &Failure) {
        let problem = failure.to_json(&self.scope);
        let problem: Value = serde_json::from_slice(&problem).unwrap_or_default();
        match self.format {
            ListFormat::Json => self.close("error", &problem),
            ListFormat::NdJson => self.item(&Last::Error { error: problem }).await,
            ListFormat::EventStream => self.event("error", &problem),
        }
        self.flush().await;
    }

    fn close(&mut self, name: &str, value: &impl Serialize) {
        self.buffer.extend_from_slice(b"],");
        self.write(&name);
        self.buffer.push(b':');
        self.write(value);
        self.buffer.push(b'}');
    }

    fn event(&mut self, name: &str, data: &impl Serialize) {
        self.buffer.extend_from_slice(b"event: ");
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\ndata: ");
        self.write(data);
        self.buffer.extend_from_slice(b"\n\n");
    }

    fn write(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.buffer, value)
            .expect("views have nothing that JSON has not, and a vector takes it");
    }
}
