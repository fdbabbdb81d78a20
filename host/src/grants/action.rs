//! What one may be allowed to do, and what one action brings with it.

use std::fmt;
use std::str::FromStr;

use rest::fields::nearest;
use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// What a grant allows and a refusal forbids.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Approve an operation that waits for it.
    Approve,
    /// See what a mutation would do.
    DryRun,
    /// See values, manifests, hooks, notes and charts of releases.
    GetValues,
    /// Install a release.
    Install,
    /// See that releases are there, their status and history.
    Read,
    /// See which charts repositories have, and fetch them.
    ReadCharts,
    /// Roll a release back.
    Rollback,
    /// Run a release's tests.
    Test,
    /// Delete a release.
    Uninstall,
    /// Upgrade a release.
    Upgrade,
}

impl Action {
    /// All of them, by name.
    pub const ALL: &[Self] = &[
        Self::Approve,
        Self::DryRun,
        Self::GetValues,
        Self::Install,
        Self::Read,
        Self::ReadCharts,
        Self::Rollback,
        Self::Test,
        Self::Uninstall,
        Self::Upgrade,
    ];

    /// Its name in the configuration, in logs and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::DryRun => "dry-run",
            Self::GetValues => "get-values",
            Self::Install => "install",
            Self::Read => "read",
            Self::ReadCharts => "read-charts",
            Self::Rollback => "rollback",
            Self::Test => "test",
            Self::Uninstall => "uninstall",
            Self::Upgrade => "upgrade",
        }
    }

    /// The names of all of them, for a message.
    pub(crate) fn names() -> String {
        let names: Vec<_> = Self::ALL.iter().map(|action| action.as_str()).collect();
        names.join(", ")
    }

    /// Whether it changes a cluster, unless it is a dry run.
    #[must_use]
    pub const fn is_mutation(self) -> bool {
        Actions::MUTATIONS.contains(self)
    }

    /// Whether Tiller can say what it would do.
    #[must_use]
    pub const fn has_dry_run(self) -> bool {
        matches!(self, Self::Install | Self::Rollback | Self::Upgrade)
    }

    /// Whether it is done with a chart whose source is known.
    pub(super) const fn has_chart(self) -> bool {
        matches!(
            self,
            Self::DryRun | Self::Install | Self::ReadCharts | Self::Upgrade
        )
    }

    /// Whether it is done to a release.
    pub(super) const fn has_release(self) -> bool {
        !matches!(self, Self::ReadCharts)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(name: &str) -> Result<Self, UnknownAction> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str() == name)
            .ok_or_else(|| UnknownAction {
                name: name.to_owned(),
            })
    }
}

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Word(|name: &str| name.parse()))
    }
}

/// There is no action of that name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is no action{}", known(name))]
pub struct UnknownAction {
    name: String,
}

fn known(name: &str) -> String {
    let names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    match nearest(name, &names) {
        Some(near) => format!("; did you mean `{near}`? There are {}", Action::names()),
        None => format!("; there are {}", Action::names()),
    }
}

/// Some actions.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Actions(u16);

impl Actions {
    /// All of them.
    pub const ALL: Self = Self::of(Action::ALL);
    /// What changes a cluster.
    pub const MUTATIONS: Self = Self::of(&[
        Action::Install,
        Action::Rollback,
        Action::Test,
        Action::Uninstall,
        Action::Upgrade,
    ]);

    /// Exactly those.
    #[must_use]
    pub const fn of(actions: &[Action]) -> Self {
        let mut bits = 0;
        let mut rest = actions;
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u16;
            rest = others;
        }
        Self(bits)
    }

    /// Whether `action` is one of them.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u16) != 0
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each, by name.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .iter()
            .copied()
            .filter(move |action| self.contains(*action))
    }

    /// With what a grant of these allows besides: who may change a release, or see its values, may see the release; who
    /// may bring a chart to a cluster may fetch it.
    #[must_use]
    pub fn with_implied(self) -> Self {
        let readers = Self::MUTATIONS.and(Self::of(&[Action::GetValues]));
        let fetchers = Self::of(&[Action::DryRun, Action::Install, Action::Upgrade]);
        let mut all = self;
        if all.meets(readers) {
            all = all.and(Self::of(&[Action::Read]));
        }
        if all.meets(fetchers) {
            all = all.and(Self::of(&[Action::ReadCharts]));
        }
        all
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        actions
            .into_iter()
            .fold(Self::default(), |all, action| all.and(Self::of(&[action])))
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str(ANY);
        }
        for (index, action) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{action}")?;
        }
        Ok(())
    }
}

impl Serialize for Actions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::ALL {
            return serializer.collect_seq([ANY]);
        }
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Actions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let some = Vec::<Entry>::deserialize(deserializer)?;
        Ok(some
            .into_iter()
            .fold(Self::default(), |all, Entry(some)| all.and(some)))
    }
}

/// One entry of a list: an action, or `*` for all.
struct Entry(Actions);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |name: &str| match name {
            ANY => Ok(Actions::ALL),
            _ => name.parse().map(|action| Actions::of(&[action])),
        };
        deserializer.deserialize_str(Word(read)).map(Self)
    }
}

struct Word<F>(F);

impl<T, F: Fn(&str) -> Result<T, UnknownAction>> Visitor<'_> for Word<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an action")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        (self.0)(name).map_err(E::custom)
    }
}

const ANY: &str = "*";
