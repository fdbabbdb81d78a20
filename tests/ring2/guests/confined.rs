//! Hostile components of a caller who may do much in one namespace and nothing else: whatever they try, they get what
//! their caller could get, and it is written down that they tried.

use futures::future::join_all;
use tiller_api::Method;

use super::confinement::{CHARLOTTE, MALLORY, PERCY, SECRET, SHEILA, confined, confined_by};
use super::{TESTED, ask, strict_limits};

/// What components try, and which of it succeeds, being no more than what their caller may.
const TRIED: [(&str, &[&str]); 14] = [
    ("change-of-mind", &[]),
    ("compressed", &[]),
    ("duplicate-fields", &[]),
    (
        "foreign-apiserver-path",
        &[
            "/clusters/one/hapi.services.tiller.ReleaseService/ListReleases?path=/api/v1/namespaces/kube-system/secrets",
        ],
    ),
    ("foreign-cluster", &[]),
    ("foreign-destination", &[]),
    ("foreign-install", &[]),
    (
        "foreign-list",
        &[
            "all",
            "by name",
            "from a name on",
            "one at a time",
            "the one behind",
        ],
    ),
    ("foreign-release", &[]),
    ("foreign-revision", &["GetHistory"]),
    ("foreign-service", &[]),
    ("second-message", &[]),
    ("smuggle-by-length", &["exact"]),
    (
        "unknown-fields",
        &[
            "unknown, GetReleaseContent",
            "unknown, UninstallRelease",
            "in a group, GetReleaseContent",
            "in a group, UninstallRelease",
            "a chart as name, GetReleaseContent",
        ],
    ),
];

/// Heads that are forged, of calls that are right, and how many tries at least are taken note of. What is no header at
/// all is none for the sandbox either.
const FORGED: [(&str, usize); 4] = [
    ("forge-connection-headers", 8),
    ("forge-identity", 14),
    ("forge-pseudo-headers", 0),
    ("forge-trailers", 14),
];

/// What a report says of each attempt.
fn attempts(report: &str) -> Vec<(&str, &str)> {
    report
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect()
}

/// Of the attempts those that were answered by more than a problem.
fn successes<'r>(attempts: &[(&'r str, &str)]) -> Vec<&'r str> {
    let succeeded = |(what, got): &(&'r str, &str)| got.starts_with("200 ").then_some(*what);
    attempts.iter().filter_map(succeeded).collect()
}

/// How many of the attempts the relay refused because it makes no such calls or not for this caller.
fn refusals(attempts: &[(&str, &str)]) -> usize {
    let refused = |got: &str| {
        ["not_allowed", "not_relayed", "HttpRequestDenied"]
            .iter()
            .any(|code| got.contains(code))
    };
    attempts.iter().filter(|(_, got)| refused(got)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn what_its_caller_may_not_a_component_may_not() {
    for (behaviour, succeeds) in TRIED {
        let confined = confined().await;
        let answer = confined.behaves(behaviour, MALLORY).await.expect("whole");
        let report = answer.text();
        assert!(!report.contains(SECRET), "{behaviour}: {report}");
        let attempts = attempts(report);
        assert_eq!(successes(&attempts), succeeds, "{behaviour}: {report}");
        confined.is_contained(behaviour);
        let refused = refusals(&attempts);
        assert!(refused > 0, "{behaviour}: {report}");
        confined.audited("mallory", refused).await;
        confined.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn nobody_can_be_passed_off_as_somebody_else() {
    let confined = confined().await;
    let mut noted = 0;
    for (behaviour, tries) in FORGED {
        let answer = confined.behaves(behaviour, MALLORY).await.expect("whole");
        let report = answer.text();
        assert!(!report.contains(SECRET), "{behaviour}: {report}");
        let attempts = attempts(report);
        assert!(attempts.len() > 5, "{behaviour}: {report}");
        for (what, got) in attempts {
            let listed = got.starts_with("200 ") && got.contains("mine");
            let denied = got.starts_with("refused: ");
            let unlike = got.contains("not_relayed");
            assert!(listed || denied || unlike, "{behaviour}: {what}: {got}");
        }
        confined.is_contained(behaviour);
        noted += tries;
        confined.audited("mallory", noted).await;
    }
    confined.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn who_may_see_what_would_happen_makes_nothing_happen() {
    let confined = confined().await;
    let tiller = confined.stage.cluster.tiller();
    let records = tiller.records();
    let behaviour = "dry-run-that-is-none";
    let answer = confined.behaves(behaviour, PERCY).await.expect("whole");
    let attempts = attempts(answer.text());
    assert_eq!(successes(&attempts), [""; 0], "{}", answer.text());
    let refused = refusals(&attempts);
    assert_eq!(refused, attempts.len(), "{}", answer.text());
    assert_eq!(tiller.count(Method::InstallRelease), 0);
    assert_eq!(tiller.records(), records);
    confined.is_contained(behaviour);
    confined.audited("percy", refused).await;
    confined.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn a_chart_is_what_it_was_when_it_was_fetched() {
    let confined = confined().await;
    let behaviour = "foreign-chart";
    let answer = confined.behaves(behaviour, SHEILA).await.expect("whole");
    let report = answer.text();
    let attempts = attempts(report);
    assert_eq!(
        successes(&attempts),
        [
            "/repositories",
            "/repositories/stable/charts/web/archive?cluster=one",
        ],
        "{report}"
    );
    assert!(!report.contains("9.9.9") && !report.contains(&confined.private.url()));
    assert_eq!(confined.private.asked(), []);
    let tiller = confined.stage.cluster.tiller();
    assert_eq!(tiller.count(Method::InstallRelease), 0);
    confined.is_contained(behaviour);
    confined.audited("sheila", 3).await;
    confined.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn only_what_a_caller_has_is_there() {
    let confined = confined().await;
    let behaviour = "foreign-inventory";
    let answer = confined.behaves(behaviour, MALLORY).await.expect("whole");
    let report = answer.text();
    let attempts = attempts(report);
    assert_eq!(successes(&attempts), ["/clusters", "/access"], "{report}");
    assert!(!report.contains(&confined.two.server()), "{report}");
    let found = |path: &str| attempts.iter().find(|(what, _)| *what == path);
    let got = |path: &str| found(path).map(|(_, got)| *got).expect("attempted");
    for path in ["/clusters", "/access"] {
        for other in ["two", "charlotte", "percy", "sheila"] {
            assert!(!got(path).contains(other), "{path}: {}", got(path));
        }
    }
    // One that is hidden looks like one that is not there.
    assert_eq!(
        got("/clusters/two").replace("two", "off"),
        got("/clusters/off")
    );
    confined.is_contained(behaviour);
    confined.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn nothing_is_kept_for_the_next_caller() {
    let confined = confined().await;
    for _ in 0..3 {
        let hers = confined.behaves("hoard", CHARLOTTE).await.expect("whole");
        assert!(hers.text().contains(SECRET), "{}", hers.text());
        let his = confined.behaves("hoard", MALLORY).await.expect("whole");
        assert!(!his.text().contains(SECRET), "{}", his.text());
        assert!(his.text().contains("mine"), "{}", his.text());
    }
    confined.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
pub(super) async fn nothing_outlives_its_request() {
    let confined = confined().await;
    let calls = || confined.stage.cluster.tiller().calls().len();
    for _ in 0..3 {
        // Once this is over nothing is left of it, so nobody is there to call.
        let answer = confined.behaves("outlive", MALLORY).await.expect("whole");
        assert_eq!(answer.text(), "done\n");
        let called = calls();
        let hello = confined.behaves("hello", MALLORY).await.expect("whole");
        assert_eq!(hello.text(), "hello\n");
        assert_eq!(calls(), called);
    }
    confined.is_contained("outlive");
    confined.end().await;
}

/// All of them at once too: what one of them breaks is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_component_does_nothing_gets_out_and_nothing_is_done() {
    let confined = confined_by(strict_limits).await;
    let bearer = format!("Bearer {MALLORY}");
    let together = TESTED.iter().map(|(behaviour, _)| {
        let path = format!("{behaviour}?cluster=one");
        confined
            .stage
            .later(ask(&path).header("authorization", &bearer))
    });
    for ((behaviour, _), answer) in TESTED.iter().zip(join_all(together).await) {
        if let Ok(answer) = answer.expect("no panic") {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!body.contains(SECRET), "{behaviour}: {body}");
            assert!(
                !format!("{:?}", answer.headers).contains(SECRET),
                "{behaviour}"
            );
        }
    }
    confined.is_contained("all");
    confined.end().await;
}
