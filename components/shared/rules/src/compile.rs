//! Rules that make sense.
//!
//! Everything about a rule that can be wrong without an event is found here, all of it at once: an operator who tries a
//! file wants to know every mistake in it, and a hook whose rules cannot work must not take deliveries.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use charts::version::Constraint;
use rest::{body::DEFAULT_TIMEOUT, pattern::is_plain, time::parse_duration};

use crate::{
    Discover, Paths, Rule, Target, Upgrade, expression::Expression, path::Path, template::Template,
};

/// How many rules a hook may have.
const MAX_RULES: usize = 200;

/// How many entries a list or table of a rule may have.
const MAX_ENTRIES: usize = 100;

/// The longest name or pattern, in bytes.
const MAX_NAME: usize = 256;

/// A hook's rules, read and found to make sense.
#[derive(Debug)]
pub struct Rules {
    pub(crate) rules: Vec<Compiled>,
}

/// Why a rule makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("rule `{rule}`: `{field}` {why}")]
pub struct RuleError {
    /// The rule's name, or its place such as `#2` if it has none.
    pub rule: String,
    /// What of it, as in the configuration.
    pub field: String,
    /// Why, to be read after the field's name.
    pub why: String,
}

/// Reads a hook's rules.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn compile(rules: &[Rule]) -> Result<Rules, Vec<RuleError>> {
    let mut names = BTreeSet::new();
    let mut compiled = Vec::new();
    let mut errors = Vec::new();
    if rules.len() > MAX_RULES {
        errors.push(RuleError {
            rule: format!("#{}", MAX_RULES + 1),
            field: "name".to_owned(),
            why: format!("is of a rule too many: a hook has at most {MAX_RULES}"),
        });
    }
    for (place, rule) in rules.iter().enumerate().take(MAX_RULES) {
        let mut reader = Reader {
            rule: if rule.name.is_empty() {
                format!("#{}", place + 1)
            } else {
                rule.name.clone()
            },
            errors: &mut errors,
        };
        if !names.insert(&rule.name) {
            reader.error("name", "is another rule's too");
        }
        compiled.extend(reader.rule(rule));
    }
    if errors.is_empty() {
        Ok(Rules { rules: compiled })
    } else {
        Err(errors)
    }
}

/// A rule that makes sense.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rule: Rule,
    pub(crate) semver: Option<Constraint>,
    pub(crate) when: Option<Expression>,
    pub(crate) aim: Aim,
    pub(crate) change: Change,
}

/// Which releases a rule is about.
#[derive(Debug)]
pub(crate) enum Aim {
    /// Those that run the image.
    Discover {
        discover: Discover,
        /// By chart, where its values hold images.
        charts: BTreeMap<String, Vec<Places>>,
    },
    /// One, in some clusters.
    Target { target: Target, release: Template },
}

/// Where an image stands in values.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) repository: Path,
    pub(crate) registry: Option<Path>,
    pub(crate) tag: Option<Path>,
    pub(crate) digest: Option<Path>,
}

/// What is done to a release.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) set: Vec<Setting>,
    pub(crate) version: Option<Template>,
    pub(crate) timeout: Duration,
}

/// A value that is set.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) field: String,
    pub(crate) path: Path,
    pub(crate) value: Expression,
}

impl Change {
    /// Whether any of it looks at the payload.
    pub(crate) fn uses_payload(&self) -> bool {
        self.set.iter().any(|setting| setting.value.uses_payload())
            || self.version.as_ref().is_some_and(Template::uses_payload)
    }
}

impl Places {
    /// Reads the paths, or says which of them is wrong and why.
    pub(crate) fn read(paths: &Paths) -> Result<Self, (&'static str, String)> {
        let read = |name, path: &str| Path::read(path).map_err(|why| (name, why));
        let optional =
            |name, path: &Option<String>| path.as_deref().map(|path| read(name, path)).transpose();
        let places = Self {
            repository: read("repository", &paths.repository)?,
            registry: optional("registry", &paths.registry)?,
            tag: optional("tag", &paths.tag)?,
            digest: optional("digest", &paths.digest)?,
        };
        let others = [("tag", &places.tag), ("digest", &places.digest)];
        for (name, path) in others {
            if path
                .as_ref()
                .is_some_and(|path| path.meets(&places.repository))
            {
                return Err((name, "is where the repository is".to_owned()));
            }
        }
        Ok(places)
    }
}

/// Reads one rule and remembers what is wrong with it.
struct Reader<'e> {
    rule: String,
    errors: &'e mut Vec<RuleError>,
}

impl Reader<'_> {
    /// The rule, if it could be read; that it is there does not mean that nothing is wrong.
    fn rule(&mut self, rule: &Rule) -> Option<Compiled> {
        self.name("name", &rule.name);
        for (field, patterns) in [
            ("names", &rule.names),
            ("images", &rule.images),
            ("repositories", &rule.repositories),
            ("tags", &rule.tags),
            ("branches", &rule.branches),
            ("environments", &rule.environments),
        ] {
            self.patterns(field, patterns);
        }
        for image in &rule.images {
            if is_plain(image) && !image.contains('/') {
                self.error(
                    "images",
                    format!("names no registry: `{image}` is `docker.io/library/{image}`"),
                );
            }
        }
        let semver = rule.semver.as_deref().map(|text| {
            let constraint = Constraint::parse(text);
            self.ok(
                "semver",
                constraint.map_err(|error| format!("is no range: {error}")),
            )
        });
        let when = rule
            .when
            .as_deref()
            .map(|text| self.ok("when", Expression::read(text)));
        let aim = self.aim(rule);
        let change = self.change(rule);
        Some(Compiled {
            rule: rule.clone(),
            semver: all_or_none(semver)?,
            when: all_or_none(when)?,
            aim: aim?,
            change: change?,
        })
    }

    fn aim(&mut self, rule: &Rule) -> Option<Aim> {
        match (&rule.target, &rule.discover) {
            (Some(target), None) => {
                self.patterns("target.clusters", &target.clusters);
                self.patterns("target.regions", &target.regions);
                self.labels("target.labels", target.labels.values());
                if let Some(tiller) = &target.tiller {
                    self.name("target.tiller", tiller);
                }
                if target.clusters.is_empty()
                    && target.regions.is_empty()
                    && target.labels.is_empty()
                {
                    self.error(
                        "target.clusters",
                        "is missing: name clusters, regions or labels",
                    );
                }
                let release = self.ok("target.release", Template::read(&target.release))?;
                if release.fixed().is_some_and(|name| !is_release(name)) {
                    self.error("target.release", "is not the name of a release");
                }
                Some(Aim::Target {
                    target: target.clone(),
                    release,
                })
            }
            (None, Some(discover)) => {
                self.patterns("discover.clusters", &discover.clusters);
                self.patterns("discover.regions", &discover.regions);
                self.patterns("discover.releases", &discover.releases);
                self.labels("discover.labels", discover.labels.values());
                self.count("discover.charts", discover.charts.len());
                let mut charts = BTreeMap::new();
                for (chart, all) in &discover.charts {
                    let field = format!("discover.charts.{chart}");
                    self.count(&field, all.len());
                    let places = all.iter().filter_map(|paths| match Places::read(paths) {
                        Ok(places) => Some(places),
                        Err((name, why)) => {
                            self.error(&format!("{field}.{name}"), why);
                            None
                        }
                    });
                    let places = places.collect();
                    charts.insert(chart.clone(), places);
                }
                Some(Aim::Discover {
                    discover: discover.clone(),
                    charts,
                })
            }
            (Some(_), Some(_)) => {
                self.error(
                    "discover",
                    "stands beside `target`: only one of them can be meant",
                );
                None
            }
            (None, None) => {
                self.error(
                    "target",
                    "is missing, and so is `discover`: say which release is meant",
                );
                None
            }
        }
    }

    fn change(&mut self, rule: &Rule) -> Option<Change> {
        let upgrade = &rule.upgrade;
        self.count("upgrade.set", upgrade.set.len());
        let mut set: Vec<Setting> = Vec::new();
        for (text, expression) in &upgrade.set {
            let field = format!("upgrade.set.{text}");
            let path = self.ok(&field, Path::read(text));
            let value = self.ok(&field, Expression::read(expression));
            let (Some(path), Some(value)) = (path, value) else {
                continue;
            };
            if set.iter().any(|other| other.path.meets(&path)) {
                self.error(&field, "leads through another path that is set");
            }
            set.push(Setting { field, path, value });
        }
        self.makes_sense(rule);
        let version = upgrade
            .chart
            .as_ref()
            .and_then(|chart| chart.version.as_deref());
        let version = version.map(|text| self.ok("upgrade.chart.version", Template::read(text)));
        let timeout = match upgrade.timeout.as_deref() {
            None => Some(DEFAULT_TIMEOUT),
            Some(text) => self.ok("upgrade.timeout", parse_duration(text)),
        };
        Some(Change {
            set,
            version: all_or_none(version)?,
            timeout: timeout?,
        })
    }

    /// What the parts of an upgrade have to do with each other.
    fn makes_sense(&mut self, rule: &Rule) {
        let Upgrade {
            set,
            chart,
            install,
            namespace,
            ..
        } = &rule.upgrade;
        if let Some(chart) = chart {
            self.name("upgrade.chart.repository", &chart.repository);
            self.name("upgrade.chart.name", &chart.name);
        }
        if rule.target.is_some() && set.is_empty() && chart.is_none() {
            self.error("upgrade", "changes nothing: give it `set` or `chart`");
        }
        if *install && rule.discover.is_some() {
            self.error(
                "upgrade.install",
                "has no meaning for releases that are found",
            );
        }
        if *install && chart.is_none() {
            self.error("upgrade.install", "needs `upgrade.chart`");
        }
        match namespace {
            Some(namespace) if *install => self.name("upgrade.namespace", namespace),
            Some(_) => self.error("upgrade.namespace", "has no meaning without `install`"),
            None if *install => self.error("upgrade.install", "needs `upgrade.namespace`"),
            None => (),
        }
    }

    fn patterns(&mut self, field: &str, patterns: &[String]) {
        self.count(field, patterns.len());
        for pattern in patterns {
            self.name(field, pattern);
        }
    }

    fn labels<'l>(&mut self, field: &str, values: impl Iterator<Item = &'l String>) {
        for (count, value) in values.enumerate() {
            self.count(field, count + 1);
            if value.len() > MAX_NAME || value.contains(char::is_control) {
                self.error(field, "has a pattern that nothing can match");
            }
        }
    }

    fn name(&mut self, field: &str, name: &str) {
        if name.is_empty() {
            self.error(field, "is empty");
        } else if name.len() > MAX_NAME || name.contains(char::is_control) {
            self.error(field, format!("is longer than {MAX_NAME} bytes or no text"));
        }
    }

    fn count(&mut self, field: &str, count: usize) {
        if count == MAX_ENTRIES + 1 {
            self.error(field, format!("has more than {MAX_ENTRIES} entries"));
        }
    }

    fn ok<T, E: fmt::Display>(&mut self, field: &str, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(why) => {
                self.error(field, why.to_string());
                None
            }
        }
    }

    fn error(&mut self, field: &str, why: impl Into<String>) {
        self.errors.push(RuleError {
            rule: self.rule.clone(),
            field: field.to_owned(),
            why: why.into(),
        });
    }
}

/// What is not given is no error; what is given and could not be read is one.
fn all_or_none<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(read) => Some(read),
    }
}

/// Whether Tiller takes it for a release's name.
pub(crate) fn is_release(name: &str) -> bool {
    const MAX: usize = 53;
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes.len() <= MAX
        && ends
            .iter()
            .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().copied().all(inner)
}
