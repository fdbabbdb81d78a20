//! Lines of any kind, assigned one after the other.
#![no_main]

use charts::{
    Limits,
    strvals::{Typing, UserValues},
    yaml,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(|input: &str| {
    let limits = Limits {
        yaml_bytes: 1 << 20,
        yaml_depth: 8,
        yaml_nodes: 500,
        ..Limits::default()
    };
    let Value::Object(base) = json!({"": {"a": [1]}, "a": [null, {"b": 1}], "b": {"c": null}})
    else {
        return;
    };
    let mut values = UserValues::new(&limits).overlay(base).expect("small");
    for (at, line) in input.split('\n').enumerate() {
        let set = match at % 3 {
            0 => values.set(line, Typing::Typed),
            1 => values.set(line, Typing::Text),
            _ => values.set_content(line, input.to_owned()),
        };
        match set {
            Ok(set) => values = set,
            Err(_) => return,
        }
    }
    let value = Value::Object(values.into_table());
    let text = yaml::to_string(&value);
    // Only what is within the limits was made.
    yaml::parse(&text, &limits.yaml()).expect("it was written");
});
