//! Texts with expressions in them: `web-${event.environment}`.

use serde_json::Value;

use crate::expression::{Expression, Scope};

/// A text, parts of which depend on the event.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Computed(Expression),
    Text(String),
}

impl Template {
    /// Reads a text, or says what is wrong with it, to be read after the name of its field.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            let end = end(behind).ok_or("has a `${` without its `}`")?;
            let (expression, after) = behind.split_at(end);
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Computed(Expression::read(expression)?));
            rest = after.strip_prefix('}').unwrap_or(after);
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts })
    }

    /// The text, if it does not depend on the event.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for an event, or why there is none.
    pub(crate) fn fill(&self, scope: &Scope<'_>) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Computed(expression) => match expression.evaluate(scope)? {
                    Value::String(text) => filled.push_str(&text),
                    Value::Number(number) => filled.push_str(&number.to_string()),
                    _ => return Err("it gives neither a text nor a number".to_owned()),
                },
            }
        }
        Ok(filled)
    }

    /// Whether it looks at the payload.
    pub(crate) fn uses_payload(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Computed(expression) if expression.uses_payload()))
    }
}

/// Where the `}` is that ends an expression: one outside its texts and its own braces.
fn end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => (),
            None => match c {
                '"' | '\'' => quote = Some(c),
                '{' => depth += 1,
                '}' if depth == 0 => return Some(at),
                '}' => depth -= 1,
                _ => (),
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    fn fill(text: &str) -> Result<String, String> {
        let event = Event {
            tag: Some("1.2".into()),
            environment: Some("prod".into()),
            ..Event::default()
        };
        Template::read(text)?.fill(&Scope::new(&event))
    }

    #[test]
    fn expressions_are_filled_in() {
        for (text, expected) in [
            ("web", "web"),
            ("", ""),
            ("$web}", "$web}"),
            ("web-${event.environment}", "web-prod"),
            ("${event.tag}${event.tag}-x", "1.21.2-x"),
            ("${{'a': 'b'}['a']}", "b"),
            ("${event.tag + '}\\'}'}!", "1.2}'}!"),
            ("${1 + 1}", "2"),
        ] {
            assert_eq!(fill(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        for text in [
            "${event.tag",
            "${}",
            "${nothing}",
            "${true}",
            "${event.branch}",
        ] {
            assert!(fill(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_text_without_expressions_is_known_beforehand() {
        assert_eq!(Template::read("web").unwrap().fixed(), Some("web"));
        assert_eq!(Template::read("").unwrap().fixed(), Some(""));
        assert_eq!(Template::read("${event.tag}").unwrap().fixed(), None);
    }
}
