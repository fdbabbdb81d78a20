//! Following an operation: an event whenever it has changed, and the end once it has settled.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;

use crate::operations::Operation;
use crate::operations::engine::Core;
use crate::operations::view::{Sight, view};
use crate::operations::watching::Watching;
use crate::relay::Body;

pub(super) const MEDIA_TYPE: &str = "text/event-stream";

/// How long nothing is said. A proxy on the way may take a longer silence for the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where a stream of events is.
enum At {
    /// This is to be told next.
    Telling(Box<Operation>),
    /// This was told last.
    Waiting(Box<Operation>),
    /// It has settled, and that was told.
    Over,
}

/// The answer with all that becomes of `operation`.
pub(super) fn answer(
    core: &Arc<Core>,
    watching: Watching,
    operation: Operation,
    sight: Sight,
) -> Response<Body> {
    let start = (Arc::clone(core), watching, At::Telling(Box::new(operation)));
    let events = stream::unfold(start, move |(core, mut watching, at)| async move {
        let (text, at) = next(&core, &mut watching, at, sight).await?;
        let frame = Frame::data(Bytes::from(text));
        Some((Ok::<_, Infallible>(frame), (core, watching, at)))
    });
    let body = StreamBody::new(events).map_err(|never| match never {});
    let mut answer = Response::new(BodyExt::boxed_unsync(body));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What is written next; none at the end.
async fn next(core: &Core, watching: &mut Watching, at: At, sight: Sight) -> Option<(String, At)> {
    let told = match at {
        At::Over => return None,
        At::Telling(operation) => return Some(tell(operation, sight)),
        At::Waiting(told) => told,
    };
    let until = Instant::now() + KEEP_ALIVE;
    loop {
        if !watching.may_have_changed(until).await {
            // Either nothing has changed for long, or the edge ends: whoever follows comes again to another.
            let is_over = Instant::now() < until;
            return (!is_over).then(|| (":\n\n".to_owned(), At::Waiting(told)));
        }
        // What cannot be read, or is forgotten, is not followed any further.
        let operation = watching.look(core).await.ok()??;
        if operation != *told {
            return Some(tell(Box::new(operation), sight));
        }
    }
}

fn tell(operation: Box<Operation>, sight: Sight) -> (String, At) {
    let text = format!("event: operation\ndata: {}\n\n", view(&operation, sight));
    let at = if operation.state.is_settled() {
        At::Over
    } else {
        At::Waiting(operation)
    };
    (text, at)
}
