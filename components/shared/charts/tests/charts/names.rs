//! Archives of one entry, named in every way that has been tried, and the layout of charts.

use charts::{ChartError, Limits, load};
use tar::{Builder, EntryType};
use tiller_api::hapi::chart::Chart;

use crate::support::{archive, chain, gzip, header};

/// A chart of these files below `web/`, with a Chart.yaml.
fn chart(files: &[(&str, &str)]) -> Result<Chart, ChartError> {
    let whole = [("Chart.yaml", "name: web\n")]
        .iter()
        .chain(files)
        .map(|(name, data)| (format!("web/{name}"), *data));
    load(&archive(whole), &Limits::default())
}

#[track_caller]
fn refused(name: &str, expected: &str) {
    let error =
        load(&archive([(name, "hello: world")]), &Limits::default()).expect_err("it is refused");
    assert_eq!(chain(&error), expected, "{name}");
}

#[test]
fn a1_a2_names_that_lead_to_a_parent_are_refused() {
    for name in [
        "../../malformed-helm-test",
        "/foo/../../malformed-helm-test",
        "/../../m",
        "./../../m",
        r"\..\..\foo",
    ] {
        refused(name, "chart illegally references parent directory");
    }
}

#[test]
fn names_end_where_they_are_zero() {
    let long = "n".repeat(120);
    let files = [
        ("web/Chart.yaml".to_owned(), "name: web"),
        (format!("web/{long}\0.yaml"), "x"),
    ];
    let read = load(&archive(files), &Limits::default()).expect("a chart");
    assert_eq!(read.files[0].type_url, long);
}

#[test]
fn a3_a8_names_without_a_directory_are_refused() {
    for name in ["./.", "/./.", "missing-leading-slash", "Chart.yaml"] {
        refused(
            name,
            &format!("chart illegally contains content outside the base directory: {name:?}"),
        );
    }
}

#[test]
fn a4_a_leading_slash_is_a_directory_without_a_name() {
    refused(
        "/missing-leading-slash",
        "chart metadata (Chart.yaml) missing",
    );
}

#[test]
fn a5_absolute_names_are_refused() {
    for name in ["//foo", "///foo", r"\\foo", r"\\?\Some\windows\magic"] {
        refused(name, "chart illegally contains absolute paths");
    }
}

#[test]
fn a6_names_of_windows_drives_are_refused() {
    for name in [r"\.\c:\\foo", "/./c://foo"] {
        refused(name, "chart contains illegally named files");
    }
}

#[test]
fn a7_any_directory_has_a_chart_yaml() {
    for name in ["/Chart.yaml", r"c:\Chart.yaml"] {
        refused(name, "invalid chart (Chart.yaml): name must not be empty");
    }
}

#[test]
fn a9_a_leading_dot_is_a_directory() {
    refused(
        "./mychart/Chart.yaml",
        "chart metadata (Chart.yaml) missing",
    );
}

#[test]
fn a10_backslashes_separate_like_slashes() {
    let slashes = [
        ("frob/Chart.yaml", "name: frob"),
        ("frob/templates/a.yaml", "a"),
        ("frob/charts/x/Chart.yaml", "name: x"),
    ];
    let backslashes = slashes.map(|(name, data)| (name.replace('/', r"\"), data));
    assert_eq!(
        load(&archive(slashes), &Limits::default()).expect("a chart"),
        load(&archive(backslashes), &Limits::default()).expect("a chart"),
    );
}

#[test]
fn a11_a_file_among_sub_charts_is_no_chart() {
    let error = chart(&[("charts/README.md", "# x")]).expect_err("it is refused");
    assert_eq!(
        chain(&error),
        "error unpacking README.md in web: chart metadata (Chart.yaml) missing"
    );
}

#[test]
fn a12_hidden_and_underscored_sub_charts_are_ignored() {
    let chart = chart(&[("charts/_ignore_me", "x"), ("charts/.hidden", "x")]).expect("a chart");
    assert!(chart.dependencies.is_empty());
    assert!(chart.files.is_empty());
}

#[test]
fn a13_provenance_of_a_sub_chart_is_a_file() {
    let chart = chart(&[("charts/dep-1.0.0.tgz.prov", "x")]).expect("a chart");
    assert_eq!(chart.files[0].type_url, "charts/dep-1.0.0.tgz.prov");
    assert!(chart.dependencies.is_empty());
}

#[test]
fn a14_charts_of_another_helm_are_refused() {
    let error = load(
        &archive([("web/Chart.yaml", "apiVersion: v2\nname: web\n")]),
        &Limits::default(),
    )
    .expect_err("it is refused");
    assert_eq!(
        chain(&error),
        "apiVersion 'v2' is not valid. The value must be \"v1\""
    );
}

#[test]
fn a15_a_global_header_is_skipped() {
    let mut builder = Builder::new(Vec::new());
    let mut global = header(b"pax_global_header", EntryType::XGlobalHeader, 13);
    global.set_cksum();
    builder
        .append(&global, &b"13 comment=x\n"[..])
        .expect("in memory");
    let mut directory = header(b"web/", EntryType::Directory, 0);
    directory.set_cksum();
    builder.append(&directory, &b""[..]).expect("in memory");
    let mut file = header(b"web/Chart.yaml", EntryType::Regular, 9);
    file.set_cksum();
    builder.append(&file, &b"name: web"[..]).expect("in memory");
    let archive = gzip(&builder.into_inner().expect("in memory"));

    let chart = load(&archive, &Limits::default()).expect("a chart");
    assert_eq!(chart.metadata.expect("metadata").name, "web");
}

#[test]
fn a16_templates_and_files_may_be_binary() {
    let binary: &[u8] = b"\xff\xfe\x00";
    let archive = archive([
        ("web/Chart.yaml", &b"name: web"[..]),
        ("web/templates/binary.bin", binary),
        ("web/logo.png", binary),
    ]);
    let chart = load(&archive, &Limits::default()).expect("a chart");
    assert_eq!(chart.templates[0].data, binary);
    assert_eq!(chart.files[0].value, binary);
}

#[test]
fn a17_to_a19_chart_yaml_is_read_leniently() {
    for (yaml, name, version) in [
        ("name: foo\nversion: 1.10\n", "foo", "1.1"),
        ("Name: foo\nversion: 1\n", "foo", "1"),
        ("name: foo\n", "foo", ""),
        ("name: yes\nversion: 20200101.1\n", "true", "2.0200102e+07"),
        ("name: foo\nname: bar\nextra: [1, {a: b}]\n", "bar", ""),
        (
            "base: &b {version: 0.1.0}\nname: foo\n<<: *b\n",
            "foo",
            "0.1.0",
        ),
    ] {
        let chart = load(&archive([("x/Chart.yaml", yaml)]), &Limits::default()).expect("a chart");
        let metadata = chart.metadata.expect("metadata");
        assert_eq!(
            (metadata.name.as_str(), metadata.version.as_str()),
            (name, version)
        );
    }
}

#[test]
fn a20_values_are_kept_verbatim() {
    let raw = "a: 1 # one\n---\nb: 2\n";
    let chart = chart(&[("values.yaml", raw)]).expect("a chart");
    assert_eq!(chart.values.expect("values").raw, raw);
}

#[test]
fn files_go_where_they_belong() {
    let chart = chart(&[
        ("values.yaml", "x: 1\n"),
        ("templates/a.yaml", "a"),
        ("templates/NOTES.txt", "notes"),
        ("templates/.hidden", "h"),
        ("README.md", "hi"),
        ("requirements.yaml", "dependencies: []\n"),
        ("template/x", "no template"),
    ])
    .expect("a chart");
    let templates: Vec<_> = chart.templates.iter().map(|t| t.name.as_str()).collect();
    let files: Vec<_> = chart.files.iter().map(|f| f.type_url.as_str()).collect();
    assert_eq!(
        templates,
        [
            "templates/a.yaml",
            "templates/NOTES.txt",
            "templates/.hidden"
        ]
    );
    assert_eq!(files, ["README.md", "requirements.yaml", "template/x"]);
}

#[test]
fn no_values_are_something_else_than_empty_values() {
    assert_eq!(chart(&[]).expect("a chart").values, None);
    let empty = chart(&[("values.yaml", "")]).expect("a chart");
    assert_eq!(empty.values.expect("values").raw, "");
}

#[test]
fn sub_charts_are_directories_and_archives() {
    let packed = archive([
        ("any/Chart.yaml", "name: packed\n"),
        ("any/charts/deep/Chart.yaml", "name: deep\n"),
    ]);
    let archive = archive([
        ("web/Chart.yaml", &b"name: web"[..]),
        ("web/charts/zebra/Chart.yaml", b"name: zebra"),
        ("web/charts/zebra/values.yaml", b"z: 1"),
        ("web/charts/packed-1.0.0.tgz", &packed),
    ]);
    let chart = load(&archive, &Limits::default()).expect("a chart");
    let names = |chart: &Chart| -> Vec<String> {
        let names = chart.dependencies.iter();
        names
            .map(|chart| chart.metadata.clone().expect("metadata").name)
            .collect()
    };
    assert_eq!(names(&chart), ["packed", "zebra"]);
    assert_eq!(names(&chart.dependencies[0]), ["deep"]);
    assert_eq!(
        chart.dependencies[1].values.as_ref().expect("values").raw,
        "z: 1"
    );
}

#[test]
fn an_archive_of_a_sub_chart_is_a_file() {
    let error = chart(&[("charts/x.tgz/Chart.yaml", "name: x")]).expect_err("it is refused");
    assert_eq!(
        chain(&error),
        "error unpacking tar in web: expected x.tgz, got x.tgz/Chart.yaml"
    );
}

#[test]
fn a_broken_sub_chart_breaks_the_chart() {
    let error = chart(&[
        ("charts/sub/Chart.yaml", "name: sub"),
        ("charts/sub/charts/deep/values.yaml", ""),
    ])
    .expect_err("it is refused");
    assert_eq!(
        chain(&error),
        "error unpacking sub in web: error unpacking deep in sub: chart metadata (Chart.yaml) missing"
    );
}

#[test]
fn a_chart_from_before_helm_2_is_refused() {
    let error = chart(&[("values.toml", "")]).expect_err("it is refused");
    assert_eq!(chain(&error), "values.toml is illegal as of 2.0.0-alpha.2");
}

#[test]
fn links_are_empty_files() {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, data) in [
        (
            &b"web/Chart.yaml"[..],
            EntryType::Regular,
            &b"name: web"[..],
        ),
        (b"web/templates/link", EntryType::Symlink, b""),
    ] {
        let mut header = header(name, kind, data.len());
        header.set_link_name("/etc/passwd").expect("it fits");
        header.set_cksum();
        builder.append(&header, data).expect("in memory");
    }
    let archive = gzip(&builder.into_inner().expect("in memory"));
    let chart = load(&archive, &Limits::default()).expect("a chart");
    assert!(chart.templates[0].data.is_empty());
}

#[test]
fn chart_yaml_of_wrong_types_is_refused() {
    for (yaml, expected) in [
        ("- a\n", "not a mapping of keys to values"),
        ("name: [a]\n", "name is not a text"),
        ("name: a\ntags: [a]\n", "tags is not a text"),
        (
            "name: a\nkeywords: foo\n",
            "keywords is not a list of texts",
        ),
        (
            "name: a\ndeprecated: maybe\n",
            "deprecated is not true or false",
        ),
        (
            "name: a\nmaintainers: [~]\n",
            "maintainers is not a list of mappings",
        ),
        (
            "name: a\nannotations: {a: {}}\n",
            "annotations is not a mapping of texts to texts",
        ),
        (
            "name: a\nother: .nan\n",
            "infinity and NaN are no JSON values",
        ),
        ("name: a\nother: {[]: x}\n", "invalid map key in line 2"),
    ] {
        let error = load(&archive([("x/Chart.yaml", yaml)]), &Limits::default())
            .expect_err("it is refused");
        assert_eq!(
            chain(&error),
            format!("invalid chart (Chart.yaml): {expected}"),
            "{yaml:?}"
        );
    }
}
