//! What an expression may be made of: fields of the event, what its own loops bind, and functions that are there.
//!
//! The language finds out when it evaluates that a name means nothing. An operator wants to know before a delivery comes.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::EVENT;

/// How many loops may be within each other.
const MAX_LOOPS: usize = 2;

/// What an expression is made of.
#[derive(Debug, Default)]
pub(super) struct Check {
    /// The names that its loops bind.
    bound: BTreeSet<String>,
    /// Whether it looks at the payload.
    pub(super) payload: bool,
    /// Whether it takes the event as a whole.
    pub(super) whole: bool,
}

impl Check {
    /// Looks at a part of an expression that is within so many loops, or says what is wrong with it.
    pub(super) fn visit(&mut self, node: &IdedExpr, loops: usize) -> Result<(), String> {
        match &node.expr {
            Expr::Unspecified | Expr::Struct(_) => {
                Err("makes a value of an unknown type".to_owned())
            }
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) if name == EVENT => {
                self.whole = true;
                Ok(())
            }
            Expr::Ident(name) if self.bound.contains(name) || TYPES.contains(&name.as_str()) => {
                Ok(())
            }
            Expr::Ident(name) => Err(format!(
                "names `{name}`, which is not there: there is `event`"
            )),
            Expr::Select(select) => match &select.operand.expr {
                Expr::Ident(name) if name == EVENT => {
                    if !FIELDS.contains(&select.field.as_str()) {
                        return Err(format!(
                            "names `event.{}`, which is not there: there are {}",
                            select.field,
                            FIELDS.join(", ")
                        ));
                    }
                    self.payload |= select.field == "payload";
                    Ok(())
                }
                _ => self.visit(&select.operand, loops),
            },
            Expr::Call(call) => {
                if !is_known(&call.func_name) {
                    return Err(format!("calls `{}`, which is not there", call.func_name));
                }
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.visit(part, loops)?;
                }
                Ok(())
            }
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|element| self.visit(element, loops)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, loops)?;
                    self.visit(&entry.value, loops)
                }
                EntryExpr::StructField(field) => self.visit(&field.value, loops),
            }),
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, loops)?;
                self.visit(&comprehension.accu_init, loops)?;
                if loops == MAX_LOOPS {
                    return Err(format!("has more than {MAX_LOOPS} loops within each other"));
                }
                self.bound.insert(comprehension.iter_var.clone());
                self.bound.insert(comprehension.accu_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.visit(&comprehension.loop_cond, loops + 1)?;
                self.visit(&comprehension.loop_step, loops + 1)?;
                self.visit(&comprehension.result, loops + 1)
            }
        }
    }
}

/// Whether the language has such a function or operator.
fn is_known(name: &str) -> bool {
    // Operators are spelled with what no name has.
    name.starts_with(['_', '@', '!', '-']) || FUNCTIONS.contains(&name)
}

/// What an event may have.
const FIELDS: [&str; 10] = [
    "branch",
    "commit",
    "environment",
    "image",
    "key",
    "kind",
    "name",
    "payload",
    "repository",
    "tag",
];

/// The functions of the language's standard library and of its extension for texts, but for `format`.
const FUNCTIONS: [&str; 33] = [
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
    // What macros for optional values leave as calls.
    "optMap",
    "optFlatMap",
];

/// Names that stand for types, or for the library of optional values.
const TYPES: [&str; 11] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "string",
    "type",
    "uint",
];
