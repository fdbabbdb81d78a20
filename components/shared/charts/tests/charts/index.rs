//! Indexes of repositories.

mod address;
mod hostile;
mod properties;
mod search;

use charts::index::{Entry, Index, IndexError, Limits, LookupError};

fn parse(text: &str) -> Result<Index, IndexError> {
    Index::parse(text.as_bytes(), &Limits::default())
}

#[track_caller]
fn index(text: &str) -> Index {
    parse(text).expect("an index")
}

/// An index of one chart, `web`, in these versions.
fn web(versions: &[&str]) -> Index {
    let versions: String = versions
        .iter()
        .map(|version| format!("  - {{name: web, version: {version}}}\n"))
        .collect();
    index(&format!("apiVersion: v1\nentries:\n  web:\n{versions}"))
}

fn get(index: &Index, version: &str) -> Result<String, String> {
    index
        .get("web", version)
        .map(|entry| entry.version.to_owned())
        .map_err(|error| error.to_string())
}

fn versions<'i>(index: &'i Index, name: &str) -> Vec<&'i str> {
    let versions = index.versions(name).expect("it is listed");
    versions.map(|entry| entry.version).collect()
}

#[test]
fn what_chartmuseum_writes_is_read() {
    let index = index(
        "apiVersion: v1
entries:
  web:
  - apiVersion: v1
    appVersion: 1.16.0
    created: \"2020-05-04T03:02:01.000000001Z\"
    deprecated: true
    description: |-
      A web server.
      It serves.
    digest: 6d0c24d0b8d7
    home: https://example.com
    icon: https://example.com/web.png
    keywords: [http, server]
    maintainers:
    - {email: someone@example.com, name: Someone}
    name: web
    sources: [https://git.example.com]
    urls: [charts/web-1.2.3.tgz, https://mirror.example.com/web-1.2.3.tgz]
    version: 1.2.3
generated: \"2020-05-04T03:02:01Z\"
serverInfo: {contextPath: /x}
",
    );
    let Entry {
        name,
        version,
        app_version,
        description,
        home,
        icon,
        keywords,
        deprecated,
        created,
        digest,
        urls,
        ..
    } = index.get("web", "").expect("a version");
    assert_eq!((name, version, app_version), ("web", "1.2.3", "1.16.0"));
    assert_eq!(description, "A web server.\nIt serves.");
    assert_eq!(
        (home, icon),
        ("https://example.com", "https://example.com/web.png")
    );
    assert_eq!(keywords.iter().collect::<Vec<_>>(), ["http", "server"]);
    assert!(deprecated);
    assert_eq!(created, Some("2020-05-04T03:02:01.000000001Z"));
    assert_eq!(digest, Some("6d0c24d0b8d7"));
    assert_eq!(urls.first(), Some("charts/web-1.2.3.tgz"));
    assert_eq!(urls.iter().len(), 2);
}

#[test]
fn x1_a_chart_that_is_there_twice_spoils_the_index() {
    let error = parse("apiVersion: v1\nentries:\n  nginx: []\n  web: []\n  nginx: []\n");
    assert_eq!(
        error.expect_err("twice").to_string(),
        "key \"nginx\" is there twice, in line 5"
    );
}

#[test]
fn x2_versions_are_sorted_newest_first() {
    let index = web(&["0.1.0", "latest", "0.10.0", "0.2.0-rc.1", "0.2.0"]);
    assert_eq!(
        versions(&index, "web"),
        ["0.10.0", "0.2.0", "0.2.0-rc.1", "0.1.0", "latest"]
    );
    assert_eq!(get(&index, ""), Ok("0.10.0".into()));
}

#[test]
fn x3_the_newest_is_no_pre_release() {
    let index = web(&["1.0.0-alpha", "1.0.0-beta"]);
    assert_eq!(
        get(&index, ""),
        Err("No chart version found for web-".into())
    );
    assert_eq!(get(&index, ">0.0.0-0"), Ok("1.0.0-beta".into()));
}

#[test]
fn x4_to_x6_the_very_version_comes_before_the_newest_that_fits() {
    let index = web(&[
        "0.1.9+beta",
        "0.1.9+alpha",
        "1.2.0",
        "1.2.5",
        "1.9.0",
        "2.0.0",
    ]);
    assert_eq!(get(&index, "0.1.9+alpha"), Ok("0.1.9+alpha".into()));
    assert_eq!(get(&index, "0.1.9"), Ok("0.1.9+beta".into()));
    assert_eq!(get(&index, "1.2"), Ok("1.2.0".into()));
    assert_eq!(get(&index, "1"), Ok("1.9.0".into()));
    assert_eq!(
        get(&index, "^3"),
        Err("No chart version found for web-^3".into())
    );
}

#[test]
fn x7_what_is_no_constraint_finds_nothing_even_if_a_version_is_called_so() {
    let index = web(&["latest", "1.0.0"]);
    assert_eq!(
        get(&index, "latest"),
        Err("improper constraint: latest".into())
    );
    // This is both no version and a constraint.
    assert_eq!(get(&web(&["1.x", "1.5.0"]), "1.x"), Ok("1.x".into()));
}

#[test]
fn x8_only_known_keys_are_at_the_top() {
    assert!(parse("apiVersion: v1\nserverInfo: {a: [1]}\npublicKeys: [k]\nentries: ~\n").is_ok());
    for text in [
        "apiVersion: v1\nentires: {}\n",
        "apiVersion: v1\nEntries: {}\n",
        "web-1.0.0.tgz: {url: x, checksum: y}\n",
    ] {
        let error = parse(text).expect_err(text);
        assert!(matches!(error, IndexError::UnknownKey { .. }), "{error}");
    }
}

#[test]
fn x9_numbers_are_no_texts() {
    for field in [
        "version: 1.0",
        "appVersion: 1",
        "name: yes",
        "keywords: [1]",
        "keywords: a",
        "sources: {}",
        "maintainers: [a]",
        "maintainers: [{name: 1}]",
        "annotations: {a: 1}",
        "annotations: [a]",
        "engine: []",
        "deprecated: 'true'",
        "removed: 1",
        "urls: a",
        "urls: [[]]",
        "created: 1",
        "created: 2020-01-01",
        "digest: {}",
    ] {
        let text = format!("apiVersion: v1\nentries: {{web: [{{{field}}}]}}\n");
        let error = parse(&text).expect_err(field);
        assert!(
            matches!(error, IndexError::Field { line: 2, .. }),
            "{error}"
        );
    }
    let index = index("apiVersion: 1\nentries: {web: [{name: web, digest: 12, urls: [1, yes]}]}");
    let entry = index.versions("web").expect("a chart").next().expect("one");
    assert_eq!(entry.digest, Some("12"));
    assert_eq!(entry.urls.iter().collect::<Vec<_>>(), ["1", "true"]);
}

#[test]
fn names_are_found_or_not_in_helms_words() {
    let index =
        index("apiVersion: v1\nentries: {b: [], a: ~, c: [{name: x, version: 1.0.0}], yes: []}");
    assert_eq!(index.names().collect::<Vec<_>>(), ["a", "b", "c", "true"]);
    let error = |name, version| index.get(name, version).expect_err(name).to_string();
    assert_eq!(error("d", "!"), "no chart name found");
    assert_eq!(error("a", ""), "no chart version found");
    assert_eq!(error("b", "!"), "no chart version found");
    assert_eq!(error("c", "!"), "improper constraint: !");
    assert!(index.versions("d").is_none());
    // It is asked for by the name it is listed under.
    assert_eq!(index.get("c", "").expect("one").name, "c");
}

#[test]
fn without_an_api_version_it_is_no_index() {
    for text in [
        "",
        "# nothing\n",
        "~",
        "{}",
        "entries: {}",
        "apiVersion: ''\n",
    ] {
        assert_eq!(parse(text).expect_err(text), IndexError::NoApiVersion);
        assert_eq!(
            IndexError::NoApiVersion.to_string(),
            "no API version specified"
        );
    }
    for text in ["a", "[]", "1"] {
        assert!(parse(text).is_err(), "{text}");
    }
    let latin = Index::parse(b"apiVersion: v1 # \xe4", &Limits::default());
    assert_eq!(latin.expect_err("Latin-1"), IndexError::NotUtf8);
}

#[test]
fn null_and_nothing_are_passed_over() {
    let index = index(
        "apiVersion: v1\nentries:\n  web:\n  - ~\n  - {}\n  - {urls: [a]}\n  - {version: 1.0.0, name: ~}\n  -\n",
    );
    assert_eq!(versions(&index, "web"), ["1.0.0"]);
    let index = super::index::index("apiVersion: v1\nentries: {web: [~]}\n");
    assert!(matches!(index.get("web", ""), Err(LookupError::NoVersions)));
}

#[test]
fn a_key_is_nowhere_twice() {
    for text in [
        "apiVersion: v1\napiVersion: v1\n",
        "apiVersion: v1\nserverInfo: {a: 1, a: 1}\n",
        "apiVersion: v1\nserverInfo: {1: 1, '1': 1}\n",
        "apiVersion: v1\nserverInfo: {a: {1: 1, 0x1: 1}}\n",
        "apiVersion: v1\nentries: {web: [{name: a, name: a}]}\n",
        "apiVersion: v1\nentries: {web: [{Name: a, Name: a}]}\n",
        "apiVersion: v1\nentries: {web: [{x: {y: [{z: 1, z: 1}]}}]}\n",
        "apiVersion: v1\nentries: {web: [{annotations: {a: b, a: b}}]}\n",
        "apiVersion: v1\nentries: {web: [{maintainers: [{x: b, x: b}]}]}\n",
        "apiVersion: v1\nentries: {web: [{<<: {name: a}, name: a}]}\n",
    ] {
        let error = parse(text).expect_err(text);
        assert!(matches!(error, IndexError::Duplicate { .. }), "{error}");
    }
    for text in [
        "apiVersion: v1\nserverInfo: {a: {1: 1, '1': 1}}\n",
        "apiVersion: v1\nserverInfo: {1: 1, 0x1: 1}\n",
        "apiVersion: v1\nentries: {web: [{name: a, Name: a}, {name: a}]}\n",
    ] {
        assert!(parse(text).is_ok(), "{text}");
    }
}

#[test]
fn of_names_in_other_cases_the_last_in_the_alphabet_counts() {
    for fields in [
        "version: 1.0.0, VERSION: 2.0.0, Version: 3.0.0",
        "VERSION: 2.0.0, version: 1.0.0",
        "VERSION: 1.0.0, version: ~",
    ] {
        let index = index(&format!(
            "apiVersion: v1\nentries: {{web: [{{{fields}}}]}}\n"
        ));
        assert_eq!(versions(&index, "web"), ["1.0.0"], "{fields}");
    }
}

#[test]
fn aliases_and_merges_are_followed() {
    let index = index(
        "apiVersion: v1
entries:
  web:
  - &first
    name: web
    version: &version 1.0.0
    keywords: &words [a, &b b]
  - {<<: {home: h}, name: *version, version: 2.0.0, keywords: *words, description: *b}
  - {<<: [{icon: i}, {home: j}], version: 3.0.0}
  api: [*first]
",
    );
    assert_eq!(versions(&index, "web"), ["3.0.0", "2.0.0", "1.0.0"]);
    assert_eq!(versions(&index, "api"), ["1.0.0"]);
    let entry = index.get("web", "2.0.0").expect("it is there");
    assert_eq!((entry.home, entry.description), ("h", "b"));
    assert_eq!(entry.keywords.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(index.get("web", "3.0.0").expect("it is there").home, "j");
    for text in [
        "apiVersion: v1\nserverInfo: &a {b: *a}\n",
        "apiVersion: v1\nserverInfo: &a {b: &b [*a]}\n",
        "apiVersion: v1\nserverInfo: {b: *c}\n",
        "apiVersion: v1\nserverInfo: {<<: 1}\n",
        "apiVersion: v1\nserverInfo: {<<: [1]}\n",
        "apiVersion: v1\nserverInfo: {[a]: 1}\n",
        "apiVersion: v1\nserverInfo: {~: 1}\n",
        "apiVersion: v1\nserverInfo: {a: .nan}\n",
        "apiVersion: v1\nserverInfo: {a: \u{1}}\n",
        "apiVersion: v1\nserverInfo: {a: !!int x}\n",
        "apiVersion: v1\n---]\n",
        "apiVersion: v1\nentries: {",
    ] {
        let error = parse(text).expect_err(text);
        assert!(matches!(error, IndexError::Yaml(_)), "{text}: {error:?}");
    }
}

#[test]
fn moments_are_rfc_3339() {
    let parse = |moment: &str| {
        parse(&format!(
            "apiVersion: v1\ngenerated: '{moment}'\nentries: {{web: [{{created: '{moment}'}}]}}\n"
        ))
    };
    for moment in [
        "2016-10-06T16:23:20.499029981-06:00",
        "0000-01-01T00:00:00Z",
        "2000-02-29T23:59:59.1+23:59",
        "2016-02-29T23:59:59Z",
    ] {
        assert!(parse(moment).is_ok(), "{moment}");
    }
    for moment in [
        "",
        "2016-10-06",
        "2016-10-06T16:23:20",
        "2016-10-06 16:23:20Z",
        "2016-10-06t16:23:20Z",
        "2016-10-06T16:23:20z",
        "2016-10-06T16:23:20.Z",
        "2016-10-06T16:23:20,1Z",
        "2016-10-06T6:23:20Z",
        "2016-10-06T24:00:00Z",
        "2016-10-06T23:60:00Z",
        "2016-10-06T23:59:60Z",
        "2015-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2016-04-31T00:00:00Z",
        "2016-13-01T00:00:00Z",
        "2016-00-01T00:00:00Z",
        "2016-01-00T00:00:00Z",
        "2016-10-06T16:23:20+24:00",
        "2016-10-06T16:23:20+00:60",
        "2016-10-06T16:23:20+0000",
        "2016-10-06T16:23:20ZZ",
        "+2016-10-06T16:23:20Z",
        "20 6-10-06T16:23:20Z",
    ] {
        assert!(parse(moment).is_err(), "{moment}");
    }
}
