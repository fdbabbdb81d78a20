use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::access::Method;
use crate::net::Causes;

/// Longer than any of this takes.
const SOON: Duration = Duration::from_secs(20);

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("in time")
}

struct Log {
    home: TempDir,
}

impl Log {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        Self { home }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("audit.log")
    }

    fn config(&self) -> AuditConfig {
        AuditConfig {
            file: Some(self.path()),
            ..AuditConfig::default()
        }
    }

    fn open(&self) -> Audit {
        Audit::open(&self.config()).expect("opened")
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.path())
    }

    /// Has the log be `target` from now on.
    fn lead_to(&self, target: &Path) {
        let new = self.home.path().join("new");
        symlink(target, &new).expect("a link");
        fs::rename(new, self.path()).expect("renamed");
    }
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let parse = |line| serde_json::from_str(line).expect("a JSON value");
    text.lines().map(parse).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["event"].as_str().expect("an event"))
        .collect()
}

fn upgrade(release: &str) -> Entry {
    Entry {
        request_id: "r-1".into(),
        principal: Some(Principal {
            name: "alice".into(),
            groups: vec!["dev".into()],
            method: Method::Oidc,
        }),
        peer: Some(([10, 0, 0, 1], 4711).into()),
        action: "upgrade".into(),
        rpc: Some("UpdateRelease".into()),
        cluster: Some("prod".into()),
        namespace: Some("shop".into()),
        release: Some(release.into()),
        rule: Some("shop-team".into()),
        ..Entry::default()
    }
}

#[tokio::test]
async fn a_mutation_is_written_before_it_is_done_and_after() {
    let log = Log::new();
    let audit = log.open();
    let pending = soon(audit.begin(upgrade("web"))).await.expect("written");
    let begun = log.lines();
    assert_eq!(events(&begun), ["begin"]);
    pending.end(Ended::NotApplied, Some("release_not_found"));
    assert!(soon(audit.drain(SOON)).await);
    let lines = log.lines();
    assert_eq!(events(&lines), ["begin", "end"]);
    let (begin, end) = (&lines[0], &lines[1]);
    assert_eq!(begin["id"], end["id"]);
    for line in [begin, end] {
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["principal"]["name"], "alice");
        assert_eq!(line["principal"]["groups"][0], "dev");
        assert_eq!(line["principal"]["method"], "oidc");
        assert_eq!(line["peer"], "10.0.0.1:4711");
        assert_eq!(line["release"], "web");
        let time = line["time"].as_str().expect("a time");
        assert_eq!(time.len(), "2026-01-02T03:04:05.678Z".len(), "{time}");
        assert!(time.ends_with('Z'), "{time}");
    }
    assert_eq!(end["outcome"], "not_applied");
    assert_eq!(end["code"], "release_not_found");
    assert!(end["duration_ms"].is_u64());
    assert_eq!(begin.get("outcome"), None);
}

#[tokio::test]
async fn what_nobody_saw_the_end_of_ended_somehow() {
    let log = Log::new();
    let audit = log.open();
    drop(soon(audit.begin(upgrade("web"))).await.expect("written"));
    assert!(soon(audit.drain(SOON)).await);
    let lines = log.lines();
    assert_eq!(lines[1]["outcome"], "unknown");
    assert_eq!(lines[1].get("code"), None);
}

#[tokio::test]
async fn what_was_given_up_before_it_was_written_was_not_done() {
    let log = Log::new();
    let audit = log.open();
    {
        let mut begin = Box::pin(audit.begin(upgrade("web")));
        // Ready at once if the thread is quick; then it is the outcome that is unknown.
        let _ = futures::poll!(&mut begin);
    }
    assert!(soon(audit.drain(SOON)).await);
    let lines = log.lines();
    assert_eq!(events(&lines), ["begin", "end"]);
    let outcome = lines[1]["outcome"].as_str().expect("an outcome");
    assert!(["not_applied", "unknown"].contains(&outcome), "{outcome}");
}

#[tokio::test]
async fn a_refusal_is_one_line_with_the_reason() {
    let log = Log::new();
    let audit = log.open();
    let entry = Entry {
        why: Some("no grant".into()),
        dry_run: true,
        ..upgrade("web")
    };
    soon(audit.refused(entry)).await;
    let lines = log.lines();
    assert_eq!(events(&lines), ["refused"]);
    assert_eq!(lines[0]["why"], "no grant");
    assert_eq!(lines[0]["dry_run"], true);
}

#[tokio::test]
async fn every_name_in_a_line_is_documented() {
    let log = Log::new();
    let audit = log.open();
    let text = || Some("x".to_owned());
    let entry = Entry {
        dry_run: true,
        rpc: text(),
        tiller: text(),
        why: text(),
        chart: text(),
        source: text(),
        chart_digest: text(),
        values_digest: text(),
        ..upgrade("web")
    };
    let pending = soon(audit.begin(entry)).await.expect("written");
    pending.end(Ended::Applied, Some("x"));
    assert!(soon(audit.drain(SOON)).await);
    let page = include_str!("../../../docs/configuration.md");
    let lines = log.lines();
    for name in lines
        .iter()
        .flat_map(|line| line.as_object().expect("an object").keys())
    {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[tokio::test]
async fn the_file_is_its_owners_and_is_never_written_over() {
    let log = Log::new();
    soon(log.open().refused(upgrade("one"))).await;
    let mode = fs::metadata(log.path())
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    soon(log.open().refused(upgrade("two"))).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["release"], "two");
}

#[tokio::test]
async fn a_file_that_was_renamed_or_deleted_is_made_anew() {
    let log = Log::new();
    let audit = log.open();
    soon(audit.refused(upgrade("one"))).await;
    let rotated = log.home.path().join("audit.log.1");
    fs::rename(log.path(), &rotated).expect("renamed");
    soon(audit.refused(upgrade("two"))).await;
    assert_eq!(lines(&rotated)[0]["release"], "one");
    assert_eq!(log.lines()[0]["release"], "two");
    fs::remove_file(log.path()).expect("removed");
    let pending = soon(audit.begin(upgrade("three"))).await.expect("written");
    fs::remove_file(log.path()).expect("removed");
    pending.end(Ended::Applied, None);
    assert!(soon(audit.drain(SOON)).await);
    let lines = log.lines();
    assert_eq!(events(&lines), ["end"]);
    assert_eq!(lines[0]["release"], "three", "an end says everything");
}

#[test]
fn a_place_that_cannot_be_used_is_refused_at_once_with_advice() {
    let home = tempfile::tempdir().expect("a directory");
    let fifo = home.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("it runs");
    assert!(made.success());
    for (path, advice) in [
        (home.path().join("no/audit.log"), "create its directory"),
        (home.path().to_owned(), "name a file in that directory"),
        (fifo, "it is a pipe or a socket"),
    ] {
        let config = AuditConfig {
            file: Some(path.clone()),
            ..AuditConfig::default()
        };
        let error = Audit::open(&config).expect_err("it cannot be used");
        let text = Causes(&error).to_string();
        assert!(text.contains(advice), "{text}");
        assert!(text.contains(&path.display().to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_full_disk_stops_mutations_and_loses_nothing_else() {
    let log = Log::new();
    let audit = log.open();
    let pending = soon(audit.begin(upgrade("under-way")))
        .await
        .expect("written");
    log.lead_to(Path::new("/dev/full"));
    let error = soon(audit.begin(upgrade("late"))).await.expect_err("full");
    assert!(matches!(error, AuditError::Write(_)), "{error:?}");
    pending.end(Ended::Applied, None);
    soon(audit.refused(upgrade("refused"))).await;
    assert!(
        !audit.drain(Duration::from_millis(1)).await,
        "lines are owed"
    );

    let disk = log.home.path().join("disk");
    fs::write(&disk, "").expect("written");
    log.lead_to(&disk);
    let pending = soon(audit.begin(upgrade("again")))
        .await
        .expect("there is room");
    pending.end(Ended::Applied, None);
    assert!(soon(audit.drain(SOON)).await);
    let lines = lines(&disk);
    let told: Vec<_> = lines
        .iter()
        .map(|line| [&line["release"], &line["event"], &line["outcome"]])
        .map(|told| told.map(|text| text.as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        told,
        [
            ["late", "end", "not_applied"],
            ["under-way", "end", "applied"],
            ["refused", "refused", ""],
            ["again", "begin", ""],
            ["again", "end", "applied"],
        ]
    );
    assert_eq!(lines[0]["code"], "audit_unavailable");
}

#[tokio::test]
async fn what_is_owed_is_written_without_anybody_asking() {
    let log = Log::new();
    let audit = log.open();
    log.lead_to(Path::new("/dev/full"));
    soon(audit.refused(upgrade("refused"))).await;
    let disk = log.home.path().join("disk");
    fs::write(&disk, "").expect("written");
    log.lead_to(&disk);
    assert!(soon(audit.drain(SOON)).await);
    assert_eq!(events(&lines(&disk)), ["refused"]);
}

#[tokio::test]
async fn a_log_that_could_not_keep_everything_says_so() {
    let log = Log::new();
    let audit = Audit {
        writer: Some(Arc::new(Writer::open(&log.config(), 1).expect("opened"))),
    };
    log.lead_to(Path::new("/dev/full"));
    for _ in 0..3 {
        soon(audit.refused(upgrade("refused"))).await;
    }
    let disk = log.home.path().join("disk");
    fs::write(&disk, "").expect("written");
    log.lead_to(&disk);
    assert!(soon(audit.drain(SOON)).await);
    soon(audit.refused(upgrade("later"))).await;
    let lines = lines(&disk);
    assert_eq!(events(&lines), ["refused", "lost", "refused"]);
    assert_eq!(lines[1]["count"], 2);
}

#[tokio::test]
async fn there_is_an_end_to_what_is_under_way_at_once() {
    let log = Log::new();
    let audit = Audit {
        writer: Some(Arc::new(Writer::open(&log.config(), 1).expect("opened"))),
    };
    let first = soon(audit.begin(upgrade("first"))).await.expect("written");
    let mut second = Box::pin(audit.begin(upgrade("second")));
    assert!(futures::poll!(&mut second).is_pending(), "it waits");
    first.end(Ended::Applied, None);
    let second = soon(second).await.expect("written");
    assert!(
        !audit.drain(Duration::from_millis(1)).await,
        "it is under way"
    );
    second.end(Ended::Applied, None);
    assert!(soon(audit.drain(SOON)).await);
}

#[tokio::test]
async fn lines_are_bounded_and_harmless_whatever_is_in_them() {
    let log = Log::new();
    let audit = log.open();
    let hostile = "\n{\"event\":\"end\"}\u{1b}[2J\u{9b}\u{202e}\u{2028}\u{e0041}ä";
    let entry = Entry {
        release: Some(hostile.into()),
        namespace: Some("é".repeat(100_000)),
        principal: Some(Principal {
            name: format!("{hostile}{}", "n".repeat(100_000)),
            groups: vec!["\u{7}".repeat(10_000); 10_000],
            method: Method::Certificate,
        }),
        ..upgrade("web")
    };
    soon(audit.refused(entry)).await;
    let text = fs::read_to_string(log.path()).expect("it is there");
    assert!(text.len() < 100_000, "{} bytes", text.len());
    let dangerous =
        |char: char| char.is_control() || ['\u{202e}', '\u{2028}', '\u{e0041}'].contains(&char);
    assert!(!text.trim_end().contains(dangerous));
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["release"], hostile, "it reads back as it was");
    assert_eq!(lines[0]["namespace"], format!("{}…", "é".repeat(512)));
    let groups = lines[0]["principal"]["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 65);
    assert_eq!(groups[64], "…");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_each_have_their_beginning_and_their_end() {
    let log = Log::new();
    let config = AuditConfig {
        sync: true,
        ..log.config()
    };
    let audit = Arc::new(Audit::open(&config).expect("opened"));
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let audit = Arc::clone(&audit);
            tokio::spawn(async move {
                for turn in 0..16 {
                    let entry = upgrade(&format!("{task}-{turn}"));
                    let pending = audit.begin(entry).await.expect("written");
                    pending.end(Ended::Applied, None);
                }
            })
        })
        .collect();
    for task in tasks {
        soon(task).await.expect("it ran");
    }
    // The last handle is dropped: what was ordered is written before that returns.
    drop(audit);
    let mut open = BTreeMap::new();
    let lines = log.lines();
    assert_eq!(lines.len(), 32 * 16 * 2);
    for line in &lines {
        let (id, release) = (&line["id"], &line["release"]);
        let id = id.as_str().expect("an id").to_owned();
        match line["event"].as_str() {
            Some("begin") => assert_eq!(open.insert(id, release), None),
            _ => assert_eq!(open.remove(&id), Some(release)),
        }
    }
    assert!(open.is_empty());
}

#[tokio::test]
async fn without_a_place_nothing_is_kept_and_nothing_is_refused() {
    let audit = Audit::open(&AuditConfig::default()).expect("off");
    let pending = soon(audit.begin(upgrade("web")))
        .await
        .expect("not refused");
    pending.end(Ended::Applied, None);
    soon(audit.refused(upgrade("web"))).await;
    assert!(soon(audit.drain(SOON)).await);
}
