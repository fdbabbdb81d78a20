//! What holds for any index.

use charts::{
    index::{Search, resolve},
    version::{Constraint, Version},
};
use proptest::{collection::vec, prelude::*};
use url::Url;

use super::*;

proptest! {
    #[test]
    fn any_text_is_an_index_or_none(text in any::<String>(), tail in "[a-z0-9:{}\\[\\]&*<~, \n-]{0,60}") {
        let _ = parse(&text);
        let _ = parse(&format!("apiVersion: v1\nentries: {tail}"));
        let _ = parse(&format!("apiVersion: v1\nentries:\n  web:\n  - name: web\n    {tail}"));
    }

    #[test]
    fn a_lookup_finds_the_newest_that_fits(texts in vec(version(), 0..12), wanted in wanted()) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index = web(&texts);
        let constraint = Constraint::parse(if wanted.is_empty() { "*" } else { &wanted }).expect("a constraint");
        let newest = texts
            .iter()
            .filter_map(|text| Version::parse(text).ok())
            .filter(|version| constraint.matches(version))
            .max();
        match index.get("web", &wanted) {
            Ok(entry) if texts.contains(&wanted.as_str()) => prop_assert_eq!(entry.version, &wanted),
            Ok(entry) => prop_assert_eq!(Version::parse(entry.version).ok(), newest),
            Err(_) => prop_assert!(newest.is_none() && !texts.contains(&wanted.as_str())),
        }
        let selected = Version::select(texts.iter().copied(), &wanted).expect("a constraint");
        let found = index.get("web", &wanted).ok().map(|entry| entry.version);
        prop_assert_eq!(found, selected);
    }

    #[test]
    fn all_that_was_written_is_listed_in_order(texts in vec(version(), 0..12)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index = web(&texts);
        let listed = versions(&index, "web");
        let parsed: Vec<_> = listed.iter().map(|text| Version::parse(text).ok()).collect();
        prop_assert!(parsed.is_sorted_by(|one, other| one >= other));
        let sorted = |mut texts: Vec<&str>| { texts.sort_unstable(); texts.join(" ") };
        prop_assert_eq!(sorted(listed), sorted(texts));
    }

    #[test]
    fn a_search_for_all_finds_each_match_once(names in vec("[a-c]{1,3}", 0..6), text in "[a-cA-C]{0,2}") {
        let mut names = names;
        names.sort_unstable();
        names.dedup();
        let entries: String = names
            .iter()
            .map(|name| format!("  {name}: [{{name: {name}, version: 1.0.0}}]\n"))
            .collect();
        let index = index(&format!("apiVersion: v1\nentries:\n{entries}"));
        let found = |all| -> Vec<&str> {
            index.search(Search { repository: "r", text: &text, all }).map(|entry| entry.name).collect()
        };
        let matches: Vec<&String> = names.iter().filter(|name| name.contains(&text.to_lowercase())).collect();
        prop_assert_eq!(found(true), matches);
        prop_assert_eq!(found(false), found(true));
    }

    #[test]
    fn a_reference_leads_somewhere_or_nowhere(reference in any::<String>(), path in "[a-z/.%\\\\:?#@ ]{0,12}") {
        let base = Url::parse("https://u:p@h/a?sig=s").expect("a URL");
        for reference in [reference.as_str(), path.as_str()] {
            if let Ok(url) = resolve(&base, reference) {
                prop_assert!(url.has_host());
                // Nobody else is told what lets one in.
                let is_told = url.query() == Some("sig=s") || url.password() == Some("p");
                prop_assert!(!is_told || url.origin() == base.origin());
            }
        }
    }
}

fn version() -> impl Strategy<Value = String> {
    "v?[0-2]\\.[0-2](\\.[0-2])?(-(rc|1|01))?(\\+b)?|1\\.x|x1"
        .prop_filter("a text, not a number", |text| text.parse::<f64>().is_err())
}

fn wanted() -> impl Strategy<Value = String> {
    "|\\*|[<>^~=]?v?[0-2](\\.[0-2x]){0,2}(-(rc|0))?"
}
