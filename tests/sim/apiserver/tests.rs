//! The APIServer's own words, and what it does to what passes.

use http::StatusCode;
use tiller_api::Method;

use super::*;
use crate::caller::{BRIDGE, Caller, Reply, TILLER, soon, until};
use crate::cluster::{NOBODY_TOKEN, cluster};

const SERVICES: &str = "/api/v1/namespaces/kube-system/services";

#[tokio::test]
async fn refusals_are_worded_as_kubernetes_words_them() {
    let cluster = cluster().start().await;
    let server = cluster.apiserver();
    server.set_rules(vec![
        Rule::of("edge", &["create"], "services/proxy").in_namespace("kube-system"),
    ]);
    let port = |name: &str, number, endpoint| Port {
        name: name.to_owned(),
        number,
        endpoint,
    };
    let service = |name: &str, port| Service {
        namespace: "kube-system".to_owned(),
        name: name.to_owned(),
        ports: vec![port],
    };
    server.put_service(service("empty", port("http", 80, Endpoint::Missing)));
    server.put_service(service("starting", port("http", 80, Endpoint::NotReady)));
    let mut caller = Caller::h2(&cluster).await;
    for (id, code, message) in [
        ("x", 404, r#"services "x" not found"#),
        ("x:http", 404, r#"services "x" not found"#),
        (
            "empty:http",
            503,
            r#"no endpoints available for service "empty""#,
        ),
        (
            "starting:http",
            503,
            r#"no endpoints available for service "starting:http""#,
        ),
        (
            "tiller-bridge",
            503,
            r#"no endpoints available for service "tiller-bridge""#,
        ),
        (
            "tiller-bridge:web",
            503,
            r#"no endpoints available for service "tiller-bridge:web""#,
        ),
        (
            "tiller-bridge:99",
            503,
            r#"no service port 99 found for service "tiller-bridge""#,
        ),
        ("ftp:a:b", 400, r#"invalid service request "ftp:a:b""#),
        ("a:b:c:d", 400, r#"invalid service request "a:b:c:d""#),
        (":http", 400, r#"invalid service request ":http""#),
    ] {
        let path = format!("{SERVICES}/{id}/proxy/x");
        let reply = caller.request("POST", &path, &[]).await;
        assert_eq!(reply.refusal(), (code, message.to_owned()), "{id}");
    }
    let dry = format!("{BRIDGE}/x?dryRun=All");
    let reply = caller.request("POST", &dry, &[]).await;
    assert_eq!(reply.refusal(), (400, "dryRun is not supported".to_owned()));
}

#[tokio::test]
async fn ports_resolve_by_name_and_number_and_with_a_scheme() {
    let cluster = cluster().start().await;
    cluster.apiserver().set_rules(vec![
        Rule::of("edge", &["create"], "services/proxy").in_namespace("kube-system"),
    ]);
    let mut caller = Caller::h2(&cluster).await;
    for id in [
        "tiller-bridge:grpc-web",
        "tiller-bridge:8080",
        "http:tiller-bridge:grpc-web",
        ":tiller-bridge:8080",
        "tiller-bridge%3Agrpc-web",
    ] {
        let path = format!("{SERVICES}/{id}/proxy/x");
        let reply = caller.request("POST", &path, &[]).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{id}");
        assert!(
            reply.headers.contains_key(tiller_edge::bridge::MARKER),
            "{id}"
        );
    }
}

#[tokio::test]
async fn credentials_and_rules_decide_before_anything_else() {
    let cluster = cluster().start().await;
    let path = format!("{BRIDGE}/x");
    let refused = r#"services "tiller-bridge:grpc-web" is forbidden: User "WHO" cannot create resource "services/proxy" in API group "" in the namespace "kube-system""#;
    for (token, who) in [(Some(NOBODY_TOKEN), "nobody"), (None, "system:anonymous")] {
        let mut caller = Caller::h2(&cluster).await.with_token(token);
        let reply = caller.request("POST", &path, &[]).await;
        assert_eq!(reply.refusal(), (403, refused.replace("WHO", who)));
        assert_eq!(reply.json()["reason"], "Forbidden");
    }
    for mut caller in [
        Caller::h1(&cluster).await.with_token(Some("stale")),
        Caller::h2(&cluster).await.with_token(Some("stale")),
    ] {
        let reply = caller.request("POST", &path, &[]).await;
        assert_eq!(reply.refusal(), (401, "Unauthorized".to_owned()));
    }
    let mut caller = Caller::h2(&cluster).await;
    let other_spelling = format!("{SERVICES}/http:tiller-bridge:grpc-web/proxy/x");
    for (method, path) in [("GET", path.as_str()), ("POST", other_spelling.as_str())] {
        let reply = caller.request(method, path, &[]).await;
        assert_eq!(reply.refusal().0, 403, "{method} {path}");
    }
    cluster.apiserver().revoke_token(crate::cluster::EDGE_TOKEN);
    assert_eq!(caller.request("POST", &path, &[]).await.refusal().0, 401);
}

#[tokio::test]
async fn an_unknown_token_ends_its_http2_connection() {
    let cluster = cluster().start().await;
    let mut caller = Caller::h2(&cluster).await.with_token(Some("stale"));
    caller.request("POST", BRIDGE, &[]).await;
    until(|| caller.is_closed()).await;
}

#[tokio::test]
async fn a_backend_that_cannot_be_reached_is_reported_in_the_form_of_the_version() {
    for version in Kubernetes::ALL {
        let cluster = cluster().with_kubernetes(version).start().await;
        let addr = cluster.faults().apiserver_to_bridge.addr();
        soon(cluster.kill_bridge()).await;
        let mut caller = Caller::h2(&cluster).await;
        let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
        let refused = format!("dial tcp {addr}: connect: connection refused");
        let content_type = reply.headers.get("content-type");
        let content_type = content_type.map(|value| value.to_str().unwrap());
        match version {
            Kubernetes::V1_15 => {
                let url = format!("http://{addr}/hapi.services.tiller.ReleaseService/GetVersion");
                let text = format!("Error: '{refused}'\nTrying to reach: '{url}'");
                assert_eq!((reply.text(), content_type), (text.as_str(), None));
                assert_eq!(reply.status, 503);
            }
            Kubernetes::V1_16 => {
                let text = format!("Error trying to reach service: '{refused}'");
                let plain = Some("text/plain; charset=utf-8");
                assert_eq!((reply.text(), content_type), (text.as_str(), plain));
                assert_eq!(reply.status, 503);
            }
            Kubernetes::V1_19 | Kubernetes::V1_21 | Kubernetes::V1_35 => {
                let code = if version == Kubernetes::V1_19 {
                    500
                } else {
                    503
                };
                let text = format!("error trying to reach service: {refused}");
                assert_eq!(reply.refusal(), (code, text));
                assert_eq!(content_type, Some("application/json"));
            }
        }
    }
}

#[tokio::test]
async fn a_backend_that_swallows_packets_is_given_up_after_the_dial_timeout() {
    // Linux drops what comes once the backlog is full.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let silent = socket.listen(1).unwrap();
    let addr = silent.local_addr().unwrap();
    let mut waiting = Vec::new();
    let patience = Duration::from_millis(50);
    while let Ok(Ok(stream)) =
        tokio::time::timeout(patience, tokio::net::TcpStream::connect(addr)).await
    {
        waiting.push(stream);
    }

    let mut options = cluster();
    options.apiserver.dial_timeout = patience;
    let cluster = options.start().await;
    cluster.apiserver().put_service(Service {
        namespace: "kube-system".to_owned(),
        name: "tiller-bridge".to_owned(),
        ports: vec![Port {
            name: "grpc-web".to_owned(),
            number: 8080,
            endpoint: Endpoint::Ready(addr),
        }],
    });
    let mut caller = Caller::h2(&cluster).await;
    let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
    let text = format!("error trying to reach service: dial tcp {addr}: i/o timeout");
    assert_eq!(reply.refusal(), (503, text));
}

#[tokio::test]
async fn protocols_that_do_not_fit_are_told_apart() {
    let cluster = cluster().without_tiller_tls().start().await;
    cluster.apiserver().set_rules(vec![
        Rule::of("edge", &["create"], "services/proxy").in_namespace("kube-system"),
    ]);
    let mut caller = Caller::h2(&cluster).await;
    let reply = caller.grpc("GetVersion", b"", &[]).await.unwrap();
    let (_, text) = reply.refusal();
    assert!(
        text.ends_with("tls: first record does not look like a TLS handshake"),
        "{text}"
    );
    let path = format!("{SERVICES}/tiller-deploy:tiller/proxy/x");
    let (_, text) = caller.request("POST", &path, &[]).await.refusal();
    assert!(
        text.contains(r#"malformed HTTP response "\x00\x00\x06\x04"#),
        "{text}"
    );
}

#[tokio::test]
async fn native_grpc_passes_with_its_trailers_over_both_protocols() {
    let cluster = cluster().with_release("web").start().await;
    for mut caller in [Caller::h1(&cluster).await, Caller::h2(&cluster).await] {
        let reply = caller.grpc("ListReleases", b"", &[]).await.unwrap();
        assert_eq!(reply.status, 200);
        assert_eq!(reply.headers["content-type"], "application/grpc");
        assert!(reply.body.len() > 5);
        assert_eq!(reply.trailers["grpc-status"], "0");
        let failed = caller
            .grpc("GetHistory", b"\x0a\x04none\x10\x01", &[])
            .await
            .unwrap();
        let status = failed
            .trailers
            .get("grpc-status")
            .or_else(|| failed.headers.get("grpc-status"));
        assert_eq!(status.unwrap(), "2");
    }
}

#[tokio::test]
async fn grpc_web_passes_through_the_bridge_over_both_protocols() {
    let cluster = cluster().with_release("web").start().await;
    for mut caller in [Caller::h1(&cluster).await, Caller::h2(&cluster).await] {
        let (messages, status) = caller
            .grpc_web("ListReleases", b"")
            .await
            .unwrap()
            .decoded();
        assert_eq!(messages.len(), 1);
        assert!(status.is_ok(), "{status}");
    }
    assert_eq!(cluster.tiller().count(Method::ListReleases), 2);
    assert_eq!(cluster.bridge_stats().calls_sent, 2);
}

#[tokio::test]
async fn without_http2_there_is_http1() {
    let cluster = cluster().without_http2().start().await;
    let mut caller = Caller::h1(&cluster).await;
    let (_, status) = caller.grpc_web("GetVersion", b"").await.unwrap().decoded();
    assert!(status.is_ok());
    assert_eq!(
        cluster.apiserver().seen()[0].version,
        http::Version::HTTP_11
    );
}

#[tokio::test]
async fn requests_reach_the_backend_with_the_proxys_headers() {
    for (version, remote) in [(Kubernetes::V1_35, false), (Kubernetes::V1_16, true)] {
        let cluster = cluster().with_kubernetes(version).start().await;
        let mut caller = Caller::h2(&cluster).await;
        let sent = [
            ("audit-id", "my-id"),
            ("x-remote-user", "admin"),
            ("x-forwarded-for", "1.2.3.4"),
            ("custom", "kept"),
        ];
        let reply = caller.grpc("GetVersion", b"", &sent).await.unwrap();
        let audit_ids = version >= Kubernetes::V1_21;
        assert_eq!(reply.headers.contains_key("audit-id"), audit_ids);
        assert_eq!(reply.headers["cache-control"], "no-cache, private");
        let calls = cluster.tiller().calls();
        let got = &calls[0].metadata;
        assert!(!got.contains_key("authorization"));
        assert_eq!(got.contains_key("x-remote-user"), remote);
        assert_eq!(got["audit-id"], "my-id");
        assert_eq!(got["custom"], "kept");
        assert_eq!(got["te"], "trailers");
        assert_eq!(got["accept-encoding"], "gzip");
        assert_eq!(got["x-forwarded-for"], "1.2.3.4, 127.0.0.1");
        let uri = format!("{TILLER}/hapi.services.tiller.ReleaseService/GetVersion");
        assert_eq!(got["x-forwarded-uri"], uri.as_str());
    }
}

#[tokio::test]
async fn paths_are_decoded_and_cleaned() {
    let cluster = cluster().start().await;
    let mut caller = Caller::h2(&cluster).await;
    let odd = format!("{TILLER}//hapi.services.tiller.ReleaseService/x/..%2FGetVersion");
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    let message = grpc_web::encode_message(b"");
    let response = caller.send("POST", &odd, &headers, message).await.unwrap();
    crate::caller::Reply::read(response).await.unwrap();
    assert_eq!(cluster.tiller().count(Method::GetVersion), 1);
}

#[tokio::test]
async fn an_empty_path_is_redirected_and_odd_methods_refused() {
    let cluster = cluster().start().await;
    cluster.apiserver().set_rules(vec![
        Rule {
            verbs: vec!["get".to_owned()],
            ..Rule::create("edge", "tiller-bridge:grpc-web")
        },
        Rule {
            verbs: vec![String::new()],
            ..Rule::create("edge", "tiller-bridge:grpc-web")
        },
    ]);
    let mut caller = Caller::h2(&cluster).await;
    let moved = caller.request("GET", BRIDGE, &[]).await;
    assert_eq!(moved.status, 301);
    assert_eq!(moved.headers["location"], format!("{BRIDGE}/").as_str());
    let healthy = caller
        .request("GET", &format!("{BRIDGE}/healthz"), &[])
        .await;
    assert_eq!((healthy.status.as_u16(), healthy.text()), (200, "ok\n"));
    let path = format!("{BRIDGE}/x");
    assert_eq!(caller.request("TRACE", &path, &[]).await.refusal().0, 405);
}

#[tokio::test]
async fn everybody_may_ask_for_version_and_readiness_and_callers_for_their_rights() {
    let cluster = cluster().with_kubernetes(Kubernetes::V1_21).start().await;
    let mut anonymous = Caller::h2(&cluster).await.with_token(None);
    let version = anonymous.request("GET", "/version", &[]).await;
    assert_eq!(version.json()["gitVersion"], "v1.21.14");
    assert_eq!(anonymous.request("GET", "/readyz", &[]).await.text(), "ok");
    assert_eq!(anonymous.request("GET", "/api", &[]).await.refusal().0, 403);

    let mut caller = Caller::h2(&cluster).await;
    assert_eq!(caller.request("GET", "/api", &[]).await.status, 404);
    for (name, allowed) in [("tiller-bridge:grpc-web", true), ("tiller-bridge", false)] {
        let review = serde_json::json!({ "spec": { "resourceAttributes": {
            "namespace": "kube-system", "verb": "create", "resource": "services",
            "subresource": "proxy", "name": name,
        } } });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let headers = [("content-type", "application/json")];
        let body = review.to_string().into();
        let response = caller.send("POST", path, &headers, body).await.unwrap();
        let reply = crate::caller::Reply::read(response).await.unwrap();
        assert_eq!(reply.status, 201);
        assert_eq!(reply.json()["status"]["allowed"], allowed, "{name}");
    }
}

#[tokio::test]
async fn arranged_answers_come_before_or_after_the_backend_and_once() {
    let cluster = cluster().start().await;
    let server = cluster.apiserver();
    let mut caller = Caller::h2(&cluster).await;
    server.answer_next(When::BeforeBackend, Answer::ShuttingDown);
    let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
    assert_eq!(reply.status, 429);
    assert_eq!(reply.headers["retry-after"], "5");
    assert_eq!(cluster.tiller().count(Method::GetVersion), 0);

    server.answer_next(When::AfterBackend, Answer::Unreachable("EOF".to_owned()));
    let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
    let eof = "error trying to reach service: EOF".to_owned();
    assert_eq!(reply.refusal(), (503, eof));
    assert_eq!(cluster.tiller().count(Method::GetVersion), 1);

    let page = Answer::Balancer(502, "text/html", "<h1>Bad gateway</h1>");
    server.answer_next(When::BeforeBackend, page);
    server.answer_next(When::BeforeBackend, Answer::Unauthorized);
    let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (502, "<h1>Bad gateway</h1>")
    );
    assert_eq!(
        caller.grpc_web("GetVersion", b"").await.unwrap().status,
        401
    );

    let (_, status) = caller.grpc_web("GetVersion", b"").await.unwrap().decoded();
    assert!(status.is_ok());
}

#[tokio::test]
async fn going_away_ends_connections_and_not_calls() {
    let cluster = cluster().start().await;
    let mut hold = cluster.tiller().pause(Method::GetVersion);
    let mut caller = Caller::h2(&cluster).await;
    let calling = tokio::spawn(async move {
        let reply = caller.grpc_web("GetVersion", b"").await.unwrap();
        (caller, reply)
    });
    soon(hold.reached(1)).await;
    cluster.apiserver().go_away();
    hold.release();
    let (caller, reply) = soon(calling).await.unwrap();
    assert!(reply.decoded().1.is_ok());
    until(|| caller.is_closed()).await;
}

/// Posts a review and reads what came of it.
async fn review(caller: &mut Caller, path: &str, review: serde_json::Value) -> Reply {
    let headers = [("content-type", "application/json")];
    let body = review.to_string().into();
    let response = caller.send("POST", path, &headers, body).await.unwrap();
    Reply::read(response).await.unwrap()
}

#[tokio::test]
async fn reviews_say_whose_a_token_is_and_what_others_may() {
    const TOKENS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
    const ACCESS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let cluster = cluster().start().await;
    let server = cluster.apiserver();
    server.add_token("ci-token", User::service_account("team", "ci"));
    let mut caller = Caller::h2(&cluster).await;
    let asked = serde_json::json!({ "kind": "TokenReview", "spec": { "token": "ci-token" } });
    let (code, text) = review(&mut caller, TOKENS, asked.clone()).await.refusal();
    assert_eq!(code, 403);
    assert_eq!(
        text,
        "tokenreviews.authentication.k8s.io is forbidden: User \"edge\" cannot create resource \"tokenreviews\" in \
         API group \"authentication.k8s.io\" at the cluster scope"
    );

    server.set_rules(vec![
        Rule::of("edge", &["create"], "tokenreviews.authentication.k8s.io"),
        Rule::of(
            "edge",
            &["create"],
            "subjectaccessreviews.authorization.k8s.io",
        ),
        Rule::of_group("dev", &["create"], "deployments.apps").in_namespace("team"),
    ]);
    let status = review(&mut caller, TOKENS, asked).await.json()["status"].clone();
    assert_eq!(status["authenticated"], true);
    assert_eq!(status["user"]["username"], "system:serviceaccount:team:ci");
    let unknown = serde_json::json!({ "kind": "TokenReview", "spec": { "token": "other" } });
    let status = review(&mut caller, TOKENS, unknown).await.json()["status"].clone();
    assert_eq!(status["authenticated"], serde_json::Value::Null);

    for (group, namespace, allowed) in [
        ("dev", "team", true),
        ("ops", "team", false),
        ("dev", "other", false),
    ] {
        let asked = serde_json::json!({ "kind": "SubjectAccessReview", "spec": {
            "user": "jane", "groups": [group], "resourceAttributes": {
                "namespace": namespace, "verb": "create", "group": "apps", "resource": "deployments", "name": "a",
            },
        } });
        let answer = review(&mut caller, ACCESS, asked).await.json();
        assert_eq!(answer["status"]["allowed"], allowed, "{group} {namespace}");
    }
}

#[tokio::test]
async fn whoever_may_acts_as_others_and_the_backend_hears_nothing_of_it() {
    let cluster = cluster().start().await;
    let server = cluster.apiserver();
    let as_jane = [("impersonate-user", "jane"), ("impersonate-group", "dev")];
    let mut caller = Caller::h2(&cluster).await;
    let (code, text) = caller
        .grpc("GetVersion", b"", &as_jane)
        .await
        .unwrap()
        .refusal();
    assert_eq!(code, 403);
    assert_eq!(
        text,
        "users \"jane\" is forbidden: User \"edge\" cannot impersonate resource \"users\" in API group \"\" at the cluster \
         scope"
    );
    server.set_rules(vec![
        Rule::of("edge", &["impersonate"], "users").only("jane"),
        Rule::of("edge", &["impersonate"], "groups").only("dev"),
        Rule::of_group("dev", &["create"], "services/proxy"),
    ]);
    let reply = caller.grpc("GetVersion", b"", &as_jane).await.unwrap();
    assert_eq!(reply.status, 200);
    let acting = server.seen().pop().and_then(|seen| seen.acting).unwrap();
    assert_eq!(acting.name, "jane");
    assert_eq!(acting.groups, ["dev", "system:authenticated"]);
    let alone = [("impersonate-group", "dev")];
    assert_eq!(
        caller.grpc("GetVersion", b"", &alone).await.unwrap().status,
        400
    );
}

#[tokio::test]
async fn kinds_are_looked_up_by_group_and_version() {
    let cluster = cluster().start().await;
    let mut caller = Caller::h2(&cluster).await;
    let apps = caller.request("GET", "/apis/apps/v1", &[]).await.json();
    let listed = apps["resources"].as_array().unwrap();
    let deployment = listed
        .iter()
        .find(|listed| listed["kind"] == "Deployment")
        .unwrap();
    assert_eq!(deployment["name"], "deployments");
    assert_eq!(deployment["namespaced"], true);
    assert_eq!(
        caller.request("GET", "/apis/apps/v9", &[]).await.status,
        404
    );
}
