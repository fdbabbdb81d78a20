//! Dying, restarting, being held: what the conversation with the real Tiller cannot show.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http::HeaderMap;
use prost::Message;
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata, Template},
    release::status::Code as ReleaseCode,
    services::tiller::{
        GetHistoryRequest, GetHistoryResponse, InstallReleaseRequest, ListReleasesRequest,
        ListReleasesResponse, TestReleaseRequest, TestReleaseResponse, UpdateReleaseRequest,
    },
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    client::{Client, PATIENCE, Reply},
    *,
};

async fn start(tiller: &Tiller) -> (Server, Client) {
    let server = Server::start(tiller, None).await.expect("a free port");
    let client = Client::connect(server.addr()).await;
    (server, client)
}

fn chart() -> Chart {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\n";
    Chart {
        metadata: Some(Metadata {
            name: "web".to_owned(),
            ..Default::default()
        }),
        templates: vec![Template {
            name: "templates/map.yaml".to_owned(),
            data: Bytes::from_static(map.as_bytes()),
        }],
        ..Default::default()
    }
}

fn with_hook(hook: &'static str) -> Chart {
    let mut chart = chart();
    chart.templates.push(Template {
        name: "templates/hook.yaml".to_owned(),
        data: Bytes::from_static(hook.as_bytes()),
    });
    chart
}

fn install(name: &str, chart: Chart) -> InstallReleaseRequest {
    InstallReleaseRequest {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        chart: Some(chart),
        values: Some(Config::default()),
        timeout: 1,
        ..Default::default()
    }
}

fn upgrade(name: &str) -> UpdateReleaseRequest {
    UpdateReleaseRequest {
        name: name.to_owned(),
        chart: Some(chart()),
        values: Some(Config::default()),
        timeout: 1,
        ..Default::default()
    }
}

fn ended(reply: &Reply) -> (u32, &str) {
    let (code, text) = reply.status.as_ref().expect("the stream did not break");
    (*code, text)
}

async fn assert_dead(tiller: &Tiller, server: &Server, reply: &Reply) {
    assert_eq!(reply.status, None, "{reply:?}");
    timeout(PATIENCE, tiller.died()).await.expect("it died");
    timeout(PATIENCE, tiller.servers_listen(false))
        .await
        .expect("its port closes");
    TcpStream::connect(server.addr())
        .await
        .expect_err("nobody listens");
}

#[tokio::test]
async fn a_negative_list_limit_kills_even_with_nothing_to_list() {
    let tiller = Tiller::default();
    let (server, mut client) = start(&tiller).await;
    let request = ListReleasesRequest {
        limit: -1,
        ..Default::default()
    };
    let reply = client.call(Method::ListReleases, &request).await;
    assert_dead(&tiller, &server, &reply).await;
}

#[tokio::test]
async fn reusing_values_without_values_kills() {
    let tiller = Tiller::default();
    tiller.seed([Seed::new("web")]);
    let (server, mut client) = start(&tiller).await;
    let request = UpdateReleaseRequest {
        reuse_values: true,
        values: None,
        ..upgrade("web")
    };
    let reset = UpdateReleaseRequest {
        reset_values: true,
        ..request.clone()
    };
    let reply = client.call(Method::UpdateRelease, &reset).await;
    assert_eq!(ended(&reply), (0, ""));
    let reply = client.call(Method::UpdateRelease, &request).await;
    assert_dead(&tiller, &server, &reply).await;
}

#[tokio::test]
async fn charts_without_metadata_kill_even_in_a_dry_run() {
    for nested in [false, true] {
        let tiller = Tiller::default();
        let (server, mut client) = start(&tiller).await;
        let nameless = Chart {
            metadata: None,
            ..chart()
        };
        let chart = if nested {
            Chart {
                dependencies: vec![nameless],
                ..chart()
            }
        } else {
            nameless
        };
        let request = InstallReleaseRequest {
            dry_run: true,
            ..install("web", chart)
        };
        let reply = client.call(Method::InstallRelease, &request).await;
        assert_dead(&tiller, &server, &reply).await;
    }
}

#[tokio::test]
async fn records_and_port_survive_a_restart() {
    let tiller = Tiller::default();
    let (server, mut client) = start(&tiller).await;
    client
        .call(Method::InstallRelease, &install("web", chart()))
        .await;
    timeout(PATIENCE, tiller.kill()).await.expect("it dies");
    TcpStream::connect(server.addr())
        .await
        .expect_err("nobody listens");
    timeout(PATIENCE, tiller.restart())
        .await
        .expect("it listens");
    let mut client = Client::connect(server.addr()).await;
    let request = GetHistoryRequest {
        name: "web".to_owned(),
        max: 1,
    };
    let reply = client.call(Method::GetHistory, &request).await;
    assert_eq!(ended(&reply), (0, ""));
    assert_eq!(tiller.count(Method::InstallRelease), 1);
}

#[tokio::test]
async fn an_upgrade_cut_off_by_death_stays_pending() {
    let tiller = Tiller::default();
    tiller.seed([Seed::new("web")]);
    let (server, mut client) = start(&tiller).await;
    let mut hold = tiller.hold(Method::UpdateRelease, Point::Underway);
    let dying = async {
        timeout(PATIENCE, hold.reached(1))
            .await
            .expect("the upgrade comes there");
        tiller.kill().await;
    };
    let request = upgrade("web");
    let (reply, ()) = tokio::join!(client.call(Method::UpdateRelease, &request), dying);
    assert_eq!(reply.status, None);
    hold.release();

    timeout(PATIENCE, tiller.restart())
        .await
        .expect("it listens");
    let mut client = Client::connect(server.addr()).await;
    let reply = client.call(Method::UpdateRelease, &request).await;
    let error = "another operation (install/upgrade/rollback) is in progress";
    assert_eq!(ended(&reply), (2, error));
}

#[tokio::test]
async fn work_goes_on_when_its_caller_leaves() {
    let tiller = Tiller::default();
    let mut hold = tiller.pause(Method::InstallRelease);
    let message = install("web", chart()).encode_to_vec().into();
    let mut metadata = HeaderMap::new();
    metadata.insert(
        "x-helm-api-client",
        http::HeaderValue::from_static("v2.17.0"),
    );
    drop(tiller.call(Method::InstallRelease.path(), metadata, message));
    timeout(PATIENCE, hold.reached(1))
        .await
        .expect("it arrives");
    let mut done = tiller.hold(Method::InstallRelease, Point::Answer);
    hold.release();
    timeout(PATIENCE, done.reached(1))
        .await
        .expect("it is done");
    assert_eq!(tiller.records(), 1);
    assert!(tiller.has_object("ConfigMap", "default", "web"));
}

#[tokio::test]
async fn streams_can_be_held_between_messages() {
    let tiller = Tiller::default();
    let seeds = (0..3).map(|at| Seed {
        padding: 9 << 20,
        ..Seed::new(format!("big-{at}"))
    });
    tiller.seed(seeds);
    let mut hold = tiller.hold(Method::ListReleases, Point::Message(1));
    let mut metadata = HeaderMap::new();
    metadata.insert(
        "x-helm-api-client",
        http::HeaderValue::from_static("v2.17.0"),
    );
    let mut answer = tiller.call(Method::ListReleases.path(), metadata, Bytes::new());
    assert!(matches!(answer.next().await, Some(Event::Message(_))));
    timeout(PATIENCE, hold.reached(1))
        .await
        .expect("one message is sent");
    let second = timeout(Duration::from_millis(10), answer.next()).await;
    second.expect_err("no more while it is held");
    hold.release();
    assert!(matches!(answer.next().await, Some(Event::Message(_))));
    assert!(matches!(answer.next().await, Some(Event::Status(_))));
}

#[tokio::test]
async fn lists_come_in_chunks_that_repeat_their_head() {
    let tiller = Tiller::default();
    let seeds = (0..5).map(|at| Seed {
        padding: 9 << 20,
        ..Seed::new(format!("big-{at}"))
    });
    tiller.seed(seeds);
    let (_server, mut client) = start(&tiller).await;
    let request = ListReleasesRequest {
        limit: 4,
        ..Default::default()
    };
    let reply = client.call(Method::ListReleases, &request).await;
    assert_eq!(ended(&reply), (0, ""));
    let chunks = reply.messages.into_iter().map(ListReleasesResponse::decode);
    let chunks: Vec<_> = chunks.collect::<Result<_, _>>().expect("readable");
    assert_eq!(chunks.len(), 2);
    for chunk in chunks {
        assert_eq!((chunk.count, chunk.total, &chunk.next[..]), (4, 5, "big-4"));
        assert_eq!(chunk.releases.len(), 2);
    }
}

#[tokio::test]
async fn a_release_larger_than_a_chunk_follows_an_empty_one_and_breaks_the_stream() {
    let tiller = Tiller::default();
    tiller.seed([Seed {
        padding: 21 << 20,
        ..Seed::new("huge")
    }]);
    let (_server, mut client) = start(&tiller).await;
    let reply = client
        .call(Method::ListReleases, &ListReleasesRequest::default())
        .await;
    let (code, text) = ended(&reply);
    assert_eq!(code, 8);
    assert!(
        text.starts_with("grpc: trying to send message larger than max ("),
        "{text}"
    );
    let [first] = &reply.messages[..] else {
        panic!("one message: {reply:?}")
    };
    let first = ListReleasesResponse::decode(first.clone()).expect("readable");
    assert_eq!((first.count, first.releases.len()), (1, 0));
}

#[tokio::test]
async fn thousands_of_releases_are_seeded_and_listed() {
    let tiller = Tiller::default();
    tiller.seed((0..5000).map(|at| Seed::new(format!("rel-{at:04}"))));
    let (_server, mut client) = start(&tiller).await;
    let request = ListReleasesRequest {
        limit: 10_000,
        ..Default::default()
    };
    let reply = client.call(Method::ListReleases, &request).await;
    let chunks = reply.messages.into_iter().map(ListReleasesResponse::decode);
    let listed: usize = chunks
        .map(|chunk| chunk.expect("readable").releases.len())
        .sum();
    assert_eq!(listed, 5000);
}

#[tokio::test]
async fn a_record_without_info_kills_whoever_lists() {
    let tiller = Tiller::default();
    tiller.put(&hapi::release::Release {
        name: "odd".to_owned(),
        ..Default::default()
    });
    let (server, mut client) = start(&tiller).await;
    let reply = client
        .call(Method::ListReleases, &ListReleasesRequest::default())
        .await;
    assert_dead(&tiller, &server, &reply).await;
}

#[tokio::test]
async fn history_is_pruned_to_its_limit() {
    let tiller = Tiller::new(Options {
        history_max: 3,
        ..Default::default()
    });
    let (_server, mut client) = start(&tiller).await;
    client
        .call(Method::InstallRelease, &install("web", chart()))
        .await;
    for _ in 0..4 {
        client.call(Method::UpdateRelease, &upgrade("web")).await;
    }
    let request = GetHistoryRequest {
        name: "web".to_owned(),
        max: 99,
    };
    let reply = client.call(Method::GetHistory, &request).await;
    let history = GetHistoryResponse::decode(reply.messages[0].clone()).expect("readable");
    let revisions: Vec<_> = history
        .releases
        .iter()
        .map(|release| release.version)
        .collect();
    assert_eq!(revisions, [5, 4, 3]);
}

#[tokio::test]
async fn seeds_have_the_status_they_are_given() {
    let tiller = Tiller::default();
    tiller.seed([Seed {
        status: ReleaseCode::Failed,
        ..Seed::new("web")
    }]);
    let (_server, mut client) = start(&tiller).await;
    let reply = client.call(Method::UpdateRelease, &upgrade("web")).await;
    assert_eq!(ended(&reply), (2, r#""web" has no deployed releases"#));
}

const TEST_PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: {helm.sh/hook: test-success}}
---
apiVersion: v1
kind: Pod
metadata: {name: b, annotations: {helm.sh/hook: test-success, sim/phase: Failed}}
---
apiVersion: v1
kind: Pod
metadata: {name: c, annotations: {helm.sh/hook: test-failure, sim/phase: Failed}}
";

#[tokio::test]
async fn with_kubelets_test_pods_end_as_annotated() {
    let tiller = Tiller::new(Options {
        controllers: true,
        ..Default::default()
    });
    let (_server, mut client) = start(&tiller).await;
    client
        .call(
            Method::InstallRelease,
            &install("web", with_hook(TEST_PODS)),
        )
        .await;
    let request = TestReleaseRequest {
        name: "web".to_owned(),
        timeout: 1,
        logs: true,
        cleanup: true,
        ..Default::default()
    };
    let reply = client.call(Method::RunReleaseTest, &request).await;
    assert_eq!(ended(&reply), (0, ""));
    let lines = reply.messages.into_iter().map(TestReleaseResponse::decode);
    let lines: Vec<_> = lines.map(|line| line.expect("readable").msg).collect();
    assert_eq!(
        lines,
        [
            "RUNNING: a",
            "PASSED: a",
            "RUNNING: b",
            "FAILED: b, run `kubectl logs b --namespace default` for more info",
            "RUNNING: c",
            "PASSED: c",
            "\nPOD LOGS: a\n100%% of a is done\n",
            "\nPOD LOGS: b\n100%% of b is done\n",
            "\nPOD LOGS: c\n100%% of c is done\n",
        ]
    );
    assert!(!tiller.has_object("Pod", "default", "a"));
}

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: job, annotations: {helm.sh/hook: pre-install}}
";

#[tokio::test(start_paused = true)]
async fn without_controllers_a_job_hook_times_out_and_leaves_its_job() {
    let tiller = Tiller::default();
    let message = install("web", with_hook(JOB)).encode_to_vec().into();
    let mut metadata = HeaderMap::new();
    metadata.insert(
        "x-helm-api-client",
        http::HeaderValue::from_static("v2.17.0"),
    );
    let mut answer = tiller.call(Method::InstallRelease.path(), metadata, message);
    let error = Status::new(Code::Unknown, "timed out waiting for the condition");
    assert_eq!(answer.next().await, Some(Event::Status(error)));
    assert_eq!(tiller.records(), 0);
    assert!(tiller.has_object("Job", "default", "job"));
}

#[tokio::test]
async fn tls_speaks_the_same_over_alpn() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key pair");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
        )
        .expect("a valid pair");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let tiller = Tiller::default();
    let server = Server::start(&tiller, Some(Arc::new(config)))
        .await
        .expect("a free port");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(key.cert.der().clone()).expect("a certificate");
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.addr()).await.expect("it listens");
    let name = "localhost".try_into().expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.expect("a handshake");
    let mut client = Client::over(stream).await;
    let request = hapi::services::tiller::GetVersionRequest {};
    let reply = client.call(Method::GetVersion, &request).await;
    assert_eq!(ended(&reply), (0, ""));
}
