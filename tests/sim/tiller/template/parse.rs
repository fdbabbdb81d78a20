//! From tokens to a tree, with Go's texts for what does not parse.

use std::{fmt, iter::Peekable, vec::IntoIter};

use serde_json::Value;

use super::lex::{Kind, Piece, Token, pieces};

/// The functions a template may call.
pub(super) const FUNCTIONS: [&str; 6] = ["default", "eq", "fail", "not", "quote", "required"];
/// Keywords of Go's templates that are beyond this subset.
const UNSUPPORTED: [&str; 7] = [
    "block", "break", "continue", "define", "range", "template", "with",
];

#[derive(Debug)]
pub(super) struct Error {
    pub(super) offset: usize,
    pub(super) reason: String,
}

pub(super) enum Node {
    If {
        condition: Pipeline,
        then: Vec<Self>,
        otherwise: Vec<Self>,
    },
    Print(Pipeline),
    Text(String),
}

/// Commands, each given what the one before it made as its last argument.
pub(super) struct Pipeline(pub(super) Vec<Command>);

pub(super) struct Command {
    pub(super) offset: usize,
    pub(super) operands: Vec<Operand>,
}

pub(super) enum Operand {
    Constant {
        value: Value,
        source: String,
    },
    /// A path from the root, empty for the root itself. Go counts a path of several fields from its
    /// second.
    Field {
        offset: usize,
        path: Vec<String>,
    },
    Function(String),
    Group(Pipeline),
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, command) in self.0.iter().enumerate() {
            let separator = if at > 0 { " | " } else { "" };
            write!(f, "{separator}{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, operand) in self.operands.iter().enumerate() {
            let separator = if at > 0 { " " } else { "" };
            write!(f, "{separator}{operand}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant { source, .. } => f.write_str(source),
            Self::Field { path, .. } if path.is_empty() => f.write_str("."),
            Self::Field { path, .. } => path.iter().try_for_each(|field| write!(f, ".{field}")),
            Self::Function(name) => f.write_str(name),
            Self::Group(pipeline) => write!(f, "({pipeline})"),
        }
    }
}

pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Node>, Error> {
    let mut parser = Parser {
        pieces: pieces(file, text)?.into_iter(),
        end: text.len(),
    };
    let (nodes, ended_by) = parser.list()?;
    match ended_by {
        Terminator::Template => Ok(nodes),
        Terminator::Else { offset, .. } => Err(unexpected(offset, "{{else}}")),
        Terminator::End { offset } => Err(unexpected(offset, "{{end}}")),
    }
}

struct Parser<'a> {
    pieces: IntoIter<Piece<'a>>,
    end: usize,
}

/// The tokens of an action.
struct Tokens<'a> {
    tokens: Peekable<IntoIter<Token<'a>>>,
    end: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        self.tokens.next()
    }

    fn next_if(&mut self, wanted: impl FnOnce(&Token<'a>) -> bool) -> Option<Token<'a>> {
        self.tokens.next_if(wanted)
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        self.tokens.peek().copied()
    }
}

/// What a list of nodes ended at.
enum Terminator<'a> {
    Else { offset: usize, rest: Tokens<'a> },
    End { offset: usize },
    Template,
}

impl<'a> Parser<'a> {
    fn list(&mut self) -> Result<(Vec<Node>, Terminator<'a>), Error> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let mut tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text.to_owned()));
                    continue;
                }
                Piece::Action(tokens, end) => Tokens {
                    tokens: tokens.into_iter().peekable(),
                    end,
                },
            };
            let keyword = tokens.peek().filter(|token| token.kind == Kind::Word);
            let node = match keyword.map(|token| (token.text, token.offset)) {
                Some(("if", _)) => {
                    tokens.next();
                    self.conditional(tokens)?
                }
                Some(("else", offset)) => {
                    tokens.next();
                    return Ok((
                        nodes,
                        Terminator::Else {
                            offset,
                            rest: tokens,
                        },
                    ));
                }
                Some(("end", offset)) => return Ok((nodes, Terminator::End { offset })),
                Some((keyword, offset)) if UNSUPPORTED.contains(&keyword) => {
                    let reason = format!("{keyword} is beyond this Tiller's templates");
                    return Err(Error { offset, reason });
                }
                _ => Node::Print(pipeline(&mut tokens, false)?),
            };
            nodes.push(node);
        }
        Ok((nodes, Terminator::Template))
    }

    fn conditional(&mut self, mut tokens: Tokens<'a>) -> Result<Node, Error> {
        let condition = pipeline(&mut tokens, false)?;
        let (then, ended_by) = self.list()?;
        let otherwise = match ended_by {
            Terminator::Template => return Err(unexpected(self.end, "EOF")),
            Terminator::End { .. } => Vec::new(),
            Terminator::Else { mut rest, .. } => match rest.next() {
                // `else if` is an `if` within the `else` that shares its `end`.
                Some(token) if token.text == "if" => vec![self.conditional(rest)?],
                Some(token) => return Err(unexpected(token.offset, token.text)),
                None => match self.list()? {
                    (otherwise, Terminator::End { .. }) => otherwise,
                    (_, Terminator::Else { offset, .. }) => {
                        return Err(unexpected(offset, "{{else}}"));
                    }
                    (_, Terminator::Template) => return Err(unexpected(self.end, "EOF")),
                },
            },
        };
        Ok(Node::If {
            condition,
            then,
            otherwise,
        })
    }
}

fn pipeline(tokens: &mut Tokens<'_>, in_group: bool) -> Result<Pipeline, Error> {
    let mut commands = Vec::new();
    loop {
        commands.push(command(tokens)?);
        match tokens.next() {
            None if in_group => return Err(unexpected(tokens.end, "unclosed left paren")),
            None => return Ok(Pipeline(commands)),
            Some(token) if token.kind == Kind::Pipe => {}
            Some(token) if token.kind == Kind::Close && in_group => {
                return Ok(Pipeline(commands));
            }
            Some(token) => return Err(unexpected(token.offset, "right paren")),
        }
    }
}

fn command(tokens: &mut Tokens<'_>) -> Result<Command, Error> {
    let offset = tokens.peek().map_or(tokens.end, |token| token.offset);
    let mut operands = Vec::new();
    while let Some(token) = tokens.next_if(|t| !matches!(t.kind, Kind::Pipe | Kind::Close)) {
        operands.push(operand(token, tokens)?);
    }
    if operands.is_empty() {
        let reason = match tokens.peek() {
            Some(token) => format!("unexpected {:?} in command", token.text),
            None => "missing value for command".to_owned(),
        };
        return Err(Error { offset, reason });
    }
    Ok(Command { offset, operands })
}

fn operand<'a>(token: Token<'a>, tokens: &mut Tokens<'a>) -> Result<Operand, Error> {
    let constant = |value: Value| Operand::Constant {
        value,
        source: token.text.to_owned(),
    };
    let syntax = || unexpected(token.offset, &format!("{:?} in operand", token.text));
    Ok(match token.kind {
        Kind::Open => Operand::Group(pipeline(tokens, true)?),
        Kind::Field => field(token, tokens),
        Kind::Number => constant(serde_json::from_str(token.text).map_err(|_| syntax())?),
        Kind::RawText => constant(token.text.trim_matches('`').into()),
        // What Go and JSON escape differently does not occur in the charts here.
        Kind::Text => constant(serde_json::from_str(token.text).map_err(|_| syntax())?),
        Kind::Word => match token.text {
            "true" => constant(true.into()),
            "false" => constant(false.into()),
            name if FUNCTIONS.contains(&name) => Operand::Function(name.to_owned()),
            name => {
                let reason = format!("function {name:?} not defined");
                return Err(Error {
                    offset: token.offset,
                    reason,
                });
            }
        },
        Kind::Close | Kind::Pipe => return Err(syntax()),
    })
}

/// A field and those that follow it without a space.
fn field<'a>(first: Token<'a>, tokens: &mut Tokens<'a>) -> Operand {
    let mut end = first.offset + first.text.len();
    let mut offset = first.offset;
    let mut path = vec![first.text[1..].to_owned()];
    while let Some(next) = tokens.next_if(|t| t.kind == Kind::Field && t.offset == end) {
        if path.len() == 1 {
            offset = next.offset;
        }
        end += next.text.len();
        path.push(next.text[1..].to_owned());
    }
    path.retain(|field| !field.is_empty());
    Operand::Field { offset, path }
}

fn unexpected(offset: usize, what: &str) -> Error {
    Error {
        offset,
        reason: format!("unexpected {what}"),
    }
}
