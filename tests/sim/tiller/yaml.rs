//! YAML with the words of Go's library where it does not parse.

use charts::yaml::{Limits, YamlError};
use serde_json::Value;

/// Reads the first document, nothing is null.
///
/// # Errors
///
/// Go's text, as Tiller wraps it: `error converting YAML to JSON: …`.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    charts::yaml::parse(text, &Limits::default()).map_err(|error| failure(&error))
}

/// What Go says of YAML that cannot become JSON.
pub(super) fn failure(error: &YamlError) -> String {
    let reason = match error {
        YamlError::Syntax(error) => syntax(error.marker().line(), error.info()),
        other => other.to_string(),
    };
    format!("error converting YAML to JSON: yaml: {reason}")
}

/// Go counts the lines of what its parser finds from 0, and does not say what it was parsing.
fn syntax(line: usize, info: &str) -> String {
    let parsing = info
        .strip_prefix("while parsing ")
        .and_then(|info| info.split_once(", "));
    match parsing {
        Some((_, info)) if line > 1 => format!("line {}: {info}", line - 1),
        Some((_, info)) => info.to_owned(),
        None => format!("line {line}: {info}"),
    }
}

/// What Go says of a value that is no mapping and should be one of a type of its own.
pub(super) fn mismatch(value: &Value, wanted: &str) -> Option<String> {
    let found = match value {
        Value::Object(_) | Value::Null => return None,
        Value::Array(_) => "array",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
    };
    Some(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of \
         type {wanted}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_read_like_gos() {
        let error = parse("kind: A\nname: a: b\n").expect_err("two values");
        assert_eq!(
            error,
            "error converting YAML to JSON: yaml: line 2: mapping values are not allowed in this context"
        );
        let error = parse("a: [1,\n").expect_err("no end");
        assert_eq!(
            error,
            "error converting YAML to JSON: yaml: line 1: did not find expected node content"
        );
    }
}
