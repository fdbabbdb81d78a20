//! Text between quotes, as Go prints it in errors.

use std::fmt::Write as _;

/// Text in double quotes.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from('"');
    push(&mut quoted, text, '"', "");
    quoted.push('"');
    quoted
}

/// Text as a list of characters in single quotes each, which is how Go prints what it has as such.
pub(super) fn chars(text: &str) -> String {
    let mut quoted = String::from("['");
    push(&mut quoted, text, '\'', "' '");
    quoted.push_str("']");
    quoted
}

fn push(quoted: &mut String, text: &str, quote: char, between: &str) {
    for (at, c) in text.chars().enumerate() {
        if at > 0 {
            quoted.push_str(between);
        }
        if at == SHOWN {
            quoted.push('…');
            return;
        }
        push_char(quoted, c, quote);
    }
}

fn push_char(quoted: &mut String, c: char, quote: char) {
    let written = match c {
        '\u{7}' => write!(quoted, "\\a"),
        '\u{8}' => write!(quoted, "\\b"),
        '\t' => write!(quoted, "\\t"),
        '\n' => write!(quoted, "\\n"),
        '\u{b}' => write!(quoted, "\\v"),
        '\u{c}' => write!(quoted, "\\f"),
        '\r' => write!(quoted, "\\r"),
        '\\' => write!(quoted, "\\\\"),
        c if c == quote => write!(quoted, "\\{c}"),
        c if is_printable(c) => write!(quoted, "{c}"),
        c if c.is_ascii() => write!(quoted, "\\x{:02x}", u32::from(c)),
        c if u32::from(c) < 0x1_0000 => write!(quoted, "\\u{:04x}", u32::from(c)),
        c => write!(quoted, "\\U{:08x}", u32::from(c)),
    };
    written.expect("a string takes everything");
}

/// Go escapes the same categories of characters as Rust. After another character, Rust leaves alone what combines
/// with it, as Go always does.
fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{7f}' => false,
        c => String::from_iter(['a', c]).escape_debug().count() == 2,
    }
}

/// Most characters of one text in an error.
const SHOWN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_go_quotes_it() {
        for (plain, quoted) in [
            ("", r#""""#),
            ("a'b", r#""a'b""#),
            (r#"a"b\"#, r#""a\"b\\""#),
            ("\u{7}\u{8}\t\n\u{b}\u{c}\r", r#""\a\b\t\n\v\f\r""#),
            ("\0\u{1b}\u{7f}", r#""\x00\x1b\x7f""#),
            ("é\u{a0}\u{2028}", r#""é\u00a0\u2028""#),
            (
                "\u{301}\u{fffd}\u{10ffff}😀",
                "\"\u{301}\u{fffd}\\U0010ffff😀\"",
            ),
        ] {
            assert_eq!(text(plain), quoted);
        }
    }

    #[test]
    fn characters_are_quoted_one_by_one() {
        assert_eq!(chars("n'\"\n"), r#"['n' '\'' '"' '\n']"#);
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(text(&"k".repeat(300)), format!("\"{}…\"", "k".repeat(256)));
    }
}
