//! The section `keel:` of a chart's values, by which keel finds images and decides about new tags.
//!
//! Charts have it already, so it means here what it means there (keel's providers for Helm, and its policies), apart from
//! when it polls and whom it tells. `approvals` above zero makes an operation that waits for one approval.

use charts::version::Version;
use rest::pattern;
use serde_json::Value;

use crate::{
    Event, Paths,
    compile::Places,
    expression::{Expression, Scope},
};

/// How many images a section may name.
const MAX_IMAGES: usize = 100;

/// What a section says.
pub(crate) struct Keel {
    pub(crate) places: Vec<Places>,
    /// Whether somebody has to approve an update.
    pub(crate) approve: bool,
    policy: Policy,
}

impl Keel {
    /// Reads the section of these values; none if there is none, or it asks for nothing to be done.
    pub(crate) fn read(values: &Value) -> Option<Self> {
        let section = values.get("keel")?;
        let flag = |name| section.get(name).and_then(Value::as_bool);
        let policy = Policy::read(
            section.get("policy")?.as_str()?,
            flag("matchTag").unwrap_or(false),
            flag("matchPreRelease").unwrap_or(true),
        )?;
        let images = section.get("images").and_then(Value::as_array)?;
        Some(Self {
            places: images.iter().take(MAX_IMAGES).filter_map(places).collect(),
            approve: section
                .get("approvals")
                .and_then(Value::as_f64)
                .is_some_and(|approvals| approvals > 0.0),
            policy,
        })
    }

    /// Why the event's tag does not take the place of `current`; none if it does.
    pub(crate) fn refuses(
        &self,
        current: &str,
        event: &Event,
        scope: &Scope<'_>,
    ) -> Option<String> {
        let Some(new) = &event.tag else {
            return Some("it names no tag for keel's policy to judge".to_owned());
        };
        let refused = match &self.policy {
            Policy::Force { match_tag } => *match_tag && current != new,
            Policy::Glob(glob) => !pattern::matches(glob, new),
            Policy::Regexp(expression) => {
                !matches!(expression.evaluate(scope), Ok(Value::Bool(true)))
            }
            Policy::Semver { part, match_pre } => !part.takes(current, new, *match_pre),
        };
        refused.then(|| format!("keel's policy does not take `{new}` in place of `{current}`"))
    }

    /// Whether even the same tag is worth an upgrade.
    pub(crate) const fn is_forced(&self) -> bool {
        matches!(self.policy, Policy::Force { .. })
    }
}

fn places(image: &Value) -> Option<Places> {
    let path = |name| {
        let path = image.get(name).and_then(Value::as_str);
        path.filter(|path| !path.is_empty()).map(str::to_owned)
    };
    let paths = Paths {
        repository: path("repository")?,
        registry: None,
        tag: path("tag"),
        digest: path("digest"),
    };
    Places::read(&paths).ok()
}

/// Which new tags take the place of the current one.
enum Policy {
    Force { match_tag: bool },
    Glob(String),
    Regexp(Expression),
    Semver { part: Part, match_pre: bool },
}

impl Policy {
    /// Reads a policy; none if it never takes anything.
    fn read(text: &str, match_tag: bool, match_pre: bool) -> Option<Self> {
        if let Some(glob) = text.strip_prefix("glob:") {
            return (!glob.contains(':')).then(|| Self::Glob(glob.to_owned()));
        }
        if let Some(regexp) = text.strip_prefix("regexp:") {
            // Both languages take their regular expressions from RE2.
            let literal = Value::String(regexp.to_owned());
            return Expression::read(&format!("event.tag.matches({literal})"))
                .ok()
                .map(Self::Regexp);
        }
        let part = match text {
            "force" => return Some(Self::Force { match_tag }),
            "all" => Part::All,
            "major" => Part::Major,
            "minor" => Part::Minor,
            "patch" => Part::Patch,
            _ => return None,
        };
        Some(Self::Semver { part, match_pre })
    }
}

/// Up to which part of a version it may change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// Any, pre-releases included.
    All,
    Major,
    Minor,
    Patch,
}

impl Part {
    fn takes(self, current: &str, new: &str, match_pre: bool) -> bool {
        if current == "latest" {
            return true;
        }
        // A number alone is a build's, not a version.
        if !new.contains('.') {
            return false;
        }
        let (Ok(current), Ok(new)) = (Version::parse(current), Version::parse(new)) else {
            return false;
        };
        if match_pre && self != Self::All && current.pre() != new.pre() {
            return false;
        }
        let (major, minor, _) = current.numbers();
        let (new_major, new_minor, _) = new.numbers();
        current < new
            && match self {
                Self::All | Self::Major => true,
                Self::Minor => major == new_major,
                Self::Patch => (major, minor) == (new_major, new_minor),
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn takes(section: &Value, current: &str, new: &str) -> bool {
        let values = json!({"keel": section});
        let keel = Keel::read(&values).expect("a section");
        let event = Event {
            tag: Some(new.to_owned()),
            ..Event::default()
        };
        keel.refuses(current, &event, &Scope::new(&event)).is_none()
    }

    fn policy(text: &str, current: &str, new: &str) -> bool {
        takes(&json!({"policy": text, "images": []}), current, new)
    }

    #[test]
    fn versions_change_as_far_as_the_policy_lets_them() {
        for (text, current, new, expected) in [
            ("all", "1.4.5", "1.4.3", false),
            ("all", "1.4.5", "1.4.6", true),
            ("all", "1.4.5", "1.4.5", false),
            ("all", "1.4.5", "1.4.6-rc1", true),
            ("major", "1.4.5", "2.0.0", true),
            ("major", "1.4.5", "1.5.5", true),
            ("minor", "1.4.5", "1.5.5", true),
            ("minor", "1.4.5", "2.0.0", false),
            ("patch", "1.4.5", "1.4.6", true),
            ("patch", "1.4.5", "2.4.6", false),
            ("patch", "1.4.5", "1.5.0", false),
            ("minor", "v1.0.0", "v1.0.1", true),
            ("minor", "1.4.5", "1.4.6-xx", false),
            ("minor", "1.4.5-xx", "1.4.6-xx", true),
            ("minor", "1.4.5-xx", "1.4.6-yy", false),
            ("all", "1.4.5", "3050", false),
            ("all", "main", "1.0.0", false),
            ("patch", "latest", "anything", true),
            ("all", "1.4", "1.5", true),
        ] {
            assert_eq!(
                policy(text, current, new),
                expected,
                "{text} {current} {new}"
            );
        }
    }

    #[test]
    fn pre_releases_need_not_match_where_the_section_says_so() {
        let section = json!({"policy": "minor", "matchPreRelease": false, "images": []});
        assert!(takes(&section, "1.4.5-xx", "1.4.6-yy"));
    }

    #[test]
    fn other_policies_look_at_the_tag_as_text() {
        for (text, current, new, expected) in [
            ("force", "1", "anything", true),
            ("glob:build-*", "x", "build-7", true),
            ("glob:build-*", "x", "rebuild-7", false),
            (r"regexp:^main-[0-9]+$", "x", "main-7", true),
            (r"regexp:^main-[0-9]+$", "x", "main-x", false),
            (r#"regexp:a"b\d"#, "x", r#"a"b1"#, true),
        ] {
            assert_eq!(
                policy(text, current, new),
                expected,
                "{text} {current} {new}"
            );
        }
        let section = json!({"policy": "force", "matchTag": true, "images": []});
        assert!(takes(&section, "main", "main"));
        assert!(!takes(&section, "main", "dev"));
    }

    #[test]
    fn a_section_that_asks_for_nothing_is_none() {
        for section in [
            json!(null),
            json!({}),
            json!({"policy": "never", "images": []}),
            json!({"policy": "glob:a:b", "images": []}),
            json!({"policy": "regexp:(", "images": 7}),
            json!({"policy": "all"}),
            json!("all"),
        ] {
            assert!(Keel::read(&json!({"keel": section})).is_none(), "{section}");
        }
    }
}
