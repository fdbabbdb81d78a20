//! JSON with a limit on how much of it there is.
//!
//! A value takes many times the memory of its text: `[0,0,0,…]` in 30 MiB would be half a gigabyte. The
//! text itself is bounded by whoever reads it, nesting by `serde_json`.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Parses a document of at most `limit` values: objects, arrays and scalars, all counted.
///
/// # Errors
///
/// If it is not JSON, nested deeper than 128, or has more values.
pub fn parse(text: &[u8], limit: usize) -> Result<Value, serde_json::Error> {
    read(text, limit, true)
}

/// Parses a document in which no object has a name twice: what a repeated name stands for differs from one reader to the
/// next (RFC 8259 §4).
///
/// # Errors
///
/// As [`parse`], and if a name is repeated. Only that and the limit are errors of the category data.
pub fn parse_unambiguous(text: &[u8], limit: usize) -> Result<Value, serde_json::Error> {
    read(text, limit, false)
}

fn read(text: &[u8], limit: usize, may_repeat: bool) -> Result<Value, serde_json::Error> {
    let budget = Cell::new(limit);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Node {
        limit,
        may_repeat,
        budget: &budget,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads one value and counts it.
#[derive(Clone, Copy)]
struct Node<'b> {
    limit: usize,
    /// Whether an object may have a name twice, of which the last counts.
    may_repeat: bool,
    budget: &'b Cell<usize>,
}

impl Node<'_> {
    fn count<E: Error>(&self) -> Result<(), E> {
        match self.budget.get().checked_sub(1) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(E::custom(format!("more than {} values", self.limit))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if !self.may_repeat && object.contains_key(&key) {
                return Err(A::Error::custom("a name occurs twice"));
            }
            let value = entries.next_value_seed(self)?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let text =
            r#"{"a":[1,-2,2.5,1e300,true,false,null,"é\n"],"b":{"c":{}},"n":18446744073709551615}"#;
        assert_eq!(
            parse(text.as_bytes(), 100).unwrap(),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn the_limit_counts_all_values() {
        for (text, values) in [("1", 1), ("[]", 1), ("[1,2]", 3), (r#"{"a":{"b":[1]}}"#, 4)] {
            assert!(parse(text.as_bytes(), values).is_ok(), "{text}");
            let error = parse(text.as_bytes(), values - 1).unwrap_err().to_string();
            assert!(error.starts_with("more than"), "{error}");
        }
    }

    #[test]
    fn of_a_repeated_name_the_last_counts_unless_it_must_not_be() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(parse(text.as_bytes(), 100).is_ok(), "{text}");
            let error = parse_unambiguous(text.as_bytes(), 100).unwrap_err();
            assert!(error.is_data(), "{error}");
        }
        let once = br#"{"a":[{"b":1},{"b":2}]}"#;
        assert_eq!(
            parse_unambiguous(once, 100).unwrap(),
            parse(once, 100).unwrap()
        );
    }

    #[test]
    fn what_is_not_json_is_an_error() {
        for text in ["", "{", "{} {}", "[1,]", "1e999", "nul", &"[".repeat(200)] {
            assert!(parse(text.as_bytes(), 1000).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads(text in r#"[\[\]{}",:0-9a-z\\ .-]{0,40}"#) {
            let expected = serde_json::from_str::<Value>(&text).ok();
            prop_assert_eq!(parse(text.as_bytes(), 1000).ok(), expected);
        }
    }
}
