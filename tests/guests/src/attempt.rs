//! Attempts: calls whose every part is chosen freely, and a report of all that they got.

use std::env;

use http_body_util::BodyExt;
use spin_sdk::http::FromResponse;
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{Fields, Method, Request, Response, Scheme};
use spin_sdk::wasip3::{spawn, wit_future, wit_stream};

use crate::message::Message;
use crate::{Answer, text};

/// What the caller may use, and what it may not.
pub(crate) const NAMESPACE: &str = "a";
pub(crate) const ELSEWHERE: &str = "b";
pub(crate) const MINE: &str = "mine";
pub(crate) const THEIRS: &str = "theirs";

const SERVICE: &str = "hapi.services.tiller.ReleaseService";

/// A call to be.
#[derive(Clone)]
pub(crate) struct Attempt {
    method: Method,
    scheme: Scheme,
    authority: String,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    pieces: Vec<Vec<u8>>,
    trailers: Vec<(&'static str, Vec<u8>)>,
}

impl Attempt {
    /// A right call of that method with that message, at that cluster.
    pub(crate) fn call(cluster: &str, method: &str, message: &Message) -> Self {
        let base = env::var("TILLER_EDGE_RELAY").unwrap_or_default();
        let authority = base.strip_prefix("http://").unwrap_or_default().to_owned();
        Self {
            method: Method::Post,
            scheme: Scheme::Http,
            authority,
            path: format!("/clusters/{cluster}/{SERVICE}/{method}"),
            headers: vec![
                ("content-type", b"application/grpc-web+proto".to_vec()),
                ("x-helm-api-client", b"v2.0.0+unreleased".to_vec()),
            ],
            pieces: vec![message.framed(0)],
            trailers: Vec::new(),
        }
    }

    /// A right list of everything.
    pub(crate) fn list(cluster: &str) -> Self {
        Self::call(cluster, "ListReleases", &every_release())
    }

    /// A question about charts.
    pub(crate) fn get(path: &str) -> Self {
        let question = Self::list("").at(path).pieces([]);
        Self {
            method: Method::Get,
            headers: Vec::new(),
            ..question
        }
    }

    /// To another scheme and authority.
    pub(crate) fn to(mut self, scheme: Scheme, authority: &str) -> Self {
        self.scheme = scheme;
        authority.clone_into(&mut self.authority);
        self
    }

    /// To another path, query included.
    pub(crate) fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// With one more header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.as_bytes().to_vec()));
        self
    }

    /// With another content type.
    pub(crate) fn content_type(mut self, value: &str) -> Self {
        self.headers.retain(|(name, _)| *name != "content-type");
        self.header("content-type", value)
    }

    /// With a body that comes in these pieces, each made only when the one before was taken.
    pub(crate) fn pieces(mut self, pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.pieces = pieces.into_iter().collect();
        self
    }

    /// With one more trailer.
    pub(crate) fn trailer(mut self, name: &'static str, value: &str) -> Self {
        self.trailers.push((name, value.as_bytes().to_vec()));
        self
    }

    /// Everything that it gets: the answer whole, or why there is none.
    pub(crate) async fn send(self) -> String {
        match self.request() {
            Err(what) => format!("refused: {what}"),
            Ok(request) => match client::send(request).await {
                Err(error) => format!("refused: {error:?}"),
                Ok(answer) => read(answer).await,
            },
        }
    }

    fn request(self) -> Result<Request, String> {
        let headers = Fields::from_list(&listed(&self.headers))
            .map_err(|error| format!("headers: {error:?}"))?;
        let trailers = match self.trailers.as_slice() {
            [] => None,
            trailers => Some(
                Fields::from_list(&listed(trailers))
                    .map_err(|error| format!("trailers: {error:?}"))?,
            ),
        };
        let (mut body, contents) = wit_stream::new();
        let (end, ended) = wit_future::new(|| Ok(None));
        let pieces = self.pieces;
        spawn(async move {
            for piece in pieces {
                if !body.write_all(piece).await.is_empty() {
                    return;
                }
            }
            drop(body);
            _ = end.write(Ok(trailers)).await;
        });
        let (request, _) = Request::new(headers, Some(contents), ended, None);
        request
            .set_method(&self.method)
            .map_err(|()| "method".to_owned())?;
        request
            .set_scheme(Some(&self.scheme))
            .map_err(|()| "scheme".to_owned())?;
        request
            .set_authority(Some(&self.authority))
            .map_err(|()| "authority".to_owned())?;
        request
            .set_path_with_query(Some(&self.path))
            .map_err(|()| "path".to_owned())?;
        Ok(request)
    }
}

/// A `ListReleasesRequest` for every release there is, in any status.
pub(crate) fn every_release() -> Message {
    (0..=8).fold(Message::default().number(1, 512), |list, status| {
        list.number(6, status)
    })
}

/// What attempts came to, a line each, for whoever looks for what should not be there.
#[derive(Default)]
pub(crate) struct Report(String);

impl Report {
    /// Makes an attempt and notes what it got.
    pub(crate) async fn attempt(&mut self, what: &str, attempt: Attempt) {
        let got = attempt.send().await;
        self.note(what, &got);
    }

    /// Notes what something got.
    pub(crate) fn note(&mut self, what: &str, got: &str) {
        self.0.push_str(&format!("{what}: {got}\n"));
    }

    pub(crate) fn into_answer(self) -> Answer {
        text(self.0)
    }
}

async fn read(answer: Response) -> String {
    let status = answer.get_status_code();
    let headers: String = answer
        .get_headers()
        .copy_all()
        .iter()
        .map(|(name, value)| format!(" {name}={}", String::from_utf8_lossy(value)))
        .collect();
    let body = match spin_sdk::http::Response::from_response(answer) {
        Err(error) => return format!("{status}{headers} refused: {error:?}"),
        Ok(answer) => answer.into_body().collect().await,
    };
    match body {
        Err(error) => format!("{status}{headers} broken: {error:?}"),
        Ok(body) => {
            let body = body.to_bytes();
            format!("{status}{headers} {:?}", String::from_utf8_lossy(&body))
        }
    }
}

fn listed(fields: &[(&'static str, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}
