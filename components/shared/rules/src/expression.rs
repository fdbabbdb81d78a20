//! Expressions over an event, in the Common Expression Language.
//!
//! CEL has no loops but those over lists and maps that are there already, so every expression ends. What one may cost is
//! bounded all the same, since the lists come from whoever sends a delivery: an expression is short and shallow, and of
//! its loops no more than two are within each other, which makes the square of a bounded payload the worst case. It is
//! evaluated in the sandbox, whose limits on time and memory are the last word.
//!
//! Only `event` is there, and the language's own functions. What an expression does not find is an error, not a default:
//! `has(event.payload.x)` asks first.

mod check;

use std::{
    cell::OnceCell,
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use cel::{
    Context, Env, Value as CelValue,
    common::ast::{Expr, IdedExpr, SelectExpr},
    extensions,
    objects::{Key, Map as CelMap},
};
use serde_json::{Map, Number, Value};

use self::check::Check;
use crate::Event;

/// The longest expression, in bytes.
pub(crate) const MAX_TEXT: usize = 2048;

/// How deep it may be nested.
const MAX_DEPTH: u16 = 32;

/// The longest text of an error, in bytes: an error shows values, which may be payloads.
const MAX_ERROR: usize = 300;

/// How much an expression may give: values, and bytes of text.
const MAX_VALUES: usize = 1000;
const MAX_BYTES: usize = 64 << 10;

/// An expression that can be evaluated.
#[derive(Debug)]
pub(crate) struct Expression {
    tree: IdedExpr,
}

impl Expression {
    /// Reads an expression, or says what is wrong with it, to be read after the name of its field.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("has more than {MAX_TEXT} bytes"));
        }
        if let Some(tree) = selection(text) {
            Check::default().visit(&tree, 0)?;
            return Ok(Self { tree });
        }
        let tree = environment()
            .parser()
            .max_recursion_depth(MAX_DEPTH)
            .parse(text)
            .map_err(|errors| match errors.errors.first() {
                Some(error) => format!(
                    "is no expression: {}, at {}:{}",
                    cut(&error.msg, MAX_ERROR),
                    error.pos.0,
                    error.pos.1
                ),
                None => "is no expression".to_owned(),
            })?;
        Check::default().visit(&tree, 0)?;
        Ok(Self { tree })
    }

    /// What it gives for an event, or why it gives nothing.
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        let value = CelValue::resolve(&self.tree, scope.context())
            .map_err(|error| cut(&error.to_string(), MAX_ERROR).to_owned())?;
        Budget::default().json(&value)
    }

    /// Whether it looks at the payload.
    pub(crate) fn uses_payload(&self) -> bool {
        // An expression that takes the event as a whole may look at all of it.
        let mut check = Check::default();
        check.visit(&self.tree, 0).is_err() || check.payload || check.whole
    }
}

/// The tree of an expression that is a field of the event and no more: `event.payload.version`. Most are, and the parser
/// takes longer to be made ready than all else that a delivery needs, each time in a new sandbox.
fn selection(text: &str) -> Option<IdedExpr> {
    let mut fields = text.strip_prefix(EVENT)?.strip_prefix('.')?.split('.');
    let is_name = |field: &str| {
        field.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && field
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !WORDS.contains(&field)
    };
    let node = |id, expr| IdedExpr { id, expr };
    let event = node(1, Expr::Ident(EVENT.to_owned()));
    fields.try_fold(event, |operand, field| {
        let id = operand.id + 1;
        let select = SelectExpr {
            operand: Box::new(operand),
            field: field.to_owned(),
            test: false,
        };
        (is_name(field) && id <= u64::from(MAX_DEPTH)).then(|| node(id, Expr::Select(select)))
    })
}

/// An event as expressions see it, made when the first one asks.
pub(crate) struct Scope<'e> {
    event: &'e Event,
    context: OnceCell<Context<'static, 'static>>,
}

impl<'e> Scope<'e> {
    pub(crate) fn new(event: &'e Event) -> Self {
        Self {
            event,
            context: OnceCell::new(),
        }
    }

    fn context(&self) -> &Context<'static, 'static> {
        self.context.get_or_init(|| {
            let mut context = Context::with_env(Arc::clone(environment()));
            let event = serde_json::to_value(self.event).unwrap_or_default();
            context.add_variable_from_value(EVENT, to_cel(event));
            context
        })
    }
}

/// How much more an expression may give.
struct Budget {
    values: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            values: MAX_VALUES,
            bytes: MAX_BYTES,
        }
    }
}

impl Budget {
    fn json(&mut self, value: &CelValue) -> Result<Value, String> {
        self.values = self
            .values
            .checked_sub(1)
            .ok_or_else(|| format!("it gives more than {MAX_VALUES} values"))?;
        match value {
            CelValue::Bool(value) => Ok(Value::Bool(*value)),
            CelValue::Float(number) => Number::from_f64(*number)
                .map(Value::Number)
                .ok_or_else(|| "it gives a number that JSON cannot say".to_owned()),
            CelValue::Int(number) => Ok(Value::from(*number)),
            CelValue::UInt(number) => Ok(Value::from(*number)),
            CelValue::Null => Ok(Value::Null),
            CelValue::String(text) => Ok(Value::String(self.text(text)?)),
            CelValue::List(items) => items.iter().map(|item| self.json(item)).collect(),
            CelValue::Map(map) => {
                let mut object = Map::new();
                for (key, value) in map.map.iter() {
                    let Key::String(key) = key else {
                        return Err("it gives a map with keys that are no texts".to_owned());
                    };
                    object.insert(self.text(key)?, self.json(value)?);
                }
                Ok(Value::Object(object))
            }
            other => Err(format!(
                "it gives a {}, which JSON has not",
                other.type_of()
            )),
        }
    }

    fn text(&mut self, text: &str) -> Result<String, String> {
        self.bytes = self
            .bytes
            .checked_sub(text.len())
            .ok_or_else(|| format!("it gives more than {MAX_BYTES} bytes"))?;
        Ok(text.to_owned())
    }
}

/// JSON as expressions see it: whole numbers are `int` wherever they fit, so that they compare with what is written.
fn to_cel(value: Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(value) => CelValue::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => CelValue::Int(number),
            (None, Some(number)) => CelValue::UInt(number),
            (None, None) => CelValue::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => CelValue::String(Arc::new(text)),
        Value::Array(items) => CelValue::List(Arc::new(items.into_iter().map(to_cel).collect())),
        Value::Object(members) => {
            let map: HashMap<Key, CelValue> = members
                .into_iter()
                .map(|(key, value)| (Key::String(Arc::new(key)), to_cel(value)))
                .collect();
            CelValue::Map(CelMap { map: Arc::new(map) })
        }
    }
}

fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: OnceLock<Arc<Env>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings)
            .expect("the standard library has none of its names");
        Arc::new(env)
    })
}

/// The beginning of a text, at most `limit` bytes of it.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// The variable.
const EVENT: &str = "event";

/// Words of the language that are no names.
const WORDS: [&str; 4] = ["false", "in", "null", "true"];

#[cfg(test)]
mod tests;
