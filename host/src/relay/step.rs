//! What is written down of an operation's change before it leaves.
//!
//! It has to be enough to tell, from Tiller's history alone, whether the call happened: which revisions were there before,
//! which chart and values the new one has, and for how long there may be nothing to see. Tiller notes an upgrade and a
//! rollback as soon as it has rendered, an install only after the hooks that run before it, an uninstall after those
//! before that; an upgrade with `force` may turn into an uninstall and an install. It waits for each hook by itself, so
//! their number counts. That of an install or upgrade is not known before it is rendered: the places in the message
//! that make a manifest a hook are counted instead.

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message as _;
use rest::plan::Undo;
use tiller_api::Method;
use tiller_api::hapi::release::hook::Event;

use super::facts::Facts;
use super::history::Recorded;
use crate::operations::Step;

/// Tiller waits for ever if the timeout is 0 or less; that is as long as anything is waited for here.
const FOREVER: u64 = 365 * 24 * 60 * 60;

/// The values that Tiller takes for none, in an upgrade.
const NO_VALUES: [&[u8]; 2] = [b"", b"{}\n"];

/// What the call with `message`, which asks for `facts`, is known by. `newest` is the newest revision before it.
pub(super) fn of(
    method: Method,
    facts: &Facts,
    message: &Bytes,
    newest: Option<&Recorded>,
    undo: Option<Undo>,
) -> Step {
    let asked = Asked::read(method, message);
    let patience = asked.patience(message, newest);
    let chart = facts.chart.as_ref();
    Step {
        rpc: method.name().to_owned(),
        release: facts.release.clone(),
        sent_at: Timestamp::now(),
        revision: newest.map_or(0, |newest| newest.number),
        status: newest.map(Recorded::status_name),
        tested: newest.and_then(|newest| newest.tested),
        chart: chart.map(|chart| format!("{}-{}", chart.name, chart.version)),
        values: facts
            .values_digest
            .clone()
            .filter(|_| asked.says_all_values()),
        target: facts.revision,
        purge: facts.purges,
        hooks: patience.silent > 0,
        silent: patience.silent.saturating_mul(asked.timeout),
        longest: patience.longest.saturating_mul(asked.timeout),
        timeout: asked.timeout,
        undo,
        ..Step::default()
    }
}

/// What of a request says how long it takes and what comes of it.
struct Asked {
    method: Method,
    timeout: u64,
    disable_hooks: bool,
    disable_crd_hook: bool,
    force: bool,
    reset_values: bool,
    reuse_values: bool,
    values: Bytes,
}

/// How often Tiller may wait.
struct Patience {
    /// Before anything is in its history.
    silent: u64,
    /// In all.
    longest: u64,
}

impl Asked {
    /// Reads a message that could be read before.
    fn read(method: Method, message: &Bytes) -> Self {
        let message = message.clone();
        let plain = Self {
            method,
            timeout: 0,
            disable_hooks: false,
            disable_crd_hook: false,
            force: false,
            reset_values: true,
            reuse_values: false,
            values: Bytes::new(),
        };
        match method {
            Method::InstallRelease => {
                let view = Install::decode(message).unwrap_or_default();
                Self {
                    timeout: seconds(view.timeout),
                    disable_hooks: view.disable_hooks,
                    disable_crd_hook: view.disable_crd_hook,
                    ..plain
                }
            }
            Method::UpdateRelease => {
                let view = Update::decode(message).unwrap_or_default();
                Self {
                    timeout: seconds(view.timeout),
                    disable_hooks: view.disable_hooks,
                    force: view.force,
                    reset_values: view.reset_values,
                    reuse_values: view.reuse_values,
                    values: view.values.unwrap_or_default().raw,
                    ..plain
                }
            }
            Method::RollbackRelease => {
                let view = Rollback::decode(message).unwrap_or_default();
                Self {
                    timeout: seconds(view.timeout),
                    disable_hooks: view.disable_hooks,
                    ..plain
                }
            }
            Method::UninstallRelease => {
                let view = Uninstall::decode(message).unwrap_or_default();
                Self {
                    timeout: seconds(view.timeout),
                    disable_hooks: view.disable_hooks,
                    ..plain
                }
            }
            Method::RunReleaseTest => {
                let view = Test::decode(message).unwrap_or_default();
                Self {
                    timeout: seconds(view.timeout),
                    ..plain
                }
            }
            Method::GetHistory
            | Method::GetReleaseContent
            | Method::GetReleaseStatus
            | Method::GetVersion
            | Method::ListReleases => plain,
        }
    }

    /// Whether the new revision has exactly the values in the message: none of an earlier one come to them.
    fn says_all_values(&self) -> bool {
        self.reset_values || (!self.reuse_values && !NO_VALUES.contains(&&*self.values))
    }

    fn patience(&self, message: &[u8], newest: Option<&Recorded>) -> Patience {
        let recorded = |events: &[Event]| match newest {
            Some(newest) if !self.disable_hooks => newest.hooks_of(events),
            _ => 0,
        };
        let rendered = |events: &[&str]| {
            if self.disable_hooks {
                0
            } else {
                annotations(message, events)
            }
        };
        let (silent, hooks) = match self.method {
            Method::InstallRelease => {
                let before = if self.disable_crd_hook {
                    rendered(&["pre-install"])
                } else {
                    rendered(&["crd-install", "pre-install"])
                };
                (before, before + rendered(&["post-install"]))
            }
            Method::UpdateRelease => {
                let own = rendered(&["pre-upgrade", "post-upgrade"]);
                let anew = recorded(&[Event::PreDelete, Event::PostDelete])
                    + rendered(&["crd-install", "pre-install"]);
                if self.force {
                    (anew, anew + own + rendered(&["post-install"]))
                } else {
                    (0, own)
                }
            }
            Method::UninstallRelease => {
                let before = recorded(&[Event::PreDelete]);
                (before, before + recorded(&[Event::PostDelete]))
            }
            // Those of the revision that is gone back to run, which are those of the newest as a rule.
            Method::RollbackRelease => (0, recorded(&[Event::PreRollback, Event::PostRollback])),
            Method::RunReleaseTest => {
                let tests = [Event::ReleaseTestSuccess, Event::ReleaseTestFailure];
                let tests = newest.map_or(0, |newest| newest.hooks_of(&tests));
                (tests, tests)
            }
            _ => (0, 0),
        };
        Patience {
            silent,
            // And once for the resources.
            longest: hooks + 1,
        }
    }
}

fn seconds(timeout: i64) -> u64 {
    match u64::try_from(timeout) {
        Ok(timeout) if timeout > 0 => timeout.min(FOREVER),
        _ => FOREVER,
    }
}

/// How many places in `message` make a manifest a hook at one of `events`. What the place says may be a template, and may
/// follow on the next line: then it counts for all of them.
fn annotations(message: &[u8], events: &[&str]) -> u64 {
    const NAME: &[u8] = b"helm.sh/hook";
    const LONGEST: usize = 256;
    let mut count = 0;
    let mut rest = message;
    while let Some(at) = find(rest, NAME) {
        rest = rest.get(at + NAME.len()..).unwrap_or_default();
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = line.get(..LONGEST).unwrap_or(line);
        let Some(value) = value_of(line) else {
            continue;
        };
        let names = |event: &&str| find(value, event.as_bytes()).is_some();
        if value.is_empty() || find(value, b"{{").is_some() || events.iter().any(names) {
            count += 1;
        }
    }
    count
}

/// What stands behind a key that has just ended; none if it has not, as that of `helm.sh/hook-weight`.
fn value_of(line: &[u8]) -> Option<&[u8]> {
    let line = match line {
        [b'"' | b'\'', rest @ ..] => rest,
        line => line,
    };
    let value = line.trim_ascii_start().strip_prefix(b":")?;
    let value = value.trim_ascii();
    let folded = matches!(value, [b'>' | b'|', ..]);
    Some(if folded { &[] } else { value })
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    let (first, others) = part.split_first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if text.get(at + 1..)?.starts_with(others) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Install {
    #[prost(bool, tag = "5")]
    disable_hooks: bool,
    #[prost(int64, tag = "8")]
    timeout: i64,
    #[prost(bool, tag = "10")]
    disable_crd_hook: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Update {
    #[prost(message, optional, tag = "3")]
    values: Option<tiller_api::request::Config>,
    #[prost(bool, tag = "5")]
    disable_hooks: bool,
    #[prost(int64, tag = "7")]
    timeout: i64,
    #[prost(bool, tag = "8")]
    reset_values: bool,
    #[prost(bool, tag = "10")]
    reuse_values: bool,
    #[prost(bool, tag = "11")]
    force: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Rollback {
    #[prost(bool, tag = "3")]
    disable_hooks: bool,
    #[prost(int64, tag = "6")]
    timeout: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Uninstall {
    #[prost(bool, tag = "2")]
    disable_hooks: bool,
    #[prost(int64, tag = "4")]
    timeout: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Test {
    #[prost(int64, tag = "2")]
    timeout: i64,
}

#[cfg(test)]
mod tests {
    use tiller_api::hapi::chart::{Chart, Config, Template};
    use tiller_api::hapi::services::tiller::{
        InstallReleaseRequest, RollbackReleaseRequest, TestReleaseRequest, UninstallReleaseRequest,
        UpdateReleaseRequest,
    };

    use super::*;

    async fn step(method: Method, message: &impl prost::Message, newest: &Recorded) -> Step {
        let message = Bytes::from(message.encode_to_vec());
        let facts = Facts::read(method, message.clone()).await.unwrap();
        of(method, &facts, &message, Some(newest), None)
    }

    fn chart(text: &str) -> Option<Chart> {
        Some(Chart {
            templates: vec![Template {
                name: "templates/a.yaml".into(),
                data: Bytes::copy_from_slice(text.as_bytes()),
            }],
            ..Chart::default()
        })
    }

    fn newest(hooks: &[Event]) -> Recorded {
        Recorded {
            number: 7,
            hooks: hooks.iter().map(|event| (*event).into()).collect(),
            ..Recorded::default()
        }
    }

    const HOOKS: &str = "\"helm.sh/hook\": pre-install,post-install\n'helm.sh/hook' : pre-install\n\
                         helm.sh/hook: crd-install\nhelm.sh/hook-weight: pre-install\nsee helm.sh/hooks\n";

    #[tokio::test]
    async fn an_install_may_leave_no_trace_before_its_first_hooks_have_run() {
        let message = InstallReleaseRequest {
            chart: chart(HOOKS),
            timeout: 10,
            ..InstallReleaseRequest::default()
        };
        let made = step(Method::InstallRelease, &message, &newest(&[])).await;
        assert_eq!((made.hooks, made.silent, made.longest), (true, 30, 50));
        let without = InstallReleaseRequest {
            disable_crd_hook: true,
            ..message.clone()
        };
        let made = step(Method::InstallRelease, &without, &newest(&[])).await;
        assert_eq!((made.silent, made.longest), (20, 40));
        let none = InstallReleaseRequest {
            disable_hooks: true,
            ..message
        };
        let made = step(Method::InstallRelease, &none, &newest(&[])).await;
        assert_eq!((made.hooks, made.silent, made.longest), (false, 0, 10));
    }

    #[tokio::test]
    async fn what_may_be_a_hook_counts_as_one() {
        for (text, silent) in [
            ("helm.sh/hook: {{ .Values.when }}\n", 1),
            ("helm.sh/hook: >-\n  pre-install\n", 1),
            ("helm.sh/hook:\n  pre-install\n", 1),
            ("helm.sh/hook: test-success\n", 0),
            ("helm.sh/hook: \"post-install\"\n", 0),
        ] {
            let message = InstallReleaseRequest {
                chart: chart(text),
                timeout: 1,
                ..InstallReleaseRequest::default()
            };
            let made = step(Method::InstallRelease, &message, &newest(&[])).await;
            assert_eq!(made.silent, silent, "{text}");
        }
    }

    #[tokio::test]
    async fn an_upgrade_and_a_rollback_leave_their_traces_at_once() {
        let message = UpdateReleaseRequest {
            chart: chart("helm.sh/hook: pre-upgrade\nhelm.sh/hook: pre-install\n"),
            timeout: 10,
            ..UpdateReleaseRequest::default()
        };
        let hooks = newest(&[Event::PreDelete, Event::PostRollback]);
        let made = step(Method::UpdateRelease, &message, &hooks).await;
        assert_eq!((made.hooks, made.silent, made.longest), (false, 0, 20));
        let forced = UpdateReleaseRequest {
            force: true,
            ..message
        };
        let made = step(Method::UpdateRelease, &forced, &hooks).await;
        assert_eq!((made.hooks, made.silent, made.longest), (true, 20, 40));
        let message = RollbackReleaseRequest {
            timeout: 10,
            version: 3,
            ..RollbackReleaseRequest::default()
        };
        let made = step(Method::RollbackRelease, &message, &hooks).await;
        assert_eq!((made.silent, made.longest, made.target), (0, 20, 3));
    }

    #[tokio::test]
    async fn an_uninstall_and_tests_are_waited_for_by_the_hooks_that_are_recorded() {
        let message = UninstallReleaseRequest {
            timeout: 10,
            purge: true,
            ..UninstallReleaseRequest::default()
        };
        let hooks = newest(&[
            Event::PreDelete,
            Event::PreDelete,
            Event::PostDelete,
            Event::ReleaseTestSuccess,
        ]);
        let made = step(Method::UninstallRelease, &message, &hooks).await;
        assert_eq!((made.hooks, made.silent, made.longest), (true, 20, 40));
        assert!(made.purge);
        let message = TestReleaseRequest {
            timeout: 10,
            ..TestReleaseRequest::default()
        };
        let made = step(Method::RunReleaseTest, &message, &hooks).await;
        assert_eq!(made.longest, 20);
    }

    #[tokio::test]
    async fn values_are_known_where_none_of_an_earlier_revision_come_to_them() {
        let message = |raw: &str, reset_values, reuse_values| UpdateReleaseRequest {
            values: Some(Config {
                raw: raw.into(),
                ..Config::default()
            }),
            reset_values,
            reuse_values,
            ..UpdateReleaseRequest::default()
        };
        for (message, is_known) in [
            (message("a: 1\n", false, false), true),
            (message("{}\n", false, false), false),
            (message("", false, false), false),
            (message("{}", false, false), true),
            (message("{}\n", true, false), true),
            (message("a: 1\n", false, true), false),
            (message("a: 1\n", true, true), true),
        ] {
            let made = step(Method::UpdateRelease, &message, &newest(&[])).await;
            assert_eq!(made.values.is_some(), is_known, "{message:?}");
        }
    }

    #[tokio::test]
    async fn without_a_timeout_there_is_no_end() {
        let message = RollbackReleaseRequest::default();
        let made = step(Method::RollbackRelease, &message, &newest(&[])).await;
        assert_eq!(made.longest, FOREVER);
    }
}
