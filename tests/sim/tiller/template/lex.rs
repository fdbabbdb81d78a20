//! Text and actions, and the tokens inside an action.

use super::parse::Error;

/// A stretch of a template.
pub(super) enum Piece<'a> {
    /// Its tokens and where it ends.
    Action(Vec<Token<'a>>, usize),
    Text(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) offset: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Close,
    Field,
    Number,
    Open,
    Pipe,
    RawText,
    Text,
    Word,
}

/// Cuts a template at its actions. Comments are dropped, the space that `-` trims with them.
pub(super) fn pieces<'a>(file: &str, text: &'a str) -> Result<Vec<Piece<'a>>, Error> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut trim = false;
    while let Some(open) = find(text, at, "{{") {
        let inside = open + 2;
        let trims = text[inside..].starts_with("- ") || text[inside..].starts_with("-\n");
        let before = trimmed_start(&text[at..open], trim);
        pieces.push(Piece::Text(if trims { before.trim_end() } else { before }));
        let body = if trims { inside + 2 } else { inside };
        let end = action_end(text, body).ok_or_else(|| Error {
            offset: text.len(),
            reason: format!(
                "unclosed action started at {file}:{}",
                super::position(text, open).0
            ),
        })?;
        let action = &text[body..end];
        trim = action.ends_with(" -") || action.ends_with("\n-");
        let action = if trim {
            &action[..action.len() - 1]
        } else {
            action
        };
        let comment = action.trim_start().starts_with("/*") && action.trim_end().ends_with("*/");
        if !comment {
            pieces.push(Piece::Action(tokens(action, body)?, end));
        }
        at = end + 2;
    }
    pieces.push(Piece::Text(trimmed_start(&text[at..], trim)));
    Ok(pieces)
}

fn trimmed_start(text: &str, trim: bool) -> &str {
    if trim { text.trim_start() } else { text }
}

fn find(text: &str, from: usize, what: &str) -> Option<usize> {
    text.get(from..)?.find(what).map(|found| from + found)
}

/// Where the `}}` is that is not in a string or comment.
fn action_end(text: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with("}}") {
            return Some(at);
        }
        at += if rest.starts_with("/*") {
            rest.find("*/")? + 2
        } else if rest.starts_with(['"', '`']) {
            string_length(rest)?
        } else {
            rest.chars().next()?.len_utf8()
        };
    }
}

/// Length of a string literal with its quotes.
fn string_length(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    text.char_indices().skip(1).find_map(|(at, c)| {
        let end = c == quote && !escaped;
        escaped = c == '\\' && quote == '"' && !escaped;
        end.then_some(at + 1)
    })
}

fn tokens(action: &str, offset: usize) -> Result<Vec<Token<'_>>, Error> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = action[at..].chars().next() {
        let rest = &action[at..];
        let word = |rest: &str| {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
            end.unwrap_or(rest.len())
        };
        let (kind, length) = match first {
            ' ' | '\t' | '\r' | '\n' => {
                at += 1;
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '|' => (Kind::Pipe, 1),
            '"' => (Kind::Text, string_length(rest).unwrap_or(rest.len())),
            '`' => (Kind::RawText, string_length(rest).unwrap_or(rest.len())),
            '.' => (Kind::Field, 1 + word(&rest[1..])),
            '-' | '0'..='9' => {
                let end = rest.find(|c: char| !matches!(c, '-' | '.' | '0'..='9'));
                (Kind::Number, end.unwrap_or(rest.len()))
            }
            c if c.is_alphabetic() || c == '_' => (Kind::Word, word(rest)),
            c => {
                return Err(Error {
                    offset: offset + at,
                    reason: format!("unexpected {:?} in command", c.to_string()),
                });
            }
        };
        tokens.push(Token {
            kind,
            text: &rest[..length],
            offset: offset + at,
        });
        at += length;
    }
    Ok(tokens)
}
