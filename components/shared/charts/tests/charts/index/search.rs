//! What is found.

use charts::index::Search;

use super::*;

fn charts() -> Index {
    index(
        "apiVersion: v1
entries:
  web:
  - {name: web, version: 0.9.0, description: Serves Kubernetes}
  - {name: web, version: 1.0.0, description: A server}
  - {name: web, version: 1.1.0-rc.1, description: A server}
  api:
  - {name: api, version: 1.0.0, description: Of the web, keywords: [http, server]}
  web-admin:
  - {name: web-admin, version: 0.0.0}
  - {name: web-admin, version: 0.0.0-alpha}
  odd:
  - {name: odd, version: latest, description: ÄÖÜ}
  empty: []
",
    )
}

fn search(text: &str, all: bool) -> Vec<String> {
    let charts = charts();
    let search = Search {
        repository: "stable",
        text,
        all,
    };
    charts
        .search(search)
        .map(|entry| format!("{} {}", entry.name, entry.version))
        .collect()
}

#[test]
fn nothing_finds_the_newest_release_of_everything() {
    assert_eq!(search("", false), ["api 1.0.0", "odd latest", "web 1.0.0"]);
}

#[test]
fn all_versions_are_found_where_that_is_asked_for() {
    assert_eq!(
        search("", true),
        [
            "api 1.0.0",
            "odd latest",
            "web 1.1.0-rc.1",
            "web 1.0.0",
            "web 0.9.0",
            "web-admin 0.0.0",
            "web-admin 0.0.0-alpha",
        ]
    );
}

#[test]
fn names_come_before_descriptions_and_these_before_keywords() {
    assert_eq!(search("WEB", false), ["web 1.0.0", "api 1.0.0"]);
    assert_eq!(
        search("server", true),
        ["web 1.1.0-rc.1", "web 1.0.0", "api 1.0.0"]
    );
    assert_eq!(search("http serv", false), ["api 1.0.0"]);
}

#[test]
fn an_older_version_is_found_for_what_only_it_says() {
    assert_eq!(search("kubernetes", false), ["web 0.9.0"]);
}

#[test]
fn the_name_of_the_repository_counts() {
    assert_eq!(search("stable/w", false), ["web 1.0.0"]);
    assert_eq!(
        search("stable/", false),
        ["api 1.0.0", "odd latest", "web 1.0.0"]
    );
}

#[test]
fn case_does_not_matter_beyond_ascii() {
    assert_eq!(search("äöü", false), ["odd latest"]);
    assert_eq!(search("ß", false), Vec::<String>::new());
}

#[test]
fn fields_can_be_told_apart_as_in_helm() {
    assert_eq!(search("\u{b}stable/web\u{b}", false), ["web 1.0.0"]);
    assert_eq!(
        search("\u{b}a server\u{b}", true),
        ["web 1.1.0-rc.1", "web 1.0.0"]
    );
}
