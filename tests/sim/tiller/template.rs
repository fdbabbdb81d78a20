//! The part of Go's templates that the scenario's charts need, with Go's texts for what goes wrong.
//!
//! Fields of the root (`.Values.a.b`), the functions `default`, `eq`, `fail`, `not`, `quote` and
//! `required`, pipelines, `if`/`else`/`end`, comments and trimming. Anything else is an error, and
//! never renders as something Tiller would not have made of it.

mod eval;
mod lex;
mod parse;

use serde_json::Value;

/// Renders a template named after its file.
///
/// # Errors
///
/// Tiller's whole text: `parse error in …` or `render error in …`.
pub(super) fn render(file: &str, text: &str, root: &Value) -> Result<String, String> {
    let nodes = parse::parse(file, text).map_err(|error| {
        let parse::Error { offset, reason } = error;
        let line = position(text, offset).0;
        format!("parse error in {file:?}: template: {file}:{line}: {reason}")
    })?;
    let mut output = String::with_capacity(text.len());
    eval::execute(&nodes, root, &mut output).map_err(|error| {
        let eval::Error {
            offset,
            context,
            reason,
        } = error;
        let (line, column) = position(text, offset);
        format!(
            "render error in {file:?}: template: {file}:{line}:{column}: executing {file:?} at \
             <{context}>: {reason}"
        )
    })?;
    // What Tiller makes of a nil that is printed.
    Ok(output.replace("<no value>", ""))
}

/// Line from 1 and column from 0, in bytes.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before.len() - line_start)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn root() -> Value {
        json!({
            "Values": {"greeting": "hello", "big": 1_234_567, "on": true, "nested": {"a": "x"}},
            "Release": {"Name": "web", "Revision": 1},
        })
    }

    #[test]
    fn templates_render_as_in_go() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{ .Values.greeting }}!", "hello!"),
            ("{{.Values.greeting | quote}}", r#""hello""#),
            ("{{ quote .Values.greeting }}", r#""hello""#),
            ("{{ .Values.missing }}.", "."),
            ("{{ .Values.missing | quote }}.", "."),
            ("{{ .Values.missing | default \"d\" | quote }}", r#""d""#),
            ("{{ default 3 .Values.missing }}", "3"),
            (
                "{{ .Values.big }} {{ .Release.Revision }}",
                "1.234567e+06 1",
            ),
            ("a  {{- /* gone */ -}}\n b", "ab"),
            ("{{ if .Values.on }}yes{{ else }}no{{ end }}", "yes"),
            ("{{ if not .Values.on }}yes{{ else }}no{{ end }}", "no"),
            (
                "{{ if .Values.missing }}a{{ else if eq .Values.nested.a \"x\" }}b{{ end }}",
                "b",
            ),
            ("{{- if .Values.on }}\n  x\n{{- end }}\n", "\n  x\n"),
            ("{{ `raw` }}{{ \"a\\\"b\" }}", "rawa\"b"),
            ("{{ (default \"x\" .Values.missing) | quote }}", r#""x""#),
        ] {
            assert_eq!(
                render("f", text, &root()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn errors_have_the_texts_tiller_was_seen_to_send() {
        let at = |place: &str, context: &str, reason: &str| {
            format!(
                r#"render error in "f": template: f:{place}: executing "f" at <{context}>: {reason}"#
            )
        };
        let parse = |line: usize, reason: &str| {
            format!(r#"parse error in "f": template: f:{line}: {reason}"#)
        };
        for (text, expected) in [
            (
                r#"{{ fail "boom" }}"#,
                at("1:3", r#"fail "boom""#, "error calling fail: boom"),
            ),
            (
                "a:\n  {{- if .Values.x }}{{ else }}\n  {{ fail \"long\" | quote }}{{ end }}",
                at("3:5", r#"fail "long""#, "error calling fail: long"),
            ),
            (
                r#"{{ required "need it" .Values.x }}"#,
                at(
                    "1:3",
                    r#"required "need it" .Values.x"#,
                    "error calling required: need it",
                ),
            ),
            (
                "a: {{ .Values.a.b.c }}",
                at(
                    "1:13",
                    ".Values.a.b.c",
                    "nil pointer evaluating interface {}.b",
                ),
            ),
            (
                "{{ .Release.Name.x }}",
                at(
                    "1:11",
                    ".Release.Name.x",
                    "can't evaluate field x in type interface {}",
                ),
            ),
            (
                "x\n{{ foo \"a\" }}",
                parse(2, r#"function "foo" not defined"#),
            ),
            ("{{ .Values\n", parse(2, "unclosed action started at f:1")),
            ("{{ if .Values.x }}a\n", parse(2, "unexpected EOF")),
            ("{{ end }}", parse(1, "unexpected {{end}}")),
            ("{{ | }}", parse(1, r#"unexpected "|" in command"#)),
        ] {
            assert_eq!(render("f", text, &root()), Err(expected), "{text}");
        }
    }
}
