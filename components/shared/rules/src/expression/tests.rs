use serde_json::json;

use super::*;
use crate::{Image, Kind};

fn event() -> Event {
    Event {
        kind: Kind::ImagePushed,
        name: "push".into(),
        image: Some(Image {
            name: "quay.io/shop/web".into(),
            digest: Some("sha256:ab".into()),
            media_type: None,
        }),
        tag: Some("v1.2.3".into()),
        payload: json!({
            "count": 3, "large": u64::MAX, "ratio": 0.5, "deep": [[1, 2], [3]],
            "commits": [{"modified": ["a.md", "deploy/web.yaml"]}, {"modified": []}],
        }),
        ..Event::default()
    }
}

fn evaluate(text: &str) -> Result<Value, String> {
    let event = event();
    Expression::read(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .evaluate(&Scope::new(&event))
}

#[test]
fn expressions_see_the_event() {
    for (text, expected) in [
        ("event.tag", json!("v1.2.3")),
        ("event.kind == 'image-pushed'", json!(true)),
        (
            "event.image.name + '@' + event.image.digest",
            json!("quay.io/shop/web@sha256:ab"),
        ),
        ("event.tag.substring(1)", json!("1.2.3")),
        ("event.tag.replace('.', '-').upperAscii()", json!("V1-2-3")),
        ("event.tag.split('.')[0]", json!("v1")),
        ("event.tag.matches('^v[0-9]')", json!(true)),
        ("has(event.branch)", json!(false)),
        ("event.?branch.orValue('main')", json!("main")),
        (
            "event.payload.count > 2 && event.payload.count == 3",
            json!(true),
        ),
        ("event.payload.count * 2", json!(6)),
        ("event.payload.large", json!(u64::MAX)),
        ("event.payload.ratio", json!(0.5)),
        ("int('7')", json!(7)),
        (
            "{'a': [event.payload.count, true]}",
            json!({"a": [3, true]}),
        ),
        (
            "event.payload.commits.exists(c, c.modified.exists(f, f.startsWith('deploy/')))",
            json!(true),
        ),
        ("event.payload.deep.map(x, size(x))", json!([2, 1])),
    ] {
        assert_eq!(evaluate(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_when_it_is_read() {
    let deep = format!("{}1{}", "(".repeat(60), ")".repeat(60));
    let long = format!("event.tag == '{}'", "x".repeat(MAX_TEXT));
    for (text, expected) in [
        ("", "is no expression"),
        ("event.tag ==", "is no expression"),
        ("tag", "names `tag`, which is not there"),
        ("event.tags", "names `event.tags`"),
        ("has(event.tags)", "names `event.tags`"),
        ("event.tag.format([1])", "calls `format`"),
        ("exec('ls')", "calls `exec`"),
        ("Event{}", "unknown type"),
        (
            "event.payload.a.all(x, event.payload.a.all(y, event.payload.a.all(z, x == z)))",
            "has more than 2 loops within each other",
        ),
        (&deep, "is no expression"),
        (&long, "has more than 2048 bytes"),
    ] {
        let error = Expression::read(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_plain_field_is_read_as_the_parser_reads_it() {
    for text in [
        "event.tag",
        "event.payload.a.b_c.D9",
        "event.payload._x",
        "event.payload.in",
        "event.payload.true",
        "event.payload.9",
        "event.payload.a-b",
        "event.payload. a",
        "event.payload.a()",
        "event.payload.é",
        "event..payload",
        "event.",
        "event",
        "events.payload",
        "event.tags",
    ] {
        let parsed = environment().parser().parse(text).ok();
        match (selection(text), parsed) {
            (None, _) => (),
            (Some(tree), Some(parsed)) => assert_eq!(shape(&tree), shape(&parsed), "{text}"),
            (Some(_), None) => panic!("{text}"),
        }
    }
    assert!(selection("event.payload.a.b_c.D9").is_some());
}

/// A tree without the places of its parts.
fn shape(tree: &IdedExpr) -> Option<Vec<String>> {
    match &tree.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) if !select.test => {
            let mut names = shape(&select.operand)?;
            names.push(select.field.clone());
            Some(names)
        }
        _ => None,
    }
}

#[test]
fn what_cannot_be_computed_is_an_error() {
    for text in [
        "event.branch",
        "event.payload.nothing",
        "event.tag + 1",
        "event.payload.deep[7]",
        "1 / 0",
        "9223372036854775807 + 1",
        "event.tag.substring(99)",
        "event.tag.matches('(')",
        "b'bytes'",
        "{1: 2}",
        "1.0 / 0.0",
    ] {
        assert!(evaluate(text).is_err(), "{text}: {:?}", evaluate(text));
    }
}

#[test]
fn an_error_shows_no_more_than_its_beginning() {
    let event = Event {
        payload: json!({"long": "x".repeat(10_000)}),
        ..Event::default()
    };
    let expression = Expression::read("event.payload.long + 1").unwrap();
    let error = expression.evaluate(&Scope::new(&event)).unwrap_err();
    assert!(error.len() <= MAX_ERROR, "{}", error.len());
}

#[test]
fn an_expression_gives_no_more_than_fits() {
    let event = Event {
        payload: json!({"many": vec![0; 2000], "long": "x".repeat(40 << 10)}),
        ..Event::default()
    };
    for text in [
        "event.payload.many",
        "event.payload.long + event.payload.long",
    ] {
        let expression = Expression::read(text).unwrap();
        let error = expression.evaluate(&Scope::new(&event)).unwrap_err();
        assert!(error.starts_with("it gives more than"), "{error}");
    }
}

#[test]
fn it_is_known_whether_the_payload_is_looked_at() {
    for (text, expected) in [
        ("event.tag", false),
        ("event.payload.a", true),
        ("has(event.payload)", true),
        ("event['payload']", true),
        ("[event].map(e, e.payload)", true),
    ] {
        assert_eq!(
            Expression::read(text).unwrap().uses_payload(),
            expected,
            "{text}"
        );
    }
}
