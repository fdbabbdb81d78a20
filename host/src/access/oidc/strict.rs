//! JSON in which no name occurs twice.
//!
//! What a repeated name stands for differs from one reader to the next (RFC 8259 §4), and RFC 7519 §4 lets a reader of
//! tokens refuse them. Whoever signs a token twice over, once for each reader, gets nothing here.

use rest::json::parse_unambiguous;
use serde_json::{Map, Value};

use super::TokenError;

/// Reads an object.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    // How long it may be is decided before, so that it is not counted here.
    match parse_unambiguous(json, usize::MAX) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(TokenError::Malformed),
        Err(error) if error.is_data() => Err(TokenError::Repeats),
        Err(_) => Err(TokenError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_is() {
        let json = r#"{"a":[1,-2,3.5,true,null,"t",{"b":{}}],"c":"d"}"#;
        let read = Value::Object(object(json.as_bytes()).unwrap());
        assert_eq!(read, serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn a_name_occurs_once_however_it_is_spelt_and_wherever_it_stands() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[{"a":1,"a":3}]}"#,
        ] {
            assert!(
                matches!(object(json.as_bytes()), Err(TokenError::Repeats)),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        let deep = "[".repeat(100_000);
        for json in [
            "",
            "1",
            "[]",
            "null",
            "{",
            r#"{"a":1}x"#,
            "{\"a\":\"\u{1}\"}",
            &deep,
        ] {
            assert!(
                matches!(object(json.as_bytes()), Err(TokenError::Malformed)),
                "{json:.20}"
            );
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }
}
