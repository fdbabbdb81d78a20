//! What every route has in common.

use rest::problem::{Code, Outcome, Problem};
use tiller_api::Method;

use crate::fake::{
    edge, history, installed, messages, pieces, relayed, release, released, soon, status, version,
};

#[tokio::test]
async fn an_unknown_path_is_route_not_found_and_goes_nowhere() {
    let edge = edge();
    let answer = edge.get("/v1/clusters/prod/nope").await;
    assert_eq!(answer.problem().code, Code::RouteNotFound);
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn a_method_that_a_resource_has_not_gets_those_it_has() {
    let edge = edge();
    for (method, path, allow) in [
        ("POST", "/v1/clusters", "GET, HEAD"),
        ("PATCH", "/v1/clusters/prod/releases", "GET, HEAD, POST"),
        (
            "POST",
            "/v1/clusters/prod/releases/web",
            "DELETE, GET, HEAD, PUT",
        ),
        ("GET", "/v1/clusters/prod/releases/web/rollback", "POST"),
        ("OPTIONS", "/v1/clusters/prod/releases/web/tests", "POST"),
    ] {
        let answer = edge.send(method, path, &[], "").await;
        assert_eq!(
            answer.problem().code,
            Code::MethodNotAllowed,
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), Some(allow));
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn the_request_id_goes_to_the_relay_and_comes_back() {
    let edge = edge().answers(Method::GetVersion, &version("v2.17.0"));
    let path = "/v1/clusters/prod/version";
    let answer = edge.send("GET", path, &[("x-request-id", "r-1")], "").await;
    assert_eq!(answer.header("x-request-id"), Some("r-1"));
    assert_eq!(
        edge.call(Method::GetVersion).header("x-request-id"),
        Some("r-1")
    );

    let answer = edge
        .send("GET", "/nope", &[("x-request-id", "r-2")], "")
        .await;
    assert_eq!(answer.problem().request_id.as_deref(), Some("r-2"));
    assert_eq!(answer.header("x-request-id"), Some("r-2"));
}

#[tokio::test]
async fn the_callers_authorization_is_forwarded_only_if_there_is_one() {
    let edge = edge()
        .answers(Method::GetVersion, &version("v2.17.0"))
        .answers(Method::GetVersion, &version("v2.17.0"));
    let path = "/v1/clusters/prod/version";
    edge.send("GET", path, &[("authorization", "Bearer x")], "")
        .await;
    edge.get(path).await;
    let calls = edge.calls();
    assert_eq!(calls[0].header("authorization"), Some("Bearer x"));
    assert_eq!(calls[1].header("authorization"), None);
}

#[tokio::test]
async fn a_call_is_framed_as_the_relay_wants_it() {
    let edge = edge().answers(Method::GetReleaseStatus, &installed(&release("web", 1, 1)));
    edge.get("/v1/clusters/arn:aws:eks:x%2Fy/tillers/blue/releases/web/status")
        .await;
    let call = edge.call(Method::GetReleaseStatus);
    assert_eq!(
        call.path,
        "/clusters/arn%3Aaws%3Aeks%3Ax%2Fy/tillers/blue/hapi.services.tiller.ReleaseService/GetReleaseStatus"
    );
    assert_eq!(
        call.header("content-type"),
        Some("application/grpc-web+proto")
    );
    assert_eq!(
        call.header("content-length"),
        Some(call.body.len().to_string().as_str())
    );
    assert_eq!(call.header("x-helm-api-client"), Some("v2.0.0+unreleased"));
    assert_eq!(call.header("grpc-timeout"), Some("1M"));
}

#[tokio::test]
async fn h7_nothing_is_compressed() {
    let edge = edge().answers(Method::GetHistory, &history(vec![release("web", 1, 1)]));
    edge.get("/v1/clusters/prod/releases/web/history").await;
    let call = edge.call(Method::GetHistory);
    assert_eq!(call.header("grpc-encoding"), None);
    assert_eq!(call.header("content-encoding"), None);
    assert_eq!(call.body[0], 0, "the flag of an uncompressed frame");
}

#[tokio::test]
async fn a_problem_of_the_relay_passes_unchanged() {
    let problem = Problem::new(Code::ClusterNotFound, "no cluster prod").with_request_id("theirs");
    let edge = edge().on(Method::GetVersion, relayed(&problem));
    let answer = edge
        .send(
            "GET",
            "/v1/clusters/prod/version",
            &[("x-request-id", "mine")],
            "",
        )
        .await;
    assert_eq!(answer.body, problem.to_json());
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
}

#[tokio::test]
async fn a_retry_after_of_the_relay_is_kept() {
    let problem = Problem::new(Code::ClusterBusy, "later").with_retry_after(Some(5));
    let edge = edge().on(Method::GetVersion, relayed(&problem));
    let answer = edge.get("/v1/clusters/prod/version").await;
    assert_eq!(answer.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn a_problem_names_cluster_and_tiller() {
    let edge = edge().fails(Method::GetReleaseContent, "release: \"web\" not found");
    let problem = edge
        .get("/v1/clusters/prod/tillers/blue/releases/web")
        .await
        .problem();
    assert_eq!(problem.cluster.as_deref(), Some("prod"));
    assert_eq!(problem.tiller.as_deref(), Some("blue"));
    assert_eq!(problem.code, Code::ReleaseNotFound);
}

#[tokio::test]
async fn without_a_relay_nothing_works_and_it_says_so() {
    let request = http::Request::get("/v1/clusters")
        .body(http_body_util::Empty::new())
        .unwrap();
    let response = soon(releases::serve(edge(), None, request)).await;
    assert_eq!(response.status(), 500);
}

#[tokio::test]
async fn what_is_no_relay_is_not_mistaken_for_one() {
    let html = http::Response::builder()
        .header("content-type", "text/html")
        .body(vec![Ok("<html>secret</html>".into())])
        .unwrap();
    let edge = edge().on(Method::UninstallRelease, crate::fake::Reply::Response(html));
    let answer = edge
        .send("DELETE", "/v1/clusters/prod/releases/web", &[], "")
        .await;
    let problem = answer.problem();
    assert_eq!(problem.code, Code::NotRelayed);
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert!(!answer.text().contains("secret"));
}

#[tokio::test]
async fn a_call_that_never_left_is_proven_not_applied() {
    for (unsent, outcome) in [(true, Outcome::NotApplied), (false, Outcome::Unknown)] {
        let error = client::SendError {
            message: "connection refused".into(),
            unsent,
        };
        let edge = edge().on(Method::UninstallRelease, crate::fake::Reply::Unsent(error));
        let answer = edge
            .send("DELETE", "/v1/clusters/prod/releases/web", &[], "")
            .await;
        assert_eq!(answer.problem().code, Code::NotRelayed);
        assert_eq!(answer.problem().outcome, outcome);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_a_mutation_in_doubt() {
    let whole = grpc_web::encode_message(b"xx");
    for broken in [
        vec![],
        vec![Ok(whole.clone())],
        vec![Ok(whole.slice(..3))],
        vec![Ok(whole.clone()), Err("reset".to_owned())],
    ] {
        let edge = edge().on(Method::UninstallRelease, pieces(broken));
        let answer = edge
            .send("DELETE", "/v1/clusters/prod/releases/web", &[], "")
            .await;
        let problem = answer.problem();
        assert_eq!(problem.code, Code::AnswerInterrupted, "{problem}");
        assert_eq!(problem.outcome, Outcome::Unknown);
        assert_eq!(edge.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_call_has_exactly_one_answer() {
    for (reply, detail) in [
        (messages(&[]), "without an answer"),
        (messages(&[vec![], vec![]]), "more than one answer"),
        (messages(&[vec![0xff]]), "cannot be decoded"),
    ] {
        let edge = edge().on(Method::GetReleaseContent, reply);
        let problem = edge.get("/v1/clusters/prod/releases/web").await.problem();
        assert_eq!(problem.code, Code::TillerMisbehaved);
        assert!(problem.detail.contains(detail), "{problem}");
    }
}

#[tokio::test]
async fn the_bridges_own_words_are_told_from_tillers() {
    let mut trailers =
        grpc_web::Status::new(grpc_web::Code::Unavailable, "connect: refused").to_trailers();
    trailers.append("x-tiller-edge-answered-by", "bridge");
    trailers.append("x-tiller-edge-outcome", "not_applied");
    let edge = edge().on(
        Method::UninstallRelease,
        pieces(vec![Ok(trailers.encode())]),
    );
    let answer = edge
        .send("DELETE", "/v1/clusters/prod/releases/web", &[], "")
        .await;
    assert_eq!(answer.problem().code, Code::TillerUnreachable);
    assert_eq!(answer.problem().outcome, Outcome::NotApplied);
}

#[tokio::test]
async fn a_status_in_the_headers_counts_where_the_body_has_none() {
    let response = http::Response::builder()
        .header("content-type", "application/grpc-web+proto")
        .header("grpc-status", "2")
        .header("grpc-message", "release: %22web%22 not found")
        .body(vec![])
        .unwrap();
    let edge = edge().on(
        Method::GetReleaseContent,
        crate::fake::Reply::Response(response),
    );
    let problem = edge.get("/v1/clusters/prod/releases/web").await.problem();
    assert_eq!(problem.code, Code::ReleaseNotFound);
    assert_eq!(problem.detail, "release: \"web\" not found");
}

#[tokio::test]
async fn an_answer_of_known_size_says_it() {
    let edge = edge()
        .answers(Method::GetReleaseContent, &released(release("web", 1, 1)))
        .answers(Method::GetReleaseContent, &released(release("web", 1, 1)));
    for path in [
        "/v1/clusters/prod/releases/web",
        "/v1/clusters/prod/releases/web/manifest",
    ] {
        let answer = edge.get(path).await;
        assert_eq!(
            answer.header("content-length"),
            Some(answer.body.len().to_string().as_str())
        );
    }
}

#[tokio::test]
async fn head_is_get() {
    let edge = edge().answers(Method::GetReleaseContent, &released(release("web", 7, 1)));
    let answer = edge
        .send("HEAD", "/v1/clusters/prod/releases/web", &[], "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("etag"), Some("\"7\""));
}

#[tokio::test]
async fn what_nobody_offers_is_refused_before_anything_is_done() {
    let edge = edge();
    for (method, path) in [
        ("GET", "/v1/clusters"),
        ("GET", "/v1/clusters/prod/releases"),
        ("POST", "/v1/clusters/prod/releases"),
        ("PUT", "/v1/clusters/prod/releases/web"),
        ("DELETE", "/v1/clusters/prod/releases/web"),
        ("POST", "/v1/clusters/prod/releases/web/rollback"),
        ("POST", "/v1/clusters/prod/releases/web/tests"),
        ("GET", "/v1/clusters/prod/releases/web/manifest"),
    ] {
        let answer = edge
            .send(method, path, &[("accept", "image/png")], "")
            .await;
        assert_eq!(
            answer.problem().code,
            Code::NotAcceptable,
            "{method} {path}"
        );
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn a_name_that_no_release_has_goes_nowhere() {
    let edge = edge();
    for name in ["-a", "a%20b", "a%2Fb", "%E2%82%AC", &"a".repeat(54), "..."] {
        let answer = edge
            .get(&format!("/v1/clusters/prod/releases/{name}"))
            .await;
        assert_eq!(answer.problem().code, Code::InvalidReleaseName, "{name}");
    }
    assert!(edge.calls().is_empty());
}

#[tokio::test]
async fn a_message_too_large_for_somebody_on_the_way_back_may_have_been_applied() {
    for (text, code, outcome) in [
        (
            "grpc: received message larger than max (5242880 vs. 4194304)",
            Code::BridgeError,
            Outcome::Unknown,
        ),
        (
            "grpc: received message larger than max (8 vs. 4)",
            Code::MessageTooLarge,
            Outcome::NotApplied,
        ),
    ] {
        let edge = edge().on(
            Method::UninstallRelease,
            status(grpc_web::Code::ResourceExhausted, text),
        );
        let answer = edge
            .send("DELETE", "/v1/clusters/prod/releases/web", &[], "")
            .await;
        let problem = answer.problem();
        assert_eq!(problem.code, code, "{text}");
        assert_eq!(problem.outcome, outcome, "{text}");
    }
}
