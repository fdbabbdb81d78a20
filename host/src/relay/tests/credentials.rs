//! Credentials: whose, how they are renewed, and that nobody sees them.

use http::HeaderMap;
use rest::problem::{Code, Outcome};

use super::apiserver::{Answer, ApiServer, Seen, grpc_web, status};
use super::*;

/// A server that lets `token` in and nobody else.
async fn guarded(token: &'static str) -> ApiServer {
    ApiServer::start(move |seen| async move { guard(&seen.headers, token) }).await
}

fn guard(headers: &HeaderMap, token: &str) -> Answer {
    let expected = format!("Bearer {token}");
    match headers.get("authorization") {
        Some(sent) if sent == expected.as_str() => grpc_web(success(b"")),
        Some(_) => status(401, "Unauthorized"),
        None => status(
            403,
            "services \"x\" is forbidden: User \"system:anonymous\" cannot …",
        ),
    }
}

fn tokens(seen: &[Seen]) -> Vec<&str> {
    seen.iter()
        .map(|seen| seen.headers["authorization"].to_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_refused_token_file_is_read_again_and_the_call_sent_once_more() {
    let server = guarded("new").await;
    let rig = Rig::with_user(&server, "{tokenFile: '{dir}/token'}");
    fs::write(rig.file("token"), "new\n").unwrap();
    let relay = rig.relay();
    call(&relay, INSTALL).await;
    fs::write(rig.file("token"), "old").unwrap();

    let stale = Rig::with_user(&server, "{tokenFile: '{dir}/token'}");
    fs::write(stale.file("token"), "old\n").unwrap();
    let relay = stale.relay();
    let refused = problem(call(&relay, INSTALL).await).await;
    assert_eq!(refused.code, Code::ClusterCredentialsRefused);
    assert_eq!(refused.outcome, Outcome::NotApplied);
    fs::write(stale.file("token"), "new\n").unwrap();
    assert_eq!(call(&relay, INSTALL).await.status(), StatusCode::OK);
    assert_eq!(
        tokens(&server.seen()),
        ["Bearer new", "Bearer old", "Bearer old", "Bearer new"]
    );
}

#[tokio::test]
async fn a_token_that_cannot_change_is_tried_once() {
    let server = guarded("right").await;
    let relay = Rig::with_user(&server, "{token: wr0ng-s3cret}").relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::ClusterCredentialsRefused);
    assert_eq!(server.seen().len(), 1);
    assert!(!serde_json::to_string(&problem).unwrap().contains("s3cret"));
}

#[tokio::test]
async fn a_plugin_is_asked_again_when_its_token_is_refused() {
    let server = guarded("t-2").await;
    let script = r#"n=$(cat "$0.n" 2>/dev/null || echo 0); n=$((n+1)); echo $n > "$0.n"
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t-%d"}}' $n"#;
    let rig = Rig::with_user(
        &server,
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/sh, \
         args: ['{dir}/plugin'], interactiveMode: IfAvailable}}",
    );
    fs::write(rig.file("plugin"), script).unwrap();
    let relay = rig.relay();
    assert_eq!(call(&relay, INSTALL).await.status(), StatusCode::OK);
    assert_eq!(call(&relay, INSTALL).await.status(), StatusCode::OK);
    assert_eq!(
        tokens(&server.seen()),
        ["Bearer t-1", "Bearer t-2", "Bearer t-2"]
    );
}

#[tokio::test]
async fn a_certificate_that_a_plugin_prints_is_shown() {
    let server = ApiServer::start(|seen| async move {
        match seen.certificate {
            Some(certificate) if contains(&certificate, b"plugin.example") => {
                grpc_web(success(b""))
            }
            _ => status(401, "Unauthorized"),
        }
    })
    .await;
    let rig = Rig::with_user(
        &server,
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/cat, args: ['{dir}/printed']}}",
    );
    let (certificate, key) = server.authority().issue("plugin.example");
    let printed = serde_json::json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": { "clientCertificateData": certificate, "clientKeyData": key },
    });
    fs::write(rig.file("printed"), printed.to_string()).unwrap();
    assert_eq!(call(&rig.relay(), INSTALL).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_keeps_the_edge_from_its_credential_stays_in_the_log() {
    let server = guarded("t").await;
    let relay = Rig::with_user(&server, "{tokenFile: /nowhere/token-s3cret}").relay();
    let problem = problem(call(&relay, INSTALL).await).await;
    assert_eq!(problem.code, Code::ClusterCredentialsRefused);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(!problem.detail.contains("nowhere"), "{}", problem.detail);
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_new_certificate_is_shown_as_soon_as_the_old_one_is_refused() {
    let server = ApiServer::start(|seen| async move {
        match seen.certificate {
            Some(certificate) if contains(&certificate, b"second.example") => {
                grpc_web(success(b""))
            }
            Some(_) => status(401, "Unauthorized"),
            None => status(403, "anonymous"),
        }
    })
    .await;
    let rig = Rig::with_user(
        &server,
        "{client-certificate: '{dir}/tls.crt', client-key: '{dir}/tls.key'}",
    );
    let install = |name| {
        let (certificate, key) = server.authority().issue(name);
        fs::write(rig.file("tls.crt"), certificate).unwrap();
        fs::write(rig.file("tls.key"), key).unwrap();
    };
    install("first.example");
    let relay = rig.relay();
    let refused = problem(call(&relay, INSTALL).await).await;
    assert_eq!(refused.code, Code::ClusterCredentialsRefused);
    assert_eq!(server.seen().len(), 1, "there was no other to try");
    install("second.example");
    assert_eq!(call(&relay, INSTALL).await.status(), StatusCode::OK);
    assert_eq!(call(&relay, INSTALL).await.status(), StatusCode::OK);
    assert_eq!(server.seen().len(), 4);
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn the_callers_own_credentials_are_passed_on_and_the_edges_are_not() {
    let server = guarded("callers-s3cret").await;
    let relay = Rig::new(&server).for_callers().relay();
    let send = async |authorization: Option<&str>| {
        let caller = Caller {
            authorization: authorization.map(SecretString::from),
            ..caller()
        };
        soon(relay.handle(&caller, request(INSTALL, frame(b"")))).await
    };
    let good = send(Some("Bearer callers-s3cret")).await;
    assert_eq!(good.status(), StatusCode::OK);

    let none = problem(send(None).await).await;
    assert_eq!(none.code, Code::CallerCredentialsRefused);
    assert_eq!(none.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        server.seen().len(),
        1,
        "nothing is sent without a credential"
    );

    let bad = problem(send(Some("Bearer wr0ng-s3cret")).await).await;
    assert_eq!(bad.code, Code::CallerCredentialsRefused);
    assert!(!serde_json::to_string(&bad).unwrap().contains("s3cret"));
}

#[tokio::test]
async fn what_a_callers_credentials_may_not_do_is_the_callers_to_ask_for() {
    let server =
        ApiServer::start(|_| async { status(403, "forbidden: User \"jane\" cannot") }).await;
    let edges = problem(call(&Rig::new(&server).relay(), INSTALL).await).await;
    assert_eq!(edges.code, Code::ClusterForbidden);

    let relay = Rig::new(&server).for_callers().relay();
    let caller = Caller {
        authorization: Some(SecretString::from("Bearer t")),
        ..caller()
    };
    let answer = soon(relay.handle(&caller, request(INSTALL, frame(b"")))).await;
    assert_eq!(problem(answer).await.code, Code::CallerForbidden);
    assert!(!format!("{caller:?}").contains("Bearer"), "{caller:?}");
}

/// What is logged in a test.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_level_of_the_log_shows_a_credential() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    // With a single subscriber in the process tracing asks whichever thread comes first whether an event is wanted, and
    // the threads of other tests have none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let server = guarded("new-s3cret").await;
    let rig = Rig::with_user(&server, "{tokenFile: '{dir}/token'}");
    fs::write(rig.file("token"), "old-s3cret").unwrap();
    let relay = rig.relay();
    problem(call(&relay, INSTALL).await).await;
    fs::write(rig.file("token"), "new-s3cret").unwrap();
    read(call(&relay, INSTALL).await).await;
    let callers = Rig::new(&server).for_callers().relay();
    let caller = Caller {
        authorization: Some(SecretString::from("Bearer new-s3cret")),
        ..caller()
    };
    soon(callers.handle(&caller, request(INSTALL, frame(b"")))).await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("relayed a call"), "{log}");
    // The server of this test reads its requests with hyper, which does not know what is secret in them.
    let of_the_edge = log.lines().filter(|line| line.contains("tiller_edge"));
    assert!(of_the_edge.clone().count() > 3);
    for line in of_the_edge {
        assert!(!line.contains("s3cret"), "{line}");
    }
}
