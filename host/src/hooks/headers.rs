//! Which headers of a delivery are kept, shown and read.
//!
//! Those that are known to say something and to hold no secret: whatever else a provider or a proxy before this edge sends,
//! a cookie or a token among it, goes no further. The component reads the same ones, so that a delivery that is taken out
//! of the store says what it said at first.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The longest value that is kept, in bytes.
const MAX_VALUE: usize = 1024;

/// Those that are kept, by name.
const KEPT: [&str; 21] = [
    "content-type",
    "idempotency-key",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-attempt-number",
    "x-event-key",
    "x-github-delivery",
    "x-github-event",
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-gitlab-event",
    "x-gitlab-event-uuid",
    "x-gitlab-instance",
    "x-gitlab-webhook-uuid",
    "x-hook-uuid",
    "x-nexus-webhook-delivery",
    "x-nexus-webhook-id",
    "x-request-id",
    "x-request-uuid",
];

/// The attributes of a CloudEvent, extensions among them.
const CLOUDEVENTS: &str = "ce-";

/// Those by which providers name a delivery, the surest first.
const NAMES: [&str; 6] = [
    "webhook-id",
    "x-github-delivery",
    "idempotency-key",
    "x-nexus-webhook-delivery",
    "ce-id",
    "x-gitlab-event-uuid",
];

/// What of `headers` is kept; never the one with the secret.
pub(super) fn kept(headers: &HeaderMap, secret: Option<&HeaderName>) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, value)| {
            is_kept(name.as_str()) && Some(*name) != secret && value.len() <= MAX_VALUE
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The same as texts.
pub(super) fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}

/// The headers that were kept as texts.
pub(super) fn of_texts(texts: &[(String, String)]) -> HeaderMap {
    texts
        .iter()
        .filter_map(|(name, value)| {
            let name = HeaderName::try_from(name.as_str()).ok()?;
            Some((name, HeaderValue::try_from(value.as_str()).ok()?))
        })
        .collect()
}

/// How the provider calls the delivery.
pub(super) fn provider_id(headers: &HeaderMap) -> Option<String> {
    NAMES
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || name.starts_with(CLOUDEVENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn what_is_not_known_to_be_harmless_is_not_kept() {
        let sent = headers(&[
            ("authorization", "s3cret"),
            ("cookie", "s3cret"),
            ("x-gitlab-token", "s3cret"),
            ("x-hub-signature-256", "s3cret"),
            ("webhook-signature", "s3cret"),
            ("x-forwarded-for", "s3cret"),
            ("x-tiller-edge-plan", "s3cret"),
            ("x-made-up", "s3cret"),
            ("idempotency-key", "s3cret"),
            ("x-github-event", "push"),
            ("ce-id", "1"),
        ]);
        let secret = HeaderName::from_static("idempotency-key");
        let kept = kept(&sent, Some(&secret));
        assert_eq!(
            texts(&kept),
            [
                ("x-github-event".to_owned(), "push".to_owned()),
                ("ce-id".to_owned(), "1".to_owned())
            ]
        );
        assert_eq!(of_texts(&texts(&kept)), kept);
    }

    #[test]
    fn the_list_is_in_order_and_names_itself_in_small_letters() {
        assert!(KEPT.is_sorted());
        for name in KEPT {
            assert_eq!(HeaderName::from_static(name).as_str(), name);
        }
    }
}
