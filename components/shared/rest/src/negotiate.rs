//! `Accept`: which representation an answer has.

use crate::problem::{Code, Problem};

/// How a list is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListFormat {
    /// An event an item.
    EventStream,
    /// One document.
    Json,
    /// A line an item.
    NdJson,
}

impl ListFormat {
    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::EventStream => "text/event-stream",
            Self::Json => JSON,
            Self::NdJson => "application/x-ndjson",
        }
    }
}

/// The media type of everything that is not said to be something else.
pub const JSON: &str = "application/json";

/// The media type of what `helm get` prints.
pub const YAML: &str = "application/yaml";

/// How to write a list for that `Accept`; JSON without one.
///
/// # Errors
///
/// `not_acceptable` if none of the three is wanted.
pub fn list(accept: Option<&str>) -> Result<ListFormat, Problem> {
    const FORMATS: [ListFormat; 3] = [
        ListFormat::Json,
        ListFormat::NdJson,
        ListFormat::EventStream,
    ];
    let offers: [&str; 4] = [
        ListFormat::Json.media_type(),
        ListFormat::NdJson.media_type(),
        ListFormat::EventStream.media_type(),
        "application/ndjson",
    ];
    let chosen = choose(accept, &offers)?;
    Ok(FORMATS.get(chosen).copied().unwrap_or(ListFormat::NdJson))
}

/// Which of the offers that `Accept` wants most: the index of it, the first without one and among equals.
///
/// # Errors
///
/// `not_acceptable` if it wants none.
pub fn choose(accept: Option<&str>, offers: &[&str]) -> Result<usize, Problem> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Ok(0);
    };
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
    let mut best: Option<(usize, u16)> = None;
    for (index, offer) in offers.iter().enumerate() {
        let quality = quality(&ranges, offer);
        if quality > best.map_or(0, |(_, quality)| quality) {
            best = Some((index, quality));
        }
    }
    best.map(|(index, _)| index).ok_or_else(|| {
        Problem::new(
            Code::NotAcceptable,
            format!("the answer can be {}", offers.join(", ")),
        )
    })
}

/// The quality of the most specific range that has the offer, in thousandths.
fn quality(ranges: &[Range<'_>], offer: &str) -> u16 {
    ranges
        .iter()
        .filter_map(|range| Some((range.specificity(offer)?, range.quality)))
        .max_by_key(|(specificity, _)| *specificity)
        .map_or(0, |(_, quality)| quality)
}

struct Range<'a> {
    kind: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().filter(|kind| kind.contains('/'))?;
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(Some(1.0), |q| q.parse::<f32>().ok())
            .filter(|q| (0.0..=1.0).contains(q))?;
        // At most 1000, checked above.
        let quality = (quality * 1000.0).round() as u16;
        Some(Self { kind, quality })
    }

    fn specificity(&self, offer: &str) -> Option<u8> {
        let family = offer.split('/').next().unwrap_or_default();
        if self.kind.eq_ignore_ascii_case(offer) {
            Some(2)
        } else if self
            .kind
            .strip_suffix("/*")
            .is_some_and(|kind| kind.eq_ignore_ascii_case(family))
        {
            Some(1)
        } else if self.kind == "*/*" {
            Some(0)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_unless_something_else_is_asked_for() {
        for (accept, expected) in [
            (None, ListFormat::Json),
            (Some(""), ListFormat::Json),
            (Some("*/*"), ListFormat::Json),
            (Some("application/*"), ListFormat::Json),
            (Some("application/json"), ListFormat::Json),
            (Some("application/x-ndjson"), ListFormat::NdJson),
            (Some("application/ndjson"), ListFormat::NdJson),
            (Some("text/event-stream"), ListFormat::EventStream),
            (Some("text/*"), ListFormat::EventStream),
            (Some("Text/Event-Stream"), ListFormat::EventStream),
            (
                Some("text/html, application/x-ndjson;q=0.9, */*;q=0.1"),
                ListFormat::NdJson,
            ),
            (
                Some("application/json;q=0.5, text/event-stream"),
                ListFormat::EventStream,
            ),
            (Some("application/json;q=0, */*"), ListFormat::NdJson),
            (
                Some("application/x-ndjson; charset=utf-8"),
                ListFormat::NdJson,
            ),
        ] {
            assert_eq!(list(accept), Ok(expected), "{accept:?}");
        }
    }

    #[test]
    fn what_nobody_offers_is_not_acceptable() {
        for accept in [
            "text/html",
            "image/*",
            "application/json;q=0",
            "nonsense",
            "application/json;q=7",
        ] {
            let problem = list(Some(accept)).unwrap_err();
            assert_eq!(problem.code, Code::NotAcceptable, "{accept}");
        }
    }

    #[test]
    fn offers_are_in_order_of_preference() {
        let offers = [YAML, JSON];
        assert_eq!(choose(None, &offers), Ok(0));
        assert_eq!(choose(Some("*/*"), &offers), Ok(0));
        assert_eq!(choose(Some("application/json"), &offers), Ok(1));
        assert_eq!(
            choose(Some("application/json, application/yaml;q=0.9"), &offers),
            Ok(1)
        );
    }
}
