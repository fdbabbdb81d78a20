//! What follows the question mark.

use percent_encoding::percent_decode_str;

use crate::{
    fields::{Fields, Kind},
    problem::{Code, Problem},
};

/// The parameters of a query; none if there is no query.
///
/// A plus sign is a space, as forms have it, but not in the parameters that `literal_plus` names: a
/// pattern such as `web.+` needs no escape there, as no name has a space in it.
///
/// # Errors
///
/// `invalid_request` if an escape does not decode to UTF-8.
pub fn parse(query: Option<&str>, literal_plus: &[&str]) -> Result<Fields, Problem> {
    let mut fields = Fields::empty(Kind::Parameter);
    for pair in query.unwrap_or_default().split('&') {
        if pair.is_empty() {
            continue;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, true)?;
        let value = decode(value, !literal_plus.contains(&name.as_str()))?;
        fields.push_text(name, value);
    }
    Ok(fields)
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, Problem> {
    let spaced;
    let text = if plus_is_space && text.contains('+') {
        spaced = text.replace('+', " ");
        &spaced
    } else {
        text
    };
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| {
        Problem::new(
            Code::InvalidRequest,
            "the query is not UTF-8, percent-encoded",
        )
    })?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(query: &str, name: &'static str, literal_plus: &[&str]) -> Option<String> {
        parse(Some(query), literal_plus)
            .unwrap()
            .string(name)
            .unwrap()
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(first("a=x%20y&b=1", "a", &[]).as_deref(), Some("x y"));
        assert_eq!(first("a=x+y", "a", &[]).as_deref(), Some("x y"));
        assert_eq!(first("a=x%2By", "a", &[]).as_deref(), Some("x+y"));
        assert_eq!(first("a=1=2", "a", &[]).as_deref(), Some("1=2"));
        assert_eq!(first("&&a=1&", "a", &[]).as_deref(), Some("1"));
        assert_eq!(first("%61=1", "a", &[]).as_deref(), Some("1"));
    }

    #[test]
    fn a_pattern_keeps_its_plus() {
        assert_eq!(
            first("filter=neuro[a-z]+", "filter", &["filter"]).as_deref(),
            Some("neuro[a-z]+")
        );
    }

    #[test]
    fn no_query_has_no_parameters() {
        parse(None, &[]).unwrap().finish().unwrap();
        parse(Some(""), &[]).unwrap().finish().unwrap();
    }

    #[test]
    fn a_name_alone_is_a_flag() {
        assert!(parse(Some("check"), &[]).unwrap().flag("check").unwrap());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let problem = parse(Some("a=%ff"), &[]).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest);
    }
}
