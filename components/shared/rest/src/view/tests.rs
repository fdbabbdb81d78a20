use prost_types::Timestamp;
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn web() -> light::Release {
    light::Release {
        name: "web".into(),
        info: Some(light::Info {
            status: Some(light::Status { code: 1 }),
            first_deployed: at(1_600_000_000),
            last_deployed: at(1_600_000_060),
            deleted: None,
            description: "Install complete".into(),
        }),
        chart: Some(light::Chart {
            metadata: Some(light::Metadata {
                name: "nginx".into(),
                version: "1.2.3".into(),
                app_version: "1.21".into(),
                ..light::Metadata::default()
            }),
        }),
        version: 7,
        namespace: "shop".into(),
    }
}

#[test]
fn a_listed_release_is_light_and_speaks_plainly() {
    assert_eq!(
        serde_json::to_value(Release::from(&web())).unwrap(),
        json!({
            "name": "web", "namespace": "shop", "revision": 7, "status": "deployed",
            "chart": {"name": "nginx", "version": "1.2.3", "app_version": "1.21"},
            "first_deployed": "2020-09-13T12:26:40Z", "last_deployed": "2020-09-13T12:27:40Z",
            "description": "Install complete",
        })
    );
}

#[test]
fn an_answer_says_where_its_chart_came_from() {
    let mut view = Release::from(&web());
    view.source = Some(Source {
        repository: Some("stable".into()),
        digest: "sha256:00".into(),
        ..Source::default()
    });
    assert_eq!(
        serde_json::to_value(view).unwrap()["source"],
        json!({"repository": "stable", "digest": "sha256:00"})
    );
}

#[test]
fn a_broken_record_is_shown_as_far_as_it_goes() {
    let release = light::Release {
        name: "web".into(),
        version: 1,
        ..light::Release::default()
    };
    assert_eq!(
        serde_json::to_value(Release::from(&release)).unwrap(),
        json!({"name": "web", "namespace": "", "revision": 1, "status": "unknown"})
    );
}

#[test]
fn statuses_have_helms_names_in_lower_case_with_hyphens() {
    for (code, name) in [
        (0, "unknown"),
        (1, "deployed"),
        (2, "deleted"),
        (3, "superseded"),
        (4, "failed"),
        (5, "deleting"),
        (6, "pending-install"),
        (7, "pending-upgrade"),
        (8, "pending-rollback"),
    ] {
        assert_eq!(status_name(code), name);
        let known = STATUSES.iter().find(|(known, _)| *known == name).unwrap();
        assert_eq!(known.1 as i32, code);
    }
}

/// T22: a later Tiller's codes are passed through.
#[test]
fn a_number_that_is_not_known_stays_one() {
    assert_eq!(status_name(42), "42");
    assert_eq!(test_status_name(42), "42");
}

#[test]
fn hooks_have_the_names_of_their_annotations() {
    let hook = hapi::release::Hook {
        name: "web-test".into(),
        kind: "Pod".into(),
        path: "web/templates/test.yaml".into(),
        manifest: "kind: Pod\n".into(),
        events: vec![1, 9, 10, 11, 99],
        weight: -5,
        delete_policies: vec![0, 1, 2],
        ..hapi::release::Hook::default()
    };
    assert_eq!(
        serde_json::to_value(Hook::from(&hook)).unwrap(),
        json!({
            "name": "web-test", "kind": "Pod", "path": "web/templates/test.yaml", "weight": -5,
            "events": ["pre-install", "test-success", "test-failure", "crd-install", "99"],
            "delete_policies": ["hook-succeeded", "hook-failed", "before-hook-creation"],
            "manifest": "kind: Pod\n",
        })
    );
}

#[test]
fn files_are_text_where_they_can_be() {
    let text = File::new("a".into(), b"hi");
    assert_eq!(
        serde_json::to_value(&text).unwrap(),
        json!({"name": "a", "text": "hi"})
    );
    let bytes = File::new("b".into(), &[0xff]);
    assert_eq!(
        serde_json::to_value(&bytes).unwrap(),
        json!({"name": "b", "base64": "/w=="})
    );
}

#[test]
fn a_test_run_is_shown_with_its_times() {
    let suite = hapi::release::TestSuite {
        started_at: at(1_600_000_000),
        completed_at: None,
        results: vec![hapi::release::TestRun {
            name: "web-test".into(),
            status: 2,
            info: "boom".into(),
            started_at: at(1_600_000_000),
            completed_at: at(1_600_000_001),
        }],
    };
    assert_eq!(
        serde_json::to_value(TestSuite::from(&suite)).unwrap(),
        json!({
            "started_at": "2020-09-13T12:26:40Z",
            "results": [{
                "name": "web-test", "status": "failure", "info": "boom",
                "started_at": "2020-09-13T12:26:40Z", "completed_at": "2020-09-13T12:26:41Z",
            }],
        })
    );
}

#[test]
fn events_of_a_test_say_what_they_are() {
    let result = TestEvent::Result {
        status: "success".into(),
        message: "PASSED: web".into(),
    };
    assert_eq!(
        serde_json::to_value(result).unwrap(),
        json!({"type": "result", "status": "success", "message": "PASSED: web"})
    );
}

#[test]
fn an_old_tiller_says_what_it_lacks() {
    let version = |sem_ver: &str| {
        Version::from(&hapi::version::Version {
            sem_ver: sem_ver.into(),
            git_commit: "abc".into(),
            git_tree_state: "clean".into(),
        })
    };
    assert_eq!(
        serde_json::to_value(version("v2.17.0")).unwrap(),
        json!({"version": "v2.17.0", "git_commit": "abc", "git_tree_state": "clean", "lacks": []})
    );
    let old = version("v2.13.1");
    let lacks: Vec<_> = old
        .lacks
        .unwrap()
        .iter()
        .map(|lack| (lack.call, lack.field))
        .collect();
    assert!(lacks.contains(&("UpdateRelease", "cleanup_on_fail")));
    assert_eq!(version("canary").lacks, None);
}
