use super::*;

fn body(text: &str) -> Fields {
    Fields::from_json(text.as_bytes()).unwrap()
}

fn query(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::empty(Kind::Parameter);
    for (name, value) in pairs {
        fields.push_text((*name).into(), (*value).into());
    }
    fields
}

fn detail<T: std::fmt::Debug>(result: Result<T, Problem>) -> String {
    let problem = result.unwrap_err();
    assert_eq!(problem.code, Code::InvalidRequest);
    problem.detail
}

#[test]
fn fields_are_taken_by_name_and_type() {
    let mut fields = body(
        r#"{"name":"web","wait":true,"revision":3,"timeout":"5m","set":["a=1","b=2,c=3"],"values":{"x":null}}"#,
    );
    assert_eq!(fields.string("name").unwrap().as_deref(), Some("web"));
    assert!(fields.flag("wait").unwrap());
    assert_eq!(fields.integer("revision", 0..=10).unwrap(), Some(3));
    assert_eq!(
        fields.duration("timeout").unwrap(),
        Some(Duration::from_secs(300))
    );
    assert_eq!(fields.list("set").unwrap(), ["a=1", "b=2", "c=3"]);
    assert_eq!(
        fields.take("values").unwrap(),
        serde_json::json!({"x": null})
    );
    fields.finish().unwrap();
}

#[test]
fn null_and_absence_are_the_same() {
    let mut fields = body(r#"{"name":null,"wait":null,"revision":null,"timeout":null,"set":null}"#);
    assert_eq!(fields.string("name").unwrap(), None);
    assert!(!fields.flag("wait").unwrap());
    assert_eq!(fields.integer("revision", 0..=10).unwrap(), None);
    assert_eq!(fields.duration("timeout").unwrap(), None);
    assert!(fields.list("set").unwrap().is_empty());
    fields.finish().unwrap();
}

#[test]
fn an_empty_body_has_no_fields() {
    for body in [&b""[..], b" \n", b"{}"] {
        Fields::from_json(body).unwrap().finish().unwrap();
    }
}

#[test]
fn an_unknown_field_is_named_with_its_nearest_neighbour() {
    for (given, near) in [
        ("dryRun", "dry_run"),
        ("dry-run", "dry_run"),
        ("dry_rum", "dry_run"),
        ("tiemout", "timeout"),
        ("namespaces", "namespace"),
    ] {
        let mut fields = body(&format!("{{\"{given}\":true}}"));
        for known in ["name", "namespace", "timeout"] {
            let _ = fields.string(known).unwrap();
        }
        assert!(!fields.flag("dry_run").unwrap());
        assert_eq!(
            detail(fields.finish()),
            format!("unknown field `{given}`; did you mean `{near}`?")
        );
    }
}

#[test]
fn a_name_like_no_other_gets_the_whole_list() {
    let mut fields = query(&[("zzzzzz", "1")]);
    let _ = fields.string("filter").unwrap();
    let _ = fields.flag("check").unwrap();
    assert_eq!(
        detail(fields.finish()),
        "unknown parameter `zzzzzz`; there are filter, check"
    );
    assert_eq!(
        detail(query(&[("x", "1")]).finish()),
        "unknown parameter `x`; there are none"
    );
}

#[test]
fn a_huge_name_is_not_repeated() {
    let name = "n".repeat(1_000_000);
    let text = detail(query(&[(&name, "1")]).finish());
    assert!(text.len() < 300, "{}", text.len());
}

#[test]
fn types_of_json_are_exact() {
    assert_eq!(
        detail(body(r#"{"wait":"true"}"#).flag("wait")),
        "field `wait` must be true or false, and is `true`"
    );
    assert_eq!(
        detail(body(r#"{"wait":1}"#).flag("wait")),
        "field `wait` must be true or false, and is 1"
    );
    assert_eq!(
        detail(body(r#"{"name":5}"#).string("name")),
        "field `name` must be a string, and is 5"
    );
    assert_eq!(
        detail(body(r#"{"max":"5"}"#).integer("max", 1..=9)),
        "field `max` must be a whole number from 1 to 9, and is `5`"
    );
    assert_eq!(
        detail(body(r#"{"max":5.5}"#).integer("max", 1..=9)),
        "field `max` must be a whole number from 1 to 9, and is 5.5"
    );
    assert!(detail(body(r#"{"set":[1]}"#).list("set")).contains("list of strings"));
}

#[test]
fn text_is_read_for_what_it_says() {
    for (text, expected) in [
        ("true", true),
        ("1", true),
        ("", true),
        ("false", false),
        ("0", false),
    ] {
        assert_eq!(
            query(&[("wait", text)]).flag("wait").unwrap(),
            expected,
            "{text:?}"
        );
    }
    assert!(detail(query(&[("wait", "yes")]).flag("wait")).contains("true or false"));
    assert_eq!(
        query(&[("max", "7")]).integer("max", 1..=9).unwrap(),
        Some(7)
    );
    assert!(detail(query(&[("max", "7x")]).integer("max", 1..=9)).contains("`7x`"));
    assert_eq!(
        query(&[("status", "failed,deployed"), ("status", "deleted")])
            .list("status")
            .unwrap(),
        ["failed", "deployed", "deleted"]
    );
}

#[test]
fn what_is_given_twice_is_refused() {
    assert_eq!(
        detail(query(&[("name", "a"), ("name", "b")]).string("name")),
        "parameter `name` must be a string, and is given more than once"
    );
    let mut fields = body(r#"{"purge":true}"#);
    assert_eq!(
        detail(fields.merge(query(&[("purge", "false")]))),
        "`purge` is given twice"
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    for text in [
        r#"{"limit":-1}"#,
        r#"{"limit":0}"#,
        r#"{"limit":1e99}"#,
        r#"{"limit":10}"#,
    ] {
        assert!(
            detail(body(text).integer("limit", 1..=9)).contains("from 1 to 9"),
            "{text}"
        );
    }
}

#[test]
fn durations_are_text_or_seconds() {
    assert_eq!(
        body(r#"{"timeout":300}"#).duration("timeout").unwrap(),
        Some(Duration::from_secs(300))
    );
    for text in [
        r#"{"timeout":0}"#,
        r#"{"timeout":-1}"#,
        r#"{"timeout":1.5}"#,
        r#"{"timeout":"0s"}"#,
        r#"{"timeout":true}"#,
    ] {
        assert!(
            detail(body(text).duration("timeout"))
                .starts_with("field `timeout` must be a duration above zero"),
            "{text}"
        );
    }
}

#[test]
fn a_word_must_be_one_of_those_known() {
    let words = [("name", 1), ("updated", 2), ("chart", 3)];
    assert_eq!(
        query(&[("sort", "updated")]).word("sort", &words).unwrap(),
        Some(2)
    );
    assert_eq!(query(&[]).word("sort", &words).unwrap(), None);
    assert_eq!(
        detail(query(&[("sort", "update")]).word("sort", &words)),
        "parameter `sort` cannot be `update`; did you mean `updated`? it is one of name, updated, chart"
    );
}

#[test]
fn hostile_json_is_an_error() {
    let deep = "[".repeat(100_000);
    for body in [
        &b"{"[..],
        b"[]",
        b"null",
        b"\"x\"",
        b"{\"a\":\xff}",
        b"{} {}",
        deep.as_bytes(),
        b"{\"a\":1e999}",
    ] {
        let problem = Fields::from_json(body).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest);
    }
}
