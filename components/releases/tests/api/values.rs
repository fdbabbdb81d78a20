//! Values, in all the ways that Helm's CLI takes them.

use http_body_util::BodyExt;
use rest::problem::{Code, Outcome};
use serde_json::json;
use tiller_api::{
    Method,
    hapi::services::tiller::{InstallReleaseRequest, UpdateReleaseRequest},
};

use crate::fake::{
    Edge, chart, edge, history, installed, release, released, soon, version, with_chart,
};

const RELEASES: &str = "/v1/clusters/prod/releases";

fn willing() -> Edge {
    let web = release("web", 1, 1);
    edge()
        .answers(Method::InstallRelease, &released(web.clone()))
        .answers(Method::GetReleaseStatus, &installed(&web))
}

/// The values that an install with this body sends.
async fn sent(mut body: serde_json::Value) -> String {
    body["name"] = json!("web");
    body["namespace"] = json!("shop");
    let edge = willing();
    let answer = edge.post(RELEASES, &with_chart(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let request: InstallReleaseRequest = edge.call(Method::InstallRelease).message();
    request.values.expect("they are always sent").raw
}

#[tokio::test]
async fn values_are_written_as_helm_writes_them() {
    for (body, raw) in [
        (
            json!({"values": "# mine\nmode: 0755\nyes: on\nz: [1, {b: 2, a: 1}]\n"}),
            "mode: 493\n\"true\": true\nz:\n- 1\n- a: 1\n  b: 2\n",
        ),
        (
            json!({"values": {"b": "yes", "a": {"c": null, "d": []}}}),
            "a:\n  c: null\n  d: []\nb: \"yes\"\n",
        ),
        (
            json!({"set": "a=1,b.c={x,true}"}),
            "a: 1\nb:\n  c:\n  - x\n  - true\n",
        ),
        (
            json!({"set_string": ["a=1", "b=true"]}),
            "a: \"1\"\nb: \"true\"\n",
        ),
        (json!({"set": []}), "{}\n"),
        (json!({"values_files": [], "set_file": {}}), "{}\n"),
    ] {
        assert_eq!(sent(body.clone()).await, raw, "{body}");
    }
}

/// Files, inline values, `set`, `set_string`, `set_file`, whatever their order in the body.
#[tokio::test]
async fn later_kinds_of_values_win() {
    let body = json!({
        "set_file": {"e": "from: set_file\n"},
        "set_string": "d=4,e=4",
        "set": ["c=3,d=3", "e=3"],
        "values": {"b": 2, "c": 2, "d": 2, "e": 2, "map": {"b": 2}},
        "values_files": ["a: 0\nb: 0\nmap: {a: 0, b: 0}\n", "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n"],
    });
    assert_eq!(
        sent(body).await,
        "a: 1\nb: 2\nc: 3\nd: \"4\"\ne: |\n  from: set_file\nmap:\n  a: 0\n  b: 2\n"
    );
}

#[tokio::test]
async fn an_upgrade_takes_them_too() {
    let edge = edge()
        .answers(Method::GetHistory, &history(vec![release("web", 1, 1)]))
        .answers(Method::GetVersion, &version("v2.17.0"))
        .answers(Method::UpdateRelease, &released(release("web", 2, 1)));
    let body = with_chart(json!({
        "values_files": ["image: {tag: old, name: web}"], "set": ["image.tag=new"], "reuse_values": true,
    }));
    let answer = edge.put(&format!("{RELEASES}/web"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request: UpdateReleaseRequest = edge.call(Method::UpdateRelease).message();
    assert_eq!(
        request.values.expect("they are always sent").raw,
        "image:\n  name: web\n  tag: new\n"
    );
}

#[tokio::test]
async fn a_form_sends_files_as_curl_does() {
    let archive = charts::pack(&chart()).unwrap();
    let mut body = Vec::new();
    for (name, file, value) in [
        ("name", "", &b"web"[..]),
        ("namespace", "", b"shop"),
        ("values_files", "a.yaml", b"a: 1\nb: 1\n"),
        ("values_files", "b.yaml", b"b: 2\n"),
        ("set", "", b"c={x,y},d=1"),
        ("set", "", b"d=2"),
        ("set_string", "", b"e=2"),
        ("set_file.tls\\.crt", "tls.crt", b"-----BEGIN\nx\n"),
        ("chart", "web.tgz", &archive),
    ] {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"").into_bytes());
        if !file.is_empty() {
            body.extend(format!("; filename=\"{file}\"").into_bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(value);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let edge = willing();
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let response = edge.open("POST", RELEASES, &[kind], body.into()).await;
    let status = response.status();
    let text = soon(response.collect()).await.unwrap().to_bytes();
    assert_eq!(status, 201, "{text:?}");
    let request: InstallReleaseRequest = edge.call(Method::InstallRelease).message();
    assert_eq!(
        request.values.expect("they are always sent").raw,
        "a: 1\nb: 2\nc:\n- x\n- \"y\"\nd: 2\ne: \"2\"\ntls.crt: |\n  -----BEGIN\n  x\n"
    );
}

#[tokio::test]
async fn values_that_are_wrong_are_told_in_helms_words_and_nothing_is_sent() {
    for (body, detail) in [
        (
            json!({"values_files": ["a: 1", "a: ["]}),
            "failed to parse values_files[1]: malformed YAML",
        ),
        (
            json!({"values": "- a"}),
            "failed to parse values: values are not a mapping",
        ),
        (
            json!({"set": ["a=b,c"]}),
            "failed parsing set data: key \"c\" has no value",
        ),
        (
            json!({"set_string": "a.b"}),
            "failed parsing set_string data: key map \"a\" has no value",
        ),
        (
            json!({"values": {"a": 1}, "set": "a.b=1"}),
            "failed parsing set data: the value of key \"a\" is not a map",
        ),
        (
            json!({"set_file": {"a=b": "x"}}),
            "failed parsing set_file data: a key must not have `=` in it",
        ),
        (
            json!({"set": "a[2000000000]=x"}),
            "failed parsing set data: the values exceed the limit `yaml_nodes` of 250000",
        ),
    ] {
        let edge = edge();
        let mut body = with_chart(body);
        body["name"] = json!("web");
        let problem = edge.post(RELEASES, &body).await.problem();
        assert_eq!(problem.code, Code::InvalidValues, "{problem}");
        assert!(problem.detail.starts_with(detail), "{problem}");
        assert_eq!(problem.outcome, Outcome::NotApplied);
        assert!(edge.calls().is_empty());
    }
}

#[tokio::test]
async fn fields_of_the_wrong_type_are_refused() {
    for body in [
        json!({"set": {"a": 1}}),
        json!({"set": [1]}),
        json!({"set_string": 5}),
        json!({"values_files": {"a": 1}}),
        json!({"set_file": ["a=b"]}),
        json!({"set_file": {"a": 1}}),
        json!({"set-files": {"a": "b"}}),
    ] {
        let problem = edge().post(RELEASES, &with_chart(body)).await.problem();
        assert_eq!(problem.code, Code::InvalidRequest, "{problem}");
    }
}
