//! A relay made of memory, and requests to the component in front of it.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use client::{Relay, SendError};
use grpc_web::{Code, Status};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use prost::Message;
use rest::problem::Problem;
use serde_json::Value;
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata},
    release::Release,
    services::tiller::{ListReleasesRequest, ListReleasesResponse},
};
use webhooks::serve;

/// The path of the call by which releases are listed.
const LIST: &str = "/clusters/prod/hapi.services.tiller.ReleaseService/ListReleases";

#[derive(Default)]
struct State {
    documents: HashMap<String, (u16, String)>,
    pages: VecDeque<Bytes>,
    calls: Vec<(String, Bytes)>,
}

/// The relay and everything behind it.
#[derive(Clone, Default)]
pub(crate) struct Edge(Rc<RefCell<State>>);

/// An edge in front of a relay that knows nothing yet.
pub(crate) fn edge() -> Edge {
    Edge::default()
}

impl Edge {
    /// The relay has this document.
    pub(crate) fn document(self, path: &str, document: &Value) -> Self {
        self.answer(path, 200, document.to_string())
    }

    /// The relay answers a question for that path with a problem.
    pub(crate) fn refuses(self, path: &str, problem: &Problem) -> Self {
        let json = String::from_utf8(problem.to_json().to_vec()).expect("JSON");
        self.answer(path, problem.status().as_u16(), json)
    }

    fn answer(self, path: &str, status: u16, body: String) -> Self {
        self.0
            .borrow_mut()
            .documents
            .insert(path.into(), (status, body));
        self
    }

    /// The next list of releases succeeds with these messages.
    pub(crate) fn lists(self, chunks: &[ListReleasesResponse]) -> Self {
        let frames = chunks
            .iter()
            .map(|chunk| grpc_web::encode_message(&chunk.encode_to_vec()))
            .chain([Status::new(Code::Ok, "").to_trailers().encode()]);
        let body: Vec<u8> = frames.flat_map(|frame| frame.to_vec()).collect();
        self.0.borrow_mut().pages.push_back(body.into());
        self
    }

    /// The next list fails with these words of Tiller, after these messages.
    pub(crate) fn fails(self, chunks: &[ListReleasesResponse], text: &str) -> Self {
        let frames = chunks
            .iter()
            .map(|chunk| grpc_web::encode_message(&chunk.encode_to_vec()))
            .chain([Status::new(Code::Unknown, text).to_trailers().encode()]);
        let body: Vec<u8> = frames.flat_map(|frame| frame.to_vec()).collect();
        self.0.borrow_mut().pages.push_back(body.into());
        self
    }

    /// What the relay was asked, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        let state = self.0.borrow();
        state.calls.iter().map(|(path, _)| path.clone()).collect()
    }

    /// The lists that were asked for.
    pub(crate) fn asked(&self) -> Vec<ListReleasesRequest> {
        let state = self.0.borrow();
        let lists = state.calls.iter().filter(|(path, _)| path == LIST);
        lists
            .map(|(_, body)| {
                let message = grpc_web::unary_message(body, usize::MAX).expect("one message");
                ListReleasesRequest::decode(message).expect("a request")
            })
            .collect()
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send("POST", path, headers, body).await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let base = Some("http://relay.internal/".to_owned());
        let response = soon(serve(self.clone(), base, request)).await;
        let (head, body) = response.into_parts();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: soon(body.collect()).await.unwrap().to_bytes(),
        }
    }
}

impl Relay for Edge {
    type Body = FakeBody;

    async fn send(&self, request: Request<Bytes>) -> Result<Response<FakeBody>, SendError> {
        let uri = request.uri().to_string();
        let path = uri
            .strip_prefix("http://relay.internal")
            .expect("calls go to the relay");
        let mut state = self.0.borrow_mut();
        state.calls.push((path.to_owned(), request.body().clone()));
        if path == LIST {
            let page = state.pages.pop_front().expect("one more list");
            return Ok(Response::builder()
                .header("content-type", grpc_web::CONTENT_TYPE)
                .body(FakeBody::new(page))
                .unwrap());
        }
        let Some((status, body)) = state.documents.get(path) else {
            return Err(SendError {
                message: format!("there is no document {path}"),
                unsent: true,
            });
        };
        let kind = if *status == 200 {
            "application/json"
        } else {
            "application/problem+json"
        };
        Ok(Response::builder()
            .status(*status)
            .header("content-type", kind)
            .body(FakeBody::new(body.clone().into()))
            .unwrap())
    }
}

/// A body of bytes.
pub(crate) type FakeBody = Full<Bytes>;

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).expect("what was asked for")
    }

    /// The problem, whose status and media type the answer has.
    pub(crate) fn problem(&self) -> Problem {
        let kind = self.headers.get("content-type").expect("a content type");
        assert_eq!(kind, "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status().as_u16(), self.status);
        problem
    }
}

/// Waits, but not forever.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it takes too long")
}

/// A release of the chart `shop` as Tiller lists it.
pub(crate) fn release(name: &str, values: &str) -> Release {
    Release {
        name: name.into(),
        namespace: "shop".into(),
        version: 1,
        chart: Some(Chart {
            metadata: Some(Metadata {
                name: "shop".into(),
                version: "1.2.3".into(),
                ..Metadata::default()
            }),
            values: Some(Config {
                raw: "image: {repository: quay.io/shop/web, tag: \"1.0\"}\n".into(),
                ..Config::default()
            }),
            ..Chart::default()
        }),
        config: Some(Config {
            raw: values.into(),
            ..Config::default()
        }),
        ..Release::default()
    }
}

/// A part of a list; `next` is not empty if there are more.
pub(crate) fn chunk(releases: Vec<Release>, next: &str) -> ListReleasesResponse {
    ListReleasesResponse {
        count: 0,
        total: 0,
        next: next.into(),
        releases,
    }
}
