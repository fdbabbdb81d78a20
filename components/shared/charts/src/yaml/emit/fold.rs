//! Text on lines: escaped, indented, and broken at spaces once a line is full.

use std::fmt::Write as _;

use super::{begin_line, push_indent};

/// The line that is being written, and those that follow it.
pub(super) struct Line<'y> {
    yaml: &'y mut String,
    /// Characters on the line.
    column: usize,
    /// Of the lines to come; none if there may be no more.
    indent: Option<usize>,
}

impl<'y> Line<'y> {
    /// Goes on, on as many lines as are needed.
    pub(super) fn new(yaml: &'y mut String, indent: usize) -> Self {
        let column = yaml.chars().rev().take_while(|c| *c != '\n').count();
        Self {
            yaml,
            column,
            indent: Some(indent),
        }
    }

    /// Goes on, on this line.
    pub(super) fn endless(yaml: &'y mut String) -> Self {
        Self {
            yaml,
            column: 0,
            indent: None,
        }
    }

    fn push(&mut self, c: char) {
        self.yaml.push(c);
        self.column += 1;
    }

    /// Begins another line if this one is full.
    fn broke(&mut self) -> bool {
        match self.indent {
            Some(indent) if self.column > WIDTH => {
                begin_line(self.yaml, indent);
                self.column = indent;
                true
            }
            _ => false,
        }
    }

    fn escape(&mut self, c: char) {
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => c,
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            c => return self.escape_as_number(c),
        };
        self.push('\\');
        self.push(short);
    }

    fn escape_as_number(&mut self, c: char) {
        let start = self.yaml.len();
        let number = u32::from(c);
        let written = match number {
            ..=0xff => write!(self.yaml, "\\x{number:02X}"),
            0x100..=0xffff => write!(self.yaml, "\\u{number:04X}"),
            _ => write!(self.yaml, "\\U{number:08X}"),
        };
        written.expect("writing into a string does not fail");
        self.column += self.yaml.len() - start;
    }
}

pub(super) fn plain(mut line: Line<'_>, text: &str) {
    words(&mut line, text, |line, c| line.push(c));
}

pub(super) fn single_quoted(mut line: Line<'_>, text: &str) {
    line.push('\'');
    words(&mut line, text, |line, c| {
        if c == '\'' {
            line.push(c);
        }
        line.push(c);
    });
    line.push('\'');
}

/// Breaks lines at single spaces, which is what a break is read as.
fn words(line: &mut Line<'_>, text: &str, push: impl Fn(&mut Line<'_>, char)) {
    let mut previous = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_single = c == ' '
            && previous.is_some_and(|previous| previous != ' ')
            && chars.peek().is_some_and(|next| *next != ' ');
        if !(is_single && line.broke()) {
            push(line, c);
        }
        previous = Some(c);
    }
}

/// Breaks lines at the first of several spaces; the next is escaped so that it is not taken for indentation.
pub(super) fn double_quoted(mut line: Line<'_>, text: &str) {
    // That is how go-yaml looks for byte order marks.
    let escape_all = text.starts_with('\u{feff}');
    let mut previous = None;
    let mut chars = text.chars().peekable();
    line.push('"');
    while let Some(c) = chars.next() {
        let is_first_space =
            c == ' ' && previous.is_some_and(|previous| previous != ' ') && chars.peek().is_some();
        if escape_all || !is_printable(c) || matches!(c, '"' | '\\') {
            line.escape(c);
        } else if is_first_space && line.broke() {
            if chars.peek() == Some(&' ') {
                line.push('\\');
            }
        } else {
            line.push(c);
        }
        previous = Some(c);
    }
    line.push('"');
}

/// Writes a block of lines as they are.
pub(super) fn literal(yaml: &mut String, text: &str, indent: usize) {
    yaml.push('|');
    if text.starts_with([' ', '\n']) {
        // Readers cannot see how much of the first line is indentation.
        yaml.push('2');
    }
    if !text.ends_with('\n') {
        yaml.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        yaml.push('+');
    }
    yaml.push('\n');
    for line in text.split_inclusive('\n') {
        if line != "\n" {
            push_indent(yaml, indent);
        }
        yaml.push_str(line);
    }
}

/// Whether a character is seen on one line, as YAML 1.1 counts lines, and go-yaml writes it as it is.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// A line with more characters is broken at the next occasion.
const WIDTH: usize = 80;
