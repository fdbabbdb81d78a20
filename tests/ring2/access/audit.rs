//! The audit log of an edge: every mutation before and after, every refusal, and nothing that does not belong there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_api::Method;

use super::{ALICE, BOB, by, people};
use crate::support::charts::{self, with};
use crate::support::{Ask, Stage, Transport, delete, get, post, put, soon, until};

/// What is in the values.
const VALUE: &str = "value-s3cret";

fn lines(stage: &Stage) -> Vec<Value> {
    read(&stage.home().join("audit.log"))
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("it is there");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

fn install(transport: Transport, name: &str) -> Ask {
    let values = json!({ "values": { "password": VALUE } });
    post(transport.path("releases")).json(&with(charts::install(name), values))
}

/// The two lines of each mutation that is over, in the order of their beginnings.
async fn mutations(stage: &Stage, count: usize) -> Vec<(Value, Value)> {
    let ended = || {
        let lines = lines(stage);
        lines.iter().filter(|line| line["event"] == "end").count() == count
    };
    until("as many ends", ended).await;
    let lines = lines(stage);
    let begun = lines.iter().filter(|line| line["event"] == "begin");
    begun
        .map(|begin| {
            let ends = |line: &&Value| line["event"] == "end" && line["id"] == begin["id"];
            let mut ends = lines.iter().filter(ends);
            let end = ends.next().expect("an end").clone();
            assert_eq!(ends.next(), None, "one end");
            (begin.clone(), end)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_is_written_with_who_and_what_and_how_it_ended() {
    let stage = people().start().await;
    for transport in Transport::BOTH {
        let name = format!("web-{transport:?}").to_lowercase();
        let release = transport.path(&format!("releases/{name}"));
        let values = json!({ "chart": charts::field(&charts::archive("web")), "values": { "password": VALUE } });
        let asks = [
            install(transport, &name),
            put(&release).json(&values),
            post(format!("{release}/rollback")).json(&json!({ "revision": 1 })),
            post(format!("{release}/tests")).json(&json!({})),
            delete(&release),
        ];
        for ask in asks {
            let ask = by(ALICE, ask).header("x-request-id", &name);
            let answer = stage.send(ask).await;
            assert!(answer.status.is_success(), "{answer}");
        }
    }
    let mutations = mutations(&stage, 10).await;
    let actions = ["install", "upgrade", "rollback", "test", "uninstall"];
    let expected = actions.iter().cycle().take(10);
    for ((begin, end), action) in mutations.iter().zip(expected) {
        for line in [begin, end] {
            assert_eq!(line["action"], *action, "{line}");
            assert_eq!(line["principal"]["name"], "alice", "{line}");
            assert_eq!(line["principal"]["method"], "token", "{line}");
            assert_eq!(line["namespace"], "shop", "{line}");
            assert_eq!(line["rule"], "shop", "{line}");
            assert_eq!(line["cluster"], "sim", "{line}");
            assert_eq!(line["release"], line["request_id"], "{line}");
            let peer = line["peer"].as_str().expect("where from");
            assert!(peer.starts_with("127.0.0.1:"), "{line}");
            let has_chart = ["install", "upgrade"].contains(action);
            for field in ["chart", "chart_digest", "values_digest", "source"] {
                assert_eq!(line[field].is_string(), has_chart, "{field} of {line}");
            }
        }
        assert_eq!(end["outcome"], "applied", "{end}");
        assert_eq!(end.get("code"), None, "{end}");
    }
    // The APIServer has each under the same id.
    for seen in stage.cluster.apiserver().seen() {
        let id = seen.headers["audit-id"].to_str().expect("text");
        assert!(id.starts_with("web-"), "{id}");
    }
    let text = fs::read_to_string(stage.home().join("audit.log")).expect("there");
    assert!(!text.contains(VALUE) && !text.contains(ALICE));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tillers_own_history_names_the_actor() {
    let stage = people().start().await;
    stage
        .send(by(ALICE, install(Transport::GrpcWeb, "web")))
        .await
        .expect(201);
    let upgrade = json!({
        "chart": charts::field(&charts::archive("web")),
        "description": "for the sale",
    });
    let release = Transport::Grpc.path("releases/web");
    stage
        .send(by(ALICE, put(&release).json(&upgrade)))
        .await
        .expect(200);
    let rollback = post(format!("{release}/rollback")).json(&json!({ "revision": 1 }));
    stage.send(by(ALICE, rollback)).await.expect(200);
    let history = get(format!("{release}/history"));
    let history = stage.send(by(ALICE, history)).await.expect(200).json();
    let described: Vec<_> = history["items"]
        .as_array()
        .expect("revisions")
        .iter()
        .filter_map(|item| item["description"].as_str())
        .collect();
    assert_eq!(
        described,
        [
            "Rollback to 1 (by alice)",
            "for the sale (by alice)",
            "Install complete (by alice)",
        ]
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_is_one_line_with_the_reason() {
    let stage = people().start().await;
    let asks = [
        (by(BOB, install(Transport::GrpcWeb, "web")), "bob", None),
        (
            by(ALICE, install(Transport::Grpc, "stock-eu")),
            "alice",
            Some("inventory"),
        ),
    ];
    let mut expected = Vec::new();
    for (ask, who, rule) in asks {
        let answer = stage.send(ask).await;
        answer.refused(Code::NotAllowed, Outcome::NotApplied);
        expected.push((who, rule));
    }
    let lines = lines(&stage);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, (who, rule)) in lines.iter().zip(expected) {
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line["action"], "install", "{line}");
        assert_eq!(line["principal"]["name"], who, "{line}");
        assert_eq!(line["rule"].as_str(), rule, "{line}");
        assert!(line["why"].is_string(), "{line}");
    }
    assert_eq!(stage.cluster.tiller().count(Method::InstallRelease), 0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_say_who_it_is_is_written_down_without_what_it_showed() {
    let stage = people().start().await;
    for authorization in [
        "Bearer te_stolen-s3cret",
        "Basic stolen-s3cret",
        "stolen-s3cret",
    ] {
        let ask = get("/v1/clusters").header("authorization", authorization);
        let answer = stage.send(ask).await;
        assert_eq!(answer.problem().code, Code::Unauthenticated);
    }
    stage.get("/v1/clusters").await.expect(401);
    let text = fs::read_to_string(stage.home().join("audit.log")).expect("there");
    assert!(!text.contains("stolen-s3cret"), "{text}");
    let lines = lines(&stage);
    assert_eq!(lines.len(), 4, "{text}");
    for line in lines {
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line.get("principal"), None, "{line}");
        assert!(line["peer"].is_string(), "{line}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allowed_reads_and_dry_runs_leave_no_line() {
    let stage = people().start().await;
    let dry = json!({ "dry_run": true });
    let dry = post(Transport::Grpc.path("releases")).json(&with(charts::install("web"), dry));
    stage.send(by(ALICE, dry)).await.expect(200);
    for path in ["/v1/clusters", "/v1/clusters/sim/releases", "/v1/access"] {
        stage.send(by(ALICE, get(path))).await.expect(200);
    }
    assert!(lines(&stage).is_empty());
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_is_written_before_the_call_leaves() {
    let stage = people().start().await;
    for transport in Transport::BOTH {
        let name = format!("web-{transport:?}").to_lowercase();
        let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
        let answer = stage.later(by(ALICE, install(transport, &name)));
        soon(hold.reached(1)).await;
        let last = lines(&stage).pop().expect("a line");
        assert_eq!(last["event"], "begin");
        assert_eq!(last["release"], name);
        hold.release();
        soon(answer)
            .await
            .expect("no panic")
            .expect("whole")
            .expect(201);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_halfway_ends_in_the_log_too() {
    let stage = people().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let answer = stage.later(by(ALICE, install(Transport::GrpcWeb, "killed")));
    soon(hold.reached(1)).await;
    soon(stage.cluster.kill_tiller()).await;
    let answer = soon(answer).await.expect("no panic").expect("whole");
    assert_eq!(answer.problem().outcome, Outcome::Unknown);
    hold.release();
    soon(stage.cluster.restart_tiller()).await;

    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let answer = stage.later(by(ALICE, install(Transport::Grpc, "given-up")));
    soon(hold.reached(1)).await;
    answer.abort();
    let mutations = mutations(&stage, 2).await;
    hold.release();
    for ((begin, end), name) in mutations.iter().zip(["killed", "given-up"]) {
        assert_eq!(begin["release"], name);
        assert_eq!(end["outcome"], "unknown", "{end}");
    }
    assert_eq!(mutations[0].1["code"], "tiller_unavailable");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_ends_writes_how_everything_ended() {
    let mut stage = people().start().await;
    let mut hold = stage.cluster.tiller().pause(Method::InstallRelease);
    let answer = stage.later(by(ALICE, install(Transport::Grpc, "web")));
    soon(hold.reached(1)).await;
    let whole = soon(stage.take_edge().drain(Duration::ZERO)).await;
    assert!(!whole, "it was cut off");
    let last = lines(&stage).pop().expect("a line");
    assert_eq!(last["event"], "end", "{last}");
    assert_eq!(last["outcome"], "unknown", "{last}");
    assert!(soon(answer).await.expect("no panic").is_err());
    hold.release();
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_not_done() {
    let stage = people().start().await;
    let log = stage.home().join("audit.log");
    fs::remove_file(&log).expect("removed");
    std::os::unix::fs::symlink("/dev/full", &log).expect("a link");
    for transport in Transport::BOTH {
        let answer = stage.send(by(ALICE, install(transport, "web"))).await;
        answer.refused(Code::AuditUnavailable, Outcome::NotApplied);
        // Reads and refusals do not depend on it.
        let list = get(transport.path("releases"));
        stage.send(by(ALICE, list)).await.expect(200);
        let answer = stage.send(by(BOB, install(transport, "web"))).await;
        answer.refused(Code::NotAllowed, Outcome::NotApplied);
    }
    assert_eq!(stage.cluster.tiller().count(Method::InstallRelease), 0);
    fs::remove_file(&log).expect("removed");
    let answer = stage.send(by(ALICE, install(Transport::Grpc, "web"))).await;
    answer.expect(201);
    let written = || {
        lines(&stage)
            .iter()
            .filter(|line| line["event"] == "end")
            .count()
            == 3
    };
    until("everything is written", written).await;
    let events: Vec<_> = lines(&stage)
        .iter()
        .filter_map(|line| line["event"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(events, ["end", "refused", "end", "refused", "begin", "end"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_component_tries_is_written_too() {
    let stage = people().start().await;
    for behaviour in ["two-frames", "foreign-path", "foreign-authority"] {
        let ask = get(format!("/guests/{behaviour}")).header("x-request-id", behaviour);
        stage.send(by(ALICE, ask)).await;
    }
    let lines = lines(&stage);
    for behaviour in ["two-frames", "foreign-path", "foreign-authority"] {
        let line = lines.iter().find(|line| line["request_id"] == behaviour);
        let line = line.unwrap_or_else(|| panic!("nothing of {behaviour}"));
        assert_eq!(line["event"], "refused", "{line}");
        assert_eq!(line["principal"]["name"], "alice", "{line}");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_is_known_even_if_the_process_is_killed() {
    let edge = people().program().await;
    let mut hold = edge.cluster.tiller().pause(Method::InstallRelease);
    let answer = edge.later(by(ALICE, install(Transport::GrpcWeb, "web")));
    soon(hold.reached(1)).await;
    edge.kill().await;
    assert!(soon(answer).await.expect("no panic").is_err());
    hold.release();
    let lines = read(&edge.home().join("audit.log"));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["event"], "begin");
    assert_eq!(lines[0]["release"], "web");
}
