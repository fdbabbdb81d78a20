//! Which patterns make sense; `rest::pattern` says what they mean.

/// Whether `pattern` can match a name of a chart, namespace or release, which have no such characters.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "?[]{}\\!,".contains(c);
    !pattern.is_empty() && !pattern.contains(odd)
}

/// Whether `pattern` can match a name that is free text.
pub(super) fn is_text(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.contains(char::is_control)
}
