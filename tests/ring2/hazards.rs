//! What ends a Tiller, or deceives its callers, each under the name that the specification has for it: from a caller's
//! request to what Tiller is sent.

use prost::Message;
use rest::problem::{Code, Outcome};
use serde_json::{Value, json};
use tiller_api::Method;
use tiller_api::hapi::services::tiller::{InstallReleaseRequest, UpdateReleaseRequest};

use crate::support::charts::{self, with};
use crate::support::{Answer, Stage, Transport, delete, get, post, put, soon, stage, until};

impl Stage {
    async fn install(&self, transport: Transport, name: &str, more: Value) -> Answer {
        let body = with(charts::install(name), more);
        self.send(post(transport.path("releases")).json(&body))
            .await
    }

    async fn upgrade(&self, transport: Transport, name: &str, more: Value) -> Answer {
        let body = with(
            json!({ "chart": charts::field(&charts::archive("web")) }),
            more,
        );
        let path = transport.path(&format!("releases/{name}"));
        self.send(put(path).json(&body)).await
    }

    /// The last message of that method.
    fn last<M: Message + Default>(&self, method: Method) -> M {
        let calls = self.cluster.tiller().calls();
        let call = calls.iter().rfind(|call| call.method() == Some(method));
        M::decode(call.expect("a call").message.clone()).expect("a message")
    }

    fn installs(&self) -> usize {
        self.cluster.tiller().count(Method::InstallRelease)
    }

    /// Tiller has lived through it all.
    async fn end_alive(self) {
        assert!(self.cluster.tiller().is_alive());
        self.serves().await;
        self.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_a_limit_below_one_never_reaches_tiller() {
    let stage = stage()
        .cluster(|cluster| cluster.with_release("web"))
        .start()
        .await;
    for transport in Transport::BOTH {
        for limit in [
            "-1",
            "0",
            "-9223372036854775808",
            "x",
            "99999999999999999999",
        ] {
            let path = transport.path(&format!("releases?limit={limit}"));
            let answer = stage.get(path).await;
            answer.refused(Code::InvalidRequest, Outcome::NotApplied);
        }
    }
    assert!(stage.cluster.apiserver().seen().is_empty());
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_an_upgrade_that_reuses_values_carries_values_of_its_own() {
    let stage = stage().start().await;
    for transport in Transport::BOTH {
        let name = format!("web-{transport:?}").to_lowercase();
        let first = stage.install(transport, &name, json!({"values": {"greeting": "hi"}}));
        first.await.expect(201);
        for more in [
            json!({"reuse_values": true}),
            json!({"reuse_values": true, "values": {}}),
            json!({"reuse_values": true, "values": null}),
            json!({"reuse_values": true, "values": ""}),
        ] {
            let answer = stage.upgrade(transport, &name, more).await.expect(200);
            let sent: UpdateReleaseRequest = stage.last(Method::UpdateRelease);
            assert!(sent.values.is_some() && sent.reuse_values);
            assert_eq!(answer.json()["config"], json!({"greeting": "hi"}));
        }
    }
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_p4_a_chart_without_metadata_never_reaches_tiller() {
    let stage = stage()
        .cluster(|cluster| cluster.with_release("web"))
        .start()
        .await;
    for chart in ["nameless", "nameless-subchart"] {
        for dry_run in [false, true] {
            let body = json!({"dry_run": dry_run, "chart": charts::field(&charts::archive(chart))});
            let answer = stage.install(Transport::GrpcWeb, "new", body.clone()).await;
            answer.refused(Code::InvalidChart, Outcome::NotApplied);
            let answer = stage.upgrade(Transport::GrpcWeb, "web", body).await;
            answer.refused(Code::InvalidChart, Outcome::NotApplied);
        }
    }
    let calls = stage.cluster.tiller().calls();
    let mut mutations = calls.iter().filter_map(|call| call.method());
    assert!(!mutations.any(Method::is_mutation));
    stage.end_alive().await;
}

/// P5 and P6 cannot be prevented from here. Whatever ends Tiller costs that one call, is not tried again, and is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_globals_that_are_no_map_never_reach_tiller() {
    let stage = stage()
        .cluster(|cluster| cluster.with_release("web"))
        .start()
        .await;
    let nested = charts::pack(&[
        ("web/Chart.yaml", b"name: web"),
        ("web/charts/sub/Chart.yaml", b"name: sub"),
        ("web/charts/sub/charts/deep/Chart.yaml", b"name: deep"),
    ]);
    for more in [
        json!({"values": {"sub": {"global": 5}}}),
        json!({"set": "sub.global=null"}),
        json!({"values_files": ["sub: {global: []}"], "dry_run": true}),
    ] {
        let body = with(json!({"chart": charts::field(&nested)}), more);
        let answer = stage.install(Transport::GrpcWeb, "new", body.clone()).await;
        answer.refused(Code::InvalidValues, Outcome::NotApplied);
        let answer = stage.upgrade(Transport::GrpcWeb, "web", body).await;
        answer.refused(Code::InvalidValues, Outcome::NotApplied);
    }
    let calls = stage.cluster.tiller().calls();
    let mut mutations = calls.iter().filter_map(|call| call.method());
    assert!(!mutations.any(Method::is_mutation));
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_list_that_ends_tiller_says_so() {
    for transport in Transport::BOTH {
        let stage = stage().start().await;
        let broken = tiller_api::hapi::release::Release {
            name: "broken".to_owned(),
            version: 1,
            ..Default::default()
        };
        stage.cluster.tiller().put(&broken);
        let answer = stage.get(transport.path("releases")).await;
        // Without a bridge it is the APIServer who tells.
        let code = match transport {
            Transport::GrpcWeb => Code::TillerUnavailable,
            Transport::Grpc => Code::EndpointUnreachable,
        };
        answer.refused(code, Outcome::NotApplied);
        soon(stage.cluster.tiller().died()).await;
        soon(stage.cluster.restart_tiller()).await;
        stage.serves().await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h0_the_values_of_an_install_are_on_the_wire_even_if_there_are_none() {
    let stage = stage().start().await;
    let given = [
        json!({}),
        json!({"values": {}}),
        json!({"values": null}),
        json!({"values": ""}),
    ];
    for (number, values) in given.into_iter().enumerate() {
        let name = format!("web-{number}");
        stage
            .install(Transport::GrpcWeb, &name, values)
            .await
            .expect(201);
        let sent: InstallReleaseRequest = stage.last(Method::InstallRelease);
        assert_eq!(sent.values.expect("the field is there").raw, "{}\n");
        let path = Transport::GrpcWeb.path(&format!("releases/{name}/manifest"));
        let manifest = stage.get(path).await.expect(200);
        // The chart's own.
        assert!(
            manifest.text().contains("greeting: \"hello\""),
            "{manifest}"
        );
    }
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h1_tiller_is_never_told_to_wait_for_ever() {
    let stage = stage().start().await;
    for timeout in [json!(0), json!("0s"), json!(-1), json!("-5m")] {
        let more = json!({ "timeout": timeout });
        let answer = stage.install(Transport::GrpcWeb, "web", more).await;
        answer.refused(Code::InvalidRequest, Outcome::NotApplied);
    }
    assert_eq!(stage.installs(), 0);
    for (name, timeout, seconds) in [
        ("a", json!(null), 300),
        ("b", json!("1500ms"), 2),
        ("c", json!("5m"), 300),
        ("d", json!(7), 7),
    ] {
        let more = json!({ "timeout": timeout });
        stage.install(Transport::Grpc, name, more).await.expect(201);
        let sent: InstallReleaseRequest = stage.last(Method::InstallRelease);
        assert_eq!(sent.timeout, seconds);
    }
    stage.end_alive().await;
}

/// That a caller who leaves does not stop Tiller is among the departures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_a_deadline_does_not_stop_tiller_and_nobody_says_it_did() {
    for transport in Transport::BOTH {
        let stage = stage()
            .limits(|limits| {
                limits.deadline = std::time::Duration::from_secs(1);
                limits.read_deadline = limits.deadline;
            })
            .start()
            .await;
        let hold = stage.cluster.tiller().pause(Method::InstallRelease);
        let answer = stage.install(transport, "web", json!({})).await;
        answer.refused(Code::DeadlineExceeded, Outcome::Unknown);
        hold.release();
        until("installed", || stage.cluster.tiller().records() == 1).await;
        assert_eq!(stage.installs(), 1);
        stage.end_alive().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_a_name_that_cannot_be_stored_never_reaches_tiller() {
    let stage = stage().start().await;
    for name in ["Foo", "a_b", "-a", "a..b", "a.", "é", &"a".repeat(54)] {
        let answer = stage.install(Transport::GrpcWeb, name, json!({})).await;
        answer.refused(Code::InvalidReleaseName, Outcome::NotApplied);
    }
    assert!(stage.cluster.tiller().calls().is_empty());
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h4_a_release_that_tiller_could_not_store_is_no_success() {
    let stage = stage().start().await;
    for (number, transport) in Transport::BOTH.into_iter().enumerate() {
        let heavy = charts::padded("web", 2 << 20);
        let name = format!("web-{number}");
        let body = json!({ "chart": charts::field(&heavy) });
        let answer = stage.install(transport, &name, body).await;
        answer.refused(Code::ReleaseNotStored, Outcome::Unknown);
        assert!(
            stage
                .cluster
                .tiller()
                .has_object("ConfigMap", "shop", &name)
        );
    }
    assert_eq!(stage.cluster.tiller().records(), 0);
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h5_an_install_always_names_a_namespace() {
    let stage = stage().start().await;
    for (name, namespace) in [("a", json!(null)), ("b", json!("shop"))] {
        let more = json!({ "namespace": namespace });
        let answer = stage
            .install(Transport::GrpcWeb, name, more)
            .await
            .expect(201);
        let sent: InstallReleaseRequest = stage.last(Method::InstallRelease);
        let expected = namespace.as_str().unwrap_or("default");
        assert_eq!(sent.namespace, expected);
        assert_eq!(answer.json()["namespace"], expected);
    }
    stage.end_alive().await;
}

/// A dry run that fails has everything that was rendered in its error, which travels in a trailer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h6_an_error_of_a_megabyte_passes_whole() {
    let stage = stage().start().await;
    let long = format!(
        "kind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  text: {}\n",
        "%é ".repeat(300_000)
    );
    let chart = charts::pack(&[
        ("big/Chart.yaml", b"name: big\nversion: 1.0.0\n"),
        ("big/templates/a.yaml", long.as_bytes()),
        ("big/templates/b.yaml", b"a: b: c\n"),
    ]);
    for transport in Transport::BOTH {
        let body = json!({"dry_run": true, "chart": charts::field(&chart)});
        let answer = stage.install(transport, "big", body).await;
        let problem = answer.refused(Code::RenderFailed, Outcome::NotApplied);
        assert!(problem.detail.len() > 1_000_000, "{}", problem.detail.len());
        assert!(problem.detail.contains(&"%é ".repeat(1000)));
    }
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h7_nothing_is_compressed() {
    let stage = stage().start().await;
    for transport in Transport::BOTH {
        let name = format!("web-{transport:?}").to_lowercase();
        stage.install(transport, &name, json!({})).await.expect(201);
        stage.get(transport.path("releases")).await.expect(200);
        let path = transport.path(&format!("releases/{name}?purge=true"));
        stage.send(delete(path)).await.expect(200);
    }
    for call in stage.cluster.tiller().calls() {
        assert!(
            !call.metadata.contains_key("grpc-encoding"),
            "{}",
            call.path
        );
        assert_eq!(call.metadata["x-helm-api-client"], "v2.0.0+unreleased");
    }
    stage.end_alive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_values_keep_their_types_in_tillers_dialect() {
    let values = json!({
        "yes": "yes", "on": "on", "y": "y", "no": "NO", "null": "null", "tilde": "~", "octal": "0755",
        "hex": "0x10", "float": "1e3", "infinity": ".inf", "underscored": "1_000", "base60": "1:30",
        "date": "2001-01-01", "empty": "", "true": "true", "spaces": "  a ", "lines": "a\nb\n", "emoji": "🚢",
        "number": 755, "fraction": 1.5, "flag": true, "nothing": null,
        "list": ["on", 1, {"off": "off"}],
    });
    let stage = stage().start().await;
    for (number, transport) in Transport::BOTH.into_iter().enumerate() {
        let name = format!("web-{number}");
        let more = json!({ "values": values });
        stage.install(transport, &name, more).await.expect(201);
        let sent: InstallReleaseRequest = stage.last(Method::InstallRelease);
        let raw = sent.values.expect("values").raw;
        let read = ::charts::values::read(&raw, &::charts::Limits::default());
        assert_eq!(Value::Object(read.expect("YAML")), values);
        let path = transport.path(&format!("releases/{name}/values"));
        let answer = stage
            .send(get(path).header("accept", "application/json"))
            .await;
        assert_eq!(answer.expect(200).json(), values);
    }
    stage.end_alive().await;
}
