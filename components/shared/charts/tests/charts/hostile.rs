//! Archives that are made to hurt. Each is refused, soon, and in little memory.

use std::time::{Duration, Instant};

use allocation_counter::measure;
use charts::{ChartError, Limits, load, yaml};
use tar::{Builder, EntryType};

use crate::support::{archive, gzip, gzip_repeated, header, tar};

const MIB: usize = 1 << 20;

/// What an archive is refused with. Far less than a second would do; slow machines and debug builds get thirty.
#[track_caller]
fn refuse(archive: &[u8], memory: usize) -> ChartError {
    let start = Instant::now();
    let mut result = None;
    let cost = measure(|| result = Some(load(archive, &Limits::default())));
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    assert!(cost.bytes_max < memory as u64, "{} bytes", cost.bytes_max);
    result.expect("it ran").expect_err("it is refused")
}

#[track_caller]
fn refused_by(archive: &[u8], memory: usize, limit: &str) {
    let error = refuse(archive, memory);
    assert_eq!(error.is_limit(), Some(limit), "{error:?}");
}

#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let bomb = archive([("web/templates/zeros", vec![0; 200 * MIB])]);
    assert!(bomb.len() < 4 * MIB);
    // Its header says it all.
    refused_by(&bomb, MIB, "unpacked");
}

#[test]
fn many_files_are_refused_when_they_are_too_much_together() {
    let zeros = vec![0; MIB];
    let files = (0..100).map(|at| (format!("web/templates/{at}"), &zeros));
    refused_by(&archive(files), 66 * MIB, "unpacked");
}

#[test]
fn a_bomb_within_an_archive_within_an_archive_is_refused() {
    let mut inner = archive([("x/zeros", vec![0; 64 * MIB])]);
    for _ in 0..3 {
        inner = archive([
            ("x/Chart.yaml", &b"name: x"[..]),
            ("x/charts/x.tgz", &inner),
        ]);
    }
    refused_by(&inner, 4 * MIB, "unpacked");
}

#[test]
fn archives_that_contain_each_other_too_deeply_are_refused() {
    let mut inner = archive([("x/Chart.yaml", "name: x")]);
    for _ in 0..40 {
        inner = archive([
            ("x/Chart.yaml", &b"name: x"[..]),
            ("x/charts/x.tgz", &inner),
        ]);
    }
    refused_by(&inner, MIB, "depth");
}

#[test]
fn directories_that_contain_each_other_too_deeply_are_refused() {
    let files = (0..40).map(|depth| {
        let path = "charts/x/".repeat(depth);
        (format!("web/{path}Chart.yaml"), "name: x")
    });
    refused_by(&archive(files), MIB, "depth");
}

#[test]
fn a_million_entries_are_refused() {
    // One header, a million times.
    let entry = &tar([("web/templates/x", "")])[..512];
    let archive = gzip_repeated(entry, 1_000_000);
    refused_by(&archive, 8 * MIB, "entries");
}

#[test]
fn a_million_directories_are_refused() {
    let mut header = header(b"web/", EntryType::Directory, 0);
    header.set_cksum();
    let archive = gzip_repeated(header.as_bytes(), 1_000_000);
    refused_by(&archive, MIB, "entries");
}

#[test]
fn a_million_headers_before_an_entry_are_refused() {
    let mut header = header(b"x", EntryType::XHeader, 0);
    header.set_cksum();
    let archive = gzip_repeated(header.as_bytes(), 1_000_000);
    let error = refuse(&archive, MIB);
    assert!(
        error.is_limit().is_some() || matches!(error, ChartError::Archive(_)),
        "{error:?}"
    );
}

#[test]
fn huge_names_are_refused() {
    let name = format!("web/{}", "x".repeat(2000));
    refused_by(&archive([(name.as_str(), "")]), MIB, "path");
    let name = format!("web/{}", "x".repeat(20 * MIB));
    refused_by(&archive([(name.as_str(), "")]), 80 * MIB, "path");
}

#[test]
fn a_file_of_holes_is_refused() {
    refused_by(&holes(b"77777777777\0"), MIB, "unpacked");
}

#[test]
fn many_archives_of_holes_are_refused() {
    // 16 MiB each.
    let holes = holes(b"00100000000\0");
    let files = (0..100).map(|at| (format!("web/charts/{at}.tgz"), &holes[..]));
    let archive = archive(files.chain([("web/Chart.yaml".to_owned(), &b"name: web"[..])]));
    refused_by(&archive, 80 * MIB, "unpacked");
}

/// A chart of one file, of which nothing is there but its size in octal.
fn holes(size: &[u8; 12]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut metadata = header(b"x/Chart.yaml", EntryType::Regular, 7);
    metadata.set_cksum();
    builder
        .append(&metadata, &b"name: x"[..])
        .expect("in memory");
    let mut header = header(b"x/templates/holes", EntryType::GNUSparse, 0);
    let sparse = header.as_gnu_mut().expect("it is GNU's");
    sparse.realsize.copy_from_slice(size);
    sparse.sparse[0].offset.copy_from_slice(size);
    sparse.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    builder.append(&header, &b""[..]).expect("in memory");
    gzip(&builder.into_inner().expect("in memory"))
}

#[test]
fn an_archive_that_is_too_large_is_not_looked_at() {
    refused_by(&vec![0; 21 * MIB], MIB, "archive");
}

#[test]
fn deep_yaml_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")] {
        let yaml = format!("name: {}{}", open.repeat(100_000), close.repeat(100_000));
        let error = refuse(&archive([("web/Chart.yaml", yaml)]), 16 * MIB);
        assert!(
            error.is_limit() == Some("yaml_depth") || matches!(error, ChartError::Metadata(_)),
            "{error:?}"
        );
    }
    let yaml = format!("name: {}{}", "[".repeat(200), "]".repeat(200));
    refused_by(&archive([("web/Chart.yaml", yaml)]), MIB, "yaml_depth");
}

#[test]
fn laughs_by_the_billion_are_refused() {
    let mut yaml = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for at in 1..20 {
        let aliases = format!("*a{}, ", at - 1).repeat(9);
        yaml.push_str(&format!("a{at}: &a{at} [{aliases}]\n"));
    }
    refused_by(
        &archive([("web/Chart.yaml", &yaml)]),
        64 * MIB,
        "yaml_nodes",
    );
    let merges = yaml
        .replace("[lol, lol, lol, lol, lol, lol, lol, lol, lol]", "{x: y}")
        .replace("]\n", "]}\n")
        .replace(" [*", " {<<: [*");
    refused_by(
        &archive([("web/Chart.yaml", &merges)]),
        64 * MIB,
        "yaml_nodes",
    );
}

#[test]
fn one_long_text_many_times_is_refused() {
    let yaml = format!(
        "a: &a {}\nkeywords: [{}]",
        "x".repeat(MIB),
        "*a,".repeat(1000)
    );
    refused_by(&archive([("web/Chart.yaml", yaml)]), 64 * MIB, "yaml_bytes");
}

#[test]
fn much_yaml_is_refused() {
    let yaml = format!("keywords: [{}]", "x,".repeat(1_000_000));
    refused_by(
        &archive([("web/Chart.yaml", yaml)]),
        128 * MIB,
        "yaml_nodes",
    );
}

#[test]
fn what_is_no_archive_is_refused() {
    let good = archive([("web/Chart.yaml", "name: web")]);
    let mut other = good.clone();
    other[2] = 0;
    for bad in [
        &b""[..],
        b"\x1f",
        b"\x1f\x8b\x08",
        b"PK\x03\x04",
        b"name: web\n",
        &other,
        &gzip(b"no tar"),
        &gzip(&[b'x'; 1024]),
    ] {
        let error = refuse(bad, MIB);
        assert!(matches!(error, ChartError::Archive(_)), "{error:?}");
    }
    assert!(matches!(refuse(&gzip(b""), MIB), ChartError::Empty));
    assert!(matches!(refuse(&gzip(&[0; 1024]), MIB), ChartError::Empty));
}

#[test]
fn an_archive_that_was_cut_is_refused_wherever_that_was() {
    let whole = archive([
        ("web/Chart.yaml", "name: web"),
        ("web/templates/a.yaml", "a: 1"),
    ]);
    for end in 0..whole.len() {
        let error = load(&whole[..end], &Limits::default()).expect_err("it is refused");
        assert!(
            matches!(error, ChartError::Archive(_)),
            "at {end}: {error:?}"
        );
    }
}

#[test]
fn a_tar_that_was_cut_within_a_file_is_refused() {
    let whole = tar([
        ("web/Chart.yaml", "name: web"),
        ("web/a", &"x".repeat(2000)),
    ]);
    for end in [100, 511, 513, 1023, 1100, 1536 + 1999] {
        let error = load(&gzip(&whole[..end]), &Limits::default()).expect_err("it is refused");
        assert!(
            matches!(error, ChartError::Archive(_)),
            "at {end}: {error:?}"
        );
    }
}

#[test]
fn a_flipped_bit_changes_no_chart() {
    let whole = archive([("web/Chart.yaml", "name: web"), ("web/a", "some text")]);
    let expected = load(&whole, &Limits::default()).expect("a chart");
    // Not in the header of gzip, which has bytes that mean nothing.
    for at in 10..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        // A few bits are padding.
        if let Ok(chart) = load(&flipped, &Limits::default()) {
            assert_eq!(chart, expected, "at {at}");
        }
    }
}

#[test]
fn members_of_gzip_follow_each_other() {
    let tar = tar([("web/Chart.yaml", "name: web")]);
    let (one, two) = tar.split_at(700);
    let archive = [gzip(one), gzip(two), b"padding".to_vec()].concat();
    assert!(load(&archive, &Limits::default()).is_ok());
}

#[test]
fn a_million_empty_members_are_refused() {
    let archive = gzip(b"").repeat(1_000_000);
    assert!(matches!(refuse(&archive, MIB), ChartError::Archive(_)));
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    for name in ["web/values.yaml", "web/Chart.yaml"] {
        let archive = archive([("web/Chart.yaml", &b"name: web"[..]), (name, b"a: \xff")]);
        let error = refuse(&archive, MIB);
        let expected = name.trim_start_matches("web/");
        assert!(
            matches!(&error, ChartError::NotUtf8(name) if name == expected),
            "{error:?}"
        );
    }
    let error = refuse(&archive([(&b"web/\xff"[..], "")]), MIB);
    assert!(matches!(error, ChartError::NotUtf8(_)), "{error:?}");
}

#[test]
fn control_characters_are_no_yaml() {
    let error = refuse(&archive([("web/Chart.yaml", "name: \"\0\"")]), MIB);
    assert!(matches!(error, ChartError::Metadata(_)), "{error:?}");
}

#[test]
fn a_long_text_of_any_kind_takes_no_long_time() {
    for part in [
        "x",
        " ",
        "\n",
        "\t",
        "#",
        "# x\n",
        "a\n",
        "a: b\n",
        "- ",
        "-\n",
        "? ",
        "?\n",
        "a: ",
        ": ",
        ":\n",
        "a:\n",
        "'",
        "\"",
        "\"\\n",
        "''",
        "[",
        "]",
        "[]",
        "{}",
        "[],",
        "{",
        "a,",
        "&a ",
        "&a\n",
        "*a ",
        "!a ",
        "!!str ",
        "!<a> ",
        "%TAG ! a\n",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        ">\n",
        "|\n",
        "|\n a\n",
        "- >\n",
        "\u{e9}",
        "\r",
        "<<: ",
        "a b ",
        "a:b",
        "\\",
        "0",
        "1_",
        "- - ",
        " - \n",
        " a:\n",
        "\n ",
        "{a: [",
        "\"a\": ",
        "[a: ",
        ",",
        "`",
    ] {
        for (head, tail) in [("", ""), ("[", "]"), ("\"", "\"")] {
            // Long enough for anything quadratic to show.
            let text = format!("{head}{}{tail}", part.repeat(MIB / 16 / part.len()));
            let start = Instant::now();
            let _ = yaml::parse(&text, &yaml::Limits::default());
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{head:?} {part:?}"
            );
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_not_looked_at() {
    let yaml = format!("name: {}", "x".repeat(9 * MIB));
    refused_by(&archive([("web/Chart.yaml", yaml)]), 40 * MIB, "yaml_bytes");
}
