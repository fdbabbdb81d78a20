//! How text is written: bare where that is enough, else as a block of lines or in quotes.

use super::{
    super::{Node, scalar, timestamp},
    fold::{self, Line},
};

/// Whether a key is short enough for readers to look for its colon.
pub(super) fn is_simple_key(key: &str) -> bool {
    key.len() <= MAX_SIMPLE_KEY && !key.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
}

/// Writes a simple key, on one line.
pub(super) fn write_key(yaml: &mut String, key: &str) {
    let line = Line::endless(yaml);
    match style(key) {
        _ if key == "<<" => fold::double_quoted(line, key),
        Style::Plain => fold::plain(line, key),
        Style::SingleQuoted => fold::single_quoted(line, key),
        Style::DoubleQuoted | Style::Literal => fold::double_quoted(line, key),
    }
}

/// Writes text; lines after the first are indented.
pub(super) fn write(yaml: &mut String, text: &str, indent: usize) {
    match style(text) {
        Style::Literal => fold::literal(yaml, text, indent),
        Style::Plain => fold::plain(Line::new(yaml, indent), text),
        Style::SingleQuoted => fold::single_quoted(Line::new(yaml, indent), text),
        Style::DoubleQuoted => fold::double_quoted(Line::new(yaml, indent), text),
    }
}

enum Style {
    DoubleQuoted,
    Literal,
    Plain,
    SingleQuoted,
}

fn style(text: &str) -> Style {
    if !text.chars().all(|c| c == '\n' || fold::is_printable(c)) {
        Style::DoubleQuoted
    } else if text.contains('\n') {
        // Spaces at the end of lines are easily lost.
        if text.ends_with(' ') || text.contains(" \n") {
            Style::DoubleQuoted
        } else {
            Style::Literal
        }
    } else if !is_text_unquoted(text) {
        Style::DoubleQuoted
    } else if has_indicators(text) || text.starts_with(' ') || text.ends_with(' ') {
        Style::SingleQuoted
    } else {
        Style::Plain
    }
}

/// Whether it would not be taken for a value of another type.
fn is_text_unquoted(text: &str) -> bool {
    matches!(scalar::implicit(text), Node::String(_))
        && !timestamp::is_timestamp(text)
        && !is_base_60(text)
}

/// A number to base 60, which YAML 1.1 has and go-yaml only quotes: `1:30`, `-190:20:30.15`.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let Some((first, rest)) = whole.split_once(':') else {
        return false;
    };
    let is_loose = |digits: &str| {
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'_')
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && is_loose(first)
        && is_loose(fraction)
        && rest.split(':').all(|digits| match digits.as_bytes() {
            [one] => one.is_ascii_digit(),
            [ten, one] => matches!(ten, b'0'..=b'5') && one.is_ascii_digit(),
            _ => false,
        })
}

/// Whether something in it has a meaning where text is bare.
fn has_indicators(text: &str) -> bool {
    let at_start = match text.as_bytes() {
        [first, ..] if b"#,[]{}&*!|>'\"%@`".contains(first) => true,
        [b'?' | b':' | b'-'] | [b'?' | b':' | b'-', b' ', ..] => true,
        bytes => bytes.starts_with(b"---") || bytes.starts_with(b"..."),
    };
    at_start || text.contains(": ") || text.contains(" #") || text.ends_with(':')
}

const MAX_SIMPLE_KEY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_to_base_60_have_minutes_below_60() {
        for text in ["1:30", "-190:20:30.15", "+1_0:5", "0:0.", "1:2._3"] {
            assert!(is_base_60(text), "{text}");
        }
        for text in [
            "", "1", "1:", ":1", "1:60", "1:300", "_1:2", "1:2.3.4", "1.5:3", "a:1", "--1:2",
            "1:_2",
        ] {
            assert!(!is_base_60(text), "{text}");
        }
    }
}
