//! Installs of charts that are not in the request.

use serde_json::json;
use sim::store::{Entry, archive};

use crate::support::charts::with;
use crate::support::repositories::{network, of, repository, stable, url, webs, with_login};
use crate::support::{Protocol, Transport, get, post, put, stage};

const VERSIONS: [&str; 6] = [
    "1.2.3",
    "1.2.10",
    "1.10.0",
    "1.11.0-rc.1",
    "2.0.0+build.5",
    "2.1.0-rc.1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_is_chosen_as_helm_chooses_and_told() {
    let store = webs(&VERSIONS).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for (number, (wanted, chosen)) in [
        ("", "2.0.0+build.5"),
        ("~1.2.0", "1.2.10"),
        ("^1", "1.10.0"),
        ("<1.10.0", "1.2.10"),
        (">=1.2, <2.0.0, !=1.10.0", "1.2.10"),
        ("1.2.3", "1.2.3"),
        ("1.11.0-rc.1", "1.11.0-rc.1"),
        (">0.0.0-0", "2.1.0-rc.1"),
        ("2.0.0+build.5", "2.0.0+build.5"),
        ("2.0.0", "2.0.0+build.5"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("web-{number}");
        let answer = stage.request(&stable(&name, wanted)).await.expect(201);
        let answer = answer.json();
        let source = &answer["source"];
        assert_eq!(answer["chart"]["version"], chosen, "{wanted}");
        assert_eq!(source["repository"], "stable");
        assert_eq!(source["name"], "web");
        assert_eq!(source["version"], chosen);
        assert_eq!(source["url"], store.archive_url("web", chosen));
        let digest = source["digest"].as_str().expect("a digest");
        assert!(
            digest.starts_with("sha256:") && digest.len() == 71,
            "{digest}"
        );
        let description = format!("Install complete (chart stable/web {chosen} {digest})");
        assert_eq!(answer["description"], description);

        let path = Transport::GrpcWeb.path(&format!("releases/{name}/manifest"));
        let manifest = stage.get(path).await.expect(200);
        assert!(
            manifest.text().contains(&format!("version: {chosen:?}")),
            "{manifest}"
        );
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_transports_and_protocols_fetch() {
    let store = webs(&["1.2.3"]).tls().start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for transport in Transport::BOTH {
        for protocol in [Protocol::H1, Protocol::H2] {
            let name = format!("web-{transport:?}-{protocol:?}").to_lowercase();
            let ask = post(transport.path("releases")).json(&stable(&name, ""));
            stage.send(ask.over(protocol)).await.expect(201);
        }
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_says_what_it_was_made_of() {
    let store = webs(&["1.2.3", "1.3.0"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    stage.request(&stable("web", "1.2.3")).await.expect(201);
    let path = Transport::GrpcWeb.path("releases/web");
    let chart = json!({ "repository": "stable", "name": "web", "version": "1.3.0" });
    let body = json!({ "chart": chart, "description": "to fix it", "set": "greeting=hi" });
    let answer = stage.send(put(&path).json(&body)).await.expect(200).json();
    assert_eq!(answer["chart"]["version"], "1.3.0");
    let digest = answer["source"]["digest"].as_str().expect("a digest");
    let description = format!("to fix it (chart stable/web 1.3.0 {digest})");
    assert_eq!(answer["description"], description);
    let stored = stage.send(get(&path)).await.expect(200).json();
    assert_eq!(stored["description"], description);
    assert_eq!(stored["config"], json!({ "greeting": "hi" }));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_can_name_a_chart() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    let body = stable("web", "1.2.3").to_string();
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"request\"\r\nContent-Type: application/json\r\n\r\n{body}\r\n--b--\r\n"
    );
    let ask = post(Transport::GrpcWeb.path("releases"));
    let answer = stage
        .send(ask.body("multipart/form-data; boundary=b", form))
        .await;
    assert_eq!(answer.expect(201).json()["source"]["version"], "1.2.3");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_archive_has_a_digest_and_keeps_tillers_description() {
    let stage = stage().start().await;
    let answer = stage.request(&crate::support::charts::install("web")).await;
    let answer = answer.expect(201).json();
    assert_eq!(answer["description"], "Install complete");
    assert_eq!(answer["source"]["repository"], json!(null));
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_getting_in_gets_in() {
    let login = ("edge", "s3cret");
    let store = webs(&["1.2.3"]).tls().login(login.0, login.1).start().await;
    let tokens = webs(&["1.2.3"]).tls().bearer("t0ken").start().await;
    let certified = webs(&["1.2.3"]).certificate().start().await;
    let mut by_token = repository("tokens", &tokens);
    by_token.token_file = Some(tokens.file("token", "t0ken\n").expect("written"));
    let mut by_certificate = repository("certified", &certified);
    let (certificate, key) = certified.identity().expect("TLS");
    by_certificate.cert_file = Some(certificate);
    by_certificate.key_file = Some(key);
    let stage = stage()
        .repository(with_login(repository("stable", &store), &store, login))
        .repository(by_token)
        .repository(by_certificate)
        .start()
        .await;
    for name in ["stable", "tokens", "certified"] {
        let chart = json!({ "repository": name, "name": "web" });
        stage.request(&of(name, chart)).await.expect(201);
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_of_the_list_is_fetched() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| {
            charts.urls = vec![store.url()];
            charts.addresses = vec![network("127.0.0.1/32")];
        })
        .start()
        .await;
    let archive = store.archive_url("web", "1.2.3");
    let answer = stage
        .request(&url("web", &archive))
        .await
        .expect(201)
        .json();
    let source = &answer["source"];
    assert_eq!(source["url"], archive);
    assert_eq!(source["repository"], json!(null));
    let digest = source["digest"].as_str().expect("a digest");
    let description = format!("Install complete (chart {archive} {digest})");
    assert_eq!(answer["description"], description);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archives_are_where_the_index_says() {
    let elsewhere = webs(&["3.0.0"]).start().await;
    let login = ("edge", "s3cret");
    let store = sim::store()
        .login(login.0, login.1)
        .chart("web", "1.0.0", archive("web", "1.0.0"))
        .entry(Entry::new("web", "2.0.0", archive("web", "2.0.0")).absolute())
        .entry(
            Entry::new("web", "3.0.0", archive("web", "3.0.0"))
                .at(&elsewhere.archive_url("web", "3.0.0")),
        )
        .start()
        .await;
    let mut stable = with_login(repository("stable", &store), &store, login);
    stable.addresses = vec![network("127.0.0.0/8")];
    let stage = stage().repository(stable).start().await;
    for version in ["1.0.0", "2.0.0", "3.0.0"] {
        let name = format!("web-{}", &version[..1]);
        let body = self::stable(&name, version);
        stage.request(&body).await.expect(201);
    }
    assert!(
        store
            .asked()
            .iter()
            .all(|asked| asked.authorization && asked.status == 200)
    );
    let there: Vec<_> = elsewhere
        .asked()
        .iter()
        .map(|asked| asked.authorization)
        .collect();
    assert_eq!(
        there,
        [false],
        "credentials are for the repository's own origin"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_repositorys_query_is_sent_with_relative_urls() {
    let store = webs(&["1.2.3"]).start().await;
    let mut stable = repository("stable", &store);
    stable.url = format!("{}?sig=x%3D", store.url());
    let stage = stage().repository(stable).start().await;
    let answer = stage.request(&self::stable("web", "")).await.expect(201);
    assert!(!answer.text().contains("sig="), "{answer}");
    let asked = store.asked();
    let queries: Vec<_> = asked.iter().map(|asked| asked.query.as_deref()).collect();
    assert_eq!(queries, [Some("sig=x%3D"), Some("sig=x%3D")]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_named_in_one_way() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .repository(repository("stable", &store))
        .start()
        .await;
    for chart in [
        json!({ "repository": "stable" }),
        json!({ "name": "web" }),
        json!({ "repository": "stable", "name": "web", "url": store.archive_url("web", "1.2.3") }),
        json!({ "repository": "stable", "name": "web", "archive": "" }),
        json!({ "repository": "stable", "name": 5 }),
        json!({ "url": "" }),
        json!({}),
        json!("web"),
    ] {
        let body = with(json!({ "name": "web" }), json!({ "chart": chart }));
        let code = rest::problem::Code::InvalidRequest;
        stage.refuses(&body, code).await;
    }
    assert_eq!(store.asked(), []);
    stage.end().await;
}
