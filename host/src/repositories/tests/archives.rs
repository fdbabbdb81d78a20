//! Archives of repositories: which are taken, and for whom.

use std::time::Duration;

use rest::problem::Code;

use super::*;

async fn archive(
    repositories: &Repositories,
    chart: &str,
    version: &str,
) -> Result<Archive, RepositoryError> {
    soon(repositories.archive("stable", chart, version, None)).await
}

#[tokio::test]
async fn an_archive_comes_with_where_it_came_from() {
    let store = Store::https(healthy(|_| None)).await;
    let rig = Rig::new(&store)
        .with_login()
        .with(|repository| repository.url.push_str("/?sig=s3cret"));
    let repositories = rig.load();
    for (version, chosen) in [("", "1.1.0"), ("1.0.0", "1.0.0"), ("<1.1.0", "1.0.0")] {
        let found = archive(&repositories, "web", version).await.unwrap();
        assert_eq!(found.bytes, ARCHIVE);
        assert_eq!(
            found.source,
            ::rest::repositories::Source {
                repository: Some("stable".to_owned()),
                name: Some("web".to_owned()),
                version: Some(chosen.to_owned()),
                url: Some(format!("{}/stable/web.tgz", store.url())),
                digest: format!("sha256:{DIGEST}"),
                provenance: None,
            }
        );
    }
    assert_eq!(
        paths(&store),
        [
            "/stable/index.yaml?sig=s3cret",
            "/stable/web.tgz?sig=s3cret",
            "/stable/web.tgz?sig=s3cret",
            "/stable/web.tgz?sig=s3cret"
        ]
    );
    for seen in store.seen() {
        assert_eq!(seen.header("authorization"), Some(LOGIN));
    }
    let shown = format!("{:?}", repositories.list());
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn an_archive_elsewhere_is_fetched_without_the_login() {
    let other = Store::http(|_| ok(ARCHIVE)).await;
    let url = format!("{}/web.tgz", other.url());
    let store = Store::http(healthy(move |seen| {
        let listed = || ok(index(&["1.0.0"], &url, &DIGEST.to_uppercase()));
        (seen.path() == "/stable/index.yaml").then(listed)
    }))
    .await;
    let refused = Rig::new(&store).with_login().load();
    let error = archive(&refused, "web", "").await.unwrap_err();
    let (code, detail) = told(&error);
    assert_eq!(code, Code::RepositoryAddressRefused);
    assert!(
        detail.ends_with("`127.0.0.1` leads to a loopback address, which the edge does not dial"),
        "{detail}"
    );
    assert!(other.seen().is_empty());
    let allowed = Rig::new(&store)
        .with_login()
        .with(|repository| repository.addresses = loopback())
        .load();
    archive(&allowed, "web", "").await.unwrap();
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_helms_words() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = Rig::new(&store).load();
    for (chart, version, code, detail) in [
        (
            "app",
            "",
            Code::ChartNotFound,
            "chart \"app\" not found in repository \"stable\"",
        ),
        (
            "web",
            "9.9.9",
            Code::ChartNotFound,
            "chart \"web\" version \"9.9.9\" not found in repository \"stable\"",
        ),
        (
            "web",
            "latest",
            Code::InvalidRequest,
            "improper constraint: latest",
        ),
    ] {
        let error = archive(&repositories, chart, version).await.unwrap_err();
        assert_eq!(told(&error), (code, detail.to_owned()));
    }
    let error = soon(repositories.archive("other", "web", "", None)).await;
    let error = error.unwrap_err();
    let expected = (
        Code::RepositoryNotConfigured,
        "repo other not found".to_owned(),
    );
    assert_eq!(told(&error), expected);
}

#[tokio::test]
async fn an_archive_that_is_not_to_be_had_is_named_without_its_query() {
    for (answer, code, what) in [
        (404, Code::RepositoryError, "404 Not Found"),
        (403, Code::RepositoryCredentialsRefused, "403 Forbidden"),
        (500, Code::RepositoryError, "500 Internal Server Error"),
        (206, Code::RepositoryError, "206 Partial Content"),
    ] {
        let store = Store::http(healthy(move |seen| {
            (seen.path() == "/stable/web.tgz").then(|| status(answer, "nothing here"))
        }))
        .await;
        let repositories = Rig::new(&store)
            .with(|repository| repository.url.push_str("?sig=s3cret"))
            .load();
        let error = archive(&repositories, "web", "").await.unwrap_err();
        let url = format!("{}/stable/web.tgz", store.url());
        assert_eq!(
            told(&error),
            (code, format!("Failed to fetch {url} : {what}"))
        );
    }
}

#[tokio::test]
async fn another_archive_than_the_index_says_is_not_taken() {
    let store = Store::http(healthy(|seen| {
        (seen.path() == "/stable/web.tgz").then(|| ok("another archive"))
    }))
    .await;
    let repositories = Rig::new(&store).load();
    let error = archive(&repositories, "web", "").await.unwrap_err();
    assert_eq!(told(&error).0, Code::ChartUnverified);
}

#[tokio::test]
async fn an_archive_larger_or_slower_than_may_be_is_given_up() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = Rig::new(&store)
        .with_limits(|charts| charts.archive = crate::config::Size::new(9))
        .load();
    let error = archive(&repositories, "web", "").await.unwrap_err();
    let (code, detail) = told(&error);
    assert_eq!(code, Code::RepositoryError);
    assert!(detail.ends_with("it is larger than 9 bytes"), "{detail}");

    let silent = Store::slow(|_| std::future::pending()).await;
    let repositories = Rig::new(&silent)
        .with_limits(|charts| charts.timeout = Duration::from_millis(100))
        .load();
    let error = archive(&repositories, "web", "").await.unwrap_err();
    assert_eq!(told(&error).0, Code::RepositoryTimedOut);
}

#[tokio::test]
async fn a_repository_that_is_down_is_unreachable() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = Rig::new(&store).load();
    drop(store);
    let error = archive(&repositories, "web", "").await.unwrap_err();
    assert_eq!(told(&error).0, Code::RepositoryUnreachable);
}

#[tokio::test]
async fn a_repository_is_for_its_charts_and_clusters() {
    let store = Store::http(healthy(|_| None)).await;
    let repositories = Rig::new(&store)
        .with(|repository| {
            repository.clusters = vec!["prod".to_owned()];
            repository.charts = vec!["we*".to_owned()];
        })
        .load();
    for (chart, cluster, detail) in [
        (
            "app",
            None,
            "repository \"stable\" is not used for the chart \"app\"",
        ),
        (
            "app",
            Some("prod"),
            "repository \"stable\" is not used for the chart \"app\"",
        ),
        (
            "web",
            Some("dev"),
            "repository \"stable\" is not used for the cluster \"dev\"",
        ),
    ] {
        let found = soon(repositories.archive("stable", chart, "", cluster)).await;
        let expected = (Code::ChartSourceRefused, detail.to_owned());
        assert_eq!(told(&found.unwrap_err()), expected);
    }
    let versions = soon(repositories.versions("stable", "app", WHOLE)).await;
    assert_eq!(told(&versions.unwrap_err()).0, Code::ChartSourceRefused);
    assert!(store.seen().is_empty());
    for cluster in [None, Some("prod")] {
        let found = soon(repositories.archive("stable", "web", "", cluster)).await;
        assert_eq!(found.unwrap().bytes, ARCHIVE);
    }
}

/// A file that was signed for tests.
fn signed(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/signed");
    std::fs::read(format!("{directory}/{name}")).unwrap()
}

#[tokio::test]
async fn a_signature_is_looked_for_beside_the_archive_where_one_must_be() {
    for (path, keyring, outcome) in [
        ("signed/web-1.2.3.tgz", "signer.gpg", Ok(())),
        (
            "signed/web-1.2.3.tgz",
            "stranger.gpg",
            Err("the signature of the chart is not good: "),
        ),
        (
            "renamed/web.tgz",
            "signer.gpg",
            Err("the signature of the chart is not good: "),
        ),
        (
            "bare/web-1.2.3.tgz",
            "signer.gpg",
            Err("the chart is not signed: Failed to fetch "),
        ),
    ] {
        let store = Store::http(healthy(move |seen| match seen.path() {
            "/stable/index.yaml" => Some(ok(index(&["1.2.3"], path, ""))),
            path if path.starts_with("/stable/bare/") && path.ends_with(".prov") => None,
            path if path.ends_with(".tgz") => Some(ok(signed("web-1.2.3.tgz"))),
            _ => Some(ok(signed("web-1.2.3.tgz.prov"))),
        }))
        .await;
        let ring = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/signed");
        let repositories = Rig::new(&store)
            .with(|repository| {
                repository.verify = true;
                repository.keyring = Some(format!("{ring}/{keyring}").into());
            })
            .load();
        let found = archive(&repositories, "web", "").await;
        match outcome {
            Ok(()) => assert!(found.unwrap().source.provenance.is_some()),
            Err(expected) => {
                let (code, detail) = told(&found.unwrap_err());
                assert_eq!(code, Code::ChartUnverified);
                assert!(detail.starts_with(expected), "{path} {detail}");
            }
        }
    }
}

#[test]
fn what_is_missing_at_the_start_is_named() {
    for (text, expected) in [
        (
            "username = \"edge\"\npassword_env = \"TILLER_EDGE_NO_SUCH_VARIABLE\"",
            "there is no credential for the repository `stable`: \
             the environment variable `TILLER_EDGE_NO_SUCH_VARIABLE` is not set",
        ),
        (
            "verify = true\nkeyring = \"/nowhere/pubring.gpg\"",
            "the keyring of the repository `stable` cannot be used: ",
        ),
    ] {
        let text = format!("[[repository]]\nname = \"stable\"\nurl = \"https://a\"\n{text}");
        let config = Config::parse(&text, std::path::Path::new("edge.toml")).unwrap();
        let Err(error) = Repositories::load(&config) else {
            panic!("loaded");
        };
        let said = crate::net::Causes(&error).to_string();
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn an_edge_serves_its_own_regions_repositories() {
    let text = "region = \"eu\"\n\
                [[repository]]\nname = \"a\"\nurl = \"https://a\"\nregion = \"us\"\n\
                [[repository]]\nname = \"b\"\nurl = \"https://b\"\nregion = \"eu\"\n\
                [[repository]]\nname = \"c\"\nurl = \"https://c\"\n";
    let config = Config::parse(text, std::path::Path::new("edge.toml")).unwrap();
    let list = Repositories::load(&config).unwrap().list();
    let names: Vec<_> = list.items.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
}
