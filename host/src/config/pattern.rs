//! Patterns of names, in which `*` stands for any text and nothing else does.

/// Whether `name` is as `pattern` says, in which each `*` stands for any text.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some(place) = name.find(part) else {
            return false;
        };
        name = name.split_at(place + part.len()).1;
    }
    name.ends_with(last)
}

/// Whether `pattern` can match a name of a chart, namespace or release, which have no such characters.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let odd = |c: char| c.is_control() || c.is_whitespace() || "?[]{}\\!,".contains(c);
    !pattern.is_empty() && !pattern.contains(odd)
}

/// Whether `pattern` can match a name that is free text.
pub(super) fn is_text(pattern: &str) -> bool {
    !pattern.is_empty() && !pattern.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_does() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "web"),
            ("web", "web"),
            ("web-*", "web-a"),
            ("web-*", "web-"),
            ("*-web", "a-web"),
            ("a*b*c", "abc"),
            ("a*b*c", "axbbxc"),
            ("a*a", "aa"),
            ("**", "x"),
            ("team/*", "team/web"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "web"),
            ("web", "web2"),
            ("web-*", "web"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("w.b", "web"),
            ("WEB", "web"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
