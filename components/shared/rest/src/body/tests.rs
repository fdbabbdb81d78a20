use serde_json::{Value, json};

use super::*;

fn fields(value: &Value) -> Fields {
    Fields::from_json(value.to_string().as_bytes()).unwrap()
}

fn with_chart(mut value: Value) -> Fields {
    value["chart"] = json!({"archive": "aGk="});
    fields(&value)
}

fn install(value: Value) -> Result<Apply, Problem> {
    Apply::read(with_chart(value), None, Verb::Install)
}

fn upgrade(value: Value) -> Result<Apply, Problem> {
    Apply::read(with_chart(value), None, Verb::Upgrade)
}

#[test]
fn an_install_needs_no_more_than_a_chart() {
    let apply = install(json!({})).unwrap();
    assert_eq!(
        apply,
        Apply {
            name: None,
            namespace: None,
            chart: ChartRef::Archive(Bytes::from_static(b"hi")),
            values: Values::default(),
            timeout: Duration::from_secs(300),
            wait: false,
            atomic: false,
            dry_run: false,
            disable_hooks: false,
            disable_crd_hook: false,
            description: None,
            replace: false,
            sub_notes: false,
            install: false,
            force: false,
            recreate_pods: false,
            reset_values: false,
            reuse_values: false,
            cleanup_on_fail: false,
        }
    );
    assert!(apply.used().is_empty());
}

#[test]
fn the_whole_body_of_the_documentation_is_read() {
    let apply = install(json!({
        "name": "web", "namespace": "shop", "values": {"replicas": 3},
        "wait": true, "timeout": "5m", "atomic": false, "dry_run": false, "disable_hooks": false, "disable_crd_hook": false,
        "description": "…", "replace": true, "sub_notes": true,
        "force": false, "recreate_pods": false, "reset_values": false, "reuse_values": false, "cleanup_on_fail": false
    }))
    .unwrap();
    assert_eq!(apply.name.as_deref(), Some("web"));
    assert!(apply.wait && apply.replace && apply.sub_notes);
    assert_eq!(apply.used(), ["description", "sub_notes", "wait"]);
}

#[test]
fn atomic_waits() {
    assert!(install(json!({"atomic": true})).unwrap().wait);
}

/// A timeout that is left out is 300 s, and none can be zero.
#[test]
fn h1_a_timeout_is_always_above_zero() {
    assert_eq!(install(json!({})).unwrap().timeout, DEFAULT_TIMEOUT);
    for timeout in [json!(0), json!("0s"), json!(-1)] {
        for problem in [
            install(json!({"timeout": timeout})).unwrap_err(),
            Rollback::read(fields(&json!({"timeout": timeout}))).unwrap_err(),
            Uninstall::read(fields(&json!({"timeout": timeout}))).unwrap_err(),
            Test::read(fields(&json!({"timeout": timeout}))).unwrap_err(),
        ] {
            assert_eq!(problem.code, Code::InvalidRequest, "{timeout}");
        }
    }
}

#[test]
fn flags_of_the_other_verb_are_refused_when_set() {
    for name in [
        "install",
        "force",
        "recreate_pods",
        "reset_values",
        "reuse_values",
        "cleanup_on_fail",
    ] {
        assert!(install(json!({name: false})).is_ok());
        assert_eq!(
            install(json!({name: true})).unwrap_err().detail,
            format!("field `{name}` has no meaning for an install")
        );
        assert!(upgrade(json!({name: true})).is_ok());
    }
    assert!(upgrade(json!({"replace": true})).is_err());
    assert!(upgrade(json!({"disable_crd_hook": true})).is_err());
    assert!(upgrade(json!({"disable_crd_hook": true, "install": true})).is_ok());
}

#[test]
fn an_unknown_field_is_refused_by_every_body() {
    let value = json!({"dryrun": true});
    for problem in [
        install(value.clone()).unwrap_err(),
        upgrade(value.clone()).unwrap_err(),
        Rollback::read(fields(&value)).unwrap_err(),
    ] {
        assert!(
            problem.detail.contains("did you mean `dry_run`?"),
            "{problem}"
        );
    }
    assert!(
        Uninstall::read(fields(&json!({"Purged": true})))
            .unwrap_err()
            .detail
            .contains("`purge`")
    );
    assert!(
        Test::read(fields(&json!({"log": true})))
            .unwrap_err()
            .detail
            .contains("`logs`")
    );
}

#[test]
fn a_rollback_goes_to_a_revision_or_to_the_one_before() {
    assert_eq!(Rollback::read(fields(&json!({}))).unwrap().revision, 0);
    assert_eq!(
        Rollback::read(fields(&json!({"revision": 3})))
            .unwrap()
            .revision,
        3
    );
    for revision in [json!(-1), json!(1.5), json!("3"), json!(4_294_967_296_u64)] {
        let problem = Rollback::read(fields(&json!({"revision": revision}))).unwrap_err();
        assert_eq!(problem.code, Code::InvalidRequest);
    }
}

#[test]
fn tests_name_the_fields_an_old_tiller_lacks() {
    let test = Test::read(fields(
        &json!({"logs": true, "parallel": true, "max_parallel": 2}),
    ))
    .unwrap();
    assert_eq!(test.used(), ["logs", "max_parallel", "parallel"]);
}
