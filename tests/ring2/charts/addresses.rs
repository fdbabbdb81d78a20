//! Where the edge does not go, whoever sends it there.

use rest::problem::{Blame, Code};
use sim::store::{Entry, Fault, Part, archive};

use crate::support::repositories::{network, repository, stable, url, webs};
use crate::support::stage;

/// Addresses that nobody outside should have an edge dial, in the ways that they can be written.
fn forbidden(port: u16) -> Vec<String> {
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ]
    .map(|host| format!("http://{host}:{port}/stable/charts/web-1.2.3.tgz"))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_a_forbidden_address_is_not_followed() {
    let victim = webs(&["1.2.3"]).start().await;
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| charts.fresh = std::time::Duration::ZERO)
        .repository(repository("stable", &store))
        .start()
        .await;
    for part in [Part::Index, Part::Archive] {
        for target in forbidden(victim.addr().port()) {
            store.set(part, Fault::Redirect(target.clone()));
            let code = Code::RepositoryAddressRefused;
            let problem = stage.refuses(&stable("web", ""), code).await;
            assert_eq!(problem.code.blame(), Blame::Repository, "{target}");
        }
        store.clear();
    }
    assert_eq!(victim.asked(), []);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_does_not_lead_to_a_forbidden_address() {
    let victim = webs(&["1.2.3"]).start().await;
    let store = sim::store().start().await;
    let stage = stage()
        .charts(|charts| charts.fresh = std::time::Duration::ZERO)
        .repository(repository("stable", &store))
        .start()
        .await;
    for target in forbidden(victim.addr().port()) {
        store.put(Entry::new("web", "1.2.3", archive("web", "1.2.3")).at(&target));
        let code = Code::RepositoryAddressRefused;
        stage.refuses(&stable("web", ""), code).await;
    }
    assert_eq!(victim.asked(), []);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_configured_is_dialled() {
    let target = webs(&["1.2.3"]).start().await;
    let store = webs(&["1.2.3"]).start().await;
    let mut lenient = repository("stable", &store);
    lenient.addresses = vec![network("127.0.0.1")];
    let stage = stage().repository(lenient).start().await;
    let there = target.archive_url("web", "1.2.3");
    store.set(Part::Archive, Fault::Redirect(there));
    let answer = stage.request(&stable("web", "")).await.expect(201);
    let source = &answer.json()["source"];
    assert_eq!(source["url"], store.archive_url("web", "1.2.3"));
    assert_eq!(target.asked().len(), 1);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_does_not_leave_tls_and_comes_to_an_end() {
    let plain = webs(&["1.2.3"]).start().await;
    let store = webs(&["1.2.3"]).tls().start().await;
    let mut lenient = repository("stable", &store);
    lenient.addresses = vec![network("127.0.0.1")];
    let stage = stage().repository(lenient).start().await;
    for target in [
        plain.archive_url("web", "1.2.3"),
        store.archive_url("web", "1.2.3"),
        "ftp://127.0.0.1/web-1.2.3.tgz".to_owned(),
        "//".to_owned(),
        "http://".to_owned(),
    ] {
        store.forget();
        store.set(Part::Archive, Fault::Redirect(target.clone()));
        stage
            .refuses(&stable("web", ""), Code::RepositoryError)
            .await;
        let archives = store.asked_for(Part::Archive).len();
        assert!(archives <= 6, "{archives} requests for {target}");
    }
    assert_eq!(plain.asked(), []);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_that_is_not_on_the_list_is_not_asked() {
    let store = webs(&["1.2.3"]).start().await;
    let allowed = format!("{}/charts/team", store.url());
    for urls in [
        vec![],
        vec![allowed, "https://charts.example.com/".to_owned()],
    ] {
        let stage = stage()
            .charts(|charts| {
                charts.urls = urls;
                charts.addresses = vec![network("127.0.0.0/8")];
            })
            .start()
            .await;
        let origin = store.url();
        for refused in [
            store.archive_url("web", "1.2.3"),
            format!("{origin}/charts/team/../web-1.2.3.tgz"),
            format!("{origin}/charts/team/%2e%2e/web-1.2.3.tgz"),
            format!("{origin}/charts/teams/web-1.2.3.tgz"),
            format!("https://charts.example.com@{}/web-1.2.3.tgz", store.addr()),
            format!("https://charts.example.com.{}/web-1.2.3.tgz", store.addr()),
            "file:///etc/passwd".to_owned(),
            format!("oci://{}/web:1.2.3", store.addr()),
        ] {
            let answer = stage.request(&url("web", &refused)).await;
            let problem = answer.problem();
            let codes = [Code::ChartSourceRefused, Code::InvalidRequest];
            assert!(codes.contains(&problem.code), "{refused}: {answer}");
        }
        stage.end().await;
    }
    assert_eq!(store.asked(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_of_the_list_does_not_lead_to_a_forbidden_address_by_itself() {
    let store = webs(&["1.2.3"]).start().await;
    let stage = stage()
        .charts(|charts| charts.urls = vec![store.url()])
        .start()
        .await;
    let body = url("web", &store.archive_url("web", "1.2.3"));
    stage.refuses(&body, Code::RepositoryAddressRefused).await;
    assert_eq!(store.asked(), []);
    stage.end().await;
}
