//! Versions and constraints as Helm 2 reads them.

use std::cmp::Ordering;

use charts::version::{Constraint, ConstraintError, Version, VersionError};
use proptest::prelude::*;

#[test]
fn a_constraint_accepts_what_helm_accepts() {
    let mut cases = 0;
    for (constraint, accepted, refused) in CONSTRAINTS {
        let parsed = Constraint::parse(constraint).expect(constraint);
        let accepted = accepted.split_whitespace().map(|version| (version, true));
        let refused = refused.split_whitespace().map(|version| (version, false));
        for (text, verdict) in accepted.chain(refused) {
            assert_eq!(
                parsed.matches(&version(text)),
                verdict,
                "{constraint} {text}"
            );
            cases += 1;
        }
    }
    assert_eq!(cases, 131);
}

#[test]
fn what_is_no_constraint_is_refused_in_helms_words() {
    for (text, expected) in [
        ("", "improper constraint: "),
        ("latest", "improper constraint: latest"),
        (">= bar", "improper constraint: >= bar"),
        (">1 <2", "improper constraint: >1 <2"),
        ("1, ", "improper constraint:  "),
        ("1 || ^^2", "improper constraint:  ^^2"),
        ("1.2.3.4", "improper constraint: 1.2.3.4"),
        ("1.2.3.4 - 5", "improper constraint: 1.>= 2.3.4"),
        ("1 - 2||3 - 4", "improper constraint: 3- 4"),
        ("V1", "improper constraint: V1"),
        ("\u{b}1", "improper constraint: \u{b}1"),
        ("١", "improper constraint: ١"),
        ("1|2", "constraint Parser Error"),
        ("1.2.3x", "constraint Parser Error"),
        ("xx", "constraint Parser Error"),
        ("9223372036854775808", "constraint Parser Error"),
    ] {
        let error = Constraint::parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected);
    }
    let long = "1".repeat(Constraint::MAX_BYTES + 1);
    assert_eq!(Constraint::parse(&long), Err(ConstraintError::TooLong));
}

#[test]
fn blanks_are_those_of_go() {
    for text in ["\t>=\n1\u{c},\r<2 ", " 1\t-\n2 ", "1 - 2 || 3 - 4"] {
        let constraint = Constraint::parse(text).expect(text);
        assert!(constraint.matches(&version("1.5")), "{text:?}");
    }
}

#[test]
fn versions_are_read_or_refused_as_helm_does() {
    for text in [
        "1",
        "v1",
        "1.2",
        "v1.2.3",
        "01.002.0003",
        "1.2-5",
        "1.2-beta.5",
        "1.2.0-x.Y.0+meta-data.1",
        "1-2",
        "1+a",
        "9223372036854775807.0.0",
        "1.2.3-99999999999999999999",
    ] {
        assert!(Version::parse(text).is_ok(), "{text}");
    }
    for text in [
        "", "v", "V1", "vv1", "foo", "1.", "1.2.beta", "1.2.3.4", "\n1", "1 ", "-1", "1-", "1-a.",
        "1-a..b", "1+", "1+a+b", "1-ä", "١", "1.x",
    ] {
        assert_eq!(Version::parse(text), Err(VersionError::Invalid), "{text}");
    }
    assert_eq!(
        Version::parse("1.9223372036854775808")
            .expect_err("too large")
            .to_string(),
        "Error parsing version segment: strconv.ParseInt: parsing \"9223372036854775808\": value out of range"
    );
}

#[test]
fn versions_have_the_order_of_helm() {
    let ascending = [
        "0",
        "0.0.1-alpha",
        "0.0.1",
        "1-0",
        "1.0.0-01",
        "1.0-1",
        "1-2",
        "1-10",
        "1-10.0",
        "1--1",
        "1-99999999999999999999",
        "1-Z",
        "1-a",
        "1-a.1",
        "1-a.b",
        "1-a1",
        "1",
        "1.0.1",
        "1.2",
        "1.10",
        "2",
    ];
    for pair in ascending.windows(2) {
        let [less, greater] = pair else {
            unreachable!("windows of two")
        };
        assert!(version(less) < version(greater), "{less} {greater}");
    }
    assert_eq!(version("1.2+bar"), version("v1.2.0+baz"));
    assert!(version("1-a").is_prerelease() && !version("1+a").is_prerelease());
}

#[test]
fn the_very_text_is_chosen_before_the_newest() {
    let tags = [
        "latest",
        "0.1.9+beta",
        "0.1.9+alpha",
        "0.2.0",
        "1.2.0",
        "v1.2.5",
        "1.3.0-rc1",
        "1.2.5",
    ];
    let select = |wanted| Version::select(tags, wanted);
    assert_eq!(select(""), Ok(Some("v1.2.5")));
    assert_eq!(select("0.1.9+alpha"), Ok(Some("0.1.9+alpha")));
    assert_eq!(select("~0.1"), Ok(Some("0.1.9+beta")));
    assert_eq!(select("1.2"), Ok(Some("1.2.0")));
    assert_eq!(select("1.2.5"), Ok(Some("1.2.5")));
    assert_eq!(select("1.3.0-rc1"), Ok(Some("1.3.0-rc1")));
    assert_eq!(select(">0.0.0-0"), Ok(Some("1.3.0-rc1")));
    assert_eq!(select("^2"), Ok(None));
    assert_eq!(
        select("latest"),
        Err(ConstraintError::Improper("latest".into()))
    );
    assert_eq!(Version::select(["1-a"], ""), Ok(None));
    assert_eq!(Version::select([""], ""), Ok(None));
}

proptest! {
    #[test]
    fn any_text_is_a_version_or_none(text in any::<String>()) {
        let _ = Version::parse(&text);
        let _ = Constraint::parse(&text);
    }

    #[test]
    fn versions_are_in_one_order(texts in [written(), written(), written()]) {
        let [a, b, c] = texts.each_ref().map(|text| version(text));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn what_is_selected_is_the_newest_that_is_accepted(texts in proptest::collection::vec(written(), 0..8), bound in written()) {
        let wanted = format!(">={bound}");
        let constraint = Constraint::parse(&wanted).expect("a constraint");
        let selected = Version::select(texts.iter().map(String::as_str), &wanted).expect("a constraint");
        let newest = texts.iter().map(|text| version(text)).filter(|version| constraint.matches(version)).max();
        prop_assert_eq!(selected.map(version), newest);
    }
}

fn version(text: &str) -> Version {
    Version::parse(text).expect(text)
}

fn written() -> impl Strategy<Value = String> {
    "v?[0-2](\\.[0-2]){0,2}(-(0|1|01|a|-1)(\\.(0|1|01|a|-1)){0,2})?(\\+b)?"
}

/// A constraint, what it accepts, and what it refuses. They are the cases of the library's own tests and of the
/// documentation of its surprises.
#[rustfmt::skip]
const CONSTRAINTS: [(&str, &str, &str); 83] = [
    ("!=*", "1.2.3", "0.0.0"),
    ("!=4.1", "5.1.0 4.1.0-alpha", "4.1.0"),
    ("!=4.1-alpha", "4.1.0", "4.1.0-alpha"),
    ("!=4.1.x", "4.2.0", ""),
    ("!=4.2.x", "", "4.2.3"),
    ("!=4.x", "5.1.0", "4.1.0 5.0.0-alpha"),
    ("*", "1.2.3", "1.0.0-a"),
    ("*-0", "", "1.0.0-a"),
    ("0.0.0", "", "1.2.3"),
    ("0.0.x", "", "1.2.3"),
    ("0.x.x", "", "1.2.3"),
    ("1", "1.9.9", ""),
    ("1 - 2", "2.9.9", ""),
    ("1.0 - 2.0", "", "2.0.1"),
    ("1.1 - 2", "1.1.1", ""),
    ("1.1-3", "", "4.3.2"),
    ("1.2", "1.2.0", "1.2.3"),
    ("1.2.x", "1.2.9", ""),
    ("1.x", "1.4", ""),
    ("4.1", "4.1.0", ""),
    ("4.1.x", "4.1.3", ""),
    ("<0", "", "0.0.0-alpha"),
    ("<0-z", "0.0.0-alpha", ""),
    ("<1.0.0-01", "1.0.0-1", ""),
    ("<1.1", "0.1.0", "1.1.0 1.1.1"),
    ("<1.1.x", "1.1.500", "1.2.1 0.5.0"),
    ("<1.2.x", "1.1.1", ""),
    ("<1.x", "1.1.1", "2.0.0 2.1.1"),
    ("<2", "2.9.9", ""),
    ("<2.0.0", "", "2.0.0"),
    ("<=1.1", "0.1.0 1.1.0", "1.1.1 0.1.0-alpha"),
    ("<=1.1-a", "0.1.0-alpha", ""),
    ("<=1.1.x", "", "1.2.500"),
    ("<=1.x", "1.1.0", ""),
    ("<=2", "2.9.9", ""),
    ("<=2.x", "", "3.0.0 3.1.0"),
    ("= 2.0", "2.0.0", "1.2.3"),
    ("=0", "", "1"),
    ("=1.0.0-01", "", "1.0.0-1"),
    ("=1.2.3+a", "1.2.3+b", ""),
    (">0", "", "0 0.0.1-alpha 0.0.0-alpha"),
    (">0-0", "0.0.1-alpha 0.0.0-alpha", ""),
    (">0.0", "", "0.0.1-alpha"),
    (">0.0-0", "0.0.1-alpha", ""),
    (">0.0.0-0", "1.0.0-rc1", ""),
    (">1", "1.5.0", ""),
    (">1.0.0-01", "", "1.0.0-1"),
    (">1.1", "4.1.0", "1.1.0"),
    (">1.1, <2", "1.1.1", ""),
    (">1.1, <3", "", "4.3.2"),
    (">=0", "0", "0.0.1-alpha 0.0.0-alpha"),
    (">=0-0", "0.0.1-alpha 0.0.0-alpha", ""),
    (">=0.0", "", "0.0.1-alpha"),
    (">=0.0-0", "0.0.1-alpha", ""),
    (">=1.0.0 ,<2.0.0", "1.5.0", ""),
    (">=1.0.0-0", "1.1.0-beta", ""),
    (">=1.1", "4.1.0 1.1.0", "0.0.9 4.1.0-beta"),
    (">=1.1, <2, !=1.2.3", "", "1.2.3"),
    (">=1.1, <2, !=1.2.3 || > 3", "3.1.2", "3.0.0 1.2.3"),
    (">=1.1, <2, !=1.2.3 || >= 3", "3.0.0", ""),
    ("^*", "0.2.3", "1.2.3"),
    ("^0.0.0", "", "1.2.3"),
    ("^0.0.1", "0.1.3", ""),
    ("^0.2.3", "0.9.0", ""),
    ("^1.1", "1.1.1", "4.3.2 1.1.1-alpha"),
    ("^1.1.1-alpha", "1.1.1-beta", ""),
    ("^1.1.1-beta", "", "1.1.1-alpha"),
    ("^1.1.2-alpha", "1.2.1-beta1", ""),
    ("^1.2.x-alpha", "", "1.1.1-beta1"),
    ("^1.x", "1.1.1", "2.1.1 1.1.1-beta1"),
    ("^2.x", "", "1.1.1"),
    ("~*", "2.1.1", ""),
    ("~0.0.0", "1.2.3 9.9.9", ""),
    ("~1", "1.3.5 1.4", "2.1.1 1.3.5-beta"),
    ("~1.1", "1.1.1", "1.1.1-alpha 1.2.3"),
    ("~1.1-alpha", "1.1.1-beta", ""),
    ("~1.1.1-beta", "1.1.1", "1.1.1-alpha"),
    ("~1.2.3", "1.2.5", "1.2.2 1.3.2"),
    ("~1.3", "", "2.4.5"),
    ("~1.3.5-alpha", "1.3.5-beta", ""),
    ("~1.3.5-beta", "", "1.3.5-alpha"),
    ("~1.3.6-alpha", "", "1.3.5-beta"),
    ("~1.x", "1.3.5 1.4", "2.1.1 1.3.5-beta"),
];
