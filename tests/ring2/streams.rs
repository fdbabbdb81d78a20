//! Streams: what is long is never held, what is ready is not kept back, and what breaks says so.

mod interruptions;
mod lists;
mod test_runs;

/// The three forms of a list.
const FORMS: [&str; 3] = [
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
];
