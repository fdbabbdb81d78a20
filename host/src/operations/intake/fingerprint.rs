//! By what a request is known to be the same when it comes again with the same key.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use sha2::{Digest, Sha256};

use super::Head;

/// The parameter of a multipart body's media type with what stands between its parts.
const BOUNDARY: &str = "boundary=";

/// The digest of what makes two requests the same: method, target, media type and body. Clients make up another boundary
/// for a multipart body each time they send it, so that is left out.
pub(super) fn fingerprint(head: &Head, body: &[u8]) -> String {
    let kind = head.headers.get(CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    let boundary = boundary(kind);
    let mut digest = Sha256::new();
    for part in [head.method.as_bytes(), head.target.as_bytes(), kind, body] {
        let pieces = split(part, boundary);
        digest.update(pieces.len().to_be_bytes());
        for piece in pieces {
            digest.update(piece.len().to_be_bytes());
            digest.update(piece);
        }
    }
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The boundary of a multipart body; none of another. Too short a one could stand anywhere.
fn boundary(kind: &[u8]) -> Option<&str> {
    let kind = std::str::from_utf8(kind).ok()?;
    let (media_type, parameters) = kind.split_once(';')?;
    if !media_type
        .trim()
        .to_ascii_lowercase()
        .starts_with("multipart/")
    {
        return None;
    }
    let (_, behind) = parameters.split_once(BOUNDARY)?;
    let boundary = match behind.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => behind.split(';').next(),
    };
    boundary
        .map(str::trim)
        .filter(|boundary| boundary.len() >= SHORTEST)
}

/// The fewest characters of a boundary that is left out; browsers and curl take 24 and more.
const SHORTEST: usize = 8;

/// What is between the places where `boundary` stands.
fn split<'a>(text: &'a [u8], boundary: Option<&str>) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = text;
    if let Some(boundary) = boundary {
        let boundary = boundary.as_bytes();
        while let Some(place) = find(rest, boundary) {
            let (piece, behind) = rest.split_at(place);
            pieces.push(piece);
            rest = behind.split_at(boundary.len()).1;
        }
    }
    pieces.push(rest);
    pieces
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let place = from + rest.iter().position(|byte| *byte == first)?;
        if text.get(place..)?.starts_with(wanted) {
            return Some(place);
        }
        from = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn of(kind: &str, body: &str) -> String {
        let head = Head {
            method: "PUT".into(),
            target: "/v1/clusters/a/releases/web".into(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(kind).unwrap())]),
        };
        fingerprint(&head, body.as_bytes())
    }

    fn form(boundary: &str, value: &str) -> String {
        let body = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--{boundary}--\r\n"
        );
        of(&format!("multipart/form-data; boundary={boundary}"), &body)
    }

    #[test]
    fn a_form_is_the_same_with_another_boundary() {
        let one = form("------------------------d74496d66958873e", "1");
        assert_eq!(one, form("----WebKitFormBoundary7MA4YWxk", "1"));
        assert_ne!(one, form("------------------------d74496d66958873e", "2"));
        let quoted = "multipart/form-data; boundary=\"one two three\"";
        assert_eq!(of(quoted, "x"), of(quoted, "x"));
    }

    #[test]
    fn anything_else_is_the_same_if_every_byte_is() {
        let json = "application/json";
        assert_eq!(of(json, "{}"), of(json, "{}"));
        assert_ne!(of(json, "{}"), of(json, "{ }"));
        assert_ne!(of(json, "{}"), of("application/yaml", "{}"));
        let text = "text/plain; boundary=abcdefghij";
        assert_ne!(of(text, "abcdefghij"), of(text, ""));
    }

    #[test]
    fn where_the_boundary_stood_counts() {
        let kind = "multipart/form-data; boundary=abcdefghij";
        assert_ne!(of(kind, "xabcdefghijy"), of(kind, "xyabcdefghij"));
        assert_ne!(of(kind, "xabcdefghijy"), of(kind, "xy"));
    }
}
