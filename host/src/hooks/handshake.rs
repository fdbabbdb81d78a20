//! What CloudEvents' senders ask before they deliver (HTTP 1.1 Web Hooks for Event Delivery §4).
//!
//! The answer says that this endpoint wants what it is sent, and how much of it. Nothing about that is secret, and nothing
//! is done, so anybody may ask.

use std::num::NonZeroU32;

use http::header::ALLOW;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use rest::problem::{Code, Problem};

use super::whole;
use crate::config::{Pace, Unit};
use crate::relay::Body;

const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");

/// The longest origin that is repeated, in bytes: that of a host.
const MAX_ORIGIN: usize = 253;

/// What an endpoint for CloudEvents can be asked.
const METHODS: HeaderValue = HeaderValue::from_static("OPTIONS, POST");

/// Answers an `OPTIONS` request with those headers, of a hook that takes so many deliveries.
pub(super) fn answer(headers: &HeaderMap, pace: Option<Pace>) -> Result<Response<Body>, Problem> {
    let origin = headers.get(REQUEST_ORIGIN).filter(|origin| {
        let is_text = |byte: &u8| byte.is_ascii_graphic();
        (1..=MAX_ORIGIN).contains(&origin.len()) && origin.as_bytes().iter().all(is_text)
    });
    let Some(origin) = origin else {
        return Err(Problem::new(
            Code::InvalidRequest,
            "`WebHook-Request-Origin` is missing or no host",
        ));
    };
    let mut answer = Response::new(whole(bytes::Bytes::new()));
    *answer.status_mut() = StatusCode::OK;
    let told = answer.headers_mut();
    told.insert(ALLOW, METHODS);
    told.insert(ALLOWED_ORIGIN, origin.clone());
    let rate = pace.map_or(HeaderValue::from_static("*"), |pace| {
        HeaderValue::from(a_minute(pace).get())
    });
    told.insert(ALLOWED_RATE, rate);
    Ok(answer)
}

/// How many in a minute, at least one.
fn a_minute(pace: Pace) -> NonZeroU32 {
    let count = pace.count;
    match pace.unit {
        Unit::Hour => NonZeroU32::new(count.get() / 60).unwrap_or(NonZeroU32::MIN),
        Unit::Minute => count,
        Unit::Second => count.saturating_mul(const { NonZeroU32::new(60).expect("not zero") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(origin: &'static str, pace: Option<&str>) -> Option<(String, String)> {
        let headers = HeaderMap::from_iter([(REQUEST_ORIGIN, HeaderValue::from_static(origin))]);
        let pace = pace.map(|pace| pace.parse().expect("a pace"));
        let answer = answer(&headers, pace).ok()?;
        let text = |name| {
            let value = answer.headers().get(name).expect("told");
            value.to_str().expect("ASCII").to_owned()
        };
        Some((text(ALLOWED_ORIGIN), text(ALLOWED_RATE)))
    }

    #[test]
    fn whoever_asks_may_send_as_much_as_the_hook_takes() {
        for (pace, told) in [
            (None, "*"),
            (Some("10/s"), "600"),
            (Some("7/m"), "7"),
            (Some("120/h"), "2"),
            (Some("1/h"), "1"),
        ] {
            let answer = ask("eventemitter.example.com", pace);
            let expected = ("eventemitter.example.com".to_owned(), told.to_owned());
            assert_eq!(answer, Some(expected));
        }
        assert_eq!(ask("", None), None);
        assert_eq!(ask("a b", None), None);
    }
}
