//! The values that a caller gives, put together as Helm's CLI does it: files over files, then assignments such as
//! `a.b[0]=1,c={x,y}`.
//!
//! The grammar of assignments is that of Helm 2.17's package strvals to the letter. It knows no quotes, drops what is
//! assigned to an empty key and lets `a[0]` at the end make an empty list, because charts' documentation and people's
//! scripts rely on what Helm does and not on what it should do. Where Helm ends with a panic there is an error here.
//!
//! An index of ten digits would make a list of as many items, and short lines that make and replace long lists cost
//! without growing, so everything that is ever made counts towards the [`Limits`].

mod error;
mod parser;
mod quote;

use serde_json::Value;

pub use self::error::{IndexError, SetError};
use self::parser::{Kind, Parser};
use crate::{
    Limits,
    values::{self, Table},
};

/// What the values of an assignment are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Typing {
    /// Text, all of them: `--set-string`.
    Text,
    /// Booleans, null and whole numbers where they look like it, text otherwise: `--set`.
    Typed,
}

/// Values that are being put together, later ones over earlier ones.
///
/// They are used up by an error: some of a line is assigned then.
#[derive(Clone, Debug)]
pub struct UserValues {
    table: Table,
    budget: Budget,
}

impl UserValues {
    /// None yet.
    ///
    /// Mappings, lists, scalars and keys count towards `limits.yaml_nodes`, and so do the nulls that fill up a list and
    /// what is replaced later. `limits.yaml_depth` is for the whole, which can be written as YAML and read again.
    pub fn new(limits: &Limits) -> Self {
        Self {
            table: Table::new(),
            budget: Budget {
                depth: limits.yaml_depth,
                left: limits.yaml_nodes.saturating_sub(1),
                nodes: limits.yaml_nodes,
            },
        }
    }

    /// Puts values over those there, as [`values::overlay`] does it.
    ///
    /// # Errors
    ///
    /// [`SetError::Limit`].
    pub fn overlay(mut self, over: Table) -> Result<Self, SetError> {
        self.budget.spend_table(&over, 0)?;
        self.table = values::overlay(self.table, over);
        Ok(self)
    }

    /// Makes the assignments of a line, which are separated by commas.
    ///
    /// # Errors
    ///
    /// [`SetError`], in Helm's words where Helm has some.
    pub fn set(self, line: &str, typing: Typing) -> Result<Self, SetError> {
        self.assign(line, Kind::Values(typing))
    }

    /// Assigns text as it is to one key of that grammar: what `--set-file` does with a file's content.
    ///
    /// # Errors
    ///
    /// [`SetError`], in Helm's words where Helm has some.
    pub fn set_content(self, key: &str, content: String) -> Result<Self, SetError> {
        self.assign(key, Kind::Content(Some(content)))
    }

    /// The whole.
    pub fn into_table(self) -> Table {
        self.table
    }

    fn assign(mut self, line: &str, kind: Kind) -> Result<Self, SetError> {
        Parser::new(line, kind, &mut self.budget).parse(&mut self.table)?;
        Ok(self)
    }
}

/// What may still be made.
#[derive(Clone, Debug)]
struct Budget {
    depth: usize,
    left: usize,
    /// What there was of `left`.
    nodes: usize,
}

impl Budget {
    fn spend(&mut self, nodes: usize) -> Result<(), SetError> {
        match self.left.checked_sub(nodes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(SetError::Limit {
                limit: "yaml_nodes",
                value: self.nodes,
            }),
        }
    }

    /// An empty mapping or list counts as deep as one with something in it.
    fn check_collection(&self, depth: usize) -> Result<(), SetError> {
        self.check_depth(depth + 1)
    }

    fn check_depth(&self, depth: usize) -> Result<(), SetError> {
        if depth > self.depth {
            return Err(SetError::Limit {
                limit: "yaml_depth",
                value: self.depth,
            });
        }
        Ok(())
    }

    fn spend_table(&mut self, table: &Table, depth: usize) -> Result<(), SetError> {
        self.check_collection(depth)?;
        self.spend(1 + table.len())?;
        table
            .values()
            .try_for_each(|value| self.spend_value(value, depth + 1))
    }

    fn spend_value(&mut self, value: &Value, depth: usize) -> Result<(), SetError> {
        match value {
            Value::Object(table) => self.spend_table(table, depth),
            Value::Array(items) => {
                self.check_collection(depth)?;
                self.spend(1)?;
                items
                    .iter()
                    .try_for_each(|item| self.spend_value(item, depth + 1))
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
                self.check_depth(depth)?;
                self.spend(1)
            }
        }
    }
}
