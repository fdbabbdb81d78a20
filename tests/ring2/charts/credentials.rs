//! A repository's credentials are for that repository alone, and nothing of them is in an answer or a log line.

use std::time::Duration;

use serde_json::json;
use sim::Store;
use sim::store::{Fault, Part};
use tiller_edge::config::RepositoryConfig;

use crate::support::log::{Log, has_none_of};
use crate::support::repositories::{network, of, repository, url, webs, with_login};
use crate::support::{Stage, Transport, get, post, soon, stage};

const PASSWORD: &str = "passw0rd-s3cret";
const TOKEN: &str = "t0ken-s3cret";
const QUERY: &str = "qu3ry-s3cret";
/// What a caller has in the query of a URL, which the caller's own sandbox sees.
const CALLERS: &str = "cal1er-s3cret";
const BODY: &str = "b0dy-s3cret";

const LOGIN: (&str, &str) = ("edge", PASSWORD);

/// The login as it is sent.
const BASIC: &str = "ZWRnZTpwYXNzdzByZC1zM2NyZXQ=";

#[tokio::test]
async fn nothing_secret_is_told_whatever_goes_wrong() {
    let (log, _guard) = Log::of("trace");
    let login = webs(&["1.2.3"]).tls().login(LOGIN.0, LOGIN.1).start().await;
    let bearer = webs(&["1.2.3"]).bearer(TOKEN).start().await;
    let elsewhere = webs(&["1.2.3"]).start().await;
    let mut by_token = repository("tokens", &bearer);
    by_token.token_file = Some(bearer.file("token", TOKEN).expect("written"));
    let signed = RepositoryConfig {
        url: format!("{}?sig={QUERY}", elsewhere.url()),
        ..repository("signed", &elsewhere)
    };
    let stage = stage()
        .charts(|charts| {
            charts.fresh = Duration::ZERO;
            charts.timeout = Duration::from_secs(1);
            charts.urls = vec![elsewhere.url()];
            charts.addresses = vec![network("127.0.0.1")];
        })
        .repository(with_login(repository("stable", &login), &login, LOGIN))
        .repository(by_token)
        .repository(signed)
        .start()
        .await;
    let mut said = everything(&stage, &elsewhere, "fine").await;
    let stores = [&login, &bearer, &elsewhere];
    let body = format!("<html>{BODY} {PASSWORD} {TOKEN} {QUERY}</html>");
    let mut faults: Vec<_> = [200, 401, 403, 404, 500]
        .map(|status| Fault::Answer(status, body.clone()))
        .to_vec();
    faults.extend([Fault::Tamper, Fault::Truncate]);
    faults.push(Fault::Redirect(format!(
        "http://user:{BODY}@127.0.0.1:1/?{BODY}#{BODY}"
    )));
    faults.push(Fault::Redirect(format!("ftp://{BODY}/{BODY}")));
    for (number, fault) in faults.into_iter().enumerate() {
        for part in [Part::Index, Part::Archive] {
            stores
                .iter()
                .for_each(|store| store.set(part, fault.clone()));
            said += &everything(
                &stage,
                &elsewhere,
                &format!("f{number}-{part:?}").to_lowercase(),
            )
            .await;
            stores.iter().for_each(|store| store.clear());
        }
    }
    let holds: Vec<_> = stores
        .iter()
        .map(|store| store.hold(Part::Archive))
        .collect();
    said += &everything(&stage, &elsewhere, "slow").await;
    drop(holds);
    drop((login, bearer));
    said += &everything(&stage, &elsewhere, "gone").await;
    stage.end().await;
    let secrets = [PASSWORD, TOKEN, QUERY, BODY, BASIC];
    has_none_of(&said, &secrets);
    has_none_of(&said, &[CALLERS]);
    let log = log.text();
    assert!(log.contains("stable"), "repositories are logged");
    has_none_of(&log, &secrets);
    let detailed =
        |line: &&str| line.contains("\"level\":\"TRACE\"") || line.contains("\"level\":\"DEBUG\"");
    let usual: Vec<_> = log.lines().filter(|line| !detailed(line)).collect();
    has_none_of(&usual.join("\n"), &[CALLERS]);
}

/// All that callers can ask of the repositories, and all they get.
async fn everything(stage: &Stage, elsewhere: &Store, name: &str) -> String {
    let releases = Transport::GrpcWeb.path("releases");
    let mut asks = vec![get("/v1/repositories")];
    for repository in ["stable", "tokens", "signed"] {
        let chart = json!({ "repository": repository, "name": "web" });
        let base = format!("/v1/repositories/{repository}/charts");
        asks.push(post(&releases).json(&of(&format!("{repository}-{name}"), chart)));
        asks.push(get(&base));
        asks.push(get(format!("{base}/web")));
        asks.push(get(format!("{base}/web/1.2.3")));
    }
    let archive = elsewhere.archive_url("web", "1.2.3");
    let signed = format!("{archive}?sig={CALLERS}");
    asks.push(post(&releases).json(&url(&format!("url-{name}"), &signed)));
    let mut said = String::new();
    for ask in asks {
        let answer = soon(stage.send(ask)).await;
        said += &format!(
            "{:?} {}\n",
            answer.headers,
            String::from_utf8_lossy(&answer.body)
        );
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_elsewhere_takes_no_credentials_along() {
    let target = webs(&["1.2.3"]).tls().start().await;
    for certificate in [false, true] {
        let store = webs(&["1.2.3"]).login(LOGIN.0, LOGIN.1);
        let store = if certificate {
            store.certificate()
        } else {
            store.tls()
        };
        let store = store.start().await;
        let mut stable = with_login(repository("stable", &store), &store, LOGIN);
        stable.addresses = vec![network("127.0.0.1")];
        let cas = [&store, &target].map(|store| {
            let ca = store.ca().expect("TLS");
            std::fs::read_to_string(ca).expect("read")
        });
        stable.ca_file = Some(store.file("both.pem", cas.concat()).expect("written"));
        if certificate {
            let (certificate, key) = store.identity().expect("TLS");
            stable.cert_file = Some(certificate);
            stable.key_file = Some(key);
        }
        let stage = stage().repository(stable).start().await;
        target.forget();
        store.set(
            Part::Archive,
            Fault::Redirect(target.archive_url("web", "1.2.3")),
        );
        let body = crate::support::repositories::stable("web", "");
        stage.request(&body).await.expect(201);
        let seen: Vec<_> = target
            .asked()
            .iter()
            .map(|asked| asked.authorization)
            .collect();
        assert_eq!(seen, [false]);
        let own = store.asked();
        assert!(own.iter().all(|asked| asked.authorization), "{own:?}");
        stage.end().await;
    }
}
