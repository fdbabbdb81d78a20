//! JSON in which no name occurs twice.
//!
//! What a repeated name stands for differs from one reader to the next (RFC 8259 §4), and RFC 7519 §4 lets a reader of
//! tokens refuse them. Whoever signs a token twice over, once for each reader, gets nothing here.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::TokenError;

/// Reads an object.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, TokenError> {
    match serde_json::from_slice(json) {
        Ok(Strict(Value::Object(object))) => Ok(object),
        Ok(_) => Err(TokenError::Malformed),
        // Every JSON value has a place in a `Value`, so nothing else of this category comes.
        Err(error) if error.is_data() => Err(TokenError::Repeats),
        Err(_) => Err(TokenError::Malformed),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom("a name occurs twice"));
            }
            let Strict(value) = entries.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
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
