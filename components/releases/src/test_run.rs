//! `POST …/tests`: runs the tests of a release and tells what happens as it happens.
//!
//! A failed test is a result, not an error: the answer is 200 and its end counts them.

use std::fmt;

use bytes::Bytes;
use client::{Events, Failure, Relay, STREAM, Scope, Tiller, mutation, undecodable};
use http::{HeaderMap, Response};
use prost::Message;
use rest::{
    body::Test,
    negotiate::ListFormat,
    query,
    time::whole_seconds,
    view::{TestEvent, TestSummary, test_status_name},
};
use tiller_api::{
    Method,
    hapi::{
        release::test_run::Status,
        services::tiller::{TestReleaseRequest, TestReleaseResponse},
    },
};

use crate::{
    body::Body,
    items::{self, End, Items},
    plan, skew, upload,
};

/// What begins the message with a pod's log. Tiller doubles every per cent sign in these, and in these only,
/// because Helm's CLI prints messages as formats.
const LOG: &str = "\nPOD LOGS: ";

/// Answers a test run.
pub(crate) async fn run<R: Relay, B>(
    tiller: &Tiller<R>,
    name: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: B,
    format: ListFormat,
    scope: Scope,
) -> Result<Response<Body>, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    query::parse(query, &[])?.finish()?;
    let test = Test::read(upload::read_json(headers, body).await?)?;
    if plan::is_asked(headers) {
        let (target, timeout) = (&tiller.target, test.timeout);
        return Ok(plan::change(target, "test", name, false, timeout));
    }
    skew::check(tiller, Method::RunReleaseTest, &test.used()).await?;
    let message = TestReleaseRequest {
        name: name.to_owned(),
        timeout: whole_seconds(test.timeout),
        cleanup: test.cleanup,
        parallel: test.parallel,
        max_parallel: test.max_parallel,
        logs: test.logs,
    };
    // The timeout is that of one pod, of which there may be many.
    let deadline = STREAM.max(mutation(test.timeout));
    let mut events = tiller
        .stream(Method::RunReleaseTest, &message, deadline)
        .await?;
    // What fails before the first message still has a status of its own.
    let first = events.next().await?;
    Ok(items::answer(format, scope, |mut items| async move {
        match tell(first, &mut events, &mut items).await {
            Ok(summary) => items.end(End::Summary(summary)).await,
            Err(failure) => items.fail(&failure).await,
        }
    }))
}

async fn tell<B>(
    first: Option<Bytes>,
    events: &mut Events<B>,
    items: &mut Items,
) -> Result<TestSummary, Failure>
where
    B: http_body::Body<Data = Bytes, Error: fmt::Display> + Unpin,
{
    let mut summary = TestSummary::default();
    let mut next = first;
    while let Some(message) = next {
        let response = TestReleaseResponse::decode(message)
            .map_err(|error| undecodable(Method::RunReleaseTest, &error))?;
        match response.status() {
            Status::Success => summary.passed += 1,
            Status::Failure => summary.failed += 1,
            Status::Running | Status::Unknown => {}
        }
        items.item(&event(response)).await;
        items.flush().await;
        next = events.next().await?;
    }
    Ok(summary)
}

fn event(response: TestReleaseResponse) -> TestEvent {
    if response.msg.starts_with(LOG) {
        return TestEvent::Log {
            message: response.msg.replace("%%", "%"),
        };
    }
    TestEvent::Result {
        status: test_status_name(response.status),
        message: response.msg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(msg: &str, status: Status) -> TestEvent {
        event(TestReleaseResponse {
            msg: msg.into(),
            status: status.into(),
        })
    }

    /// T14.
    #[test]
    fn per_cent_signs_are_undoubled_in_logs_only() {
        assert_eq!(
            said("\nPOD LOGS: web\n100%% of 50%%%%\n", Status::Running),
            TestEvent::Log {
                message: "\nPOD LOGS: web\n100% of 50%%\n".into()
            }
        );
        assert_eq!(
            said("PASSED: 100%%", Status::Success),
            TestEvent::Result {
                status: "success".into(),
                message: "PASSED: 100%%".into()
            }
        );
    }
}
