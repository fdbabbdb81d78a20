//! The values that a body gives, in all the ways that Helm's CLI takes them.
//!
//! What they say is not read here: what is no YAML or no assignment is told by whoever puts them together, which is the
//! one who knows how Helm would call it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    fields::Fields,
    problem::{Code, Problem},
};

/// The values a caller gave. Later ones win over earlier ones, in the order of the members here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// YAML texts, later ones over earlier ones: `-f`.
    pub files: Vec<String>,
    /// Those written into the request.
    pub inline: Inline,
    /// Assignments with types: `--set`.
    pub set: Vec<String>,
    /// Assignments of text: `--set-string`.
    pub set_string: Vec<String>,
    /// Texts, by the keys that they are assigned to, and in the order of these: `--set-file`.
    pub set_file: BTreeMap<String, String>,
}

/// Values written into the request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Inline {
    /// None.
    #[default]
    None,
    /// A JSON object.
    Object(Map<String, Value>),
    /// YAML.
    Yaml(String),
}

impl Values {
    /// Takes the fields that are about values.
    pub(super) fn take(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            files: fields.texts("values_files")?,
            inline: inline(fields)?,
            set: fields.texts("set")?,
            set_string: fields.texts("set_string")?,
            set_file: fields.members("set_file")?,
        })
    }
}

fn inline(fields: &mut Fields) -> Result<Inline, Problem> {
    match fields.take("values") {
        None => Ok(Inline::None),
        Some(Value::Object(map)) => Ok(Inline::Object(map)),
        Some(Value::String(yaml)) => Ok(Inline::Yaml(yaml)),
        Some(_) => Err(Problem::new(
            Code::InvalidValues,
            "field `values` must be an object or a string of YAML",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn take(body: &Value) -> Result<Values, Problem> {
        let mut fields = Fields::from_json(body.to_string().as_bytes()).unwrap();
        let values = Values::take(&mut fields)?;
        fields.finish().map(|()| values)
    }

    #[test]
    fn values_are_an_object_or_yaml() {
        let of = |values: Value| take(&json!({"values": values})).map(|values| values.inline);
        assert_eq!(of(json!(null)), Ok(Inline::None));
        assert_eq!(of(json!("a: 1\n")), Ok(Inline::Yaml("a: 1\n".into())));
        for values in [json!({}), json!({"a": null})] {
            assert!(matches!(of(values), Ok(Inline::Object(_))));
        }
        for values in [json!([]), json!(5), json!(true)] {
            assert_eq!(of(values).unwrap_err().code, Code::InvalidValues);
        }
    }

    #[test]
    fn lists_have_one_text_or_several_and_keep_them_as_they_are() {
        let values = take(&json!({
            "values_files": ["a: 1, b", ""],
            "set": " a={x,y} ,b=",
            "set_string": ["a=1,b=2", "c="],
        }))
        .unwrap();
        assert_eq!(values.files, ["a: 1, b", ""]);
        assert_eq!(values.set, [" a={x,y} ,b="]);
        assert_eq!(values.set_string, ["a=1,b=2", "c="]);
        assert_eq!(take(&json!({"set": null})), Ok(Values::default()));
    }

    #[test]
    fn what_is_no_text_is_refused_by_its_name() {
        for (body, expected) in [
            (
                json!({"set": {"a": 1}}),
                "field `set` must be a string or a list of strings, and is an object",
            ),
            (
                json!({"set_string": ["a=1", 2]}),
                "field `set_string` must be a string or a list of strings, and is 2",
            ),
            (
                json!({"values_files": [null]}),
                "field `values_files` must be a string or a list of strings, and is null",
            ),
            (
                json!({"set_file": ["a=b"]}),
                "field `set_file` must be an object of strings, and is an array",
            ),
            (
                json!({"set_file": {"a.b": null}}),
                "field `set_file.a.b` must be a string, and is null",
            ),
        ] {
            let problem = take(&body).unwrap_err();
            assert_eq!(problem.code, Code::InvalidRequest);
            assert_eq!(problem.detail, expected);
        }
        let problem = take(&json!({"set-files": {}})).unwrap_err();
        assert!(problem.detail.contains("did you mean `set_file`?"));
    }

    #[test]
    fn parts_of_a_form_are_repeated_or_have_a_key() {
        let mut fields = Fields::empty(crate::fields::Kind::Field);
        for value in ["a: 1", "b: 2"] {
            fields.push_text("values_files".into(), value.into());
        }
        fields.push_text("set".into(), "a=1,b=2".into());
        for (key, content) in [("b.c", "x"), ("a", "y")] {
            fields
                .push_member("set_file", key.into(), content.into())
                .unwrap();
        }
        let again = fields.push_member("set_file", "a".into(), "z".into());
        assert_eq!(again.unwrap_err().detail, "`set_file.a` is given twice");
        let wrong = fields.push_member("set", "a".into(), "z".into());
        assert_eq!(wrong.unwrap_err().detail, "`set` is given twice");
        let values = Values::take(&mut fields).unwrap();
        assert_eq!(values.files, ["a: 1", "b: 2"]);
        assert_eq!(values.set, ["a=1,b=2"]);
        let set_file: Vec<_> = values.set_file.into_iter().collect();
        assert_eq!(
            set_file,
            [("a".into(), "y".into()), ("b.c".into(), "x".into())]
        );
    }
}
