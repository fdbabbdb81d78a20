//! YAML as go-yaml v2 reads it, which is how Tiller does.
//!
//! It is YAML 1.1 with Go's own rules for numbers: `yes`, `on` and `y` are booleans, `0755` is 493, `1:30` is
//! text. Text goes through JSON on its way to Helm, so keys become text, and all numbers become what a 64 bit
//! float can hold. Only the first document of a stream counts, the last of equal keys wins, and anchors,
//! aliases and merge keys work.
//!
//! Aliases can make a small document huge and brackets a shallow one deep, so both are limited, after the
//! expansion of aliases.

mod compose;
mod decode;
mod emit;
mod number;
mod scalar;
mod timestamp;

use saphyr_parser::ScanError;
use serde_json::Value;

pub use self::emit::to_string;
pub(crate) use self::{
    compose::{Tag, is_control, short_tag},
    decode::Node,
    scalar::resolve,
};

/// How large a document may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of the text, and of its scalars with aliases expanded. Default: 8 MiB, eight times what a release's record
    /// can hold compressed.
    pub bytes: usize,
    /// Mappings and lists within each other, each of which takes stack. Default: 100.
    pub depth: usize,
    /// Mappings, lists and scalars, keys included, with aliases expanded. Default: 250,000.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 8 << 20,
            depth: 100,
            nodes: 250_000,
        }
    }
}

/// Why a text was not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum YamlError {
    /// A `!!binary` is not base64.
    #[error("!!binary value contains invalid base64 data")]
    Binary,
    /// It is longer than the limit.
    #[error("the YAML exceeds the limit `yaml_bytes` of {limit}")]
    Bytes {
        /// The limit.
        limit: usize,
    },
    /// The text has control characters, which YAML forbids even in quotes.
    #[error("control characters are not allowed")]
    ControlCharacter,
    /// It is nested deeper than the limit.
    #[error("the YAML exceeds the limit `yaml_depth` of {limit}")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// A key is a list, a mapping, null or a number that JSON has no text for.
    #[error("invalid map key in line {line}")]
    Key {
        /// Where the key is, counted from 1.
        line: usize,
    },
    /// `<<` has a value that is no mapping and no list of mappings.
    #[error("map merge requires map or sequence of maps as the value, in line {line}")]
    Merge {
        /// Where the value is, counted from 1.
        line: usize,
    },
    /// It has more nodes than the limit.
    #[error("the YAML exceeds the limit `yaml_nodes` of {limit}")]
    Nodes {
        /// The limit.
        limit: usize,
    },
    /// A number is infinite or not a number, which JSON cannot say.
    #[error("infinity and NaN are no JSON values")]
    NotFinite,
    /// A node contains an alias of itself.
    #[error("an anchored value contains itself, in line {line}")]
    SelfReference {
        /// Where the alias is, counted from 1.
        line: usize,
    },
    /// The text is not YAML.
    #[error("malformed YAML")]
    Syntax(#[source] ScanError),
    /// A scalar is not what its tag says.
    #[error("cannot decode `{text}` as a {tag}, in line {line}")]
    Tag {
        /// The scalar, its beginning if it is long.
        text: String,
        /// The short form of the tag.
        tag: &'static str,
        /// Where it is, counted from 1.
        line: usize,
    },
}

impl YamlError {
    /// The name of the limit that was passed, if that was it.
    pub fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Bytes { .. } => Some("yaml_bytes"),
            Self::Depth { .. } => Some("yaml_depth"),
            Self::Nodes { .. } => Some("yaml_nodes"),
            _ => None,
        }
    }
}

/// Reads the first document of a text; an empty one is null.
///
/// # Errors
///
/// [`YamlError`], which for a hostile text comes as soon as a limit is passed.
pub fn parse(text: &str, limits: &Limits) -> Result<Value, YamlError> {
    parse_node(text, limits)?.into_value()
}

pub(crate) fn parse_node(text: &str, limits: &Limits) -> Result<Node, YamlError> {
    decode::decode(&compose::compose(text, limits)?, limits)
}
