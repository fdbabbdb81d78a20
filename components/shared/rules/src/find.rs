//! Which releases run an image, and what makes them run another of it.
//!
//! Nobody says which image a release runs but its values, and only whoever wrote the chart knows where in them: either the
//! rule says it by the chart's name, or the values themselves do, in the section that keel reads.

use std::collections::BTreeMap;

use rest::{pattern, relay::Target};
use serde_json::Value;

use crate::{
    Candidate, Event, Quest, RuleError, Wanted, compile,
    compile::{Aim, Compiled, Places},
    expression::Scope,
    keel::Keel,
    path::Path,
    request::Change,
};

/// Why releases cannot be looked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuestError {
    /// What is to be set cannot be computed, whatever the release.
    #[error("{0}")]
    Change(String),
    /// The event names no image.
    #[error("the event names no image to find releases by")]
    NoImage,
    /// The rule finds no releases.
    #[error("the rule has no `discover`")]
    NoDiscover,
    /// The rule makes no sense.
    #[error("the rule makes no sense")]
    Rule(#[source] RuleError),
}

/// Looks at the releases of a cluster, one by one.
pub struct Finder {
    rule: Compiled,
    cluster: String,
    event: Event,
    /// The image's name in full.
    image: String,
}

/// A release that has something to do with the image.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What is thought of it.
    pub candidate: Candidate,
    /// What is to be done to it, if it fits.
    pub wanted: Option<Wanted>,
}

impl Finder {
    /// Reads what is looked for.
    ///
    /// # Errors
    ///
    /// If nothing can be found.
    pub fn new(quest: &Quest) -> Result<Self, QuestError> {
        let rules = compile(std::slice::from_ref(&quest.rule)).map_err(first)?;
        let rule = rules
            .rules
            .into_iter()
            .next()
            .ok_or(QuestError::NoDiscover)?;
        let Aim::Discover { .. } = &rule.aim else {
            return Err(QuestError::NoDiscover);
        };
        let image = quest.event.image.as_ref().ok_or(QuestError::NoImage)?;
        let scope = Scope::new(&quest.event);
        Change::compute(&rule, &quest.event, &scope).map_err(QuestError::Change)?;
        drop(scope);
        Ok(Self {
            cluster: quest.cluster.clone(),
            image: full_name(&image.name),
            event: quest.event.clone(),
            rule,
        })
    }

    /// Whether the rule is about a release of that name at all.
    pub fn is_meant(&self, release: &str) -> bool {
        match &self.rule.aim {
            Aim::Discover { discover, .. } => {
                discover.releases.is_empty() || pattern::any(&discover.releases, release)
            }
            Aim::Target { .. } => false,
        }
    }

    /// Looks at a release, which has that chart and those values, the chart's own included. None if it has nothing to do
    /// with the image.
    pub fn look(&self, release: &str, chart: &str, values: &Value) -> Option<Look> {
        let scope = Scope::new(&self.event);
        let Aim::Discover { charts, .. } = &self.rule.aim else {
            return None;
        };
        let keel;
        let (places, keel) = match charts.get(chart) {
            Some(places) => (places, None),
            None => {
                keel = Keel::read(values)?;
                (&keel.places, Some(&keel))
            }
        };
        let mut refusal = None;
        let mut set = BTreeMap::new();
        for place in places {
            let Some(current) = Current::read(place, values) else {
                continue;
            };
            if full_name(&current.name) != self.image {
                continue;
            }
            let tag = current.tag.as_deref().unwrap_or(DEFAULT_TAG);
            let refused = keel.and_then(|keel| keel.refuses(tag, &self.event, &scope));
            match refused.or_else(|| self.replace(place, &current, values, &mut set).err()) {
                None => (),
                refused => refusal = refused,
            }
        }
        if set.is_empty() {
            return Some(self.unfit(release, refusal?));
        }
        let is_same = set
            .iter()
            .all(|(path, value)| path.find(values) == Some(value));
        let is_forced = keel.is_some_and(Keel::is_forced);
        if is_same
            && !is_forced
            && self.rule.change.set.is_empty()
            && self.rule.change.version.is_none()
        {
            return Some(self.unfit(release, "it runs that already".to_owned()));
        }
        let mut change = match Change::compute(&self.rule, &self.event, &scope) {
            Ok(change) => change,
            Err(why) => return Some(self.unfit(release, why)),
        };
        for (path, value) in &set {
            change.set(path, value.clone());
        }
        let target = Target {
            cluster: self.cluster.clone(),
            tiller: None,
        };
        let approve = self.rule.rule.approve || keel.is_some_and(|keel| keel.approve);
        Some(Look {
            candidate: Candidate {
                release: release.to_owned(),
                fits: true,
                why: format!("it runs {}", self.image),
            },
            wanted: Some(change.request(&self.rule, &target, release, approve)),
        })
    }

    /// Adds what makes the image at `place` the event's, or says why nothing does.
    fn replace(
        &self,
        place: &Places,
        current: &Current,
        values: &Value,
        set: &mut BTreeMap<Path, Value>,
    ) -> Result<(), String> {
        let digest = self
            .event
            .image
            .as_ref()
            .and_then(|image| image.digest.as_ref());
        match (&self.event.tag, &place.tag) {
            (Some(tag), Some(path)) => {
                set.insert(path.clone(), tag.as_str().into());
            }
            (Some(tag), None) => {
                // As it was written, host or not.
                let reference = format!("{}:{tag}", current.written);
                set.insert(place.repository.clone(), reference.into());
            }
            (None, _) if digest.is_some() && place.digest.is_some() => (),
            (None, _) => return Err("the event names no tag".to_owned()),
        }
        if let Some(path) = &place.digest {
            let pinned = path
                .find(values)
                .and_then(Value::as_str)
                .unwrap_or_default();
            match digest {
                Some(digest) => {
                    set.insert(path.clone(), digest.as_str().into());
                }
                // The old digest would win over the new tag.
                None if !pinned.is_empty() => {
                    set.insert(path.clone(), "".into());
                }
                None => (),
            }
        }
        Ok(())
    }

    fn unfit(&self, release: &str, why: String) -> Look {
        Look {
            candidate: Candidate {
                release: release.to_owned(),
                fits: false,
                why,
            },
            wanted: None,
        }
    }
}

/// What the values say that runs.
struct Current {
    /// The name, with the registry if that stands apart.
    name: String,
    /// The name as it stands at the repository's path, without a tag.
    written: String,
    tag: Option<String>,
}

impl Current {
    fn read(place: &Places, values: &Value) -> Option<Self> {
        let repository = place.repository.find(values)?.as_str()?;
        let at = |path: &Option<Path>| match path.as_ref()?.find(values)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            // A tag such as 1.2 is a number to YAML.
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let undigested = repository.split('@').next().unwrap_or_default();
        let (written, tag) = match undigested.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag.to_owned())),
            _ => (undigested, None),
        };
        if written.is_empty() {
            return None;
        }
        Some(Self {
            name: match at(&place.registry) {
                Some(registry) => format!("{registry}/{written}"),
                None => written.to_owned(),
            },
            written: written.to_owned(),
            tag: at(&place.tag).or(tag),
        })
    }
}

/// An image's name with all that Docker adds to it.
fn full_name(name: &str) -> String {
    let name = name.split_once("://").map_or(name, |(_, rest)| rest);
    let name = name.trim_matches('/');
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => (DOCKER_HUB, name),
    };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB,
        host => host,
    };
    if host == DOCKER_HUB && !path.contains('/') {
        return format!("{host}/library/{path}");
    }
    format!("{host}/{path}")
}

fn first(errors: Vec<RuleError>) -> QuestError {
    match errors.into_iter().next() {
        Some(error) => QuestError::Rule(error),
        None => QuestError::NoDiscover,
    }
}

/// The registry of an image that names none.
const DOCKER_HUB: &str = "docker.io";

/// The tag of an image that names none.
const DEFAULT_TAG: &str = "latest";
