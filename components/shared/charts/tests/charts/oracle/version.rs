//! Versions and constraints.

use charts::version::{Constraint, Version};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::{ask, many};

#[test]
#[ignore = "needs Go; run with --ignored"]
fn versions_are_compared_as_helm_compares_them() {
    let pairs = many(20_000, (version(), version()));
    let questions = pairs
        .iter()
        .map(|(one, other)| json!({ "ask": "version", "one": one, "other": other }));
    let mut counts = [0; 2];
    for ((one, other), theirs) in pairs.iter().zip(ask(questions)) {
        let ours = match (Version::parse(one), Version::parse(other)) {
            (Err(error), _) | (_, Err(error)) => json!({ "error": error.to_string() }),
            // There is no order between those that differ in leading zeros only.
            (Ok(one), Ok(other)) if theirs["antisymmetric"] == false => {
                assert_ne!(one, other);
                theirs.clone()
            }
            (Ok(one), Ok(other)) => {
                json!({ "order": one.cmp(&other) as i8, "antisymmetric": true })
            }
        };
        counts[usize::from(ours["error"].is_string())] += 1;
        assert_eq!(ours, theirs, "{one:?} {other:?}");
    }
    eprintln!("{} answers and {} errors alike", counts[0], counts[1]);
    assert!(counts.iter().all(|count| *count > 1_000));
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn constraints_accept_what_helm_accepts() {
    let cases = many(
        40_000,
        (constraint(), proptest::collection::vec(good_version(), 4)),
    );
    let questions = cases.iter().map(|(constraint, versions)| {
        json!({ "ask": "constraint", "constraint": constraint, "versions": versions })
    });
    let mut counts = [0; 3];
    for ((text, versions), theirs) in cases.iter().zip(ask(questions)) {
        let ours = match Constraint::parse(text) {
            Err(error) => json!({ "error": error.to_string() }),
            Ok(constraint) => {
                let accepts: Vec<bool> = versions
                    .iter()
                    .map(|text| constraint.matches(&Version::parse(text).expect(text)))
                    .collect();
                json!({ "accepts": accepts })
            }
        };
        match ours["accepts"].as_array() {
            Some(accepts) => {
                for accepts in accepts {
                    counts[usize::from(*accepts == Value::Bool(true))] += 1;
                }
            }
            None => counts[2] += 1,
        }
        assert_eq!(ours, theirs, "{text:?} {versions:?}");
    }
    let [refused, accepted, errors] = counts;
    eprintln!(
        "{accepted} versions accepted, {refused} refused and {errors} constraints refused alike"
    );
    assert!(accepted > 10_000 && refused > 10_000 && errors > 5_000);
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => "[0-3]",
        1 => "0[0-3]",
        1 => "[0-9]{1,4}",
        1 => select(vec!["9223372036854775807", "9223372036854775808", "18446744073709551616"])
            .prop_map(str::to_owned),
    ]
}

fn identifiers() -> impl Strategy<Value = String> {
    let identifier = prop_oneof![
        4 => "[0-2]",
        2 => "[abz-]{1,2}",
        1 => "0[0-2]",
        1 => "-[0-2]",
        1 => select(vec!["18446744073709551615", "18446744073709551616", "99999999999999999999", "rc1", "x"])
            .prop_map(str::to_owned),
    ];
    proptest::collection::vec(identifier, 1..4).prop_map(|parts| parts.join("."))
}

fn after(mark: &'static str, text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    text.prop_map(move |text| format!("{mark}{text}"))
}

fn maybe(weight: f64, text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    proptest::option::weighted(weight, text).prop_map(Option::unwrap_or_default)
}

fn with_parts(number: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    (
        maybe(0.1, Just("v".to_owned())),
        number.clone(),
        maybe(0.8, after(".", number.clone())),
        maybe(0.8, after(".", number)),
        maybe(0.3, after("-", identifiers())),
        maybe(0.1, after("+", identifiers())),
    )
        .prop_map(|(v, major, minor, patch, pre, meta)| {
            format!("{v}{major}{minor}{patch}{pre}{meta}")
        })
}

fn good_version() -> impl Strategy<Value = String> {
    with_parts("[0-3]".boxed())
}

fn version() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => with_parts(number().boxed()),
        1 => hostile(),
    ]
}

fn constraint() -> impl Strategy<Value = String> {
    let operand = with_parts(
        prop_oneof![
            8 => number(),
            2 => "[xX*]",
            1 => "[0-2xX*|]{1,2}",
        ]
        .boxed(),
    )
    .boxed();
    let operator = select(vec![
        "", "", "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^", "> ", "~ ", "<>",
        "==", "^~",
    ]);
    let comparator = (blank(), operator, blank(), operand.clone(), blank())
        .prop_map(|(a, operator, b, operand, c)| format!("{a}{operator}{b}{operand}{c}"));
    let range = (
        blank(),
        operand.clone(),
        select(vec![" - ", " - ", " - ", "- ", " -", "  -\t", " – "]),
        operand,
        blank(),
    )
        .prop_map(|(a, low, dash, high, b)| format!("{a}{low}{dash}{high}{b}"));
    let part = prop_oneof![6 => comparator, 2 => range, 1 => hostile()];
    let separator = select(vec![",", ",", "||", "||", ", ", " || ", " ", "|", "", "."]);
    prop_oneof![
        3 => part.clone(),
        2 => (part.clone(), separator.clone(), part.clone()).prop_map(|(a, s, b)| format!("{a}{s}{b}")),
        // The same range twice is replaced where it comes first.
        1 => (part.clone(), separator.clone()).prop_map(|(a, s)| format!("{a}{s}{a}")),
        1 => (part.clone(), separator.clone(), part.clone(), separator, part)
            .prop_map(|(a, s, b, t, c)| format!("{a}{s}{b}{t}{c}")),
    ]
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just(String::new()),
        2 => Just(" ".to_owned()),
        1 => "[ \t\n\r\u{c}\u{b}\u{a0}]{1,2}",
    ]
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-2vx.*|+ -]{0,8}",
        "[0-2vx.*|,=<>~^!+ \n-]{0,16}",
        ".{0,6}"
    ]
}
