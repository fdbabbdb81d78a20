//! Executes a template's tree over its root.

use serde_json::Value;

use super::parse::{Command, Node, Operand, Pipeline};

#[derive(Debug)]
pub(super) struct Error {
    pub(super) offset: usize,
    /// The source of the node at fault.
    pub(super) context: String,
    pub(super) reason: String,
}

pub(super) fn execute(nodes: &[Node], root: &Value, output: &mut String) -> Result<(), Error> {
    for node in nodes {
        match node {
            Node::Text(text) => output.push_str(text),
            Node::Print(pipeline) => output.push_str(&printed(&evaluate(pipeline, root)?)),
            Node::If {
                condition,
                then,
                otherwise,
            } => {
                let holds = is_true(&evaluate(condition, root)?);
                execute(if holds { then } else { otherwise }, root, output)?;
            }
        }
    }
    Ok(())
}

fn evaluate(pipeline: &Pipeline, root: &Value) -> Result<Value, Error> {
    let mut piped = None;
    for command in &pipeline.0 {
        piped = Some(run(command, root, piped)?);
    }
    Ok(piped.unwrap_or(Value::Null))
}

fn run(command: &Command, root: &Value, piped: Option<Value>) -> Result<Value, Error> {
    let Some((first, arguments)) = command.operands.split_first() else {
        return Ok(Value::Null);
    };
    let Operand::Function(name) = first else {
        if arguments.is_empty() && piped.is_none() {
            return resolve(first, root);
        }
        return Err(not_callable(command.offset, first));
    };
    let mut arguments: Vec<_> = arguments
        .iter()
        .map(|operand| resolve(operand, root))
        .collect::<Result<_, _>>()?;
    arguments.extend(piped);
    call(name, &arguments).map_err(|reason| error(command, reason))
}

fn not_callable(offset: usize, operand: &Operand) -> Error {
    let context = operand.to_string();
    match operand {
        Operand::Field { offset, path } => {
            let last = path.last().map(String::as_str).unwrap_or_default();
            let reason = format!("{last} is not a method but has arguments");
            Error {
                offset: *offset,
                context,
                reason,
            }
        }
        _ => {
            let reason = format!("can't give argument to non-function {context}");
            Error {
                offset,
                context,
                reason,
            }
        }
    }
}

fn resolve(operand: &Operand, root: &Value) -> Result<Value, Error> {
    match operand {
        Operand::Constant { value, .. } => Ok(value.clone()),
        Operand::Field { offset, path } => lookup(path, root).map_err(|reason| Error {
            offset: *offset,
            context: operand.to_string(),
            reason,
        }),
        Operand::Function(name) => call(name, &[]).map_err(|reason| Error {
            offset: 0,
            context: name.clone(),
            reason,
        }),
        Operand::Group(pipeline) => evaluate(pipeline, root),
    }
}

fn lookup(path: &[String], root: &Value) -> Result<Value, String> {
    let mut value = root;
    for (depth, field) in path.iter().enumerate() {
        value = match value {
            // A struct in Go, everything else is maps.
            Value::Object(chart) if depth == 1 && path[0] == "Chart" => chart
                .get(field)
                .ok_or_else(|| format!("can't evaluate field {field} in type interface {{}}"))?,
            Value::Object(map) => map.get(field).unwrap_or(&Value::Null),
            Value::Null => return Err(format!("nil pointer evaluating interface {{}}.{field}")),
            _ => {
                return Err(format!(
                    "can't evaluate field {field} in type interface {{}}"
                ));
            }
        };
    }
    Ok(value.clone())
}

fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("default", [default, given, ..]) => Ok(if is_true(given) {
            given.clone()
        } else {
            default.clone()
        }),
        ("default", [default]) => Ok(default.clone()),
        ("eq", [left, others @ ..]) if !others.is_empty() => {
            Ok(others.iter().any(|other| other == left).into())
        }
        ("fail", [message]) => Err(format!("error calling fail: {}", printed(message))),
        ("not", [value]) => Ok((!is_true(value)).into()),
        ("quote", values) => {
            let given = values.iter().filter(|value| !value.is_null());
            let quoted: Vec<_> = given.map(|value| quote(&printed(value))).collect();
            Ok(quoted.join(" ").into())
        }
        ("required", [message, Value::Null]) => {
            Err(format!("error calling required: {}", printed(message)))
        }
        ("required", [message, Value::String(value)]) if value.is_empty() => {
            Err(format!("error calling required: {}", printed(message)))
        }
        ("required", [_, value]) => Ok(value.clone()),
        _ => Err(wrong_number(name, arguments.len())),
    }
}

fn wrong_number(name: &str, got: usize) -> String {
    let wanted = match name {
        "default" | "eq" => "at least 1",
        "required" => "2",
        _ => "1",
    };
    format!("wrong number of args for {name}: want {wanted} got {got}")
}

fn error(command: &Command, reason: String) -> Error {
    Error {
        offset: command.offset,
        context: command.to_string(),
        reason,
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// As Go's `%v`.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => float(number.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(printed).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(k, v)| format!("{k}:{}", printed(v)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// Numbers of values are floats, and large ones are printed as such, which surprises users of Helm 2
/// to this day.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
