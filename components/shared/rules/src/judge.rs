//! Which rules an event fits, and why it does not fit the others.

use charts::version::Version;
use rest::{pattern, relay::ClusterView};
use serde_json::Value;

use crate::{
    Event, Kind, Outcome, Rules, Seen, Verdict, Wanted,
    compile::{Aim, Compiled},
    expression::{Scope, cut},
    request,
};

/// How much may come of one delivery.
pub const MAX_WANTED: usize = 1000;

/// How much JSON of events may come of one delivery, in bytes: 16 MiB.
const MAX_EVENTS_BYTES: usize = 16 << 20;

/// More comes of a delivery than an edge takes on at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more comes of it than {MAX_WANTED} operations, or 16 MiB of events to find releases for")]
pub struct TooMuch;

impl Rules {
    /// Holds a delivery's events against the rules.
    pub fn judge(&self, events: Vec<Event>) -> Judged<'_> {
        let events = events
            .into_iter()
            .map(|event| {
                let scope = Scope::new(&event);
                let misfits = self
                    .rules
                    .iter()
                    .map(|rule| rule.misfit(&event, &scope))
                    .collect();
                drop(scope);
                (event, misfits)
            })
            .collect();
        Judged {
            rules: &self.rules,
            events,
        }
    }
}

/// A delivery's events, and the rules that they fit.
pub struct Judged<'r> {
    rules: &'r [Compiled],
    /// With each, why it does not fit a rule, in the order of the rules.
    events: Vec<(Event, Vec<Option<String>>)>,
}

impl Judged<'_> {
    /// Whether it has to be known which clusters there are.
    pub fn asks_for_clusters(&self) -> bool {
        self.events.iter().any(|(_, misfits)| {
            self.rules
                .iter()
                .zip(misfits)
                .any(|(rule, misfit)| misfit.is_none() && rule.asks_for_clusters())
        })
    }

    /// What comes of the delivery; `clusters` are those that the hook may see, if they are asked for.
    ///
    /// # Errors
    ///
    /// If it is too much.
    pub fn outcome(self, clusters: &[ClusterView]) -> Result<Outcome, TooMuch> {
        let mut budget = Budget {
            wanted: MAX_WANTED,
            bytes: MAX_EVENTS_BYTES,
        };
        let mut events = Vec::new();
        for (event, misfits) in &self.events {
            let scope = Scope::new(event);
            let mut seen = Seen {
                kind: event.kind,
                summary: event.summary(),
                key: event.key.clone(),
                ..Seen::default()
            };
            for (rule, misfit) in self.rules.iter().zip(misfits) {
                let (fits, why) = match misfit {
                    Some(why) => (false, why.clone()),
                    None => (
                        true,
                        budget.wanted(rule, event, &scope, clusters, &mut seen.wanted)?,
                    ),
                };
                seen.verdicts.push(Verdict {
                    rule: rule.rule.name.clone(),
                    fits,
                    why,
                });
            }
            events.push(seen);
        }
        Ok(Outcome {
            reason: reason(&events),
            events,
        })
    }
}

/// Why nothing happens, if nothing does.
fn reason(events: &[Seen]) -> Option<String> {
    if events.iter().any(|event| !event.wanted.is_empty()) {
        return None;
    }
    let fits = |event: &Seen| event.verdicts.iter().any(|verdict| verdict.fits);
    let reason = match events {
        [] => "it says of nothing that it happened",
        events if events.iter().all(|event| event.kind == Kind::Ping) => "it is a ping",
        events if events.iter().any(fits) => "a rule fits, and there is nothing for it to do",
        events if events.iter().all(|event| event.verdicts.is_empty()) => "the hook has no rules",
        _ => "no rule fits",
    };
    Some(reason.to_owned())
}

impl Compiled {
    fn asks_for_clusters(&self) -> bool {
        match &self.aim {
            Aim::Discover { .. } => true,
            Aim::Target { target, .. } => {
                !target.regions.is_empty()
                    || !target.labels.is_empty()
                    || !target.clusters.iter().all(|name| pattern::is_plain(name))
            }
        }
    }

    /// Why an event does not fit; none if it does.
    fn misfit(&self, event: &Event, scope: &Scope<'_>) -> Option<String> {
        let rule = &self.rule;
        if rule.events.is_empty() {
            if event.kind == Kind::Ping {
                return Some("it is a ping".to_owned());
            }
        } else if !rule.events.contains(&event.kind) {
            return Some(format!("it is {}, which the rule is not about", event.kind));
        }
        if matches!(self.aim, Aim::Discover { .. }) && event.image.is_none() {
            return Some("it names no image to find releases by".to_owned());
        }
        let image = event.image.as_ref().map(|image| &image.name);
        let conditions = [
            ("name", &rule.names, Some(&event.name)),
            ("image", &rule.images, image),
            ("repository", &rule.repositories, event.repository.as_ref()),
            ("tag", &rule.tags, event.tag.as_ref()),
            ("branch", &rule.branches, event.branch.as_ref()),
            (
                "environment",
                &rule.environments,
                event.environment.as_ref(),
            ),
        ];
        let misfit = conditions
            .into_iter()
            .find_map(|(what, patterns, name)| unmatched(what, patterns, name));
        misfit
            .or_else(|| self.out_of_range(event.tag.as_deref()))
            .or_else(|| {
                let digest = event.image.as_ref().and_then(|image| image.digest.as_ref());
                (rule.digest && digest.is_none()).then(|| "it names no digest".to_owned())
            })
            .or_else(|| self.unless(scope))
    }

    fn out_of_range(&self, tag: Option<&str>) -> Option<String> {
        let range = self.semver.as_ref()?;
        let Some(tag) = tag else {
            return Some("it names no tag, which must be a version".to_owned());
        };
        match Version::parse(tag) {
            Err(_) => Some(format!("its tag `{tag}` is no version")),
            Ok(version) if range.matches(&version) => None,
            Ok(_) => Some(format!(
                "its tag `{tag}` is not in the range `{}`",
                self.rule.semver.as_deref().unwrap_or_default()
            )),
        }
    }

    fn unless(&self, scope: &Scope<'_>) -> Option<String> {
        match self.when.as_ref()?.evaluate(scope) {
            Ok(Value::Bool(true)) => None,
            Ok(Value::Bool(false)) => Some("`when` is false".to_owned()),
            Ok(_) => Some("`when` is neither true nor false".to_owned()),
            Err(why) => Some(format!("`when` cannot be computed: {why}")),
        }
    }
}

fn unmatched(what: &str, patterns: &[String], name: Option<&String>) -> Option<String> {
    if patterns.is_empty() {
        return None;
    }
    match name {
        None => Some(format!("it names no {what}")),
        Some(name) if pattern::any(patterns, name) => None,
        Some(name) => Some(format!(
            "its {what} `{}` is none of {}",
            cut(name, SHOWN),
            cut(&patterns.join(", "), SHOWN)
        )),
    }
}

/// How much more may come of the delivery.
struct Budget {
    wanted: usize,
    bytes: usize,
}

impl Budget {
    /// Adds what a rule that fits wants, and says what that is, or why it is nothing.
    fn wanted(
        &mut self,
        rule: &Compiled,
        event: &Event,
        scope: &Scope<'_>,
        clusters: &[ClusterView],
        wanted: &mut Vec<Wanted>,
    ) -> Result<String, TooMuch> {
        match &rule.aim {
            Aim::Discover { discover, .. } => {
                let names = request::clusters(
                    &discover.clusters,
                    &discover.regions,
                    &discover.labels,
                    clusters,
                );
                if names.is_empty() {
                    return Ok("no cluster that the hook may see is meant".to_owned());
                }
                let event = event.for_discovery(&rule.change);
                let event = serde_json::to_value(&event).unwrap_or_default();
                let bytes = event.to_string().len().saturating_mul(names.len());
                self.bytes = self.bytes.checked_sub(bytes).ok_or(TooMuch)?;
                self.take(names.len())?;
                let why = format!("finds releases in {}", shown(&names));
                wanted.extend(names.into_iter().map(|cluster| Wanted::Discovery {
                    rule: rule.rule.name.clone(),
                    cluster,
                    event: event.clone(),
                }));
                Ok(why)
            }
            Aim::Target { target, release } => {
                let release = match release.fill(scope) {
                    Ok(release) => release,
                    Err(why) => return Ok(format!("`target.release` cannot be computed: {why}")),
                };
                if !crate::compile::is_release(&release) {
                    return Ok(format!(
                        "`target.release` gives `{}`, which is not the name of a release",
                        cut(&release, SHOWN)
                    ));
                }
                let change = match request::Change::compute(rule, event, scope) {
                    Ok(change) => change,
                    Err(why) => return Ok(why),
                };
                let names = if rule.asks_for_clusters() {
                    request::clusters(&target.clusters, &target.regions, &target.labels, clusters)
                } else {
                    target.clusters.clone()
                };
                if names.is_empty() {
                    return Ok("no cluster that the hook may see is meant".to_owned());
                }
                self.take(names.len())?;
                let what = if rule.rule.dry_run {
                    "tries to upgrade"
                } else {
                    "upgrades"
                };
                let why = format!("{what} {release} in {}", shown(&names));
                for cluster in names {
                    let target = rest::relay::Target {
                        cluster,
                        tiller: target.tiller.clone(),
                    };
                    wanted.push(change.request(rule, &target, &release, rule.rule.approve));
                }
                Ok(why)
            }
        }
    }

    fn take(&mut self, count: usize) -> Result<(), TooMuch> {
        self.wanted = self.wanted.checked_sub(count).ok_or(TooMuch)?;
        Ok(())
    }
}

/// Some of the names, for people.
fn shown(names: &[String]) -> String {
    const SOME: usize = 5;
    let some = names
        .iter()
        .take(SOME)
        .map(String::as_str)
        .collect::<Vec<_>>();
    match names.len().checked_sub(SOME) {
        Some(more) if more > 0 => format!("{} and {more} more", some.join(", ")),
        _ => some.join(", "),
    }
}

/// How much of a name is shown, in bytes.
const SHOWN: usize = 200;
