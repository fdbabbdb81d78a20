//! Conditions, tags and aliases.

use super::*;

/// A chart like the one that Helm is tested with: two sub-charts with two sub-charts each, one of the two again under
/// another name, and one that is off by default.
fn population() -> Chart {
    let leaf = |name| chart(name).values("service: {port: 80}\n");
    let front = chart("front")
        .requires(
            "dependencies:\n\
             - {name: a, version: 1.0.0, condition: a.enabled, tags: [front-end, a]}\n\
             - {name: b, version: 1.0.0, condition: b.enabled, tags: [front-end, b]}\n",
        )
        .with(leaf("a"))
        .with(leaf("b"));
    let back = chart("back")
        .requires(
            "dependencies:\n\
             - {name: b, version: 1.0.0, condition: b.enabled, tags: [back-end, b]}\n\
             - {name: c, version: 1.0.0, condition: c.enabled, tags: [back-end, c]}\n",
        )
        .with(leaf("b"))
        .with(leaf("c"));
    chart("parent")
        .requires(
            "dependencies:\n\
             - {name: front, version: 1.0.0, condition: front.enabled, tags: [front-end, front]}\n\
             - {name: back, version: 1.0.0, condition: back.enabled, tags: [back-end, back]}\n\
             - {name: back, version: 1.0.0, condition: other.enabled, alias: other}\n\
             - {name: third, version: 1.0.0, condition: third.enabled}\n",
        )
        .values(
            "tags: {front-end: true, back-end: false}\n\
             third: {enabled: false}\n\
             other: {enabled: false}\n",
        )
        .with(back)
        .with(front)
        .with(leaf("third"))
}

#[test]
fn r1_to_r11_conditions_beat_tags_and_true_tags_beat_false_ones() {
    for (vector, user, expected) in [
        ("R1", "tags: {nothinguseful: false}", "front a b"),
        ("R2", "tags: {front-end: false}", ""),
        ("R3", "tags: {front-end: false, back-end: true}", "back b c"),
        ("R4", "tags: {a: false, b: false}", "front a b"),
        (
            "R5",
            "tags: {front-end: false, front: true, back-end: false}",
            "front",
        ),
        (
            "R6",
            "{front: {enabled: true}, back: {enabled: true}}",
            "front a b back",
        ),
        (
            "R7",
            "{front: {enabled: false}, back: {enabled: false}}",
            "",
        ),
        ("R8", "front: {a: {enabled: false}}", "front b"),
        (
            "R9",
            "{back: {c: {enabled: false}}, tags: {back-end: true}}",
            "front a b back b",
        ),
        (
            "R10",
            "{front: {enabled: false}, tags: {front-end: true}}",
            "",
        ),
        (
            "R11",
            "{front: {enabled: false}, other: {enabled: true, b: {enabled: true}}}",
            "other b",
        ),
    ] {
        let chart = processed(population(), user).expect(vector);
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(all_names(&chart), expected, "{vector}");
    }
}

/// A chart that requires one called `s`.
fn one(requirements: &str, values: &str) -> Chart {
    chart("top")
        .requires(requirements)
        .values(values)
        .with(chart("s"))
}

#[track_caller]
fn becomes(chart: Chart, user: &str, expected: &[&str]) {
    assert_eq!(names(&processed(chart, user).expect("a chart")), expected);
}

#[test]
fn r12_one_chart_can_be_many() {
    let top = one(
        "dependencies:\n\
         - {name: s, version: '*'}\n\
         - {name: s, version: '*', alias: z}\n\
         - {name: s, version: '*', alias: x}\n",
        "",
    );
    becomes(top, "", &["s", "z", "x"]);
}

#[test]
fn r13_spaces_belong_to_paths() {
    let top = one(
        "dependencies: [{name: s, version: '*', condition: 'x.enabled, b.enabled'}]",
        "b: {enabled: false}",
    );
    becomes(top, "", &["s"]);
    let top = one(
        "dependencies: [{name: s, version: '*', condition: ' b.enabled '}]",
        "b: {enabled: false}",
    );
    becomes(top, "", &[]);
}

#[test]
fn r14_to_r16_the_first_value_decides_and_only_a_boolean_says_anything() {
    let condition = "dependencies: [{name: s, version: '*', condition: 'a.enabled,,b.enabled'}]";
    for (values, expected) in [
        ("b: {enabled: false}", &[][..]),
        ("b: {enabled: 'false'}", &["s"]),
        ("{a: {enabled: x}, b: {enabled: false}}", &["s"]),
        ("{a: {enabled: ~}, b: {enabled: false}}", &[]),
        ("{a: {enabled: {}}, b: {enabled: false}}", &[]),
        ("{a: {enabled: true}, b: {enabled: false}}", &["s"]),
    ] {
        becomes(one(condition, values), "", expected);
        becomes(one(condition, ""), values, expected);
    }
}

#[test]
fn r17_to_r19_a_version_that_does_not_fit_leaves_a_chart_as_it_is() {
    let aliased = |condition| {
        chart("top")
            .requires(&format!(
                "dependencies: [{{name: s, version: ~1.0.0, alias: z, condition: {condition}}}]"
            ))
            .with(chart("s").at("2.0.0"))
    };
    becomes(aliased("x"), "", &["s"]);
    becomes(aliased("z.enabled"), "z: {enabled: false}", &["s"]);
    let own_name = chart("top")
        .requires("dependencies: [{name: s, version: ~1.0.0, condition: s.enabled}]")
        .with(chart("s").at("2.0.0"));
    becomes(own_name, "s: {enabled: false}", &[]);
}

#[test]
fn a_disabled_name_is_disabled_wherever_it_comes_from() {
    let top = one(
        "dependencies: [{name: x, alias: s, condition: flag}]",
        "flag: false",
    );
    becomes(top, "", &[]);
}

#[test]
fn r20_any_true_tag_enables() {
    let tags = "dependencies: [{name: s, version: '*', tags: [t1, t2]}]";
    becomes(one(tags, ""), "tags: {t1: false, t2: true}", &["s"]);
    becomes(one(tags, ""), "tags: {t1: false}", &[]);
    becomes(one(tags, ""), "tags: {t1: 'false'}", &["s"]);
    becomes(one(tags, ""), "tags: [t1]", &["s"]);
}

#[test]
fn r21_aliases_are_letters_digits_hyphens_and_underscores() {
    for alias in ["$foobar", "foo\\nbar", "bar$", "bar\\n", "a.b", "ü", " "] {
        let top = one(
            &format!("dependencies: [{{name: s, version: '*', alias: \"{alias}\"}}]"),
            "",
        );
        let error = processed(top, "").expect_err("it is no name");
        assert_eq!(chain(&error), "illegal alias name in \"s\"", "{alias}");
    }
    for alias in ["a", "_", "-", "A-b_9"] {
        let requirements = format!("dependencies: [{{name: s, version: '*', alias: {alias:?}}}]");
        becomes(one(&requirements, ""), "", &[alias]);
    }
}

#[test]
fn a_bad_alias_below_the_top_leaves_that_chart_as_it_is() {
    let sub = one(
        "dependencies: [{name: s, version: '*', alias: '!', condition: flag}]",
        "",
    );
    let top = chart("up")
        .requires("dependencies: [{name: top, version: '*'}]")
        .values("flag: false")
        .with(sub);
    let top = processed(top, "").expect("a chart");
    assert_eq!(all_names(&top), ["top", "s"]);
}

#[test]
fn r23_what_nothing_requires_is_kept_and_comes_first() {
    let top = one("dependencies: [{name: s, version: '*'}]", "").with(chart("extra"));
    becomes(top, "", &["extra", "s"]);
}

#[test]
fn r24_no_version_accepts_none() {
    becomes(one("dependencies: [{name: s, alias: z}]", ""), "", &["s"]);
    let unversioned = chart("top")
        .requires("dependencies: [{name: s, version: '*', alias: z}]")
        .with(chart("s").at(""));
    becomes(unversioned, "", &["s"]);
}

#[test]
fn pre_releases_need_a_constraint_that_names_one() {
    let top = |version| {
        chart("top")
            .requires(&format!(
                "dependencies: [{{name: s, version: '{version}', alias: z}}]"
            ))
            .with(chart("s").at("1.1.0-rc.1"))
    };
    becomes(top(">=1.0.0"), "", &["s"]);
    becomes(top(">=1.0.0-0"), "", &["z"]);
}

#[test]
fn tags_of_the_top_chart_are_those_of_all() {
    let deep = one("dependencies: [{name: s, version: '*', tags: [t]}]", "");
    let top = |values| {
        chart("up")
            .requires("dependencies: [{name: top, version: '*'}]")
            .values(values)
            .with(deep.clone())
    };
    let count = |chart: Chart| all_names(&processed(chart, "").expect("a chart")).len();
    assert_eq!(count(top("tags: {t: false}")), 1);
    assert_eq!(count(top("top: {tags: {t: false}}")), 2);
}

#[test]
fn a_sub_charts_own_tags_are_defaults() {
    let sub = one(
        "dependencies: [{name: s, version: '*', tags: [t]}]",
        "tags: {t: false}",
    );
    let top = chart("up")
        .requires("dependencies: [{name: top, version: '*'}]")
        .with(sub);
    let names = |user| {
        let chart = processed(top.clone(), user).expect("a chart");
        all_names(&chart).len()
    };
    assert_eq!(names(""), 1);
    assert_eq!(names("tags: {t: true}"), 2);
}

#[test]
fn without_requirements_at_the_top_nothing_below_is_disabled() {
    let sub = one(
        "dependencies: [{name: s, version: '*', alias: z, condition: flag}]",
        "",
    );
    let top = chart("up").values("flag: false").with(sub);
    let top = processed(top, "top: {flag: false}").expect("a chart");
    assert_eq!(all_names(&top), ["top", "s"]);
}

#[test]
fn an_unlisted_chart_below_two_aliases_is_one_chart() {
    // Its own requirement is met once: after that there is no `s` that could be `z`, but there is one that is called so.
    let unlisted = one(
        "dependencies: [{name: s, version: '*', alias: z, condition: z.flag}]",
        "",
    );
    let middle = chart("middle").requires("{}").with(unlisted);
    let top = chart("up")
        .requires(
            "dependencies:\n\
             - {name: middle, version: '*', alias: one}\n\
             - {name: middle, version: '*', alias: two}\n",
        )
        .values("two: {top: {z: {flag: false}}}")
        .with(middle);
    let top = processed(top, "").expect("a chart");
    assert_eq!(all_names(&top), ["one", "top", "two", "top"]);
}

#[test]
fn values_that_are_none_together_are_an_error_at_the_top() {
    let requirements = "dependencies: [{name: s, version: '*'}]";
    let error = processed(one(requirements, "s: 5"), "").expect_err("no table");
    assert_eq!(chain(&error), "type mismatch on s");
    for (values, user) in [("[", ""), ("", "["), ("", "- a")] {
        let error = processed(one(requirements, values), user).expect_err("no values");
        assert!(matches!(error, RequirementsError::Values(_)), "{error:?}");
        assert_eq!(error.is_limit(), None);
    }
}

#[test]
fn values_that_are_none_together_below_it_leave_aliases_as_they_became() {
    let sub = one(
        "dependencies: [{name: s, version: '*', alias: z, condition: flag}]",
        "flag: false",
    );
    let top = chart("up")
        .requires("dependencies: [{name: top, version: '*'}]")
        .values("z: 5")
        .with(sub);
    let top = processed(top, "").expect("a chart");
    assert_eq!(all_names(&top), ["top", "z"]);
}

#[test]
fn values_that_tiller_would_not_survive_are_refused() {
    let sub = chart("sub").with(chart("deep"));
    let top = chart("top")
        .requires("{}")
        .values("sub: {global: 1}")
        .with(sub);
    let error = processed(top, "").expect_err("it would crash");
    assert_eq!(
        chain(&error),
        "the values of sub hold a `global` that is not a mapping of keys to values"
    );
}
