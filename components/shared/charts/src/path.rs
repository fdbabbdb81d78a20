//! Where an entry of an archive belongs in the chart.
//!
//! Everything an archive can do with names is refused here, in the order and with the words of Helm:
//! absolute names, parents, Windows drives. What comes out is relative, clean and separated by `/`.

use crate::ChartError;

/// The path below the archive's top directory, whatever that is called.
///
/// A name with a backslash is separated by backslashes, and only by them until the end.
pub(crate) fn below_top(name: &str) -> Result<String, ChartError> {
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (top, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return Err(ChartError::AbsolutePath);
    }
    let path = clean(&rest);
    if path == "." {
        return Err(ChartError::OutsideBase(name.to_owned()));
    }
    if path.starts_with("..") {
        return Err(ChartError::ParentReference);
    }
    if has_drive(&path) {
        return Err(ChartError::IllegalName);
    }
    if top == "Chart.yaml" {
        return Err(ChartError::ChartYamlNotInBase);
    }
    Ok(path)
}

/// The shortest path to the same place: no empty parts, no `.`, `..` only in front, `.` for nothing.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

fn has_drive(path: &str) -> bool {
    matches!(path.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_top_directory_is_dropped() {
        for (name, expected) in [
            ("web/Chart.yaml", "Chart.yaml"),
            ("./web/Chart.yaml", "web/Chart.yaml"),
            ("web/templates//a/./b/../c.yaml", "templates/a/c.yaml"),
            (r"frob\charts\x\Chart.yaml", "charts/x/Chart.yaml"),
            (r"c:\Chart.yaml", "Chart.yaml"),
            ("/missing-leading-slash", "missing-leading-slash"),
            (r"web\a/b", "a/b"),
            ("web/ü", "ü"),
        ] {
            assert_eq!(below_top(name).expect("a path"), expected, "{name}");
        }
    }

    #[test]
    fn a_chart_yaml_is_no_directory() {
        assert!(matches!(
            below_top("Chart.yaml/values.yaml"),
            Err(ChartError::ChartYamlNotInBase)
        ));
    }

    proptest! {
        #[test]
        fn what_comes_out_stays_below_the_top(name in "[./\\\\a-c:]{0,12}") {
            if let Ok(path) = below_top(&name) {
                prop_assert!(!path.starts_with('/') && !path.is_empty(), "{}", path);
                prop_assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")), "{}", path);
                prop_assert!(!has_drive(&path), "{}", path);
            }
        }
    }
}
