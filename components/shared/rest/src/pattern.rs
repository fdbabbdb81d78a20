//! Patterns of names, in which `*` stands for any text and nothing else does.

/// Whether `name` is as `pattern` says.
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
        let Some((_, behind)) = name.split_once(part) else {
            return false;
        };
        name = behind;
    }
    name.ends_with(last)
}

/// Whether `name` is as one of `patterns` says.
pub fn any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether `pattern` is one name, as it stands.
pub fn is_plain(pattern: &str) -> bool {
    !pattern.contains('*')
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
            ("*-web", "a-web"),
            ("web-*", "web-"),
            ("*/web", "harbor.example.com/shop/web"),
            ("a*b*c", "axbbxc"),
            ("a*a", "aa"),
            ("**", "x"),
            ("v1.*", "v1.2"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "web"),
            ("web", "web2"),
            ("WEB", "web"),
            ("w.b", "web"),
            ("web-*", "web"),
            ("a*a", "a"),
            ("a*b*c", "acb"),
            ("v1.*", "v1x2"),
            ("[a-z]", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
