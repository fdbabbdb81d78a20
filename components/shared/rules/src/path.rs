//! Where in a chart's values something stands: `image.tag`.
//!
//! A path leads through tables only. An index into a list is refused: Helm replaces lists as a whole, so that setting one
//! item would lose the others. A dot that belongs to a key is written `\.`, as with Helm's `--set`.

use serde_json::{Map, Value};

/// The longest path, in bytes.
const MAX_BYTES: usize = 512;

/// A path with at least one key, none of them empty.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// Reads a path, or says what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("is a path of more than {MAX_BYTES} bytes"));
        }
        let mut keys = vec![String::new()];
        let mut escaped = false;
        for c in text.chars() {
            let key = keys.last_mut().expect("there is one from the beginning");
            match c {
                _ if escaped => {
                    key.push(c);
                    escaped = false;
                }
                '\\' => escaped = true,
                '.' => keys.push(String::new()),
                '[' | ']' => {
                    return Err(
                        "is a path into a list, and Helm replaces lists as a whole".to_owned()
                    );
                }
                c if c.is_control() || "=,{}".contains(c) => {
                    return Err(format!("is a path with `{}`", c.escape_default()));
                }
                c => key.push(c),
            }
        }
        if escaped || keys.iter().any(String::is_empty) {
            return Err("is no path such as `image.tag`".to_owned());
        }
        Ok(Self(keys))
    }

    /// What stands there.
    pub(crate) fn find<'v>(&self, values: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(values, |value, key| value.get(key))
    }

    /// Whether one of them leads through or to the other.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, two)| one == two)
    }

    /// Puts a value there; what was in its way is gone.
    pub(crate) fn set(&self, values: &mut Map<String, Value>, value: Value) {
        let Some((last, tables)) = self.0.split_last() else {
            return;
        };
        let mut table = values;
        for key in tables {
            let next = table
                .entry(key.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(inner) = next else {
                return;
            };
            table = inner;
        }
        table.insert(last.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> Path {
        Path::read(text).unwrap()
    }

    #[test]
    fn a_path_leads_through_tables() {
        let values = json!({"image": {"tag": "1", "a.b": 2}, "list": [1]});
        assert_eq!(path("image.tag").find(&values), Some(&json!("1")));
        assert_eq!(path("image.a\\.b").find(&values), Some(&json!(2)));
        assert_eq!(path("image.tag.x").find(&values), None);
        assert_eq!(path("list.0").find(&values), None);
    }

    #[test]
    fn what_is_set_is_found() {
        let mut values = Map::new();
        path("image.tag").set(&mut values, json!("1"));
        path("image.digest").set(&mut values, json!("d"));
        path("image.tag.deep").set(&mut values, json!(true));
        assert_eq!(
            Value::Object(values),
            json!({"image": {"tag": {"deep": true}, "digest": "d"}})
        );
    }

    #[test]
    fn paths_meet_where_one_leads_through_the_other() {
        assert!(path("a.b").meets(&path("a")));
        assert!(path("a").meets(&path("a")));
        assert!(!path("a.b").meets(&path("a.c")));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a[0].b", "a=b", "a\\", "a\nb", "{a}",
        ] {
            assert!(Path::read(text).is_err(), "{text}");
        }
    }
}
