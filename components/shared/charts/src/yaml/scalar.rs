//! What a scalar is.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Node, YamlError, compose::Tag, number, timestamp};

/// Gives a scalar its type. Only plain ones have another than text, unless a tag says so.
pub(crate) fn resolve(text: &str, plain: bool, tag: Tag, line: usize) -> Result<Node, YamlError> {
    let mismatch = |tag: &'static str| YamlError::Tag {
        text: text.chars().take(40).collect(),
        tag,
        line,
    };
    match tag {
        Tag::None if !plain => Ok(Node::String(text.to_owned())),
        Tag::None => Ok(implicit(text)),
        Tag::Merge | Tag::Other | Tag::Str => Ok(Node::String(text.to_owned())),
        Tag::Binary => {
            let packed: Vec<u8> = text
                .bytes()
                .filter(|byte| !matches!(byte, b'\r' | b'\n'))
                .collect();
            let bytes = STANDARD.decode(packed).map_err(|_| YamlError::Binary)?;
            Ok(Node::String(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Tag::Bool => match implicit(text) {
            flag @ Node::Bool(_) => Ok(flag),
            _ => Err(mismatch("!!bool")),
        },
        Tag::Float => match implicit(text) {
            float @ Node::Float(_) => Ok(float),
            Node::Int(int) => Ok(Node::Float(int as f64)),
            _ => Err(mismatch("!!float")),
        },
        Tag::Int => match implicit(text) {
            int @ (Node::Int(_) | Node::Uint(_)) => Ok(int),
            _ => Err(mismatch("!!int")),
        },
        Tag::Null => match implicit(text) {
            Node::Null => Ok(Node::Null),
            _ => Err(mismatch("!!null")),
        },
        // A moment stays the text it is written with.
        Tag::Timestamp if timestamp::is_timestamp(text) => Ok(Node::String(text.to_owned())),
        Tag::Timestamp => Err(mismatch("!!timestamp")),
    }
}

/// The type of plain text. What no rule names is text.
pub(super) fn implicit(text: &str) -> Node {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Node::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Node::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => Node::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Node::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Node::Float(f64::NEG_INFINITY),
        text if text.starts_with([
            '+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
        ]) =>
        {
            number::parse(text).unwrap_or_else(|| Node::String(text.to_owned()))
        }
        text => Node::String(text.to_owned()),
    }
}
