//! Why an assignment is none.

/// Why values were not assigned.
///
/// Where Helm has words for it, they are Helm's; a chain of sources joined by `: ` reads as Helm's message. Keys are
/// in quotes already, and cut if they are very long.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The key of a content has a value, or would lose its end to an escape.
    #[error("a key must not have `=` in it or `\\` at its end unless escaped by `\\`")]
    ContentKey,
    /// An index is no number, or not closed.
    #[error("error parsing index")]
    Index(#[source] IndexError),
    /// One of the [`Limits`](crate::Limits) is passed.
    #[error("the values exceed the limit `{limit}` of {value}")]
    Limit {
        /// Its name: the field's.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// An index is below zero.
    #[error("list index {0} is negative")]
    NegativeIndex(i64),
    /// Nothing is assigned to a key of a mapping that is empty itself.
    #[error("key map {0} has no value")]
    NoMapValue(String),
    /// A key ends with the line.
    #[error("key {0} has no value")]
    NoValue(String),
    /// A key ends with a comma.
    #[error("key {0} has no value (cannot end with ,)")]
    NoValueBeforeComma(String),
    /// An index belongs to a key that has another value.
    #[error("the value of key {0} is not a list")]
    NotAList(String),
    /// A key is said to have keys of its own, and has another value.
    #[error("the value of key {0} is not a map")]
    NotAMap(String),
    /// A second index belongs to an item that is no list.
    #[error("list item {0} is not a list")]
    NotANestedList(i64),
    /// A list of values has no end.
    #[error("list must terminate with '}}'")]
    OpenList,
    /// An index is followed by something else than a value, a key or a further index.
    #[error("unexpected data at end of array index: {0}")]
    UnexpectedData(String),
}

impl SetError {
    /// The name of the limit that was passed, if that was it.
    pub const fn is_limit(&self) -> Option<&'static str> {
        match self {
            Self::Limit { limit, .. } => Some(limit),
            _ => None,
        }
    }

    /// Whether Helm has no words for it.
    pub(super) const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::ContentKey
                | Self::Limit { .. }
                | Self::NegativeIndex(_)
                | Self::NotAList(_)
                | Self::NotAMap(_)
                | Self::NotANestedList(_)
        )
    }
}

/// Why text is no index. The words are Go's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// It has no end.
    #[error("EOF")]
    Open,
    /// It is too large for 64 bits.
    #[error("strconv.Atoi: parsing {0}: value out of range")]
    Range(String),
    /// It is no decimal number.
    #[error("strconv.Atoi: parsing {0}: invalid syntax")]
    Syntax(String),
}
